// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Court} from "../../../contracts/Court.sol";
import {CourtFixture, TestArbitrable} from "../court/CourtFixture.sol";
import {Blocks} from "../support/Blocks.sol";

/// @title Everybody who acts on a court; what was paid in and out is counted here, without asking it
contract Jurors is CourtFixture {
    uint256 private constant PEOPLE = 6;
    uint256 private constant MOST_DISPUTES = 5;

    uint256 public paidIn;
    uint256 public paidOut;
    uint256 public votes;
    uint256 public executed;
    /// @dev How each juror's coins moved: all that it put in, against what it has.
    mapping(address juror => uint256) public putIn;
    mapping(address juror => uint256) public tookOut;
    mapping(address juror => uint256) public fines;

    constructor() {
        vm.warp(START);
        Blocks.roll(BLOCK);
        court = new Court(SEAT, FINE, FEE, COMMIT, REVEAL, APPEAL);
        arbitrable = new TestArbitrable();
        for (uint256 i = 0; i < PEOPLE; ++i) {
            sit(i, 3, 0);
        }
    }

    function sit(uint256 who, uint256 seats, uint256 more) public {
        if (court.waiting() != 0) return;
        seats %= 4;
        address juror = _juror(who % PEOPLE);
        uint256 credit = court.creditOf(juror);
        uint256 value = (seats * SEAT > credit ? seats * SEAT - credit : 0) + more % 1 ether;
        vm.deal(juror, value);
        vm.prank(juror);
        court.sit{value: value}(seats);
        paidIn += value;
        putIn[juror] += value;
    }

    function stand(uint256 pick) external {
        if (court.waiting() != 0 || court.seatCount() == 0) return;
        uint256[] memory positions = new uint256[](1);
        positions[0] = pick % court.seatCount();
        vm.prank(court.seatAt(positions[0]));
        court.stand(positions);
    }

    function withdraw(uint256 who) external {
        address juror = _juror(who % PEOPLE);
        uint256 credit = court.creditOf(juror);
        if (credit == 0) return;
        vm.deal(juror, 0);
        vm.prank(juror);
        court.withdraw();
        vm.assertEq(juror.balance, credit);
        paidOut += credit;
        tookOut[juror] += credit;
    }

    function open(uint256 choices) external {
        if (court.disputeCount() == MOST_DISPUTES) return;
        vm.deal(address(this), 3 * FEE);
        try arbitrable.open{value: 3 * FEE}(court, 1 + choices % 3) {
            paidIn += 3 * FEE;
        } catch {}
    }

    function draw(bytes32 randao) public {
        if (court.waiting() == 0) return;
        for (uint256 dispute = 0; dispute < court.disputeCount(); ++dispute) {
            uint256 round = court.caseOf(dispute).rounds - 1;
            if (court.roundOf(dispute, round).drawnAt != 0) continue;
            uint256 number = court.roundOf(dispute, round).drawBlock;
            if (block.number <= number) Blocks.roll(number + 1);
            if (block.number > number + 250) {
                continue;
            }
            (bool done,) = address(court).call(abi.encodeCall(court.draw, (Blocks.set(number, randao))));
            if (done) return;
        }
    }

    /// @dev A juror of a dispute commits to the choice that its address and the pick give; revealing repeats it.
    function vote(uint256 pick, uint256 seat, uint256 choice) external {
        if (court.disputeCount() == 0) return;
        uint256 dispute = pick % court.disputeCount();
        uint256 round = court.caseOf(dispute).rounds - 1;
        address[] memory seats = _seats(dispute, round);
        if (seats.length == 0) return;
        address juror = seats[seat % seats.length];
        choice %= uint256(court.caseOf(dispute).choices) + 1;
        vm.prank(juror);
        (bool done,) =
            address(court).call(abi.encodeCall(court.commitVote, (dispute, _commitment(dispute, round, juror, choice))));
        if (!done) _open(dispute, round, juror);
    }

    function revealAll(uint256 pick) external {
        if (court.disputeCount() == 0) return;
        uint256 dispute = pick % court.disputeCount();
        uint256 round = court.caseOf(dispute).rounds - 1;
        address[] memory seats = _seats(dispute, round);
        for (uint256 i = 0; i < seats.length; ++i) {
            _open(dispute, round, seats[i]);
        }
    }

    function appeal(uint256 pick) external {
        if (court.disputeCount() == 0) return;
        vm.deal(address(this), 7 * FEE);
        (bool done,) =
            address(court).call{value: 7 * FEE}(abi.encodeCall(court.appeal, (pick % court.disputeCount(), "")));
        if (done) paidIn += 7 * FEE;
    }

    function execute(uint256 pick) external {
        if (court.disputeCount() == 0) return;
        uint256 dispute = pick % court.disputeCount();
        arbitrable.setMood(TestArbitrable.Mood(pick % 7 == 0 ? 1 : 0));
        bool settled = court.caseOf(dispute).settled;
        (bool done,) = address(court).call(abi.encodeCall(court.execute, (dispute)));
        if (!done || settled) return;
        ++executed;
        _countFines(dispute);
    }

    function pass(uint256 time) external {
        vm.warp(block.timestamp + time % (COMMIT + REVEAL));
        Blocks.roll(block.number + time % 5);
    }

    function passPhase(uint256 phase) external {
        vm.warp(block.timestamp + (phase % 3 == 0 ? COMMIT : phase % 3 == 1 ? REVEAL : APPEAL));
    }

    // ------------------------------------------------------------------ reading

    function held() external view returns (uint256 balance, uint256 owed) {
        return (address(court).balance, _owed(PEOPLE));
    }

    /// @dev The least that a juror has or had: what it put in, less its fines.
    function checkNobodyLostMore() external view {
        for (uint256 i = 0; i < PEOPLE; ++i) {
            address juror = _juror(i);
            uint256 has = court.creditOf(juror) + tookOut[juror] + SEAT * _serving(juror);
            for (uint256 position = 0; position < court.seatCount(); ++position) {
                if (court.seatAt(position) == juror) has += SEAT;
            }
            vm.assertTrue(has + fines[juror] >= putIn[juror], "a juror lost more than its fines");
        }
    }

    function checkRulings() external view {
        for (uint256 dispute = 0; dispute < court.disputeCount(); ++dispute) {
            if (!court.caseOf(dispute).settled) continue;
            vm.assertEq(court.currentRuling(dispute), court.caseOf(dispute).ruling, "a settled ruling changed");
        }
    }

    function _serving(address juror) private view returns (uint256 seats) {
        for (uint256 dispute = 0; dispute < court.disputeCount(); ++dispute) {
            if (court.caseOf(dispute).settled) continue;
            for (uint256 round = 0; round < court.caseOf(dispute).rounds; ++round) {
                seats += court.voteOf(dispute, round, juror).seats;
            }
        }
    }

    function _open(uint256 dispute, uint256 round, address juror) private {
        for (uint256 choice = 0; choice <= court.caseOf(dispute).choices; ++choice) {
            if (court.voteOf(dispute, round, juror).commitment != _commitment(dispute, round, juror, choice)) continue;
            vm.prank(juror);
            (bool done,) = address(court).call(abi.encodeCall(court.revealVote, (dispute, choice, SALT)));
            if (done) ++votes;
        }
    }

    function _countFines(uint256 dispute) private {
        uint256 ruling = court.caseOf(dispute).ruling;
        for (uint256 round = 0; round < court.caseOf(dispute).rounds; ++round) {
            address[] memory seats = _seats(dispute, round);
            for (uint256 i = 0; i < seats.length; ++i) {
                bool revealed = court.voteOf(dispute, round, seats[i]).revealed;
                uint256 choice = court.voteOf(dispute, round, seats[i]).choice;
                if (!revealed || (ruling != 0 && choice != ruling)) fines[seats[i]] += FINE;
            }
        }
    }
}
