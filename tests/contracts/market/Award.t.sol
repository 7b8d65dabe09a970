// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Debit, Fixture, Header} from "../support/Fixture.sol";

abstract contract SatelliteFixture is Fixture {
    uint32 internal _job;
    uint256 internal constant OPENS = DEADLINE + 4 * WINDOW;

    function setUp() public {
        _deploy();
        _job = _openJob();
        // Another party's money, so that paying too much could succeed.
        _openJob();
    }

    function _reserve(address caller, uint64 amount) internal {
        vm.prank(caller);
        market.reserve(_job, amount);
    }

    function _release(address caller, uint64 amount) internal {
        vm.prank(caller);
        market.release(_job, amount);
    }

    function _award(address caller, uint64 amount) internal {
        vm.prank(caller);
        market.award(_job, STRANGER, amount);
    }
}

contract ReserveTest is SatelliteFixture {
    function test_reserve__neither_disputes_nor_hatch__reverts() public {
        address[4] memory others = [STRANGER, REFEREE, REQUESTER, address(0)];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNotSatellite.selector, others[i]));
            _reserve(others[i], 1);
        }
    }

    function test_reserve__unknown__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketJobUnknown.selector, 3));
        vm.prank(DISPUTES);
        market.reserve(3, 1);
    }

    function test_reserve__hatch_outside_its_window__reverts() public {
        vm.warp(OPENS - WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketReserveClosed.selector, _job, OPENS - WINDOW - 1));
        _reserve(HATCH, 1);
        vm.warp(OPENS);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketReserveClosed.selector, _job, OPENS));
        _reserve(HATCH, 1);
        vm.warp(OPENS - WINDOW);
        _reserve(HATCH, 1);
        vm.warp(OPENS - 1);
        _reserve(HATCH, 1);
        vm.assertEq(market.reservedOf(HATCH, _job), 2);
    }

    function test_reserve__disputes_when_refunding_is_open__reverts() public {
        vm.warp(OPENS);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketReserveClosed.selector, _job, OPENS));
        _reserve(DISPUTES, 1);
        vm.warp(OPENS - 1);
        _reserve(DISPUTES, 1);
    }

    function test_reserve__after_a_strike__the_hatch_waits_with_the_refunds() public {
        (Header memory header, Debit[] memory debits) = _postPaying(_job, 100, 1);
        vm.prank(REQUESTER);
        market.closeJob(_job, _termsHash());
        vm.warp(START + WINDOW - 1);
        _strike(header, debits);
        uint256 opens = START + WINDOW - 1 + 4 * WINDOW;
        vm.warp(opens - WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketReserveClosed.selector, _job, opens - WINDOW - 1));
        _reserve(HATCH, 1);
        vm.warp(opens - WINDOW);
        _reserve(HATCH, 1);
    }

    function test_reserve__more_than_is_locked__reverts() public {
        _postPaying(_job, 1000, 1);
        uint64 locked = ESCROW - 1025;
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketReserveTooLarge.selector, _job, locked + 1, locked));
        _reserve(DISPUTES, locked + 1);
        _reserve(DISPUTES, locked);
        vm.warp(OPENS - WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketReserveTooLarge.selector, _job, 1, 0));
        _reserve(HATCH, 1);
    }

    function testFuzz_reserve__any_amount__is_safe_from_the_refund(uint64 amount) public {
        amount %= ESCROW;
        _emitted(address(market));
        emit IMarket.JobReserved(_job, DISPUTES, amount);
        _reserve(DISPUTES, amount);
        vm.assertEq(market.job(_job).debited, amount);
        vm.assertEq(market.reservedOf(DISPUTES, _job), amount);
        vm.warp(OPENS);
        uint256 before = token.balanceOf(REQUESTER);
        _refund(_job);
        vm.assertEq(token.balanceOf(REQUESTER) - before, (ESCROW - amount) * UNIT);
        _award(DISPUTES, amount);
        vm.assertEq(token.balanceOf(STRANGER), amount * UNIT);
        vm.assertEq(token.balanceOf(address(market)), ESCROW * UNIT);
    }
}

contract ReleaseTest is SatelliteFixture {
    function test_release__more_than_the_caller_reserved_there__reverts() public {
        _reserve(DISPUTES, 10);
        address[3] memory others = [STRANGER, HATCH, REQUESTER];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IMarket.MarketAwardTooLarge.selector, _job, 1, 0));
            _release(others[i], 1);
        }
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketAwardTooLarge.selector, _job, 11, 10));
        _release(DISPUTES, 11);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketAwardTooLarge.selector, 2, 1, 0));
        vm.prank(DISPUTES);
        market.release(2, 1);
    }

    function testFuzz_release__any_amount__is_locked_and_refundable_again(uint64 amount, uint64 part) public {
        amount %= ESCROW;
        part %= amount + 1;
        _reserve(DISPUTES, amount);
        vm.warp(OPENS);
        _refund(_job);
        _emitted(address(market));
        emit IMarket.JobReleased(_job, DISPUTES, part);
        _release(DISPUTES, part);
        vm.assertEq(market.reservedOf(DISPUTES, _job), amount - part);
        uint256 before = token.balanceOf(REQUESTER);
        if (part != 0) _refund(_job);
        vm.assertEq(token.balanceOf(REQUESTER) - before, part * UNIT);
    }
}

contract AwardTest is SatelliteFixture {
    function test_award__more_than_the_caller_reserved_there__reverts() public {
        _reserve(DISPUTES, 10);
        address[3] memory others = [STRANGER, HATCH, REQUESTER];
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IMarket.MarketAwardTooLarge.selector, _job, 1, 0));
            _award(others[i], 1);
        }
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketAwardTooLarge.selector, _job, 11, 10));
        _award(DISPUTES, 11);
        _award(DISPUTES, 10);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketAwardTooLarge.selector, _job, 1, 0));
        _award(DISPUTES, 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketAwardTooLarge.selector, _job, 1, 0));
        _release(DISPUTES, 1);
    }

    function testFuzz_award__any_amount__pays_at_once_and_the_rest_is_refunded(uint64 amount) public {
        amount %= ESCROW;
        _reserve(DISPUTES, amount);
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
}
