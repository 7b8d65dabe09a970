// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IArbitrable} from "../../../contracts/interfaces/IArbitrable.sol";
import {IArbitrator} from "../../../contracts/interfaces/IArbitrator.sol";
import {ICourt, Round} from "../../../contracts/interfaces/ICourt.sol";
import {Blocks} from "../support/Blocks.sol";
import {CourtFixture} from "./CourtFixture.sol";

contract CreateDisputeTest is CourtFixture {
    function setUp() public {
        _deploy();
    }

    function test_createDispute__another_fee__reverts() public {
        uint256[2] memory fees = [3 * FEE - 1, 3 * FEE + 1];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ICourt.CourtFeeMismatch.selector, fees[i], 3 * FEE));
            court.createDispute{value: fees[i]}(2, "");
        }
    }

    function test_createDispute__choices_out_of_range__reverts() public {
        uint256[2] memory choices = [uint256(0), 256];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ICourt.CourtChoicesOutOfRange.selector, choices[i]));
            court.createDispute{value: 3 * FEE}(choices[i], "");
        }
        court.createDispute{value: 3 * FEE}(255, "");
    }

    function test_createDispute__too_few_seats_left__reverts() public {
        for (uint256 i = 0; i < 4; ++i) {
            _open();
        }
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtSeatsShort.selector, 0, 3));
        _open();
    }

    function test_createDispute__good__waits() public {
        vm.expectEmit(true, true, true, true, address(court));
        emit IArbitrator.DisputeCreation(0, IArbitrable(address(arbitrable)));
        vm.expectEmit(true, true, true, true, address(court));
        emit ICourt.RoundOpened(0, 0, BLOCK + DELAY);
        vm.assertEq(_open(), 0);
        vm.assertEq(_open(), 1);
        vm.assertEq(court.waiting(), 2);
        vm.assertEq(uint256(court.disputeStatus(0)), uint256(IArbitrator.DisputeStatus.Waiting));
        vm.assertEq(court.currentRuling(0), 0);
        (uint256 start, uint256 end) = court.appealPeriod(0);
        vm.assertEq(start + end, 0);
    }

    function test_views__unknown_dispute__revert() public {
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtDisputeUnknown.selector, 0));
        court.currentRuling(0);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtDisputeUnknown.selector, 0));
        court.disputeStatus(0);
    }
}

contract DrawTest is CourtFixture {
    function setUp() public {
        _deploy();
    }

    function test_draw__nothing_waits__reverts() public {
        bytes memory header = Blocks.header(BLOCK + DELAY, RANDAO);
        vm.expectRevert(ICourt.CourtNothingToDraw.selector);
        court.draw(header);
    }

    function test_draw__another_block__reverts() public {
        _open();
        Blocks.roll(BLOCK + DELAY + 2);
        bytes memory header = Blocks.set(BLOCK + DELAY + 1, RANDAO);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtHeaderMismatch.selector, BLOCK + DELAY + 1, BLOCK + DELAY));
        court.draw(header);
    }

    function test_draw__too_early_or_a_false_header__reverts() public {
        _open();
        bytes memory header = Blocks.header(BLOCK + DELAY, RANDAO);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtHeaderUnknown.selector, BLOCK + DELAY));
        court.draw(header);
        Blocks.roll(BLOCK + DELAY + 1);
        Blocks.set(BLOCK + DELAY, keccak256("other"));
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtHeaderUnknown.selector, BLOCK + DELAY));
        court.draw(header);
    }

    function testFuzz_draw__any_randomness__three_seats_serve(bytes32 randao) public {
        _open();
        _draw(randao);
        address[] memory seats = _seats(0, 0);
        vm.assertEq(seats.length, 3);
        vm.assertEq(court.seatCount(), 9);
        for (uint256 i = 0; i < 3; ++i) {
            vm.assertEq(court.voteOf(0, 0, seats[i]).seats, 1);
            vm.assertTrue(uint160(seats[i]) >= 0x1000 && uint160(seats[i]) < 0x100C, "a juror");
            for (uint256 j = 0; j < court.seatCount(); ++j) {
                vm.assertTrue(court.seatAt(j) != seats[i], "still on the bench");
            }
        }
        vm.assertEq(court.waiting(), 0);
    }

    /// @dev Whatever was asked for later, and whoever calls: the oldest goes first, and its block decides.
    function test_draw__two_wait__in_their_order() public {
        _open();
        Blocks.roll(BLOCK + 3);
        _open();
        Blocks.roll(BLOCK + DELAY + 4);
        Blocks.set(BLOCK + DELAY + 3, keccak256("second"));
        bytes memory second = Blocks.header(BLOCK + DELAY + 3, keccak256("second"));
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtHeaderMismatch.selector, BLOCK + DELAY + 3, BLOCK + DELAY));
        court.draw(second);
        bytes memory first = Blocks.set(BLOCK + DELAY, RANDAO);
        court.draw(first);
        court.draw(second);
        vm.assertEq(_seats(1, 0).length, 3);
    }

    function test_draw__most_seats__is_drawn_most() public {
        _sit(STRANGER, 36);
        uint256 drawn;
        for (uint256 i = 0; i < 5; ++i) {
            _open();
            _draw(keccak256(abi.encode(i)));
            drawn += court.voteOf(i, 0, STRANGER).seats;
        }
        // Three quarters of 15.
        vm.assertTrue(drawn >= 8 && drawn <= 14, "share of the draws");
    }
}

