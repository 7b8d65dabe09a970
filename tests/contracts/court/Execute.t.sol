// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICourt} from "../../../contracts/interfaces/ICourt.sol";
import {CourtFixture, TestArbitrable} from "./CourtFixture.sol";

contract ExecuteTest is CourtFixture {
    function setUp() public {
        _deploy();
        _open();
    }

    function test_execute__not_over__reverts() public {
        _expectNotOver();
        court.execute(0);
        _draw(RANDAO);
        _vote(0, 0, _three(1, 1, 2));
        vm.warp(block.timestamp + APPEAL - 1);
        _expectNotOver();
        court.execute(0);
    }

    function test_execute__twice__reverts() public {
        _ended(_three(1, 1, 2));
        court.execute(0);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtDelivered.selector, 0));
        court.execute(0);
    }

    function test_execute__too_little_gas__reverts() public {
        _ended(_three(1, 1, 2));
        (bool done,) = address(court).call{gas: 500_000}(abi.encodeCall(court.execute, (0)));
        vm.assertTrue(!done, "the ruling was not delivered with what it may use");
        court.execute(0);
        vm.assertEq(arbitrable.ruling(), 1);
    }

    function test_execute__two_to_one__the_two_share_the_fees_and_the_fine() public {
        _ended(_three(1, 2, 1));
        address[] memory seats = _seats(0, 0);
        vm.expectEmit(true, true, true, true, address(court));
        emit ICourt.RulingDelivered(0, 1);
        court.execute(0);
        vm.assertEq(arbitrable.ruling(), 1);
        uint256 share = (3 * FEE + FINE) / 2;
        vm.assertEq(court.creditOf(seats[0]), SEAT + share);
        vm.assertEq(court.creditOf(seats[1]), SEAT - FINE);
        vm.assertEq(court.creditOf(seats[2]), SEAT + share);
        _checkConserved();
    }

    function test_execute__silent_juror__is_fined() public {
        _ended(_three(2, SILENT, 2));
        court.execute(0);
        vm.assertEq(arbitrable.ruling(), 2);
        vm.assertEq(court.creditOf(_seats(0, 0)[1]), SEAT - FINE);
        _checkConserved();
    }

    function test_execute__tie__rules_0_and_fines_only_the_silent() public {
        _ended(_three(1, 2, SILENT));
        court.execute(0);
        vm.assertEq(arbitrable.ruling(), 0);
        address[] memory seats = _seats(0, 0);
        uint256 share = (3 * FEE + FINE) / 2;
        vm.assertEq(court.creditOf(seats[0]), SEAT + share);
        vm.assertEq(court.creditOf(seats[1]), SEAT + share);
        vm.assertEq(court.creditOf(seats[2]), SEAT - FINE);
        _checkConserved();
    }

    function test_execute__nobody_votes__rules_0_and_burns() public {
        _ended(_three(SILENT, SILENT, SILENT));
        court.execute(0);
        vm.assertEq(arbitrable.ruling(), 0);
        vm.assertEq(court.burnt(), 3 * FEE + 3 * FINE);
        _checkConserved();
    }

    function test_execute__all_refuse__rules_0() public {
        _ended(_three(0, 0, 1));
        court.execute(0);
        vm.assertEq(arbitrable.ruling(), 0);
        _checkConserved();
    }

    function test_execute__overturned__the_last_word_pays_over_both_rounds() public {
        _draw(RANDAO);
        _vote(0, 0, _three(1, 1, 2));
        vm.assertEq(court.currentRuling(0), 1);
        court.appeal{value: 7 * FEE}(0, "");
        _draw(RANDAO);
        vm.assertEq(court.currentRuling(0), 1);
        _vote(0, 1, _seven(2, 5));
        vm.assertEq(court.currentRuling(0), 2);
        court.execute(0);
        vm.assertEq(arbitrable.ruling(), 2);
        uint256 share = (10 * FEE + 4 * FINE) / 6;
        vm.assertEq(court.creditOf(_seats(0, 0)[2]), SEAT + share);
        vm.assertEq(court.creditOf(_seats(0, 0)[0]), SEAT - FINE);
        vm.assertEq(court.creditOf(_seats(0, 1)[6]), SEAT + share);
        _checkConserved();
    }

    function test_execute__nobody_votes_in_the_appeal__the_first_round_stands() public {
        _draw(RANDAO);
        _vote(0, 0, _three(1, 1, 2));
        court.appeal{value: 7 * FEE}(0, "");
        _draw(RANDAO);
        _vote(0, 1, _seven(0, 0));
        court.execute(0);
        vm.assertEq(arbitrable.ruling(), 1);
        _checkConserved();
    }

    /// @dev Hazard: a reverting callback blocks settlement.
    function test_execute__a_reverting_callback__blocks_nothing_and_can_be_repeated() public {
        _ended(_three(1, 1, 1));
        for (uint256 mood = 1; mood < 5; ++mood) {
            arbitrable.setMood(TestArbitrable.Mood(mood));
            court.execute(0);
            vm.assertTrue(
                court.caseOf(0).settled
                    && court.caseOf(0).delivered == (mood == uint256(TestArbitrable.Mood.ReturnsMuch)),
                "state"
            );
            if (court.caseOf(0).delivered) return;
            vm.assertEq(arbitrable.ruling(), 99);
            vm.assertEq(court.creditOf(_seats(0, 0)[0]), SEAT + FEE);
            _checkConserved();
        }
    }

    function test_execute__callback_mended__is_ruled_and_jurors_are_paid_once() public {
        _ended(_three(1, 1, 1));
        arbitrable.setMood(TestArbitrable.Mood.Reenters);
        vm.expectEmit(true, true, true, true, address(court));
        emit ICourt.RulingRefused(0, 1);
        court.execute(0);
        arbitrable.setMood(TestArbitrable.Mood.Takes);
        vm.prank(STRANGER);
        court.execute(0);
        vm.assertEq(arbitrable.ruling(), 1);
        vm.assertEq(arbitrable.times(), 1);
        vm.assertEq(court.creditOf(_seats(0, 0)[0]), SEAT + FEE);
    }

    /// @dev Whatever is voted: coins in = coins out + burnt, and no one loses more than the fine.
    function testFuzz_execute__any_votes__conserve(uint256 votes, bool appealed, bytes32 randao) public {
        _draw(randao);
        _vote(0, 0, _drawnFrom(votes, 3));
        if (appealed) {
            court.appeal{value: 7 * FEE}(0, "");
            _draw(keccak256(abi.encode(randao)));
            _vote(0, 1, _drawnFrom(votes >> 16, 7));
        } else {
            vm.warp(block.timestamp + APPEAL);
        }
        court.execute(0);
        _checkConserved();
        for (uint256 round = 0; round < (appealed ? 2 : 1); ++round) {
            for (uint256 i = 0; i < _seats(0, round).length; ++i) {
                vm.assertTrue(court.creditOf(_seats(0, round)[i]) >= SEAT - FINE, "lost more than the fine");
            }
        }
    }

    function _drawnFrom(uint256 votes, uint256 count) private pure returns (uint256[] memory choices) {
        choices = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            choices[i] = votes >> (2 * i) & 3;
            if (choices[i] == 3) choices[i] = SILENT;
        }
    }

    function _ended(uint256[] memory choices) private {
        _draw(RANDAO);
        _vote(0, 0, choices);
        vm.warp(block.timestamp + APPEAL);
    }

    function _checkConserved() private view {
        vm.assertEq(address(court).balance, _owed(12), "coins in = coins out + burnt");
    }

    function _expectNotOver() private {
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtNotOver.selector, 0));
    }
}
