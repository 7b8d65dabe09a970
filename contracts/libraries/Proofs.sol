// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OpeningFields, Tree} from "../interfaces/IDemands.sol";
import {Header} from "../interfaces/IMarket.sol";
import {AssignmentLeaf, BalanceLeaf, IReferee, VerdictLeaf, VerdictStub, WeightLeaf} from "../interfaces/IReferee.sol";
import {Leaves} from "./Leaves.sol";
import {Trees} from "./Trees.sol";

/// @title That a leaf of the evidence stands where it says in a header's trees
/// @notice Each function reverts unless it does. The position is part of the proof, and each tree has its own type of leaf.
library Proofs {
    function verdict(Header calldata header, VerdictLeaf calldata leaf) internal pure {
        bytes32 list = Leaves.listOf(keccak256(leaf.cores), keccak256(leaf.openings));
        bytes32 hash = Leaves.verdictOf(leaf.job, leaf.task, leaf.label, keccak256(leaf.prior), leaf.pay, list);
        stands(header, Tree.Verdicts, leaf.index, hash, leaf.proof);
    }

    function stub(Header calldata header, VerdictStub calldata leaf) internal pure {
        bytes32 hash = Leaves.verdictOf(leaf.job, leaf.task, leaf.label, leaf.priorHash, leaf.pay, leaf.listHash);
        stands(header, Tree.Verdicts, leaf.index, hash, leaf.proof);
    }

    function weight(Header calldata header, WeightLeaf calldata leaf) internal pure {
        bytes32 hash = Leaves.weightOf(leaf.job, leaf.worker, leaf.label, keccak256(leaf.row));
        stands(header, Tree.Weights, leaf.index, hash, leaf.proof);
    }

    function assignment(Header calldata header, AssignmentLeaf calldata leaf) internal pure {
        bytes32 hash = Leaves.assignment(leaf.job, leaf.task, leaf.worker, leaf.expiry, leaf.terms);
        stands(header, Tree.Assignments, leaf.index, hash, leaf.proof);
    }

    function balance(Header calldata header, BalanceLeaf calldata leaf) internal pure {
        bytes32 hash = Leaves.balance(leaf.worker, leaf.wallet, leaf.cumulative, keccak256(leaf.earnings));
        stands(header, Tree.Balances, leaf.index, hash, leaf.proof);
    }

    /// @notice That these are the fields behind a listed answer's opening hash.
    function opening(VerdictLeaf calldata leaf, uint256 position, OpeningFields calldata fields) internal pure {
        uint256 count = leaf.openings.length / 32;
        require(position < count, IReferee.RefereePositionBeyond(position, count));
        bytes32 hash = openingHash(fields);
        require(
            bytes32(leaf.openings[32 * position:32 * position + 32]) == hash, IReferee.RefereeOpeningMismatch(position)
        );
    }

    function openingHash(OpeningFields memory fields) internal pure returns (bytes32) {
        return Leaves.opening(
            fields.commitment, fields.sealHash, fields.payloadHash, fields.salt, fields.reason, fields.signature
        );
    }

    function stands(Header calldata header, Tree tree, uint256 index, bytes32 leaf, bytes32[] calldata proof)
        internal
        pure
    {
        (bytes32 root, uint256 size) = rootOf(header, tree);
        require(Trees.contains(root, size, leaf, index, proof), IReferee.RefereeLeafUnproven(tree, index));
    }

    function rootOf(Header calldata header, Tree tree) internal pure returns (bytes32 root, uint256 size) {
        if (tree == Tree.Balances) return (header.balances, header.balancesSize);
        if (tree == Tree.Weights) return (header.weights, header.weightsSize);
        if (tree == Tree.Verdicts) return (header.verdicts, header.verdictsSize);
        return (header.assignments, header.assignmentsSize);
    }
}
