// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Fixture, Header} from "../support/Fixture.sol";

contract ForfeitTest is Fixture {
    uint32 private _job;

    function setUp() public {
        _deploy();
        _job = _openJob();
        // Another party's money, so that paying too much could succeed.
        _openJob();
        (Header memory header,) = _postPaying(_job, 1000, 1);
        _finalise(header);
    }

    function test_forfeit__not_disputes__reverts() public {
        _freeze(1000);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNotDisputes.selector, HATCH));
        vm.prank(HATCH);
        market.forfeit(1, 1, _job);
    }

    function test_forfeit__more_than_is_frozen__reverts() public {
        _freeze(10);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketThawTooLarge.selector, 1, 11, 10));
        _forfeit(11, _job);
    }

    function test_forfeit__not_final__reverts() public {
        _freeze(1000);
        _forfeit(1000, _job);
        _freeze(26);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketClaimsExceedTotal.selector, 1026, 1025));
        _forfeit(26, _job);
    }

    function test_forfeit__unknown_job_or_more_than_it_was_debited__reverts() public {
        _freeze(1000);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketJobUnknown.selector, 3));
        _forfeit(1, 3);
        vm.expectRevert();
        _forfeit(1, 2);
    }

    function test_forfeit__frozen_pay__is_locked_in_the_job_again_and_can_be_debited() public {
        _freeze(400);
        _emitted(address(market));
        emit IMarket.ClaimForfeited(1, _job, 400);
        _forfeit(400, _job);
        vm.assertEq(market.frozen(), 0);
        vm.assertEq(market.job(_job).debited, 625);
        vm.assertEq(market.totalClaimed(), 400);
        (Header memory header,) = _postPaying(_job, 3800, 2);
        _finalise(header);
        market.claim(_balance(2), _proof(2));
        vm.assertEq(token.balanceOf(_wallet(2)), 3800 * UNIT);
    }

    function testFuzz_forfeit__any_share__conserves_the_money(uint16 frozen, uint16 back) public {
        frozen %= 1001;
        back %= frozen + 1;
        _freeze(frozen);
        _forfeit(back, _job);
        vm.prank(DISPUTES);
        market.thaw(1, frozen - back);
        if (back < 1000) market.claim(_balance(1), _proof(1));
        market.claim(_balance(0), _proof(0));
        vm.assertEq(token.balanceOf(_wallet(1)), (1000 - uint256(back)) * UNIT);
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

    function _forfeit(uint64 amount, uint32 job) private {
        vm.prank(DISPUTES);
        market.forfeit(1, amount, job);
    }
}
