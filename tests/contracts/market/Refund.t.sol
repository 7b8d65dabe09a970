// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Header, IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Debit, Fixture} from "../support/Fixture.sol";

contract RefundTest is Fixture {
    uint32 private _job;

    function setUp() public {
        _deploy();
        _job = _openJob();
        // Another party's money is in the pool, so that paying twice could succeed.
        _openJob();
    }

    function test_refund__unknown__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketJobUnknown.selector, 3));
        _refund(3);
    }

    function test_refund__another_requester_or_other_terms__reverts() public {
        vm.warp(DEADLINE + 4 * WINDOW);
        bytes32 termsHash = _termsHash();
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketIdentityMismatch.selector, _job, STRANGER, termsHash));
        market.refund(_job, STRANGER, termsHash);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketIdentityMismatch.selector, _job, REQUESTER, bytes32(0)));
        market.refund(_job, REQUESTER, 0);
    }

    function test_refund__one_second_early__reverts() public {
        vm.warp(DEADLINE + 4 * WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketRefundClosed.selector, _job, DEADLINE + 4 * WINDOW));
        _refund(_job);
    }

    function test_refund__twice__reverts() public {
        vm.warp(DEADLINE + 4 * WINDOW);
        _refund(_job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNothingToRefund.selector, _job));
        _refund(_job);
    }

    function test_refund__everything_debited__reverts() public {
        _postPaying(_job, 4500, 1);
        vm.warp(DEADLINE + 4 * WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNothingToRefund.selector, _job));
        _refund(_job);
    }

    function test_refund__strike_lately__reverts() public {
        vm.prank(REQUESTER);
        uint32 brief = market.openJob(_terms(), uint64(START + 1));
        (Header memory header, Debit[] memory debits) = _postPaying(_job, 100, 1);
        vm.warp(START + WINDOW - 1);
        vm.assertEq(market.refundOpensAt(brief), START + 1 + 4 * WINDOW);
        _strike(header, debits);
        uint256 opensAt = START + WINDOW - 1 + 4 * WINDOW;
        vm.assertEq(market.refundOpensAt(brief), opensAt);
        vm.warp(opensAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketRefundClosed.selector, brief, opensAt));
        _refund(brief);
        vm.warp(opensAt);
        _refund(brief);
    }

    function test_refund__no_committee_ever__pays_the_requester_all() public {
        vm.warp(DEADLINE + 4 * WINDOW);
        uint256 before = token.balanceOf(REQUESTER);
        _emitted(address(market));
        emit IMarket.JobRefunded(_job, REQUESTER, ESCROW);
        vm.prank(STRANGER);
        _refund(_job);
        vm.assertEq(token.balanceOf(REQUESTER) - before, uint256(ESCROW) * UNIT);
        vm.assertEq(token.balanceOf(address(market)), uint256(ESCROW) * UNIT);
        vm.assertEq(market.job(_job).refunded, ESCROW);
    }

    function test_refund__closed_early__opens_four_windows_later() public {
        vm.prank(REQUESTER);
        market.closeJob(_job, _termsHash());
        vm.warp(START + 4 * WINDOW);
        _refund(_job);
    }

    function test_refund__reserved_or_allocated__is_kept_for_the_workers() public {
        (Header memory header,) = _postPaying(_job, 1000, 1);
        vm.warp(DEADLINE + 4 * WINDOW);
        _refund(_job);
        vm.assertEq(market.job(_job).refunded, ESCROW - 1025);
        market.finaliseEpoch(header, SIGNERS);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNothingToRefund.selector, _job));
        _refund(_job);
        market.claim(_balance(1), _proof(1));
        vm.assertEq(token.balanceOf(_wallet(1)), 1000 * UNIT);
    }

    /// @dev The last epoch that can debit a job is final, or struck and refunding put off, before refunding opens.
    function test_refund__while_an_epoch_can_still_be_struck__is_shut() public {
        vm.warp(DEADLINE + 3 * WINDOW - 1);
        (Header memory header, Debit[] memory debits) = _postPaying(_job, 1000, 1);
        vm.warp(DEADLINE + 4 * WINDOW - 2);
        _strike(header, debits);
        vm.warp(DEADLINE + 4 * WINDOW);
        uint256 opensAt = DEADLINE + 8 * WINDOW - 2;
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketRefundClosed.selector, _job, opensAt));
        _refund(_job);
        vm.warp(opensAt);
        _refund(_job);
        vm.assertEq(market.job(_job).refunded, ESCROW);
    }

    function test_refund__frozen_money_comes_back_after_a_refund__pays_again() public {
        (Header memory header,) = _postPaying(_job, 1000, 1);
        _finalise(header);
        vm.warp(DEADLINE + 4 * WINDOW);
        _refund(_job);
        vm.startPrank(DISPUTES);
        market.freeze(1, 1000);
        market.forfeit(1, 1000, _job);
        vm.stopPrank();
        uint256 before = token.balanceOf(REQUESTER);
        _refund(_job);
        vm.assertEq(token.balanceOf(REQUESTER) - before, 1000 * UNIT);
        vm.assertEq(market.job(_job).refunded, ESCROW - 25);
    }

    function testFuzz_refund__any_pay_and_time__pays_exactly_the_rest_from_its_second_on(uint64 pay, uint32 wait)
        public
    {
        pay %= 4501;
        _postPaying(_job, pay, 1);
        uint256 opensAt = DEADLINE + 4 * WINDOW;
        vm.warp(START + wait);
        uint256 rest = ESCROW - _withFee(pay, 250);
        uint256 before = token.balanceOf(REQUESTER);
        if (block.timestamp < opensAt || rest == 0) vm.expectRevert();
        else before += rest * UNIT;
        _refund(_job);
        vm.assertEq(token.balanceOf(REQUESTER), before);
    }
}
