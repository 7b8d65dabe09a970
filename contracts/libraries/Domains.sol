// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Header, IMarket} from "../interfaces/IMarket.sol";
import {Leaves} from "./Leaves.sol";
import {Messages} from "./Messages.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @title What was signed for a Market, computed without asking it
library Domains {
    bytes32 internal constant TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant _NAME = keccak256(bytes(Messages.NAME));
    bytes32 private constant _VERSION = keccak256(bytes(Messages.VERSION));

    /// @notice The EIP-712 digest of a message in the Market's domain.
    function digest(IMarket market, bytes32 message) internal view returns (bytes32) {
        bytes32 domain = keccak256(abi.encode(TYPE, _NAME, _VERSION, block.chainid, market));
        return MessageHashUtils.toTypedDataHash(domain, message);
    }

    /// @notice The head that the post of this header left.
    function head(IMarket market, Header calldata header, uint256 signers) internal view returns (bytes32) {
        return Leaves.head(header.previous, digest(market, Messages.header(header)), signers);
    }
}
