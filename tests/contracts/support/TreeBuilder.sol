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

    function above(bytes32[] memory level) internal pure returns (bytes32[] memory next) {
        next = new bytes32[]((level.length + 1) / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            next[i] = keccak256(bytes.concat(level[2 * i], node(level, 2 * i + 1)));
        }
    }

    function node(bytes32[] memory level, uint256 index) internal pure returns (bytes32) {
        return index < level.length ? level[index] : bytes32(0);
    }

    function _append(bytes32[] memory steps, bytes32 step) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](steps.length + 1);
        for (uint256 i = 0; i < steps.length; ++i) {
            longer[i] = steps[i];
        }
        longer[steps.length] = step;
    }
}
