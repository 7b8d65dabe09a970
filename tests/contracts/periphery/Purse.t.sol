// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Purse} from "../../../contracts/periphery/Purse.sol";
import {Purses} from "../../../contracts/periphery/Purses.sol";
import {PurseFixture} from "./PurseFixture.sol";

/// @title What the owner's purse does once it has opened a job
contract PurseTest is PurseFixture {
    function setUp() public override {
        super.setUp();
        purses.openWithPermit2(owner, _terms(), DEADLINE, _permit(OWNER_KEY, 0));
    }

    // ------------------------------------------------------------------ act

    function test_act__by_anyone_else__reverts() public {
        Purse purse = _purse();
        bytes memory call = abi.encodeCall(IMarket.closeJob, (1, _termsHash()));
        for (uint256 i = 0; i < 3; ++i) {
            address caller = [STRANGER, address(purses), address(market)][i];
            vm.expectRevert(abi.encodeWithSelector(Purse.PurseNotOwner.selector, caller));
            vm.prank(caller);
            purse.act(address(market), 0, call);
        }
    }

    function test_act__by_the_owner__closes_the_job() public {
        Purse purse = _purse();
        bytes memory call = abi.encodeCall(IMarket.closeJob, (1, _termsHash()));
        vm.prank(owner);
        purse.act(address(market), 0, call);
        vm.assertEq(market.job(1).deadline, START);
    }

    function test_act__problem__is_passed_on() public {
        Purse purse = _purse();
        bytes memory call = abi.encodeCall(IMarket.closeJob, (2, _termsHash()));
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketJobUnknown.selector, 2));
        vm.prank(owner);
        purse.act(address(market), 0, call);
    }

    function test_act__coin__comes_and_goes() public {
        Purse purse = _purse();
        vm.deal(address(this), 3);
        (bool done,) = address(purse).call{value: 3}("");
        vm.assertTrue(done, "takes coin");
        vm.prank(owner);
        purse.act(STRANGER, 2, "");
        vm.assertEq(STRANGER.balance, 2);
        vm.assertEq(address(purse).balance, 1);
    }

    // ------------------------------------------------------------------ refund, sweep

    function test_refund__too_early__reverts() public {
        Purse purse = _purse();
        vm.expectPartialRevert(IMarket.MarketRefundClosed.selector);
        purse.refund(1, _termsHash());
    }

    function test_refund__by_anyone__reaches_the_owner() public {
        vm.warp(DEADLINE + 4 * WINDOW);
        Purse purse = _purse();
        vm.prank(STRANGER);
        purse.refund(1, _termsHash());
        vm.assertEq(token.balanceOf(owner), 10 * COST);
        _assertNothingLeft();
    }

    /// @dev The Market pays whom it owes, whoever asks: the money waits in the purse, and goes on to the owner alone.
    function test_sweep__refunded_by_a_stranger__reaches_the_owner() public {
        vm.warp(DEADLINE + 4 * WINDOW);
        market.refund(1, address(_purse()), _termsHash());
        vm.assertEq(token.balanceOf(address(_purse())), COST);
        Purse purse = _purse();
        vm.prank(STRANGER);
        purse.sweep();
        vm.assertEq(token.balanceOf(owner), 10 * COST);
        _assertNothingLeft();
    }

    // ------------------------------------------------------------------ make

    function test_make__nobody__reverts() public {
        vm.expectRevert(Purses.PursesOwnerMissing.selector);
        purses.make(address(0));
    }

    function test_make__again__is_the_same() public {
        vm.assertEq(address(purses.make(owner)), address(_purse()));
        vm.assertEq(_purse().owner(), owner);
    }

    function test_make__each_owner_has_its_own(address other) public {
        vm.assume(other != owner && other != address(0));
        address foretold = purses.purseOf(other);
        _emitted(address(purses));
        emit Purses.PurseMade(other, foretold);
        vm.assertEq(address(purses.make(other)), foretold);
        vm.assertEq(Purse(payable(foretold)).owner(), other);
        vm.assertTrue(foretold != address(_purse()), "shared");
    }

    /// @dev What all purses are clones of is nobody's, and opens nothing.
    function test_owner__of_the_implementation__is_nobody() public {
        Purse purse = Purse(payable(purses.implementation()));
        (bool done,) = address(purse).call(abi.encodeCall(Purse.act, (address(market), 0, "")));
        vm.assertTrue(!done, "acts");
        vm.assertTrue(purse.owner() != owner && purse.owner() != address(this), "owned");
    }
}
