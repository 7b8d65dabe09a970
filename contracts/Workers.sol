// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IWorkers, Registration} from "./interfaces/IWorkers.sol";
import {Messages} from "./libraries/Messages.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title Workers: one dense index for each wallet
/// @dev What it promises, and what it assumes, is written in IWorkers.
contract Workers is IWorkers, EIP712 {
    using SafeCast for uint256;

    /// @dev `keys` counts the numbers given, key 0 included.
    struct Worker {
        address wallet;
        uint16 keys;
    }

    /// @dev An empty key at number 0 stands for the wallet itself, so that a plain registration needs no slot for it.
    struct Key {
        address key;
        uint64 revokedAt;
    }

    Worker[] private _workers;
    /// @dev Index + 1; 0 for a wallet that is not registered.
    mapping(address wallet => uint256) private _place;
    mapping(uint256 worker => mapping(uint256 number => Key)) private _keys;

    constructor(address treasury) EIP712(Messages.NAME, Messages.VERSION) {
        require(treasury != address(0), WorkersWalletMissing());
        _register(treasury, treasury);
    }

    // ------------------------------------------------------------------ registering

    /// @inheritdoc IWorkers
    function register() external returns (uint32 worker) {
        require(!isRegistered(msg.sender), WorkersWalletRegistered(msg.sender));
        return _register(msg.sender, msg.sender);
    }

    /// @inheritdoc IWorkers
    function registerMany(Registration[] calldata registrations) external {
        for (uint256 i = 0; i < registrations.length; ++i) {
            Registration calldata entry = registrations[i];
            if (isRegistered(entry.wallet)) continue;
            _checkSigned(entry, 0, i);
            _register(entry.wallet, entry.key);
        }
    }

    // ------------------------------------------------------------------ keys

    /// @inheritdoc IWorkers
    function addKey(address key) external returns (uint16 number) {
        require(key != address(0), WorkersKeyMissing(0));
        return _addKey(indexOf(msg.sender), key);
    }

    /// @inheritdoc IWorkers
    function addKeySigned(Registration calldata registration) external returns (uint16 number) {
        uint32 worker = indexOf(registration.wallet);
        _checkSigned(registration, _workers[worker].keys, 0);
        return _addKey(worker, registration.key);
    }

    /// @inheritdoc IWorkers
    function revokeKey(uint16 number) external {
        uint32 worker = indexOf(msg.sender);
        address key = keyOf(worker, number);
        require(_keys[worker][number].revokedAt == 0, WorkersKeyRevoked(worker, number));
        _keys[worker][number] = Key(key, block.timestamp.toUint64());
        emit KeyRevoked(worker, number);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IWorkers
    function count() external view returns (uint32) {
        return _workers.length.toUint32();
    }

    /// @inheritdoc IWorkers
    function walletOf(uint32 worker) public view returns (address) {
        require(worker < _workers.length, WorkersIndexUnknown(worker));
        return _workers[worker].wallet;
    }

    /// @inheritdoc IWorkers
    function indexOf(address wallet) public view returns (uint32) {
        require(isRegistered(wallet), WorkersWalletUnknown(wallet));
        return (_place[wallet] - 1).toUint32();
    }

    /// @inheritdoc IWorkers
    function isRegistered(address wallet) public view returns (bool) {
        return _place[wallet] != 0;
    }

    /// @inheritdoc IWorkers
    function keyOf(uint32 worker, uint16 number) public view returns (address) {
        require(number < keyCount(worker), WorkersKeyUnknown(worker, number));
        address key = _keys[worker][number].key;
        return key == address(0) ? _workers[worker].wallet : key;
    }

    /// @inheritdoc IWorkers
    function keyCount(uint32 worker) public view returns (uint16) {
        require(worker < _workers.length, WorkersIndexUnknown(worker));
        return _workers[worker].keys;
    }

    /// @inheritdoc IWorkers
    function revokedAt(uint32 worker, uint16 number) external view returns (uint64) {
        require(number < keyCount(worker), WorkersKeyUnknown(worker, number));
        return _keys[worker][number].revokedAt;
    }

    // ------------------------------------------------------------------ inside

    function _register(address wallet, address key) private returns (uint32 worker) {
        worker = _workers.length.toUint32();
        _workers.push(Worker(wallet, 1));
        _place[wallet] = uint256(worker) + 1;
        if (key != wallet) _keys[worker][0].key = key;
        emit WorkerRegistered(worker, wallet);
        emit KeyAdded(worker, 0, key);
    }

    function _addKey(uint32 worker, address key) private returns (uint16 number) {
        number = _workers[worker].keys++;
        _keys[worker][number].key = key;
        emit KeyAdded(worker, number, key);
    }

    function _checkSigned(Registration calldata entry, uint16 number, uint256 position) private view {
        require(entry.key != address(0), WorkersKeyMissing(position));
        require(block.timestamp <= entry.validUntil, WorkersSignatureExpired(position, entry.validUntil));
        bytes32 digest = _hashTypedDataV4(Messages.register(entry.wallet, entry.key, number, entry.validUntil));
        require(
            SignatureChecker.isValidSignatureNowCalldata(entry.wallet, digest, entry.signature),
            WorkersSignatureInvalid(position, entry.wallet)
        );
    }
}
