// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Header} from "../interfaces/IMarket.sol";

/// @title EIP-712 struct hashes of the signed messages
/// @notice The domain is the Market, but for Register: Workers, and for Change: Committee. Every field is static, so a struct's hash is that of its
/// type hash and its words.
library Messages {
    string internal constant NAME = "crowdproof";
    string internal constant VERSION = "0";

    bytes32 internal constant ASSIGNMENT =
        keccak256("Assignment(uint32 job,bytes32 terms,uint32 task,uint32 worker,uint64 expiry)");
    bytes32 internal constant ANSWER =
        keccak256("Answer(uint32 job,bytes32 terms,uint32 task,uint32 worker,bytes32 commitment,bytes32 sealHash)");
    bytes32 internal constant RECEIPT = keccak256("Receipt(bytes32 root,uint32 size)");
    bytes32 internal constant REGISTER =
        keccak256("Register(address wallet,address key,uint16 number,uint64 validUntil)");
    bytes32 internal constant CLAIM = keccak256("Claim(uint32 worker,uint64 cumulative,uint64 validUntil)");
    bytes32 internal constant CHANGE = keccak256("Change(uint32 number,bytes32 committee,uint64 validUntil)");
    bytes32 internal constant HEADER = keccak256(
        "Header(uint32 epoch,bytes32 previous,uint64 validUntil,bytes32 configuration,bytes32 balances,uint32 balancesSize,bytes32 weights,uint32 weightsSize,bytes32 verdicts,uint32 verdictsSize,bytes32 assignments,uint32 assignmentsSize,bytes32 debits,uint64 total,bytes32 content,bytes32 model)"
    );

    function assignment(uint32 job, bytes32 terms, uint32 task, uint32 worker, uint64 expiry)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(ASSIGNMENT, job, terms, task, worker, expiry));
    }

    function answer(uint32 job, bytes32 terms, uint32 task, uint32 worker, bytes32 commitment, bytes32 sealHash)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(ANSWER, job, terms, task, worker, commitment, sealHash));
    }

    function receipt(bytes32 root, uint32 size) internal pure returns (bytes32) {
        return keccak256(abi.encode(RECEIPT, root, size));
    }

    function register(address wallet, address key, uint16 number, uint64 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(REGISTER, wallet, key, number, validUntil));
    }

    function claim(uint32 worker, uint64 cumulative, uint64 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(CLAIM, worker, cumulative, validUntil));
    }

    /// @param committee Digest of the whole committee that is to be.
    function change(uint32 number, bytes32 committee, uint64 validUntil) internal pure returns (bytes32) {
        return keccak256(abi.encode(CHANGE, number, committee, validUntil));
    }

    function header(Header calldata header_) internal pure returns (bytes32) {
        return keccak256(abi.encode(HEADER, header_));
    }
}
