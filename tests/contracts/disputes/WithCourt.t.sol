// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Court} from "../../../contracts/Court.sol";
import {IArbitrator} from "../../../contracts/interfaces/IArbitrator.sol";
import {Stage} from "../../../contracts/interfaces/IDisputes.sol";
import {Blocks} from "../support/Blocks.sol";
import {DisputesFixture} from "./DisputesFixture.sol";

/// @title A contest before the real court, from filing to the refund
abstract contract WithCourtFixture is DisputesFixture {
    Court internal _court;
    uint256 private constant SEAT = 1 ether;

    function setUp() public {
        Blocks.roll(1000);
        _court = new Court(SEAT, 0.4 ether, 0.01 ether, 1 days, 1 days, 1 days);
        _deployContested(IArbitrator(address(_court)), FEE, BOND, PATIENCE);
        vm.deal(CONTESTER, 100 ether);
        for (uint256 i = 0; i < 10; ++i) {
            address juror = address(uint160(0x1000 + i));
            vm.deal(juror, SEAT);
            vm.prank(juror);
            _court.sit{value: SEAT}(1);
        }
        _postEpoch();
    }

    function _draw(uint256 dispute, uint256 round) internal {
        uint256 number = _court.roundOf(dispute, round).drawBlock;
        Blocks.roll(number + 1);
        bytes memory header = Blocks.set(number, keccak256("randao"));
        _court.draw(header);
    }

    function _round(uint256 dispute, uint256 round, uint256 choice) internal {
        _draw(dispute, round);
        _vote(dispute, round, choice);
    }

    function _vote(uint256 dispute, uint256 round, uint256 choice) internal {
        address[] memory seats = _court.roundOf(dispute, round).seats;
        for (uint256 i = 0; i < seats.length; ++i) {
            vm.prank(seats[i]);
            _court.commitVote(dispute, keccak256(abi.encode(dispute, round, seats[i], choice, bytes32("s"))));
        }
        vm.warp(block.timestamp + 1 days);
        for (uint256 i = 0; i < seats.length; ++i) {
            vm.prank(seats[i]);
            _court.revealVote(dispute, choice, "s");
        }
        vm.warp(block.timestamp + 1 days);
    }
}

contract WithCourtTest is WithCourtFixture {
    function test_court__rules_for_the_job__the_requester_is_refunded() public {
        _contestPay(1, 0);
        uint256 dispute = _raised(1);
        _round(dispute, 0, 2);
        vm.warp(block.timestamp + 1 days);
        _court.execute(dispute);
        _checkStage(1, Stage.Ruled);
        disputes.settle(1);
        vm.assertEq(market.job(job).debited, PAY + DEBIT_FEE - 150);
        _checkConserved(0);
    }

    function test_court__overturned_on_appeal__the_worker_is_paid() public {
        _contestPay(1, 0);
        uint256 dispute = _raised(1);
        _round(dispute, 0, 2);
        vm.deal(STRANGER, 1 ether);
        vm.prank(STRANGER);
        disputes.appeal{value: 0.07 ether}(1);
        _round(dispute, 1, 1);
        _court.execute(dispute);
        disputes.settle(1);
        vm.assertEq(_claimFinal(1), 300);
        _checkConserved(0);
    }

    /// @dev An empty bench fails as a dead arbitrator does; nobody's deposit is lost.
    function test_court__an_empty_bench__favours_the_worker() public {
        _contestPay(1, 0);
        _contestPay(2, 0);
        _finaliseEpoch();
        for (uint256 i = 10; i > 0; --i) {
            uint256[] memory positions = new uint256[](1);
            positions[0] = i - 1;
            vm.prank(address(uint160(0x1000 + i - 1)));
            _court.stand(positions);
        }
        _confirm(1);
        disputes.raise(1);
        _checkStage(1, Stage.Confirmed);
        vm.warp(START + 3 * WINDOW);
        disputes.settle(1);
        vm.assertEq(disputes.creditOf(CONTESTER), FEE + BOND);
        vm.assertEq(_claimFinal(1), 300);
    }
}

contract ContestsGasTest is WithCourtFixture {
    function test_gas__contest() public {
        _contestPay(1, 0);
        vm.snapshotGasLastCall("Disputes", "contestPay");
        _contestRejection3();
        _finaliseEpoch();
        _confirm(1);
        vm.snapshotGasLastCall("Disputes", "confirm");
        disputes.raise(1);
        vm.snapshotGasLastCall("Disputes", "raise");
        uint256 dispute = disputes.contestOf(1).dispute;
        _draw(dispute, 0);
        vm.snapshotGasLastCall("Court", "draw_3_seats");
        _vote(dispute, 0, 2);
        vm.warp(block.timestamp + 1 days);
        _court.execute(dispute);
        vm.snapshotGasLastCall("Court", "execute_3_seats");
        disputes.settle(1);
        vm.snapshotGasLastCall("Disputes", "settle_to_job");
    }

    function _contestRejection3() private {
        vm.deal(_wallet(3), 1 ether);
        _contestRejection(3);
        vm.snapshotGasLastCall("Disputes", "contestRejection");
    }
}
