// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Deployment, Terms} from "../interfaces/IMarket.sol";

/// @title Every hash of the protocol but the signed messages
/// @notice docs/protocol.md is the specification; tests/vectors/protocol.json holds both implementations to it. A leaf is
/// typed by its tag and hashed twice; everything else is hashed once under its own tag.
library Leaves {
    bytes32 internal constant TERMS = keccak256("crowdproof.terms");
    bytes32 internal constant BALANCE = keccak256("crowdproof.balance");
    bytes32 internal constant WEIGHT = keccak256("crowdproof.weight");
    bytes32 internal constant VERDICT = keccak256("crowdproof.verdict");
    bytes32 internal constant ASSIGNMENT = keccak256("crowdproof.assignment");
    bytes32 internal constant TASK = keccak256("crowdproof.task");
    bytes32 internal constant RECEIPT = keccak256("crowdproof.receipt");
    bytes32 internal constant LIST = keccak256("crowdproof.list");
    bytes32 internal constant OPENING = keccak256("crowdproof.opening");
    bytes32 internal constant COMMITMENT = keccak256("crowdproof.commitment");
    bytes32 internal constant COMMITTEE = keccak256("crowdproof.committee");
    bytes32 internal constant DEPLOYMENT = keccak256("crowdproof.deployment");
    bytes32 internal constant CONFIGURATION = keccak256("crowdproof.configuration");
    bytes32 internal constant HEAD = keccak256("crowdproof.head");
    bytes32 internal constant STRUCK = keccak256("crowdproof.struck");

    // ------------------------------------------------------------------ leaves

    /// @param earningsHash keccak of the packed earnings {verdict u32, pay u64}.
    function balance(uint32 worker, address wallet, uint64 cumulative, bytes32 earningsHash)
        internal
        pure
        returns (bytes32)
    {
        return _twice(abi.encode(BALANCE, worker, wallet, cumulative, earningsHash));
    }

    /// @param row C packed int32.
    function weight(uint32 job, uint32 worker, uint8 label, bytes memory row) internal pure returns (bytes32) {
        return weightOf(job, worker, label, keccak256(row));
    }

    /// @notice The same by the hash of the row.
    function weightOf(uint32 job, uint32 worker, uint8 label, bytes32 rowHash) internal pure returns (bytes32) {
        return _twice(abi.encode(WEIGHT, job, worker, label, rowHash));
    }

    /// @param prior C packed int32.
    /// @param pay Running pay of the job in this epoch, up to and with this verdict.
    function verdict(uint32 job, uint32 task_, uint8 label, bytes memory prior, uint64 pay, bytes32 listHash)
        internal
        pure
        returns (bytes32)
    {
        return verdictOf(job, task_, label, keccak256(prior), pay, listHash);
    }

    /// @notice The same where the prior itself does not matter.
    function verdictOf(uint32 job, uint32 task_, uint8 label, bytes32 priorHash, uint64 pay, bytes32 listHash)
        internal
        pure
        returns (bytes32)
    {
        return _twice(abi.encode(VERDICT, job, task_, label, priorHash, pay, listHash));
    }

    function assignment(uint32 job, uint32 task_, uint32 worker, uint64 expiry, bytes32 termsHash)
        internal
        pure
        returns (bytes32)
    {
        return _twice(abi.encode(ASSIGNMENT, job, task_, worker, expiry, termsHash));
    }

    function task(uint32 task_, bytes32 recordHash) internal pure returns (bytes32) {
        return _twice(abi.encode(TASK, task_, recordHash));
    }

    /// @param answerDigest EIP-712 digest of the answer.
    function receipt(bytes32 answerDigest) internal pure returns (bytes32) {
        return _twice(abi.encode(RECEIPT, answerDigest));
    }

    // ------------------------------------------------------------------ jobs and answers

    function terms(Terms calldata terms_) internal pure returns (bytes32) {
        return keccak256(abi.encode(TERMS, terms_));
    }

    /// @notice Who opened a job, and on which terms; no tag, because it is only ever compared inside one Market.
    function identity(address requester, bytes32 termsHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(requester, termsHash));
    }

    function commitment(uint32 job, uint32 task_, uint32 worker, bytes32 payloadHash, bytes32 salt)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(COMMITMENT, job, task_, worker, payloadHash, salt));
    }

    /// @param reason Digest of the block that says why an answer was rejected; else zero.
    function opening(
        bytes32 commitment_,
        bytes32 sealHash,
        bytes32 payloadHash,
        bytes32 salt,
        bytes32 reason,
        bytes memory signature
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(OPENING, commitment_, sealHash, payloadHash, salt, reason, keccak256(signature)));
    }

    /// @param cores 20 bytes for each listed answer, ascending by worker.
    /// @param openings The opening hashes in the same order.
    function list(bytes memory cores, bytes memory openings) internal pure returns (bytes32) {
        return listOf(keccak256(cores), keccak256(openings));
    }

    /// @notice The same by the hashes of both.
    function listOf(bytes32 coresHash, bytes32 openingsHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(LIST, coresHash, openingsHash));
    }

    // ------------------------------------------------------------------ heads

    function committee(address[] memory members, bytes32[] memory sealKeys, uint8 quorum)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(COMMITTEE, members, sealKeys, quorum));
    }

    /// @notice The same from calldata, which need not be copied twice.
    function committeeOf(address[] calldata members, bytes32[] calldata sealKeys, uint8 quorum)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(COMMITTEE, members, sealKeys, quorum));
    }

    function deployment(Deployment memory deployment_) internal pure returns (bytes32) {
        return keccak256(abi.encode(DEPLOYMENT, deployment_));
    }

    function configuration(bytes32 deployment_, bytes32 committee_) internal pure returns (bytes32) {
        return keccak256(abi.encode(CONFIGURATION, deployment_, committee_));
    }

    /// @param digest EIP-712 digest of the posted header.
    function head(bytes32 previous, bytes32 digest, uint256 signers) internal pure returns (bytes32) {
        return keccak256(abi.encode(HEAD, previous, digest, signers));
    }

    function struck(bytes32 head_) internal pure returns (bytes32) {
        return keccak256(abi.encode(STRUCK, head_));
    }

    /// @dev Plain Solidity copies the first hash behind all words before it hashes again: 113 gas more a leaf.
    function _twice(bytes memory words) private pure returns (bytes32 leaf) {
        assembly ("memory-safe") {
            mstore(0x00, keccak256(add(words, 0x20), mload(words)))
            leaf := keccak256(0x00, 0x20)
        }
    }
}
