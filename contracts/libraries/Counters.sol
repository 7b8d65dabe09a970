// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Four uint64 counters in a word, lowest place first
/// @notice Counter n stands in word n / 4, so neighbours share the cost of a slot. What leaves a counter's range reverts and
/// never reaches its neighbour.
library Counters {
    uint256 private constant BITS = 64;
    uint256 private constant PLACES = 4;

    /// @notice Which word holds counter `index`.
    function slot(uint256 index) internal pure returns (uint256) {
        return index / PLACES;
    }

    function read(uint256 word, uint256 index) internal pure returns (uint64) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(word >> (BITS * (index % PLACES)));
    }

    function raised(uint256 word, uint256 index, uint64 amount) internal pure returns (uint256) {
        return _with(word, index, read(word, index) + amount);
    }

    function lowered(uint256 word, uint256 index, uint64 amount) internal pure returns (uint256) {
        return _with(word, index, read(word, index) - amount);
    }

    function _with(uint256 word, uint256 index, uint64 value) private pure returns (uint256) {
        return word ^ (uint256(read(word, index) ^ value) << (BITS * (index % PLACES)));
    }
}
