// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "./Vm.sol";

interface BlockVm is Vm {
    function roll(uint256 number) external;
    function setBlockhash(uint256 number, bytes32 hash) external;
}

/// @title Headers of blocks, as naively as RLP can be written, and a chain that knows them
library Blocks {
    BlockVm private constant VM = BlockVm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function roll(uint256 number) internal {
        VM.roll(number);
    }

    /// @dev From now on the chain says that its block of this number had this randomness. It must be a recent one.
    function set(uint256 number, bytes32 randao) internal returns (bytes memory header_) {
        header_ = header(number, randao);
        VM.setBlockhash(number, keccak256(header_));
    }

    /// @dev 21 fields, as since Prague.
    function header(uint256 number, bytes32 randao) internal pure returns (bytes memory) {
        bytes memory word = bytes.concat(hex"a0", keccak256("anything"));
        bytes memory start = bytes.concat(word, word, hex"94", bytes20(keccak256("coinbase")), word, word, word);
        bytes memory bloom = bytes.concat(hex"b90100", new bytes(256));
        bytes memory numbers =
            bytes.concat(hex"80", integer(number), integer(30_000_000), hex"80", integer(1_700_000_000));
        bytes memory end = bytes.concat(integer(7), word, hex"80", hex"80", word, word);
        bytes memory nonce = bytes.concat(hex"88", new bytes(8));
        bytes memory all = bytes.concat(start, bloom, numbers, hex"80", hex"a0", randao, nonce, end);
        return bytes.concat(hex"f9", bytes2(uint16(all.length)), all);
    }

    function integer(uint256 value) internal pure returns (bytes memory digits) {
        if (value == 0) return hex"80";
        if (value < 128) return abi.encodePacked(uint8(value));
        for (uint256 rest = value; rest != 0; rest >>= 8) {
            digits = bytes.concat(bytes1(uint8(rest)), digits);
        }
        return bytes.concat(bytes1(uint8(128 + digits.length)), digits);
    }
}
