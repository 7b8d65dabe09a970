// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";

/// @notice A listed answer as its verdict's cores pack it.
/// @param key Number of the answer key.
/// @param row Index of its weight row.
/// @param epoch,index The assignment that it points to.
struct Core {
    uint32 worker;
    uint16 key;
    uint8 label;
    uint8 status;
    uint32 row;
    uint32 epoch;
    uint32 index;
}

/// @title The packed lists inside leaves: the cores of a verdict, the earnings of a balance
/// @notice A list whose length is no multiple of its entry is read up to the last whole entry: it is a fault of its own.
library Lists {
    uint8 internal constant COUNTED = 0;
    uint8 internal constant UNOPENED = 1;
    uint8 internal constant REJECTED = 2;
    uint8 internal constant NO_LABEL = 255;
    uint32 internal constant NO_ROW = type(uint32).max;
    uint256 internal constant CORE = 20;
    uint256 internal constant EARNING = 12;

    function coreCount(bytes calldata cores) internal pure returns (uint256) {
        return cores.length / CORE;
    }

    function core(bytes calldata cores, uint256 position) internal pure returns (Core memory) {
        uint256 count = coreCount(cores);
        require(position < count, IReferee.RefereePositionBeyond(position, count));
        uint256 packed = packedCore(cores, position);
        // forge-lint: disable-start(unsafe-typecast)
        return Core({
            worker: uint32(packed >> 128),
            key: uint16(packed >> 112),
            label: uint8(packed >> 104),
            status: uint8(packed >> 96),
            row: uint32(packed >> 64),
            epoch: uint32(packed >> 32),
            index: uint32(packed)
        });
        // forge-lint: disable-end(unsafe-typecast)
    }

    /// @notice The 20 bytes of a listed answer as a number; `position` must be below `coreCount`.
    function packedCore(bytes calldata cores, uint256 position) internal pure returns (uint256) {
        return _word(cores, position * CORE) >> 96;
    }

    function isCounted(uint256 packed) internal pure returns (bool) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint8(packed >> 96) == COUNTED;
    }

    /// @return counted How many of the listed answers count.
    /// @return agreeing How many of those say `label`.
    function tally(bytes calldata cores, uint8 label) internal pure returns (uint256 counted, uint256 agreeing) {
        uint256 end = coreCount(cores) * CORE;
        // Counts and offsets of what lies in calldata: nothing here can overflow.
        unchecked {
            for (uint256 start = 0; start < end; start += CORE) {
                uint256 packed = _word(cores, start) >> 96;
                if (!isCounted(packed)) continue;
                ++counted;
                // forge-lint: disable-next-line(unsafe-typecast)
                if (uint8(packed >> 104) == label) ++agreeing;
            }
        }
    }

    /// @notice Whether an answer of the worker is listed, whatever became of it.
    function lists(bytes calldata cores, uint32 worker) internal pure returns (bool) {
        uint256 count = coreCount(cores);
        for (uint256 i = 0; i < count; ++i) {
            if (packedCore(cores, i) >> 128 == worker) return true;
        }
        return false;
    }

    function earningCount(bytes calldata earnings) internal pure returns (uint256) {
        return earnings.length / EARNING;
    }

    function earning(bytes calldata earnings, uint256 position) internal pure returns (uint32 verdict, uint64 pay) {
        uint256 count = earningCount(earnings);
        require(position < count, IReferee.RefereePositionBeyond(position, count));
        uint256 packed = _word(earnings, EARNING * position) >> 160;
        // forge-lint: disable-next-line(unsafe-typecast)
        return (uint32(packed >> 64), uint64(packed));
    }

    /// @notice All that the list gives.
    function earned(bytes calldata earnings) internal pure returns (uint256 units) {
        uint256 count = earningCount(earnings);
        for (uint256 i = 0; i < count; ++i) {
            // forge-lint: disable-next-line(unsafe-typecast)
            units += uint64(_word(earnings, EARNING * i) >> 160);
        }
    }

    /// @notice Whether the list has an earning of this verdict.
    function earns(bytes calldata earnings, uint32 verdict) internal pure returns (bool) {
        uint256 count = earningCount(earnings);
        for (uint256 i = 0; i < count; ++i) {
            if (_word(earnings, EARNING * i) >> 224 == verdict) return true;
        }
        return false;
    }

    /// @dev The 32 bytes from `start` on, whatever follows the list. Solidity has only slices for it, which check and shift:
    /// without it and its like in Scoring, R1 over 64 answers x 64 classes costs 3 million gas more, a balance of 4,096 earnings
    /// 2 million.
    function _word(bytes calldata packed, uint256 start) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(packed.offset, start))
        }
    }
}
