// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Registration} from "../../../contracts/interfaces/IWorkers.sol";
import {Fixture} from "../support/Fixture.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title Signed registrations; a wallet's key is `_walletKey(worker)`
abstract contract WorkersFixture is Fixture {
    address internal constant KEY = address(0xE1);
    uint64 internal constant UNTIL = uint64(START + 60);

    function setUp() public {
        _deploy();
    }

    function _registration(uint256 worker, address key, uint16 number) internal view returns (Registration memory) {
        return _signedBy(_walletKey(worker), _wallet(worker), key, number);
    }

    function _signedBy(uint256 signer, address wallet, address key, uint16 number)
        internal
        view
        returns (Registration memory)
    {
        bytes32 message = keccak256(
            abi.encode(
                keccak256("Register(address wallet,address key,uint16 number,uint64 validUntil)"),
                wallet,
                key,
                number,
                UNTIL
            )
        );
        bytes32 digest = MessageHashUtils.toTypedDataHash(_domain(address(workers)), message);
        return Registration({wallet: wallet, key: key, validUntil: UNTIL, signature: _signature(signer, digest)});
    }

    function _batch(Registration memory entry) internal pure returns (Registration[] memory entries) {
        entries = new Registration[](1);
        entries[0] = entry;
    }
}
