// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Debit, Fixture, Header} from "../support/Fixture.sol";
import {FeeToken} from "../support/Tokens.sol";

contract TopUpTest is Fixture {
    uint32 private _job;

    function setUp() public {
        _deploy();
        _job = _openJob();
        _fund(STRANGER);
    }

    function test_topUp__unknown__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketJobUnknown.selector, 2));
        market.topUp(2, 1);
    }

    function test_topUp__at_the_deadline__reverts() public {
        vm.warp(DEADLINE);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketJobOver.selector, _job, DEADLINE));
        market.topUp(_job, 1);
        vm.warp(DEADLINE - 1);
        vm.prank(STRANGER);
        market.topUp(_job, 1);
    }

    function test_topUp__does_not_fit__reverts() public {
        uint64 rest = type(uint64).max - ESCROW;
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketEscrowTooLarge.selector, 2 ** 64));
        market.topUp(_job, rest + 1);
        vm.prank(STRANGER);
        market.topUp(_job, rest);
        vm.assertEq(market.job(_job).funded, type(uint64).max);
    }

    function test_topUp__fee_on_transfer__reverts() public {
        FeeToken dear = new FeeToken();
        _deployWith(dear);
        token.mint(address(market), 100);
        vm.expectRevert();
        market.topUp(1, 1000);
    }

    function test_topUp__by_anyone__is_the_requesters_and_can_be_debited() public {
        uint256 before = token.balanceOf(STRANGER);
        _emitted(address(market));
        emit IMarket.JobFunded(_job, STRANGER, 1025);
        vm.prank(STRANGER);
        market.topUp(_job, 1025);
        vm.assertEq(before - token.balanceOf(STRANGER), 1025 * UNIT);
        vm.assertEq(market.job(_job).funded, ESCROW + 1025);
        (Header memory header, Debit[] memory debits) = _postPaying(_job, 5000, 1);
        vm.assertEq(debits.length, 1);
        _finalise(header);
        vm.warp(DEADLINE + 4 * WINDOW);
        before = token.balanceOf(REQUESTER);
        _refund(_job);
        vm.assertEq(token.balanceOf(REQUESTER) - before, (uint256(ESCROW) + 1025 - _withFee(5000, 250)) * UNIT);
    }
}
