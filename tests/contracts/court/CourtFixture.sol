// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Court} from "../../../contracts/Court.sol";
import {IArbitrable} from "../../../contracts/interfaces/IArbitrable.sol";
import {IArbitrator} from "../../../contracts/interfaces/IArbitrator.sol";
import {Blocks} from "../support/Blocks.sol";
import {Vm} from "../support/Vm.sol";

/// @title Takes rulings, or refuses them in one of the ways that a contract can
contract TestArbitrable is IArbitrable {
    enum Mood {
        Takes,
        Reverts,
        BurnsGas,
        ReturnsMuch,
        Reenters
    }

    Mood public mood;
    uint256 public ruling = 99;
    uint256 public times;

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function open(IArbitrator arbitrator, uint256 choices) external payable returns (uint256) {
        return arbitrator.createDispute{value: msg.value}(choices, "");
    }

    function rule(uint256 dispute, uint256 ruling_) external {
        require(mood != Mood.Reverts, "no");
        while (mood == Mood.BurnsGas) ++times;
        if (mood == Mood.ReturnsMuch) {
            bytes memory much = new bytes(200_000);
            assembly {
                return(much, 200000)
            }
        }
        if (mood == Mood.Reenters) Court(msg.sender).execute(dispute);
        ruling = ruling_;
        ++times;
        emit Ruling(IArbitrator(msg.sender), dispute, ruling_);
    }
}

/// @title A court with a bench of jurors, and a dispute before it
abstract contract CourtFixture {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint256 internal constant START = 1_700_000_000;
    uint256 internal constant BLOCK = 20_000_000;
    uint256 internal constant SEAT = 1 ether;
    uint256 internal constant FINE = 0.4 ether;
    uint256 internal constant FEE = 0.01 ether;
    uint64 internal constant COMMIT = 1 days;
    uint64 internal constant REVEAL = 2 days;
    uint64 internal constant APPEAL = 3 days;
    uint256 internal constant DELAY = 8;
    address internal constant STRANGER = address(0xBAD);
    bytes32 internal constant RANDAO = keccak256("randao");
    bytes32 internal constant SALT = keccak256("salt");

    Court internal court;
    TestArbitrable internal arbitrable;

    /// @dev Twelve jurors with one seat each.
    function _deploy() internal {
        vm.warp(START);
        Blocks.roll(BLOCK);
        court = new Court(SEAT, FINE, FEE, COMMIT, REVEAL, APPEAL);
        arbitrable = new TestArbitrable();
        for (uint256 i = 0; i < 12; ++i) {
            _sit(_juror(i), 1);
        }
        vm.deal(STRANGER, 1000 ether);
        vm.deal(address(this), 1000 ether);
    }

    function _juror(uint256 i) internal pure returns (address) {
        return address(uint160(0x1000 + i));
    }

    function _sit(address juror, uint256 seats) internal {
        vm.deal(juror, seats * SEAT);
        vm.prank(juror);
        court.sit{value: seats * SEAT}(seats);
    }

    function _open() internal returns (uint256) {
        return arbitrable.open{value: 3 * FEE}(court, 2);
    }

    function _draw(bytes32 randao) internal {
        uint256 number = block.number + DELAY;
        Blocks.roll(number + 1);
        court.draw(Blocks.set(number, randao));
    }

    function _seats(uint256 dispute, uint256 round) internal view returns (address[] memory) {
        return court.roundOf(dispute, round).seats;
    }

    function _commitment(uint256 dispute, uint256 round, address juror, uint256 choice)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(dispute, round, juror, choice, SALT));
    }

    function _commit(uint256 dispute, uint256 round, address juror, uint256 choice) internal {
        vm.prank(juror);
        court.commitVote(dispute, _commitment(dispute, round, juror, choice));
    }

    function _reveal(uint256 dispute, address juror, uint256 choice) internal {
        vm.prank(juror);
        court.revealVote(dispute, choice, SALT);
    }

    uint256 internal constant SILENT = 9;

    /// @dev Everybody drawn has one seat here; ends when the votes are known.
    function _vote(uint256 dispute, uint256 round, uint256[] memory choices) internal {
        address[] memory seats = _seats(dispute, round);
        for (uint256 i = 0; i < seats.length; ++i) {
            if (choices[i] != SILENT) _commit(dispute, round, seats[i], choices[i]);
        }
        vm.warp(block.timestamp + COMMIT);
        for (uint256 i = 0; i < seats.length; ++i) {
            if (choices[i] != SILENT) _reveal(dispute, seats[i], choices[i]);
        }
        vm.warp(block.timestamp + REVEAL);
    }

    function _three(uint256 a, uint256 b, uint256 c) internal pure returns (uint256[] memory choices) {
        choices = new uint256[](3);
        (choices[0], choices[1], choices[2]) = (a, b, c);
    }

    function _seven(uint256 ones, uint256 twos) internal pure returns (uint256[] memory choices) {
        choices = new uint256[](7);
        for (uint256 i = 0; i < 7; ++i) {
            choices[i] = i < ones ? 1 : i < ones + twos ? 2 : SILENT;
        }
    }

    /// @dev All that the court owes to its jurors: the bench, these disputes' seats and fees, credits, and what is burnt.
    function _owed(uint256 people) internal view returns (uint256 sum) {
        sum = court.seatCount() * SEAT + court.burnt();
        for (uint256 i = 0; i < people; ++i) {
            sum += court.creditOf(_juror(i));
        }
        for (uint256 dispute = 0; dispute < court.disputeCount(); ++dispute) {
            if (court.caseOf(dispute).settled) continue;
            for (uint256 round = 0; round < court.caseOf(dispute).rounds; ++round) {
                sum += court.roundOf(dispute, round).fees + _seats(dispute, round).length * SEAT;
            }
        }
    }

    receive() external payable {}
}
