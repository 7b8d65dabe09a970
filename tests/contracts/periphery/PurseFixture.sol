// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Terms} from "../../../contracts/interfaces/IMarket.sol";
import {PermitTransferFrom, TokenPermissions} from "../../../contracts/periphery/IPermit2.sol";
import {Authorization, Permit2Signature, Purse} from "../../../contracts/periphery/Purse.sol";
import {Purses} from "../../../contracts/periphery/Purses.sol";
import {Fixture} from "../support/Fixture.sol";
import {Permit2} from "../support/Permit2.sol";
import {TestToken} from "../support/Tokens.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @dev OpenZeppelin's own ERC-3009.
contract AuthorizedToken is TestToken(8), ERC3009 {
    constructor() EIP712("Test", "1") {}

    function decimals() public view override(ERC20, TestToken) returns (uint8) {
        return TestToken.decimals();
    }
}

/// @title An owner with tokens who only signs, and the purse that its signatures are for
abstract contract PurseFixture is Fixture {
    bytes32 private constant OPENING = keccak256("Opening(address market,bytes32 terms,uint64 deadline)");
    string private constant WITNESS =
        "Opening witness)Opening(address market,bytes32 terms,uint64 deadline)TokenPermissions(address token,uint256 amount)";
    bytes32 private constant RECEIVE = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    uint256 internal constant OWNER_KEY = 4242;
    uint256 internal constant COST = ESCROW * UNIT;
    Permit2 internal constant PERMIT2 = Permit2(0x000000000022D473030F116dDEE9F6B43aC78BA3);

    Purses internal purses;
    address internal owner;

    function setUp() public virtual {
        vm.warp(START);
        _deployWith(TestToken(address(new AuthorizedToken())));
        vm.etch(address(PERMIT2), address(new Permit2()).code);
        purses = new Purses(market);
        owner = vm.addr(OWNER_KEY);
        token.mint(owner, 10 * COST);
        // What every user of Permit2 has done once for a token.
        vm.prank(owner);
        token.approve(address(PERMIT2), type(uint256).max);
    }

    function _purse() internal view returns (Purse) {
        return Purse(payable(purses.purseOf(owner)));
    }

    function _opening(Terms memory terms, uint64 deadline) internal view returns (bytes32) {
        return
            keccak256(
                abi.encode(OPENING, market, keccak256(abi.encode(keccak256("crowdproof.terms"), terms)), deadline)
            );
    }

    function _permit(uint256 key, uint256 nonce) internal view returns (Permit2Signature memory) {
        return _permitOf(key, nonce, _terms(), DEADLINE, COST);
    }

    function _permitOf(uint256 key, uint256 nonce, Terms memory terms, uint64 deadline, uint256 amount)
        internal
        view
        returns (Permit2Signature memory)
    {
        PermitTransferFrom memory permit =
            PermitTransferFrom(TokenPermissions(address(token), amount), nonce, block.timestamp);
        bytes32 digest = PERMIT2.digest(permit, address(_purse()), _opening(terms, deadline), WITNESS);
        return Permit2Signature(nonce, block.timestamp, _signature(key, digest));
    }

    function _authorization(uint256 key, bytes32 salt) internal view returns (Authorization memory) {
        return _authorizationTo(address(_purse()), key, salt, COST);
    }

    function _authorizationTo(address payee, uint256 key, bytes32 salt, uint256 amount)
        internal
        view
        returns (Authorization memory given)
    {
        (given.validAfter, given.validBefore, given.salt) = (block.timestamp - 1, block.timestamp + 1, salt);
        bytes32 nonce = keccak256(abi.encode(_opening(_terms(), DEADLINE), salt));
        bytes32 message =
            keccak256(abi.encode(RECEIVE, owner, payee, amount, given.validAfter, given.validBefore, nonce));
        (given.v, given.r, given.s) = vm.sign(key, MessageHashUtils.toTypedDataHash(_domainOfToken(), message));
    }

    function _domainOfToken() private view returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Test"),
                keccak256("1"),
                block.chainid,
                token
            )
        );
    }

    /// @dev A job of the owner's purse, and nothing left on the way.
    function _assertOpened(uint32 job, uint256 paid) internal view {
        bytes32 identity = keccak256(abi.encode(address(_purse()), _termsHash()));
        vm.assertEq(market.job(job).identity, identity, "the requester");
        vm.assertEq(token.balanceOf(owner), 10 * COST - paid, "the owner paid");
        vm.assertEq(token.balanceOf(address(market)), paid, "the market has it");
        _assertNothingLeft();
    }

    function _assertNothingLeft() internal view {
        vm.assertEq(token.balanceOf(address(_purse())), 0, "left in the purse");
        vm.assertEq(token.allowance(address(_purse()), address(market)), 0, "allowed");
        vm.assertEq(token.balanceOf(address(purses)), 0, "left with the maker");
    }
}
