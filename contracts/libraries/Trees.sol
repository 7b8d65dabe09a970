// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Positional Merkle trees
/// @notice A proof fixes the leaf's position as well as its content, so neighbours prove order and absence. An odd last
/// node is paired with zero; leaves are double-hashed (Leaves), so a node can never pass for a leaf.
library Trees {
    /// @notice Whether `leaf` stands at `index` in the tree of `size` leaves under `root`.
    /// @param proof From the bottom up, exactly ceil(log2 size) steps.
    function contains(bytes32 root, uint256 size, bytes32 leaf, uint256 index, bytes32[] calldata proof)
        internal
        pure
        returns (bool)
    {
        if (index >= size || proof.length != depth(size)) return false;
        bytes32 node = leaf;
        for (uint256 i = 0; i < proof.length; ++i) {
            node =
                index & 1 == 1 ? Hashes.efficientKeccak256(proof[i], node) : Hashes.efficientKeccak256(node, proof[i]);
            index >>= 1;
        }
        return node == root;
    }

    /// @notice Steps of a proof in a tree of `size` leaves.
    function depth(uint256 size) internal pure returns (uint256) {
        return Math.log2(size, Math.Rounding.Ceil);
    }
}
