// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Debit, Fixture, Header} from "../support/Fixture.sol";

contract AwardTest is Fixture {
    uint32 private _job;
    uint256 private constant OPENS = DEADLINE + 4 * WINDOW;

    function setUp() public {
        _deploy();
        _job = _openJob();
        // Another party's money, so that paying too much could succeed.
        _openJob();
    }

    function test_award__neither_disputes_nor_hatch__reverts() public {
        address[4] memory others = [STRANGER, REFEREE, REQUESTER, address(0)];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNotSatellite.selector, others[i]));
            _award(others[i], 1);
        }
    }

    function test_award__unknown__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketJobUnknown.selector, 3));
        vm.prank(DISPUTES);
        market.award(3, STRANGER, 1);
    }

    function test_award__hatch_while_debits_are_open__reverts() public {
        vm.warp(OPENS - WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketAwardClosed.selector, _job, OPENS - WINDOW - 1));
        _award(HATCH, 1);
        vm.warp(OPENS - WINDOW);
        _award(HATCH, 1);
        vm.warp(OPENS);
        _award(HATCH, 1);
        vm.assertEq(token.balanceOf(STRANGER), 2 * UNIT);
    }

    function test_award__disputes_when_refunding_is_open__reverts() public {
        vm.warp(OPENS);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketAwardClosed.selector, _job, OPENS));
        _award(DISPUTES, 1);
        vm.warp(OPENS - 1);
        _award(DISPUTES, 1);
        vm.assertEq(token.balanceOf(STRANGER), UNIT);
    }

    function test_award__after_a_strike__the_hatch_waits_with_the_refunds() public {
        (Header memory header, Debit[] memory debits) = _postPaying(_job, 100, 1);
        vm.prank(REQUESTER);
        market.closeJob(_job, _termsHash());
        vm.warp(START + WINDOW - 1);
        _strike(header, debits);
        uint256 opens = START + WINDOW - 1 + 4 * WINDOW;
        vm.warp(opens - WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketAwardClosed.selector, _job, opens - WINDOW - 1));
        _award(HATCH, 1);
        vm.warp(opens - WINDOW);
        _award(HATCH, 1);
    }

    function test_award__more_than_is_locked__reverts() public {
        _postPaying(_job, 1000, 1);
        uint64 locked = ESCROW - 1025;
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketAwardTooLarge.selector, _job, locked + 1, locked));
        _award(DISPUTES, locked + 1);
        _award(DISPUTES, locked);
        vm.warp(OPENS);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNothingToRefund.selector, _job));
        _refund(_job);
    }

    function test_award__refunded__has_nothing_left() public {
        vm.warp(OPENS);
        _refund(_job);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketAwardTooLarge.selector, _job, 1, 0));
        _award(HATCH, 1);
    }

    function testFuzz_award__any_amount__pays_at_once_and_the_rest_is_refunded(uint64 amount) public {
        amount %= ESCROW;
        _emitted(address(market));
        emit IMarket.JobAwarded(_job, STRANGER, amount);
        _award(DISPUTES, amount);
        vm.assertEq(token.balanceOf(STRANGER), amount * UNIT);
        vm.assertEq(market.job(_job).debited, amount);
        vm.warp(OPENS);
        uint256 before = token.balanceOf(REQUESTER);
        _refund(_job);
        vm.assertEq(token.balanceOf(REQUESTER) - before, (ESCROW - amount) * UNIT);
        vm.assertEq(token.balanceOf(address(market)), ESCROW * UNIT);
    }

    function _award(address caller, uint64 amount) private {
        vm.prank(caller);
        market.award(_job, STRANGER, amount);
    }
}
