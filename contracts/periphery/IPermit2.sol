// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice EIP-712 `TokenPermissions(address token,uint256 amount)`.
struct TokenPermissions {
    address token;
    uint256 amount;
}

/// @notice What is signed beside the spender and the witness.
struct PermitTransferFrom {
    TokenPermissions permitted;
    uint256 nonce;
    uint256 deadline;
}

struct SignatureTransferDetails {
    address to;
    uint256 requestedAmount;
}

/// @title The one function of Permit2's SignatureTransfer that is used here
interface IPermit2 {
    /// @notice Moves the owner's tokens by a signature over `PermitWitnessTransferFrom`, whose spender is the caller.
    /// @param witnessType The rest of that type: the witness and its name, then all struct types in alphabetical order.
    function permitWitnessTransferFrom(
        PermitTransferFrom calldata permit,
        SignatureTransferDetails calldata details,
        address owner,
        bytes32 witness,
        string calldata witnessType,
        bytes calldata signature
    ) external;
}
