// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Debit, Fixture, Header} from "../support/Fixture.sol";

/// @title freeze and thaw: the claimed counter, and nothing else
contract FreezeTest is Fixture {
    uint32 private _job;

    function setUp() public {
        _deploy();
        _job = _openJob();
        _openJob();
    }

    function test_freeze__not_disputes__reverts() public {
        address[5] memory others = [STRANGER, REFEREE, HATCH, REQUESTER, address(0)];
        for (uint256 i = 0; i < 5; ++i) {
            vm.startPrank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNotDisputes.selector, others[i]));
            market.freeze(1, 1);
            vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNotDisputes.selector, others[i]));
            market.thaw(1, 0);
            vm.stopPrank();
        }
    }

    function test_freeze__beyond_the_counter__reverts_and_leaves_the_neighbours() public {
        vm.startPrank(DISPUTES);
        market.freeze(1, type(uint64).max - 5);
        vm.expectRevert();
        market.freeze(1, 6);
        vm.assertEq(market.claimedOf(2), 0);
        vm.assertEq(market.claimedOf(0), 0);
        vm.assertEq(market.frozen(), type(uint64).max - 5);
    }

    function test_thaw__more_than_was_frozen__reverts() public {
        vm.startPrank(DISPUTES);
        market.freeze(1, 10);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketThawTooLarge.selector, 1, 11, 10));
        market.thaw(1, 11);
        // Of a neighbour that holds nothing: its counter never borrows from the next.
        vm.expectRevert();
        market.thaw(2, 1);
        vm.expectRevert();
        market.thaw(0, 10);
        market.thaw(1, 10);
        vm.assertEq(uint256(market.claimedOf(1)) + market.frozen(), 0);
    }

    function test_thaw__claimed_money__cannot_be_claimed_again() public {
        (Header memory header,) = _postPaying(_job, 1000, 1);
        _finalise(header);
        market.claim(_balance(1), _proof(1));
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketThawTooLarge.selector, 1, 1000, 0));
        vm.prank(DISPUTES);
        market.thaw(1, 1000);
    }

    function test_freeze__pay_of_the_pending_epoch__cannot_be_claimed_when_final() public {
        (Header memory header,) = _postPaying(_job, 1000, 1);
        _emitted(address(market));
        emit IMarket.ClaimFrozen(1, 400);
        vm.prank(DISPUTES);
        market.freeze(1, 400);
        vm.assertEq(market.claimedOf(1), 400);
        _finalise(header);
        market.claim(_balance(1), _proof(1));
        vm.assertEq(token.balanceOf(_wallet(1)), 600 * UNIT);
        vm.assertEq(market.totalClaimed(), 600);
        _emitted(address(market));
        emit IMarket.ClaimThawed(1, 400);
        vm.prank(DISPUTES);
        market.thaw(1, 400);
        market.claim(_balance(1), _proof(1));
        vm.assertEq(token.balanceOf(_wallet(1)), 1000 * UNIT);
        vm.assertEq(market.frozen(), 0);
    }

    function test_thaw__its_epoch_was_struck__the_repost_is_claimed_in_full() public {
        (Header memory header, Debit[] memory debits) = _postPaying(_job, 1000, 1);
        vm.prank(DISPUTES);
        market.freeze(1, 1000);
        _strike(header, debits);
        vm.prank(DISPUTES);
        market.thaw(1, 1000);
        cumulative[1] = 0;
        cumulative[0] = 0;
        (header,) = _postPaying(_job, 1000, 1);
        _finalise(header);
        market.claim(_balance(1), _proof(1));
        vm.assertEq(token.balanceOf(_wallet(1)), 1000 * UNIT);
    }

    function testFuzz_freeze__any_amounts__change_only_their_counters(uint64[8] memory amounts, uint8 thawn) public {
        uint256 sum;
        vm.startPrank(DISPUTES);
        for (uint32 i = 0; i < 8; ++i) {
            amounts[i] /= 8;
            market.freeze(i, amounts[i]);
            sum += amounts[i];
        }
        market.thaw(thawn % 8, amounts[thawn % 8]);
        sum -= amounts[thawn % 8];
        amounts[thawn % 8] = 0;
        for (uint32 i = 0; i < 8; ++i) {
            vm.assertEq(market.claimedOf(i), amounts[i]);
        }
        vm.assertEq(market.frozen(), sum);
    }
}