contract RedrawTest is CourtFixture {
    function setUp() public {
        _deploy();
    }

    function test_redraw__nothing_waits__reverts() public {
        vm.expectRevert(ICourt.CourtNothingToDraw.selector);
        court.redraw();
    }

    function test_redraw__still_provable_or_to_come__reverts() public {
        _open();
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtDrawStillPossible.selector, BLOCK + DELAY));
        court.redraw();
        Blocks.roll(BLOCK + DELAY + 1);
        Blocks.set(BLOCK + DELAY, RANDAO);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtDrawStillPossible.selector, BLOCK + DELAY));
        court.redraw();
    }

    function test_redraw__forgotten__another_block() public {
        _open();
        Blocks.roll(BLOCK + 20_000);
        court.redraw();
        vm.assertEq(court.roundOf(0, 0).drawBlock, BLOCK + 20_000 + DELAY);
        Blocks.roll(BLOCK + 20_000 + DELAY + 1);
        court.draw(Blocks.set(BLOCK + 20_000 + DELAY, RANDAO));
    }
}

contract AppealTest is CourtFixture {
    function setUp() public {
        _deploy();
        _open();
    }

    function test_appeal__outside_the_period__reverts() public {
        _expectNotAppealable();
        court.appeal{value: 7 * FEE}(0, "");
        _draw(RANDAO);
        vm.warp(START + COMMIT + REVEAL - 1);
        _expectNotAppealable();
        court.appeal{value: 7 * FEE}(0, "");
        vm.warp(START + COMMIT + REVEAL + APPEAL);
        _expectNotAppealable();
        court.appeal{value: 7 * FEE}(0, "");
        vm.warp(START + COMMIT + REVEAL + APPEAL - 1);
        court.appeal{value: 7 * FEE}(0, "");
    }

    function test_appeal__another_fee__reverts() public {
        _known();
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtFeeMismatch.selector, 3 * FEE, 7 * FEE));
        court.appeal{value: 3 * FEE}(0, "");
    }

    function test_appeal__too_few_seats_left__reverts() public {
        _known();
        _open();
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtSeatsShort.selector, 6, 7));
        court.appeal{value: 7 * FEE}(0, "");
    }

    function test_appeal__twice__reverts() public {
        _known();
        vm.expectEmit(true, true, true, true, address(court));
        emit IArbitrator.AppealDecision(0, IArbitrable(address(arbitrable)));
        court.appeal{value: 7 * FEE}(0, "");
        _expectNotAppealable();
        court.appeal{value: 7 * FEE}(0, "");
        _draw(RANDAO);
        vm.assertEq(_seats(0, 1).length, 7);
        _vote(0, 1, _seven(4, 3));
        _expectNotAppealable();
        court.appeal{value: 7 * FEE}(0, "");
        vm.assertEq(uint256(court.disputeStatus(0)), uint256(IArbitrator.DisputeStatus.Solved));
    }

    function test_appealPeriod__known__between_votes_and_the_end() public {
        _known();
        (uint256 start, uint256 end) = court.appealPeriod(0);
        vm.assertEq(start, START + COMMIT + REVEAL);
        vm.assertEq(end, start + APPEAL);
    }

    function _known() private {
        _draw(RANDAO);
        _vote(0, 0, _three(1, 1, 2));
    }

    function _expectNotAppealable() private {
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtNotAppealable.selector, 0));
    }
}
