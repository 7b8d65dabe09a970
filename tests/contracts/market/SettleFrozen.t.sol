// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Fixture, Header} from "../support/Fixture.sol";

contract SettleFrozenTest is Fixture {
    uint32 private _job;

    function setUp() public {
        _deploy();
        _job = _openJob();
        // Another party's money, so that paying too much could succeed.
        _openJob();
        (Header memory header,) = _postPaying(_job, 1000, 1);
        _finalise(header);
    }

    function test_settleFrozen__not_disputes__reverts() public {
        _freeze(1000);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNotDisputes.selector, HATCH));
        vm.prank(HATCH);
        market.settleFrozen(1, 1, STRANGER, 0);
    }

    function test_settleFrozen__more_than_is_frozen__reverts() public {
        _freeze(10);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketThawTooLarge.selector, 1, 11, 10));
        _settle(11, 0);
    }

    function test_settleFrozen__not_final__reverts() public {
        _freeze(1000);
        _settle(1000, 0);
        _freeze(26);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketClaimsExceedTotal.selector, 1026, 1025));
        _settle(26, 0);
    }

    function test_settleFrozen__unknown_job_or_more_than_it_was_debited__reverts() public {
        _freeze(1000);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketJobUnknown.selector, 3));
        _settle(1, 3);
        vm.expectRevert();
        _settle(1, 2);
    }

    function test_settleFrozen__to_a_wallet__pays_it_once() public {
        _freeze(400);
        _emitted(address(market));
        emit IMarket.FrozenSettled(1, STRANGER, 0, 400);
        _settle(400, 0);
        vm.assertEq(token.balanceOf(STRANGER), 400 * UNIT);
        vm.assertEq(uint256(market.totalClaimed()), 400);
        vm.assertEq(market.frozen(), 0);
        market.claim(_balance(1), _proof(1));
        vm.assertEq(token.balanceOf(_wallet(1)), 600 * UNIT);
        market.claim(_balance(0), _proof(0));
        vm.assertEq(market.totalClaimed(), market.finalTotal());
        vm.assertEq(token.balanceOf(address(market)), (2 * uint256(ESCROW) - 1025) * UNIT);
    }

    function test_settleFrozen__to_the_job__is_locked_again_and_can_be_debited() public {
        _freeze(400);
        _emitted(address(market));
        emit IMarket.FrozenSettled(1, STRANGER, _job, 400);
        _settle(400, _job);
        vm.assertEq(token.balanceOf(STRANGER), 0);
        vm.assertEq(market.job(_job).debited, 625);
        vm.assertEq(market.totalClaimed(), 400);
        (Header memory header,) = _postPaying(_job, 3800, 2);
        _finalise(header);
        market.claim(_balance(2), _proof(2));
        vm.assertEq(token.balanceOf(_wallet(2)), 3800 * UNIT);
    }

    function testFuzz_settleFrozen__any_split__conserves_the_money(uint16 frozen, uint16 paid, uint16 back) public {
        frozen %= 1001;
        paid %= frozen + 1;
        back %= frozen - paid + 1;
        _freeze(frozen);
        _settle(paid, 0);
        _settle(back, _job);
        vm.prank(DISPUTES);
        market.thaw(1, frozen - paid - back);
        if (paid + back < 1000) market.claim(_balance(1), _proof(1));
        market.claim(_balance(0), _proof(0));
        vm.assertEq(token.balanceOf(_wallet(1)), (1000 - uint256(paid) - back) * UNIT);
        vm.assertEq(market.totalClaimed(), 1025);
        vm.warp(DEADLINE + 4 * WINDOW);
        _refund(1);
        _refund(2);
        vm.assertEq(token.balanceOf(address(market)), 0);
    }

    function _freeze(uint64 amount) private {
        vm.prank(DISPUTES);
        market.freeze(1, amount);
    }

    function _settle(uint64 amount, uint32 job) private {
        vm.prank(DISPUTES);
        market.settleFrozen(1, amount, STRANGER, job);
    }
}
