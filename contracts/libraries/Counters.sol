// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Four uint64 counters in a word, lowest place first
/// @notice Counter n stands in word n / 4, so neighbours share the cost of a slot. What leaves a counter's range reverts and
/// never reaches its neighbour.
library Counters {
    /// @notice Which word holds counter `index`.
    function slot(uint256 index) internal pure returns (uint256) {
        return index >> 2;
    }

    function read(uint256 word, uint256 index) internal pure returns (uint64) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(word >> ((index & 3) << 6));
    }

    function raised(uint256 word, uint256 index, uint64 amount) internal pure returns (uint256) {
        return set(word, index, read(word, index) + amount);
    }

    function lowered(uint256 word, uint256 index, uint64 amount) internal pure returns (uint256) {
        return set(word, index, read(word, index) - amount);
    }

    /// @notice The amount at its counter's place, to be added to a word where it is known to fit.
    function placed(uint256 amount, uint256 index) internal pure returns (uint256) {
        return amount << ((index & 3) << 6);
    }

    function set(uint256 word, uint256 index, uint64 value) internal pure returns (uint256) {
        return word ^ placed(read(word, index) ^ value, index);
    }
}
