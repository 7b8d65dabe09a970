// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Court} from "../../../contracts/Court.sol";
import {ICourt} from "../../../contracts/interfaces/ICourt.sol";
import {CourtFixture} from "./CourtFixture.sol";

contract SitTest is CourtFixture {
    function setUp() public {
        _deploy();
    }

    function test_sit__too_little__reverts() public {
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtCreditShort.selector, STRANGER, SEAT - 1, SEAT));
        court.sit{value: SEAT - 1}(1);
    }

    function test_sit__a_round_waits__reverts() public {
        _open();
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtBenchQuiet.selector, 1));
        court.sit{value: SEAT}(1);
        _draw(RANDAO);
        vm.prank(STRANGER);
        court.sit{value: SEAT}(1);
    }

    function testFuzz_sit__any__seats_and_the_rest_is_credit(uint8 seats, uint64 more) public {
        seats %= 40;
        _emitted();
        emit ICourt.SeatsTaken(STRANGER, seats);
        vm.prank(STRANGER);
        court.sit{value: seats * SEAT + more}(seats);
        vm.assertEq(court.seatCount(), 12 + uint256(seats));
        vm.assertEq(court.creditOf(STRANGER), more);
        if (seats != 0) vm.assertEq(court.seatAt(11 + uint256(seats)), STRANGER);
    }

    function test_sit__from_credit__takes_it() public {
        vm.prank(STRANGER);
        court.sit{value: 2 * SEAT}(0);
        vm.prank(STRANGER);
        court.sit(2);
        vm.assertEq(court.creditOf(STRANGER), 0);
        vm.assertEq(court.seatCount(), 14);
    }

    function _emitted() private {
        vm.expectEmit(true, true, true, true, address(court));
    }
}

contract StandTest is CourtFixture {
    function setUp() public {
        _deploy();
    }

    function test_stand__not_ones_own__reverts() public {
        vm.prank(_juror(0));
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtNotYourSeat.selector, 1, _juror(0)));
        court.stand(_positions(1));
        vm.prank(_juror(0));
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtNotYourSeat.selector, 12, _juror(0)));
        court.stand(_positions(12));
    }

    function test_stand__the_same_twice__reverts() public {
        uint256[] memory twice = new uint256[](2);
        vm.prank(_juror(0));
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtNotYourSeat.selector, 0, _juror(0)));
        court.stand(twice);
    }

    function test_stand__a_round_waits__reverts() public {
        _open();
        vm.prank(_juror(0));
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtBenchQuiet.selector, 1));
        court.stand(_positions(0));
    }

    function testFuzz_stand__any__gives_the_price_and_the_last_moves_in(uint8 pick) public {
        pick %= 12;
        vm.expectEmit(true, true, true, true, address(court));
        emit ICourt.SeatsLeft(_juror(pick), 1);
        vm.prank(_juror(pick));
        court.stand(_positions(pick));
        vm.assertEq(court.seatCount(), 11);
        vm.assertEq(court.creditOf(_juror(pick)), SEAT);
        if (pick != 11) vm.assertEq(court.seatAt(pick), _juror(11));
    }

    function _positions(uint256 position) private pure returns (uint256[] memory positions) {
        positions = new uint256[](1);
        positions[0] = position;
    }
}

contract WithdrawTest is CourtFixture {
    function setUp() public {
        _deploy();
    }

    function test_withdraw__nothing__reverts() public {
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtNothingToWithdraw.selector, STRANGER));
        court.withdraw();
    }

    function testFuzz_withdraw__credit__pays_it_once(uint64 amount) public {
        vm.assume(amount != 0);
        vm.prank(STRANGER);
        court.sit{value: amount}(0);
        uint256 before = STRANGER.balance;
        vm.expectEmit(true, true, true, true, address(court));
        emit ICourt.Withdrawn(STRANGER, amount);
        vm.prank(STRANGER);
        court.withdraw();
        vm.assertEq(STRANGER.balance - before, amount);
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(ICourt.CourtNothingToWithdraw.selector, STRANGER));
        court.withdraw();
    }

    function test_withdraw__reentered__pays_once() public {
        Thief thief = new Thief(court);
        thief.start{value: 1 ether}();
        vm.assertEq(address(thief).balance, 1 ether);
        vm.assertEq(address(court).balance, 12 * SEAT);
    }
}

contract Thief {
    Court private immutable _COURT;

    constructor(Court court) {
        _COURT = court;
    }

    function start() external payable {
        _COURT.sit{value: msg.value}(0);
        _COURT.withdraw();
    }

    receive() external payable {
        try _COURT.withdraw() {
            revert("paid twice");
        } catch {}
    }
}
