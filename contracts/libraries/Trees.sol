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

    /// @notice Whether each of `leaves` stands at its index in the tree of `size` leaves under `root`.
    /// @param indexes Strictly ascending. Overwritten, as `leaves` is: the nodes known on a level take the place of those below.
    /// @param proof What the known nodes lack, level by level from the bottom, left to right; all of it is used. A proof of
    /// one index is the one that `contains` takes.
    function containsMany(
        bytes32 root,
        uint256 size,
        uint256[] memory indexes,
        bytes32[] memory leaves,
        bytes32[] calldata proof
    ) internal pure returns (bool) {
        uint256 known = indexes.length;
        if (known == 0 || known != leaves.length || !_ascending(indexes, size)) return false;
        uint256 used = 0;
        for (uint256 levels = depth(size); levels > 0; --levels) {
            uint256 above = 0;
            for (uint256 i = 0; i < known; ++i) {
                uint256 index = indexes[i];
                bytes32 node = leaves[i];
                if (index & 1 == 0 && i + 1 < known && indexes[i + 1] == index + 1) {
                    node = Hashes.efficientKeccak256(node, leaves[++i]);
                } else {
                    if (used == proof.length) return false;
                    bytes32 step = proof[used++];
                    node =
                        index & 1 == 1 ? Hashes.efficientKeccak256(step, node) : Hashes.efficientKeccak256(node, step);
                }
                indexes[above] = index >> 1;
                leaves[above++] = node;
            }
            known = above;
        }
        return used == proof.length && leaves[0] == root;
    }

    /// @notice Steps of a proof in a tree of `size` leaves.
    function depth(uint256 size) internal pure returns (uint256) {
        return Math.log2(size, Math.Rounding.Ceil);
    }

    function _ascending(uint256[] memory indexes, uint256 size) private pure returns (bool) {
        for (uint256 i = 1; i < indexes.length; ++i) {
            if (indexes[i - 1] >= indexes[i]) return false;
        }
        return indexes[indexes.length - 1] < size;
    }
}
