// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Workers} from "../../../contracts/Workers.sol";
import {IWorkers, Registration} from "../../../contracts/interfaces/IWorkers.sol";
import {ContractWallet} from "../support/ContractWallet.sol";
import {WorkersFixture} from "./WorkersFixture.sol";

contract RegisterManyTest is WorkersFixture {
    function test_registerMany__signature_of_another__reverts_with_its_position() public {
        Registration[] memory entries = _three();
        entries[2] = _signedBy(_walletKey(9), _wallet(3), _wallet(3), 0);
        _refuse(entries, abi.encodeWithSelector(IWorkers.WorkersSignatureInvalid.selector, 2, _wallet(3)));
    }

    function test_registerMany__any_field_changed__reverts() public {
        bytes memory problem = abi.encodeWithSelector(IWorkers.WorkersSignatureInvalid.selector, 1, _wallet(2));
        Registration[] memory entries = _three();
        entries[1].key = STRANGER;
        _refuse(entries, problem);
        entries = _three();
        entries[1].validUntil += 1;
        _refuse(entries, problem);
        entries = _three();
        entries[1].signature = "";
        _refuse(entries, problem);
        entries = _three();
        entries[1] = _registration(2, _wallet(2), 1);
        _refuse(entries, problem);
        entries = _three();
        entries[1].wallet = address(0);
        _refuse(entries, abi.encodeWithSelector(IWorkers.WorkersSignatureInvalid.selector, 1, address(0)));
    }

    function test_registerMany__no_key__reverts() public {
        Registration[] memory entries = _batch(_registration(1, address(0), 0));
        _refuse(entries, abi.encodeWithSelector(IWorkers.WorkersKeyMissing.selector, 0));
    }

    function test_registerMany__expired__reverts() public {
        Registration[] memory entries = _three();
        vm.warp(UNTIL + 1);
        _refuse(entries, abi.encodeWithSelector(IWorkers.WorkersSignatureExpired.selector, 0, UNTIL));
        vm.warp(UNTIL);
        workers.registerMany(entries);
    }

    function test_registerMany__signed_for_a_twin_or_another_chain__reverts() public {
        Registration[] memory entries = _batch(_registration(1, KEY, 0));
        bytes memory problem = abi.encodeWithSelector(IWorkers.WorkersSignatureInvalid.selector, 0, _wallet(1));
        Workers twin = new Workers(_wallet(0));
        vm.expectRevert(problem);
        twin.registerMany(entries);
        vm.chainId(block.chainid + 1);
        _refuse(entries, problem);
    }

    function test_registerMany__relayed__registers_in_order() public {
        Registration[] memory entries = _three();
        for (uint32 worker = 1; worker <= 3; ++worker) {
            _emitted(address(workers));
            emit IWorkers.WorkerRegistered(worker, _wallet(worker));
            _emitted(address(workers));
            emit IWorkers.KeyAdded(worker, 0, worker == 2 ? KEY : _wallet(worker));
        }
        entries[1] = _registration(2, KEY, 0);
        vm.prank(STRANGER);
        workers.registerMany(entries);
        vm.assertEq(workers.count(), 4);
        vm.assertEq(workers.walletOf(2), _wallet(2));
        vm.assertEq(workers.keyOf(2, 0), KEY);
        vm.assertEq(workers.keyOf(3, 0), _wallet(3));
    }

    function test_registerMany__registered_before_or_twice__is_passed_over() public {
        vm.prank(_wallet(2));
        workers.register();
        Registration[] memory entries = _three();
        entries[2] = entries[0];
        entries[1].signature = "";
        workers.registerMany(entries);
        vm.assertEq(workers.count(), 3);
        vm.assertEq(workers.indexOf(_wallet(1)), 2);
    }

    function test_registerMany__contract_wallet__is_asked() public {
        ContractWallet wallet = new ContractWallet(_wallet(7));
        Registration[] memory entries = _batch(_signedBy(_walletKey(8), address(wallet), KEY, 0));
        _refuse(entries, abi.encodeWithSelector(IWorkers.WorkersSignatureInvalid.selector, 0, address(wallet)));
        entries = _batch(_signedBy(_walletKey(7), address(wallet), KEY, 0));
        workers.registerMany(entries);
        vm.assertEq(workers.keyOf(1, 0), KEY);
        vm.assertEq(workers.walletOf(1), address(wallet));
    }

    function _three() private view returns (Registration[] memory entries) {
        entries = new Registration[](3);
        for (uint256 i = 0; i < 3; ++i) {
            entries[i] = _registration(i + 1, _wallet(i + 1), 0);
        }
    }

    function _refuse(Registration[] memory entries, bytes memory problem) private {
        vm.expectRevert(problem);
        workers.registerMany(entries);
        vm.assertEq(workers.count(), 1);
    }
}
