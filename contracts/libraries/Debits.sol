// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Packed debits: 16 bytes {job u32, pay u64, last u32} each, big-endian, ascending by job
library Debits {
    uint256 internal constant SIZE = 16;

    /// @notice The debit that starts at byte `start`.
    function read(bytes calldata debits, uint256 start) internal pure returns (uint32 job, uint64 pay, uint32 last) {
        uint256 packed = uint128(bytes16(debits[start:start + SIZE]));
        // forge-lint: disable-next-line(unsafe-typecast)
        return (uint32(packed >> 96), uint64(packed >> 32), uint32(packed));
    }
}
