// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket, Terms} from "../../../contracts/interfaces/IMarket.sol";
import {Authorization} from "../../../contracts/periphery/Purse.sol";
import {PurseFixture} from "./PurseFixture.sol";
import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

contract OpenWithAuthorizationTest is PurseFixture {
    function test_openWithAuthorization__signed_by_another__reverts() public {
        _refuse(_terms(), DEADLINE, _authorization(7, 0));
    }

    /// @dev The nonce is the opening: nothing else can be opened by it.
    function test_openWithAuthorization__any_other_opening__reverts() public {
        Authorization memory given = _authorization(OWNER_KEY, 0);
        Terms memory terms = _terms();
        terms.taskRoot = keccak256("another");
        _refuse(terms, DEADLINE, given);
        _refuse(_terms(), DEADLINE - 1, given);
        given.salt = keccak256("another");
        _refuse(_terms(), DEADLINE, given);
    }

    function test_openWithAuthorization__another_amount_or_payee__reverts() public {
        _refuse(_terms(), DEADLINE, _authorizationTo(address(_purse()), OWNER_KEY, 0, COST + 1));
        _refuse(_terms(), DEADLINE, _authorizationTo(address(purses), OWNER_KEY, 0, COST));
    }

    function test_openWithAuthorization__too_late_or_too_early__reverts() public {
        Authorization memory given = _authorization(OWNER_KEY, 0);
        bytes memory problem =
            abi.encodeWithSelector(ERC3009.ERC3009InvalidAuthorizationTime.selector, START - 1, START + 1);
        vm.warp(START + 1);
        vm.expectRevert(problem);
        purses.openWithAuthorization(owner, _terms(), DEADLINE, given);
        vm.warp(START - 1);
        vm.expectRevert(problem);
        purses.openWithAuthorization(owner, _terms(), DEADLINE, given);
    }

    function test_openWithAuthorization__twice__reverts() public {
        Authorization memory given = _authorization(OWNER_KEY, "salt");
        purses.openWithAuthorization(owner, _terms(), DEADLINE, given);
        vm.expectPartialRevert(ERC3009.ERC3009UsedAuthorization.selector);
        purses.openWithAuthorization(owner, _terms(), DEADLINE, given);
        _assertOpened(1, COST);
    }

    /// @dev Hazard: whoever sees the signature could spend it without opening. The token asks that the payee calls.
    function test_openWithAuthorization__taken_from_the_pool__is_refused_to_others() public {
        Authorization memory a = _authorization(OWNER_KEY, 0);
        address purse = address(purses.make(owner));
        bytes32 nonce = _purse().authorizationNonce(_terms(), DEADLINE, 0);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, purse));
        vm.prank(STRANGER);
        IERC3009(address(token))
            .receiveWithAuthorization(owner, purse, COST, a.validAfter, a.validBefore, nonce, a.v, a.r, a.s);
    }

    function test_openWithAuthorization__carried_by_anyone__opens_for_the_owners_purse() public {
        Authorization memory given = _authorization(OWNER_KEY, 0);
        bytes32 termsHash = _termsHash();
        _emitted(address(market));
        emit IMarket.JobOpened(1, address(_purse()), termsHash, _terms(), DEADLINE, ESCROW);
        vm.prank(STRANGER);
        vm.assertEq(purses.openWithAuthorization(owner, _terms(), DEADLINE, given), 1);
        _assertOpened(1, COST);
    }

    function test_openWithAuthorization__same_job_with_another_salt__opens_again() public {
        purses.openWithAuthorization(owner, _terms(), DEADLINE, _authorization(OWNER_KEY, 0));
        Authorization memory given = _authorization(OWNER_KEY, "salt");
        vm.prank(STRANGER);
        _purse().openWithAuthorization(_terms(), DEADLINE, given);
        _assertOpened(2, 2 * COST);
    }

    function _refuse(Terms memory terms, uint64 deadline, Authorization memory given) private {
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        purses.openWithAuthorization(owner, terms, deadline, given);
    }
}
