// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Header, IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Debit, Fixture} from "../support/Fixture.sol";

contract FinaliseEpochTest is Fixture {
    uint32 private _job;
    Header private _posted;
    Debit[] private _debits;

    function setUp() public {
        _deploy();
        _job = _openJob();
        (Header memory header, Debit[] memory debits) = _postPaying(_job, 1000, 1);
        _posted = header;
        _debits.push(debits[0]);
    }

    function test_finaliseEpoch__one_second_early__reverts() public {
        vm.warp(START + WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketWindowStillOpen.selector, START + WINDOW));
        market.finaliseEpoch(_posted, SIGNERS);
    }

    function test_finaliseEpoch__another_header__reverts() public {
        vm.warp(START + WINDOW);
        _posted.balances = keccak256("mine");
        bytes32 given = keccak256(abi.encode(keccak256("crowdproof.head"), _posted.previous, _digest(_posted), SIGNERS));
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketHeadMismatch.selector, given, market.head()));
        market.finaliseEpoch(_posted, SIGNERS);
    }

    function test_finaliseEpoch__other_signers__reverts() public {
        vm.warp(START + WINDOW);
        vm.expectRevert();
        market.finaliseEpoch(_posted, SIGNERS + 8);
    }

    function test_finaliseEpoch__nothing_pending__reverts() public {
        vm.warp(START + WINDOW);
        market.finaliseEpoch(_posted, SIGNERS);
        vm.expectRevert(IMarket.MarketNothingPending.selector);
        market.finaliseEpoch(_posted, SIGNERS);
    }

    function test_finaliseEpoch__struck__reverts() public {
        _strike(_posted, _debits);
        vm.warp(START + WINDOW);
        vm.expectRevert(IMarket.MarketNothingPending.selector);
        market.finaliseEpoch(_posted, SIGNERS);
    }

    function test_finaliseEpoch__at_the_end_of_the_window__becomes_the_claim_root() public {
        vm.warp(START + WINDOW);
        bytes32 head = market.head();
        _emitted(address(market));
        emit IMarket.EpochFinalised(1, _posted.balances, 1025);
        vm.prank(STRANGER);
        market.finaliseEpoch(_posted, SIGNERS);

        vm.assertEq(market.claimRoot(), _posted.balances);
        vm.assertEq(market.claimSize(), WORKERS);
        vm.assertEq(market.finalTotal(), 1025);
        vm.assertEq(market.head(), head);
        vm.assertEq(market.lastEpoch(), 1);
        (uint32 epoch, uint64 postedAt, uint64 reserved) = market.pending();
        vm.assertEq(uint256(epoch) + postedAt + reserved, 0);
    }

    function test_finaliseEpoch__the_next_one__adds_up() public {
        _finalise(_posted);
        (Header memory header,) = _postPaying(_job, 100, 2);
        vm.assertEq(market.claimRoot(), _posted.balances);
        _finalise(header);
        vm.assertEq(market.claimRoot(), header.balances);
        vm.assertEq(market.finalTotal(), 1025 + 102);
        vm.assertEq(market.job(_job).debited, 1025 + 102);
        vm.assertEq(market.lastEpoch(), 2);
    }
}
