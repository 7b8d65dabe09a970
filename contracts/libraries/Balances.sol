// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Balance} from "../interfaces/IMarket.sol";
import {Leaves} from "./Leaves.sol";

/// @title Balances as they lie in calldata, read without a check of their unused bits
/// @notice A word with such bits set gives another leaf, and an index beyond every tree: nothing that anyone signed. What is
/// paid is cut to its type. Plain Solidity costs a claim in a batch about 1,500 gas more.
library Balances {
    /// @notice The worker of each balance, and its leaf as Leaves.balance gives it.
    function leaves(Balance[] calldata given)
        internal
        pure
        returns (uint256[] memory indexes, bytes32[] memory hashes)
    {
        indexes = new uint256[](given.length);
        hashes = new bytes32[](given.length);
        bytes32 tag = Leaves.BALANCE;
        assembly ("memory-safe") {
            let free := mload(0x40)
            let words_ := add(free, 0x20)
            let from := given.offset
            let to := mul(0x20, add(given.length, 1))
            mstore(free, tag)
            for { let at := 0x20 } lt(at, to) { at := add(at, 0x20) } {
                calldatacopy(words_, from, 0x80)
                mstore(0x00, keccak256(free, 0xa0))
                mstore(add(indexes, at), mload(words_))
                mstore(add(hashes, at), keccak256(0x00, 0x20))
                from := add(from, 0x80)
            }
        }
    }

    /// @notice One balance's words, and its leaf.
    function read(Balance calldata given)
        internal
        pure
        returns (uint256 worker, address wallet, uint256 cumulative, bytes32 leaf)
    {
        bytes32 tag = Leaves.BALANCE;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, tag)
            calldatacopy(add(free, 0x20), given, 0x80)
            mstore(0x00, keccak256(free, 0xa0))
            leaf := keccak256(0x00, 0x20)
            worker := mload(add(free, 0x20))
            wallet := and(mload(add(free, 0x40)), 0xffffffffffffffffffffffffffffffffffffffff)
            cumulative := and(mload(add(free, 0x60)), 0xffffffffffffffff)
        }
    }

    /// @notice Balance `i` of them; `i` is less than their number.
    function item(Balance[] calldata given, uint256 i)
        internal
        pure
        returns (uint256 worker, address wallet, uint256 cumulative)
    {
        assembly ("memory-safe") {
            let from := add(given.offset, shl(7, i))
            worker := calldataload(from)
            wallet := and(calldataload(add(from, 0x20)), 0xffffffffffffffffffffffffffffffffffffffff)
            cumulative := and(calldataload(add(from, 0x40)), 0xffffffffffffffff)
        }
    }
}
