// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";

/// @title The decision of record, and the rules for the numbers behind it
/// @notice score[c] = prior[c] + the sum of row[c] over the counted answers; the verdict is the lowest c of the highest score:
/// the E-step of Dawid & Skene (1979, doi:10.2307/2346806) in fixed point. Rows and priors are packed int32, big-endian.
/// @dev Sums are int256: no number of int32 that fits a transaction overflows them, whether or not it keeps to its cap. Within
/// the caps int32 would do: 65 numbers of at most 2^20 stay below 2^27.
library Scoring {
    uint256 internal constant WEIGHT = 4;
    /// @dev One nat: the whole weight of an answer in a plain vote.
    int256 internal constant NAT = 2 ** 16;

    /// @param rows One after the other, each as long as the prior.
    function decide(bytes calldata prior, bytes calldata rows) internal pure returns (uint256 label) {
        uint256 width = prior.length;
        uint256 classes = width / WEIGHT;
        int256 best = type(int256).min;
        // Offsets stay inside calldata, and sums of int32 far inside int256: nothing here can overflow.
        unchecked {
            for (uint256 c = 0; c < classes; ++c) {
                int256 score = _weightAt(prior, WEIGHT * c);
                for (uint256 row = 0; row + width <= rows.length; row += width) {
                    score += _weightAt(rows, row + WEIGHT * c);
                }
                if (score > best) (best, label) = (score, c);
            }
        }
    }

    /// @notice Whether a number is beyond `cap` on either side of zero.
    function beyond(bytes calldata row, uint256 cap) internal pure returns (bool) {
        // forge-lint: disable-next-line(unsafe-typecast)
        int256 most = int256(cap);
        uint256 classes = row.length / WEIGHT;
        for (uint256 c = 0; c < classes; ++c) {
            int256 weight = weightAt(row, c);
            if (weight > most || weight < -most) return true;
        }
        return false;
    }

    /// @notice Whether a row says more for another class than for its own label.
    function againstItself(bytes calldata row, uint8 label) internal pure returns (bool) {
        int256 own = weightAt(row, label);
        uint256 classes = row.length / WEIGHT;
        for (uint256 c = 0; c < classes; ++c) {
            if (weightAt(row, c) > own) return true;
        }
        return false;
    }

    /// @notice Whether it is the only row of a job that fixes the plain vote.
    function isVote(bytes calldata row, uint8 label) internal pure returns (bool) {
        uint256 classes = row.length / WEIGHT;
        for (uint256 c = 0; c < classes; ++c) {
            if (weightAt(row, c) != (c == label ? NAT : int256(0))) return false;
        }
        return true;
    }

    /// @dev Reverts beyond the row.
    function weightAt(bytes calldata row, uint256 class) internal pure returns (int256) {
        require(WEIGHT * (class + 1) <= row.length, IReferee.RefereePositionBeyond(class, row.length / WEIGHT));
        return _weightAt(row, WEIGHT * class);
    }

    /// @dev The int32 that starts at byte `start`, which must be inside. For what this saves see Lists.
    function _weightAt(bytes calldata row, uint256 start) private pure returns (int256) {
        uint256 word;
        assembly ("memory-safe") {
            word := calldataload(add(row.offset, start))
        }
        // forge-lint: disable-next-line(unsafe-typecast)
        return int32(uint32(word >> 224));
    }
}
