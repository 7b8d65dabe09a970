// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Header, IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Debit, Fixture} from "../support/Fixture.sol";

contract StrikeTest is Fixture {
    uint32 private _job;
    uint32 private _other;
    Header private _posted;
    Debit[] private _debits;

    function setUp() public {
        _deploy();
        _job = _openJob();
        _other = _openJob();
        _debits.push(Debit({job: _job, pay: 1000, last: 1}));
        _debits.push(Debit({job: _other, pay: 77, last: 2}));
        _posted = _header(_debits);
        _post(_posted, _debits);
    }

    function test_strike__not_the_referee__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketNotReferee.selector, STRANGER));
        vm.prank(STRANGER);
        market.strike(_posted, SIGNERS, _packed(_debits));
    }

    function test_strike__window_over__reverts() public {
        vm.warp(START + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketWindowOver.selector, START + WINDOW));
        _strike(_posted, _debits);
    }

    function test_strike__final__reverts() public {
        _finalise(_posted);
        vm.expectRevert(IMarket.MarketNothingPending.selector);
        _strike(_posted, _debits);
    }

    function test_strike__twice__reverts() public {
        _strike(_posted, _debits);
        vm.expectRevert(IMarket.MarketNothingPending.selector);
        _strike(_posted, _debits);
    }

    function test_strike__another_header__reverts() public {
        _posted.total += 1;
        vm.expectRevert();
        _strike(_posted, _debits);
    }

    function test_strike__other_debits__reverts() public {
        _debits[0].pay += 1;
        bytes32 given = keccak256(_packed(_debits));
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketDebitsMismatch.selector, given, _posted.debits));
        _strike(_posted, _debits);
    }

    function test_strike__last_second_of_the_window__returns_the_debits() public {
        vm.warp(START + WINDOW - 1);
        bytes32 head = keccak256(abi.encode(keccak256("crowdproof.struck"), market.head()));
        _emitted(address(market));
        emit IMarket.EpochStruck(1, head);
        _strike(_posted, _debits);

        vm.assertEq(market.head(), head);
        vm.assertEq(market.lastEpoch(), 1);
        vm.assertEq(market.lastStrike(), START + WINDOW - 1);
        vm.assertEq(market.job(_job).debited, 0);
        vm.assertEq(market.job(_other).debited, 0);
        (uint32 epoch, uint64 postedAt, uint64 reserved) = market.pending();
        vm.assertEq(uint256(epoch) + postedAt + reserved, 0);
    }

    function test_strike__after_a_final_epoch__leaves_what_is_final() public {
        _finalise(_posted);
        (Header memory header, Debit[] memory debits) = _postPaying(_job, 500, 2);
        _strike(header, debits);
        vm.assertEq(market.claimRoot(), _posted.balances);
        vm.assertEq(market.finalTotal(), 1025 + 78);
        vm.assertEq(market.job(_job).debited, 1025);
        (header,) = _postPaying(_job, 500, 2);
        vm.assertEq(header.epoch, 3);
        vm.assertEq(header.total, 1025 + 78 + 512);
        _finalise(header);
    }
}
