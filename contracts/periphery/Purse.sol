// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket, Terms} from "../interfaces/IMarket.sol";
import {Leaves} from "../libraries/Leaves.sol";
import {IPermit2, PermitTransferFrom, SignatureTransferDetails, TokenPermissions} from "./IPermit2.sol";
import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @notice A permit of Permit2 over exactly the escrow, with the opening as its witness.
struct Permit2Signature {
    uint256 nonce;
    uint256 deadline;
    bytes signature;
}

/// @notice An ERC-3009 `ReceiveWithAuthorization` of exactly the escrow to the purse. Its nonce is `Purse.authorizationNonce`, which
/// binds the opening; `salt` tells two openings of the same job apart.
struct Authorization {
    uint256 validAfter;
    uint256 validBefore;
    bytes32 salt;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @title Purse: the requester of record for one owner, who need not send transactions
/// @notice A Market's requester is who calls `openJob`. So that somebody else can carry a signature there, each owner has a purse
/// of its own, at an address that follows from the owner's: what the Market owes to it is the owner's, and nobody else's.
///
/// Guaranteed:
/// - only the owner's signature over these terms and this deadline opens a job, once, from the owner's money, at its exact cost;
/// - whatever tokens lie here go to the owner, whoever asks; anything else is done by the owner alone.
///
/// Breaks safety:
/// - a token whose `receiveWithAuthorization`, or a Permit2 that moves tokens without their owner's signature;
/// - an owner at that address on another chain only: what is forced upon a purse is out of reach unless the owner can call.
/// @dev A clone of one implementation: no storage, nothing to upgrade, the owner in its code.
contract Purse {
    using SafeERC20 for IERC20;

    bytes32 public constant OPENING = keccak256("Opening(address market,bytes32 terms,uint64 deadline)");
    string public constant WITNESS =
        "Opening witness)Opening(address market,bytes32 terms,uint64 deadline)TokenPermissions(address token,uint256 amount)";
    IPermit2 public constant PERMIT2 = IPermit2(0x000000000022D473030F116dDEE9F6B43aC78BA3);

    IMarket public immutable market;
    IERC20 public immutable token;

    error PurseNotOwner(address caller);

    constructor(IMarket market_) {
        market = market_;
        token = market_.token();
    }

    /// @notice Coin comes here when something that the owner did gives it back.
    receive() external payable {}

    /// @notice Who this purse is for. Of the implementation itself, which is no clone, it reads an address that nobody has.
    function owner() public view returns (address) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return address(bytes20(Clones.fetchCloneArgs(address(this))));
    }

    // ------------------------------------------------------------------ opening

    /// @notice Opens the job that the owner signed for, by Permit2. Anyone may carry it.
    function openWithPermit2(Terms calldata terms, uint64 deadline, Permit2Signature calldata permit)
        external
        returns (uint32 job)
    {
        uint256 cost = costOf(terms);
        PERMIT2.permitWitnessTransferFrom(
            PermitTransferFrom(TokenPermissions(address(token), cost), permit.nonce, permit.deadline),
            SignatureTransferDetails(address(this), cost),
            owner(),
            opening(terms, deadline),
            WITNESS,
            permit.signature
        );
        return _open(terms, deadline, cost);
    }

    /// @notice The same by ERC-3009. Nobody else can spend the authorization: the token asks that its payee calls.
    function openWithAuthorization(Terms calldata terms, uint64 deadline, Authorization calldata given)
        external
        returns (uint32 job)
    {
        uint256 cost = costOf(terms);
        IERC3009(address(token))
            .receiveWithAuthorization(
                owner(),
                address(this),
                cost,
                given.validAfter,
                given.validBefore,
                authorizationNonce(terms, deadline, given.salt),
                given.v,
                given.r,
                given.s
            );
        return _open(terms, deadline, cost);
    }

    // ------------------------------------------------------------------ what is the owner's

    /// @notice Has the Market refund a job, and passes it on. Anyone may.
    function refund(uint32 job, bytes32 termsHash) external {
        market.refund(job, address(this), termsHash);
        sweep();
    }

    /// @notice Gives the owner all tokens that lie here. Anyone may.
    function sweep() public {
        token.safeTransfer(owner(), token.balanceOf(address(this)));
    }

    /// @notice Whatever else a requester may do: close a job, contest an answer, take other tokens. By the owner.
    // slither-disable-next-line missing-zero-check (the owner may call whom it likes, also an account without code)
    function act(address target, uint256 value, bytes calldata data) external payable returns (bytes memory) {
        require(msg.sender == owner(), PurseNotOwner(msg.sender));
        (bool done, bytes memory answer) = target.call{value: value}(data);
        return Address.verifyCallResult(done, answer);
    }

    // ------------------------------------------------------------------ what is signed

    /// @notice The witness: what a permit or an authorization is good for.
    function opening(Terms calldata terms, uint64 deadline) public view returns (bytes32) {
        return keccak256(abi.encode(OPENING, market, Leaves.terms(terms), deadline));
    }

    function authorizationNonce(Terms calldata terms, uint64 deadline, bytes32 salt) public view returns (bytes32) {
        return keccak256(abi.encode(opening(terms, deadline), salt));
    }

    /// @notice In the token's smallest units.
    function costOf(Terms calldata terms) public view returns (uint256) {
        return market.escrowOf(terms) * market.unit();
    }

    function _open(Terms calldata terms, uint64 deadline, uint256 cost) private returns (uint32) {
        token.forceApprove(address(market), cost);
        return market.openJob(terms, deadline);
    }
}
