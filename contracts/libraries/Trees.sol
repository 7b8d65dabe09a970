// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";
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
        // The same as `proof.length == depth(size)`, without counting the depth out.
        uint256 steps = proof.length;
        if (index >= size || (size - 1) >> steps != 0 || (steps != 0 && (size - 1) >> (steps - 1) == 0)) return false;
        // Plain Solidity costs 170 gas more for each step.
        assembly ("memory-safe") {
            let end := add(proof.offset, shl(5, steps))
            index := shl(5, index)
            for { let from := proof.offset } lt(from, end) { from := add(from, 0x20) } {
                let right := and(index, 0x20)
                mstore(right, leaf)
                mstore(xor(right, 0x20), calldataload(from))
                leaf := keccak256(0x00, 0x40)
                index := shr(1, index)
            }
        }
        return leaf == root;
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
        return _fold(leaves, indexes, proof, depth(size)) && leaves[0] == root;
    }

    /// @dev Leaves the top in the first of `nodes`. A proof that is too short reads on behind its end, which the last line
    /// notices. Plain Solidity costs a claim among 50 neighbours about 700 gas more, among 50 strangers of 4,096 about 2,000.
    /// @return Whether exactly the whole proof was used.
    function _fold(bytes32[] memory nodes, uint256[] memory indexes, bytes32[] calldata proof, uint256 levels)
        private
        pure
        returns (bool)
    {
        uint256 used = 0;
        assembly ("memory-safe") {
            let at := add(indexes, 0x20)
            let node := add(nodes, 0x20)
            let known := shl(5, mload(indexes))
            for {} levels { levels := sub(levels, 1) } {
                let above := 0
                for { let i := 0 } lt(i, known) { i := add(i, 0x20) } {
                    let index := mload(add(at, i))
                    let right := and(index, 1)
                    let next := add(i, 0x20)
                    mstore(shl(5, right), mload(add(node, i)))
                    switch and(lt(next, known), and(iszero(right), eq(mload(add(at, next)), add(index, 1))))
                    case 0 {
                        mstore(shl(5, iszero(right)), calldataload(add(proof.offset, used)))
                        used := add(used, 0x20)
                    }
                    default {
                        mstore(0x20, mload(add(node, next)))
                        i := next
                    }
                    mstore(add(at, above), shr(1, index))
                    mstore(add(node, above), keccak256(0x00, 0x40))
                    above := add(above, 0x20)
                }
                known := above
            }
        }
        return used == 32 * proof.length;
    }

    /// @notice Steps of a proof in a tree of `size` leaves.
    function depth(uint256 size) internal pure returns (uint256) {
        return Math.log2(size, Math.Rounding.Ceil);
    }

    function _ascending(uint256[] memory indexes, uint256 size) private pure returns (bool) {
        uint256 least = 0;
        unchecked {
            for (uint256 i = 0; i < indexes.length; ++i) {
                uint256 index = Arrays.unsafeMemoryAccess(indexes, i);
                if (index < least || index >= size) return false;
                least = index + 1;
            }
        }
        return true;
    }
}
