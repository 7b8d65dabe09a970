// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IWorkers, Registration} from "../../../contracts/interfaces/IWorkers.sol";
import {Registrar} from "../../../contracts/periphery/Registrar.sol";
import {ContractWallet} from "../support/ContractWallet.sol";
import {WorkersFixture} from "../workers/WorkersFixture.sol";

/// @dev Makes a wallet for an owner at an address that follows from it.
contract WalletFactory {
    error Refused();

    uint256 public made;

    function make(address owner) external {
        new ContractWallet{salt: 0}(owner);
        ++made;
    }

    function refuse() external pure {
        revert Refused();
    }

    function walletOf(address owner) external view returns (address) {
        bytes32 code = keccak256(abi.encodePacked(type(ContractWallet).creationCode, abi.encode(owner)));
        return address(uint160(uint256(keccak256(abi.encodePacked(hex"ff", this, bytes32(0), code)))));
    }
}

/// @dev A wallet that is there, and accepts its owner only once it was prepared.
contract UnpreparedWallet {
    ContractWallet private immutable _WALLET;
    bool private _prepared;

    constructor(address owner) {
        _WALLET = new ContractWallet(owner);
    }

    function prepare() external {
        _prepared = true;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        return _prepared ? _WALLET.isValidSignature(hash, signature) : bytes4(0);
    }
}

contract RegistrarTest is WorkersFixture {
    bytes32 private constant MARK = 0x6492649264926492649264926492649264926492649264926492649264926492;
    uint256 private constant OWNER_KEY = 4242;

    Registrar private _registrar;
    WalletFactory private _factory;
    address private _owner;
    address private _lone;

    /// @dev setUp belongs to the fixture.
    modifier ready() {
        _registrar = new Registrar(workers);
        _factory = new WalletFactory();
        _owner = vm.addr(OWNER_KEY);
        _lone = _factory.walletOf(_owner);
        _;
    }

    function test_register__signed_by_another__reverts() public ready {
        Registration[] memory entries = _batch(_wrapped(7, abi.encodeCall(WalletFactory.make, (_owner))));
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersSignatureInvalid.selector, 0, _lone));
        _registrar.register(entries);
        vm.assertEq(_lone.code.length, 0);
    }

    function test_register__any_field_changed__reverts() public ready {
        Registration[] memory entries = _batch(_wrapped(OWNER_KEY, abi.encodeCall(WalletFactory.make, (_owner))));
        entries[0].key = STRANGER;
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersSignatureInvalid.selector, 0, _lone));
        _registrar.register(entries);
    }

    /// @dev A signature of an account without code is none of a wallet, whatever the wrapping says.
    function test_register__wallet_that_is_not_made__reverts() public ready {
        bytes[3] memory calls = [
            abi.encodeCall(WalletFactory.make, (STRANGER)),
            abi.encodeCall(WalletFactory.refuse, ()),
            bytes("nothing that it knows")
        ];
        for (uint256 i = 0; i < 3; ++i) {
            Registration[] memory entries = _batch(_wrapped(OWNER_KEY, calls[i]));
            vm.expectRevert(abi.encodeWithSelector(Registrar.RegistrarWalletMissing.selector, 0, _lone));
            _registrar.register(entries);
        }
        Registration memory plain = _registration(1, KEY, 0);
        plain.signature = _wrap(address(_factory), abi.encodeCall(WalletFactory.make, (_owner)), plain.signature);
        vm.expectRevert(abi.encodeWithSelector(Registrar.RegistrarWalletMissing.selector, 0, plain.wallet));
        _registrar.register(_batch(plain));
    }

    /// @dev Else anybody could make the registrar itself a worker.
    function test_register__workers_as_the_factory__reverts() public ready {
        Registration memory entry = _wrapped(OWNER_KEY, "");
        entry.signature = _wrap(address(workers), abi.encodeCall(IWorkers.register, ()), entry.signature);
        vm.expectRevert(abi.encodeWithSelector(Registrar.RegistrarFactoryRefused.selector, 0, address(workers)));
        _registrar.register(_batch(entry));
        vm.assertEq(workers.count(), 1);
    }

    function test_register__expired__reverts() public ready {
        Registration[] memory entries = _batch(_wrapped(OWNER_KEY, abi.encodeCall(WalletFactory.make, (_owner))));
        vm.warp(UNTIL + 1);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersSignatureExpired.selector, 0, UNTIL));
        _registrar.register(entries);
    }

    function test_register__wallet_to_be_made__is_made_and_registered() public ready {
        Registration[] memory entries = _batch(_wrapped(OWNER_KEY, abi.encodeCall(WalletFactory.make, (_owner))));
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersSignatureInvalid.selector, 0, _lone));
        workers.registerMany(entries);
        vm.prank(STRANGER);
        _registrar.register(entries);
        vm.assertEq(workers.walletOf(1), _lone);
        vm.assertEq(workers.keyOf(1, 0), KEY);
        vm.assertTrue(_lone.code.length != 0, "not made");
    }

    /// @dev Somebody made the wallet ahead: its factory would fail now, and is not asked.
    function test_register__wallet_made_ahead__is_registered() public ready {
        Registration[] memory entries = _batch(_wrapped(OWNER_KEY, abi.encodeCall(WalletFactory.make, (_owner))));
        _factory.make(_owner);
        _registrar.register(entries);
        vm.assertEq(workers.indexOf(_lone), 1);
        vm.assertEq(_factory.made(), 1);
    }

    function test_register__wallet_to_be_prepared__is_prepared() public ready {
        UnpreparedWallet wallet = new UnpreparedWallet(_owner);
        Registration memory entry = _signedBy(OWNER_KEY, address(wallet), KEY, 0);
        entry.signature = _wrap(address(wallet), abi.encodeCall(UnpreparedWallet.prepare, ()), entry.signature);
        _registrar.register(_batch(entry));
        vm.assertEq(workers.indexOf(address(wallet)), 1);
    }

    function test_register__registered_before__is_passed_over() public ready {
        Registration[] memory entries = _batch(_wrapped(OWNER_KEY, abi.encodeCall(WalletFactory.make, (_owner))));
        _registrar.register(entries);
        entries[0].signature = "";
        _registrar.register(entries);
        vm.assertEq(workers.count(), 2);
        vm.assertEq(_factory.made(), 1);
    }

    function test_register__plain_and_wrapped__in_order() public ready {
        Registration[] memory entries = new Registration[](3);
        entries[0] = _registration(1, _wallet(1), 0);
        entries[1] = _wrapped(OWNER_KEY, abi.encodeCall(WalletFactory.make, (_owner)));
        entries[2] = _registration(2, _wallet(2), 0);
        _registrar.register(entries);
        vm.assertEq(workers.walletOf(1), _wallet(1));
        vm.assertEq(workers.walletOf(2), _lone);
        vm.assertEq(workers.walletOf(3), _wallet(2));
    }

    function _wrapped(uint256 signer, bytes memory call) private view returns (Registration memory entry) {
        entry = _signedBy(signer, _lone, KEY, 0);
        entry.signature = _wrap(address(_factory), call, entry.signature);
    }

    function _wrap(address factory, bytes memory call, bytes memory signature) private pure returns (bytes memory) {
        return bytes.concat(abi.encode(factory, call, signature), MARK);
    }
}
