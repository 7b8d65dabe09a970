// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Debit, Header, IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Fixture} from "../support/Fixture.sol";

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
        market.refund(3);
    }

    function test_refund__one_second_early__reverts() public {
        vm.warp(DEADLINE + 3 * WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketRefundClosed.selector, _job, DEADLINE + 3 * WINDOW));
        market.refund(_job);
    }

    function test_refund__twice__reverts() public {
        vm.warp(DEADLINE + 3 * WINDOW);
        market.refund(_job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNothingToRefund.selector, _job));
        market.refund(_job);
    }

    function test_refund__everything_debited__reverts() public {
        _postPaying(_job, 4500, 1);
        vm.warp(DEADLINE + 3 * WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNothingToRefund.selector, _job));
        market.refund(_job);
    }

    function test_refund__strike_lately__reverts() public {
        vm.prank(REQUESTER);
        uint32 brief = market.openJob(_terms(), uint64(START + 1));
        (Header memory header, Debit[] memory debits) = _postPaying(_job, 100, 1);
        vm.warp(START + WINDOW - 1);
        vm.assertEq(market.refundOpensAt(brief), START + 1 + 3 * WINDOW);
        _strike(header, debits);
        uint256 opensAt = START + WINDOW - 1 + 3 * WINDOW;
        vm.assertEq(market.refundOpensAt(brief), opensAt);
        vm.warp(opensAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketRefundClosed.selector, brief, opensAt));
        market.refund(brief);
        vm.warp(opensAt);
        market.refund(brief);
    }

    function test_refund__no_committee_ever__pays_the_requester_all() public {
        vm.warp(DEADLINE + 3 * WINDOW);
        uint256 before = token.balanceOf(REQUESTER);
        _emitted(address(market));
        emit IMarket.JobRefunded(_job, REQUESTER, ESCROW);
        vm.prank(STRANGER);
        market.refund(_job);
        vm.assertEq(token.balanceOf(REQUESTER) - before, uint256(ESCROW) * UNIT);
        vm.assertEq(token.balanceOf(address(market)), uint256(ESCROW) * UNIT);
        vm.assertEq(market.job(_job).refunded, ESCROW);
    }

    function test_refund__closed_early__opens_three_windows_later() public {
        vm.prank(REQUESTER);
        market.closeJob(_job);
        vm.warp(START + 3 * WINDOW);
        market.refund(_job);
    }

    function test_refund__reserved_or_allocated__is_kept_for_the_workers() public {
        (Header memory header,) = _postPaying(_job, 1000, 1);
        vm.warp(DEADLINE + 3 * WINDOW);
        market.refund(_job);
        vm.assertEq(market.job(_job).refunded, ESCROW - 1025);
        market.finaliseEpoch(header, SIGNERS);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNothingToRefund.selector, _job));
        market.refund(_job);
        market.claim(_claim(1));
        vm.assertEq(token.balanceOf(_wallet(1)), 1000 * UNIT);
    }

    function test_refund__strike_after_a_refund__frees_more() public {
        vm.warp(DEADLINE + 3 * WINDOW - 1);
        (Header memory header, Debit[] memory debits) = _postPaying(_job, 1000, 1);
        vm.warp(DEADLINE + 3 * WINDOW);
        market.refund(_job);
        uint256 before = token.balanceOf(REQUESTER);
        _strike(header, debits);
        vm.warp(DEADLINE + 6 * WINDOW);
        market.refund(_job);
        vm.assertEq(token.balanceOf(REQUESTER) - before, 1025 * UNIT);
        vm.assertEq(market.job(_job).refunded, ESCROW);
    }

    function testFuzz_refund__any_pay_and_time__pays_exactly_the_rest_from_its_second_on(uint64 pay, uint32 wait)
        public
    {
        pay %= 4501;
        _postPaying(_job, pay, 1);
        uint256 opensAt = DEADLINE + 3 * WINDOW;
        vm.warp(START + wait);
        uint256 rest = ESCROW - _withFee(pay, 250);
        uint256 before = token.balanceOf(REQUESTER);
        if (block.timestamp < opensAt || rest == 0) vm.expectRevert();
        else before += rest * UNIT;
        market.refund(_job);
        vm.assertEq(token.balanceOf(REQUESTER), before);
    }
}
