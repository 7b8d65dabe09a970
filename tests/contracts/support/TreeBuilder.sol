// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The trees of docs/protocol.md written out naively: whole levels, padded with zero
library TreeBuilder {
    function root(bytes32[] memory level) internal pure returns (bytes32) {
        if (level.length == 0) return 0;
        while (level.length > 1) level = above(level);
        return level[0];
    }

    function proof(bytes32[] memory level, uint256 index) internal pure returns (bytes32[] memory steps) {
        while (level.length > 1) {
            steps = _append(steps, node(level, index ^ 1));
            level = above(level);
            index /= 2;
        }
    }

    /// @dev What a proof of all these leaves lacks, found by marking on each level what is known.
    function multiproof(bytes32[] memory level, uint256[] memory indexes)
        internal
        pure
        returns (bytes32[] memory steps)
    {
        bool[] memory known = new bool[](level.length);
        for (uint256 i = 0; i < indexes.length; ++i) {
            known[indexes[i]] = true;
        }
        steps = new bytes32[](indexes.length * 24);
        uint256 count;
        while (level.length > 1) {
            for (uint256 i = 0; i < level.length; ++i) {
                bool besides = (i ^ 1) < level.length && known[i ^ 1];
                if (known[i] && !besides) steps[count++] = node(level, i ^ 1);
            }
            bool[] memory higher = new bool[]((level.length + 1) / 2);
            for (uint256 i = 0; i < level.length; ++i) {
                if (known[i]) higher[i / 2] = true;
            }
            (level, known) = (above(level), higher);
        }
        return _cut(steps, count);
    }

    function above(bytes32[] memory level) internal pure returns (bytes32[] memory next) {
        next = new bytes32[]((level.length + 1) / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            next[i] = keccak256(bytes.concat(level[2 * i], node(level, 2 * i + 1)));
        }
    }

    function node(bytes32[] memory level, uint256 index) internal pure returns (bytes32) {
        return index < level.length ? level[index] : bytes32(0);
    }

    function _cut(bytes32[] memory steps, uint256 count) private pure returns (bytes32[] memory shorter) {
        shorter = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            shorter[i] = steps[i];
        }
    }

    function _append(bytes32[] memory steps, bytes32 step) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](steps.length + 1);
        for (uint256 i = 0; i < steps.length; ++i) {
            longer[i] = steps[i];
        }
        longer[steps.length] = step;
    }
}
