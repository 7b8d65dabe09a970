// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPermit2, PermitTransferFrom, SignatureTransferDetails} from "../../../contracts/periphery/IPermit2.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title The witness transfers of Permit2, written from its EIP-712 types; only for tests, at the canonical address
/// @dev Domain {name "Permit2", chain, contract} without a version; nonces are bits of words, in any order.
contract Permit2 is IPermit2 {
    using SafeERC20 for IERC20;

    bytes32 private constant DOMAIN = keccak256("EIP712Domain(string name,uint256 chainId,address verifyingContract)");
    bytes32 private constant PERMISSIONS = keccak256("TokenPermissions(address token,uint256 amount)");
    string private constant STUB =
        "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,";

    mapping(address owner => mapping(uint256 word => uint256)) public nonceBitmap;

    error SignatureExpired(uint256 deadline);
    error InvalidAmount(uint256 most);
    error InvalidNonce();
    error InvalidSigner();

    function permitWitnessTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata details,
        address owner,
        bytes32 witness,
        string calldata witnessType,
        bytes calldata signature
    ) external {
        require(block.timestamp <= permit.deadline, SignatureExpired(permit.deadline));
        require(details.requestedAmount <= permit.permitted.amount, InvalidAmount(permit.permitted.amount));
        uint256 bit = 1 << (permit.nonce & 255);
        require(nonceBitmap[owner][permit.nonce >> 8] & bit == 0, InvalidNonce());
        nonceBitmap[owner][permit.nonce >> 8] |= bit;
        bytes32 hash = digest(permit, msg.sender, witness, witnessType);
        require(SignatureChecker.isValidSignatureNowCalldata(owner, hash, signature), InvalidSigner());
        IERC20(permit.permitted.token).safeTransferFrom(owner, details.to, details.requestedAmount);
    }

    /// @notice What an owner signs.
    function digest(PermitTransferFrom calldata permit, address spender, bytes32 witness, string calldata witnessType)
        public
        view
        returns (bytes32)
    {
        bytes32 permitted = keccak256(abi.encode(PERMISSIONS, permit.permitted.token, permit.permitted.amount));
        bytes32 typeHash = keccak256(abi.encodePacked(STUB, witnessType));
        bytes32 message = keccak256(abi.encode(typeHash, permitted, spender, permit.nonce, permit.deadline, witness));
        return MessageHashUtils.toTypedDataHash(
            keccak256(abi.encode(DOMAIN, keccak256("Permit2"), block.chainid, address(this))), message
        );
    }
}
