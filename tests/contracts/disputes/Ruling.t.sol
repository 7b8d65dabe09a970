// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IArbitrable} from "../../../contracts/interfaces/IArbitrable.sol";
import {IArbitrator} from "../../../contracts/interfaces/IArbitrator.sol";
import {Contest, IDisputes, Stage} from "../../../contracts/interfaces/IDisputes.sol";
import {IEvidence} from "../../../contracts/interfaces/IEvidence.sol";
import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {Link} from "../../../contracts/interfaces/IReferee.sol";
import {DisputesFixture, TestArbitrator} from "./DisputesFixture.sol";

contract ConfirmTest is DisputesFixture {
    function setUp() public {
        _deployDisputes();
        _postEpoch();
        _contestPay(1, 0);
    }

    function test_confirm__still_pending__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesEpochPending.selector, 1));
        _confirm(1);
        vm.warp(block.timestamp + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesEpochPending.selector, 1));
        _confirm(1);
    }

    function test_confirm__the_wrong_end__reverts() public {
        uint256 before = vm.snapshotState();
        _finaliseEpoch();
        _refuseUnlinked(true, new Link[](0));
        vm.assertTrue(vm.revertToState(before), "state");
        _strikeEpoch();
        _refuseUnlinked(false, new Link[](0));
    }

    function test_confirm__epochs_later__is_proven_by_links() public {
        _finaliseEpoch();
        _postEpoch();
        Link[] memory link = _link(false);
        _refuseUnlinked(false, _linkStruck(link));
        _refuseUnlinked(true, link);
        vm.expectEmit(true, true, true, true, address(disputes));
        emit IDisputes.ContestConfirmed(1);
        disputes.confirm(1, false, link);
        _checkStage(1, Stage.Confirmed);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesStageWrong.selector, 1, Stage.Confirmed));
        disputes.confirm(1, false, link);
    }

    function test_confirm__struck_epochs_ago__is_dropped() public {
        _strikeEpoch();
        _postEpoch();
        disputes.confirm(1, true, _link(false));
        _checkStage(1, Stage.Over);
        vm.assertEq(market.frozen(), 0);
    }

    function test_confirm__struck__thaws_and_gives_the_deposit_back() public {
        _contestRejection(3);
        _strikeEpoch();
        for (uint256 id = 1; id < 3; ++id) {
            vm.expectEmit(true, true, true, true, address(disputes));
            emit IDisputes.ContestDropped(id);
            disputes.confirm(id, true, new Link[](0));
        }
        vm.assertEq(market.frozen(), 0);
        vm.assertEq(market.claimedOf(1), 0);
        vm.assertEq(market.reservedOf(address(disputes), job), 0);
        vm.assertEq(market.job(job).debited, 0);
        vm.assertEq(disputes.creditOf(CONTESTER), FEE + BOND);
        vm.assertEq(disputes.creditOf(_wallet(3)), FEE + BOND);
        _checkConserved(0);
        // The same verdict of the next epoch is another contest.
        _postEpoch();
        vm.assertEq(_contestPay(1, 0), 3);
    }

    function _linkStruck(Link[] memory link) private pure returns (Link[] memory copy) {
        copy = new Link[](1);
        copy[0] = Link(link[0].digest, link[0].signers, true);
    }

    function _refuseUnlinked(bool struck, Link[] memory links) private {
        (bool done, bytes memory answer) = address(disputes).call(abi.encodeCall(IDisputes.confirm, (1, struck, links)));
        vm.assertTrue(!done && bytes4(answer) == IDisputes.DisputesHeadMismatch.selector, "taken");
    }
}

contract RaiseTest is DisputesFixture {
    function setUp() public {
        _deployDisputes();
        _postEpoch();
        _contestPay(1, 0);
    }

    function test_raise__not_confirmed__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesStageWrong.selector, 1, Stage.Filed));
        disputes.raise(1);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesStageWrong.selector, 2, Stage.None));
        disputes.raise(2);
    }

    function test_raise__too_late__reverts() public {
        _final();
        vm.warp(START + 3 * WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesTooLate.selector, 1, START + 3 * WINDOW));
        disputes.raise(1);
        vm.warp(START + 3 * WINDOW - 1);
        disputes.raise(1);
    }

    function test_raise__dearer_than_the_fee__needs_the_difference() public {
        _final();
        arbitrator.setCost(FEE + 5);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesFeeShort.selector, FEE + 5, FEE + 4));
        disputes.raise{value: 4}(1);
        vm.prank(STRANGER);
        disputes.raise{value: 9}(1);
        vm.assertEq(address(arbitrator).balance, FEE + 5);
        vm.assertEq(disputes.creditOf(STRANGER), 4);
        _checkConserved(BOND);
    }

    function test_raise__cheaper_than_the_fee__gives_the_rest_back() public {
        _final();
        arbitrator.setCost(FEE - 7);
        disputes.raise(1);
        vm.assertEq(disputes.creditOf(CONTESTER), 7);
        _checkConserved(BOND);
    }

    function test_raise__good__is_before_the_arbitrator() public {
        _final();
        vm.expectEmit(true, true, true, true, address(disputes));
        emit IEvidence.Dispute(IArbitrator(address(arbitrator)), 100, 0, 1);
        vm.prank(STRANGER);
        disputes.raise(1);
        vm.assertEq(disputes.contestOfDispute(100), 1);
        vm.assertEq(disputes.contestOf(1).deadline, block.timestamp + PATIENCE);
        vm.assertEq(string(arbitrator.extraData()), "court");
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesStageWrong.selector, 1, Stage.Raised));
        disputes.raise(1);
    }

    /// @dev Hazard: a reverting arbitrator blocks settlement.
    function test_raise__a_failing_arbitrator__blocks_nothing_and_can_be_tried_again() public {
        _final();
        for (uint256 mood = 1; mood < 5; ++mood) {
            arbitrator.setMood(TestArbitrator.Mood(mood));
            vm.expectEmit(true, true, true, true, address(disputes));
            emit IDisputes.ArbitratorFailed(1);
            vm.prank(STRANGER);
            disputes.raise{value: 3}(1);
            vm.assertTrue(disputes.contestOf(1).refused, "refused");
        }
        vm.assertEq(disputes.creditOf(STRANGER), 12);
        _checkConserved(FEE + BOND);
        arbitrator.setMood(TestArbitrator.Mood.Works);
        disputes.raise(1);
        _checkStage(1, Stage.Raised);
    }

    /// @dev It took the fee, and cannot be read: it can never rule, so the worker is favoured in the end.
    function test_raise__an_unreadable_answer__cannot_rule() public {
        _final();
        arbitrator.setMood(TestArbitrator.Mood.AnswersShort);
        disputes.raise(1);
        vm.warp(block.timestamp + PATIENCE);
        disputes.settle(1);
        vm.assertEq(_claimFinal(1), 300);
        _checkConserved(0);
    }

    /// @dev Nobody makes the arbitrator fail by giving too little gas.
    function test_raise__too_little_gas__reverts() public {
        _final();
        (bool done,) = address(disputes).call{gas: 1_600_000}(abi.encodeCall(IDisputes.raise, (1)));
        vm.assertTrue(!done, "taken");
        vm.assertTrue(!disputes.contestOf(1).refused, "refused");
    }

    function _final() private {
        _finaliseEpoch();
        _confirm(1);
    }
}

contract RuleTest is DisputesFixture {
    uint256 private _dispute;

    function setUp() public {
        _deployDisputes();
        _postEpoch();
        _dispute = _raised(_contestPay(1, 0));
    }

    function test_rule__by_another__reverts() public {
        address[3] memory others = [STRANGER, CONTESTER, _wallet(1)];
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesNotArbitrator.selector, others[i]));
            disputes.rule(_dispute, 1);
        }
    }

    function test_rule__another_dispute_or_ruling__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesStageWrong.selector, 0, Stage.None));
        _rule(_dispute + 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesRulingUnknown.selector, 3));
        _rule(_dispute, 3);
    }

    function test_rule__too_late__reverts() public {
        uint256 end = block.timestamp + PATIENCE;
        vm.warp(end);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesTooLate.selector, 1, end));
        _rule(_dispute, 2);
        vm.warp(end - 1);
        _rule(_dispute, 2);
    }

    function test_rule__twice__reverts() public {
        vm.expectEmit(true, true, true, true, address(disputes));
        emit IArbitrable.Ruling(IArbitrator(address(arbitrator)), _dispute, 2);
        _rule(_dispute, 2);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesStageWrong.selector, 1, Stage.Ruled));
        _rule(_dispute, 1);
    }
}

contract AppealPassTest is DisputesFixture {
    function test_appeal__only_when_raised__passes_the_value_on() public {
        _deployDisputes();
        _postEpoch();
        _contestPay(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesStageWrong.selector, 1, Stage.Filed));
        disputes.appeal{value: 5}(1);
        _raised(1);
        vm.prank(STRANGER);
        disputes.appeal{value: 5}(1);
        vm.assertEq(arbitrator.appeals(), 5);
        _checkConserved(BOND);
    }
}

contract SettleTest is DisputesFixture {
    uint256 private constant HALF = BOND / 2;

    function setUp() public {
        _deployDisputes();
        _postEpoch();
    }

    function test_settle__not_yet__reverts() public {
        _contestPay(1, 0);
        _expectStage(Stage.Filed);
        disputes.settle(1);
        _finaliseEpoch();
        _confirm(1);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesTooEarly.selector, 1, START + 3 * WINDOW));
        disputes.settle(1);
        disputes.raise(1);
        uint256 end = block.timestamp + PATIENCE;
        vm.warp(end - 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesTooEarly.selector, 1, end));
        disputes.settle(1);
        vm.warp(end);
        disputes.settle(1);
        _expectStage(Stage.Over);
        disputes.settle(1);
    }

    function test_settle__pay_ruled_to_the_worker__is_claimed_and_the_contester_loses() public {
        _rule(_raised(_contestPay(1, 0)), 1);
        vm.assertEq(_claimFinal(1), 150);
        vm.expectEmit(true, true, true, true, address(disputes));
        emit IDisputes.ContestSettled(1, 1, true);
        disputes.settle(1);
        vm.assertEq(_claimFinal(1), 150);
        vm.assertEq(disputes.creditOf(_wallet(1)), HALF);
        vm.assertEq(disputes.creditOf(CONTESTER), 0);
        vm.assertEq(disputes.burnt(), BOND - HALF);
        _checkConserved(0);
    }

    function test_settle__pay_ruled_to_the_job__is_refundable() public {
        _rule(_raised(_contestPay(1, 0)), 2);
        vm.expectEmit(true, true, true, true, address(disputes));
        emit IDisputes.ContestSettled(1, 2, false);
        disputes.settle(1);
        vm.assertEq(_claimFinal(1), 150);
        vm.assertEq(_claimFinal(1), 0);
        vm.assertEq(market.frozen(), 0);
        vm.assertEq(market.job(job).debited, PAY + DEBIT_FEE - 150);
        vm.assertEq(disputes.creditOf(CONTESTER), BOND);
        _checkConserved(0);
        vm.warp(market.refundOpensAt(job));
        uint256 before = token.balanceOf(REQUESTER);
        _refund(job);
        vm.assertEq(token.balanceOf(REQUESTER) - before, (ESCROW - PAY - DEBIT_FEE + 150) * UNIT);
    }

    /// @dev A job that was refunded already gets the amount all the same.
    function test_settle__pay_ruled_to_a_refunded_job__is_refunded_again() public {
        uint256 dispute = _raised(_contestPay(1, 0));
        vm.warp(market.refundOpensAt(job));
        _refund(job);
        _rule(dispute, 2);
        disputes.settle(1);
        uint256 before = token.balanceOf(REQUESTER);
        _refund(job);
        vm.assertEq(token.balanceOf(REQUESTER) - before, 150 * UNIT);
    }

    function test_settle__pay_not_decided__favours_the_worker_and_the_bond_comes_back() public {
        uint256 dispute = _raised(_contestPay(1, 0));
        _rule(dispute, 0);
        disputes.settle(1);
        vm.assertEq(_claimFinal(1), 300);
        vm.assertEq(disputes.creditOf(CONTESTER), BOND);
        _checkConserved(0);
    }

    function test_settle__arbitrator_silent__favours_the_worker() public {
        _raised(_contestPay(1, 0));
        vm.warp(block.timestamp + PATIENCE);
        disputes.settle(1);
        vm.assertEq(_claimFinal(1), 300);
        vm.assertEq(disputes.creditOf(CONTESTER), BOND);
        _checkConserved(0);
    }

    function test_settle__pay_never_raised__the_contester_loses_the_bond() public {
        _contestPay(1, 0);
        _finaliseEpoch();
        _confirm(1);
        vm.warp(START + 3 * WINDOW);
        disputes.settle(1);
        vm.assertEq(_claimFinal(1), 300);
        vm.assertEq(disputes.creditOf(_wallet(1)), HALF);
        vm.assertEq(disputes.creditOf(CONTESTER), FEE);
        _checkConserved(0);
    }

    function test_settle__rejection_ruled_to_the_worker__pays_base() public {
        _rule(_raised(_contestRejection(3)), 1);
        disputes.settle(1);
        vm.assertEq(token.balanceOf(_wallet(3)), 100 * UNIT);
        vm.assertEq(disputes.creditOf(_wallet(3)), BOND);
        vm.assertEq(market.reservedOf(address(disputes), job), 0);
        vm.assertEq(market.job(job).debited, PAY + DEBIT_FEE + 100);
        _checkConserved(0);
    }

    function test_settle__rejection_ruled_to_the_job__gives_the_base_back() public {
        _rule(_raised(_contestRejection(4)), 2);
        disputes.settle(1);
        vm.assertEq(token.balanceOf(_wallet(4)), 0);
        vm.assertEq(market.job(job).debited, PAY + DEBIT_FEE);
        vm.assertEq(disputes.creditOf(REQUESTER), HALF);
        vm.assertEq(disputes.creditOf(_wallet(4)), 0);
        _checkConserved(0);
    }

    function test_settle__rejection_not_decided__pays_base() public {
        _raised(_contestRejection(3));
        vm.warp(block.timestamp + PATIENCE);
        disputes.settle(1);
        vm.assertEq(token.balanceOf(_wallet(3)), 100 * UNIT);
        vm.assertEq(disputes.creditOf(_wallet(3)), BOND);
        _checkConserved(0);
    }

    /// @dev The silence that counts is the arbitrator's: a worker that contests and goes no further gets nothing.
    function test_settle__rejection_never_raised__the_worker_loses_the_bond_and_the_base() public {
        _contestRejection(3);
        _finaliseEpoch();
        _confirm(1);
        vm.warp(START + 3 * WINDOW);
        disputes.settle(1);
        vm.assertEq(token.balanceOf(_wallet(3)), 0);
        vm.assertEq(market.reservedOf(address(disputes), job), 0);
        vm.assertEq(disputes.creditOf(_wallet(3)), FEE);
        vm.assertEq(disputes.creditOf(REQUESTER), HALF);
        _checkConserved(0);
    }

    /// @dev Tried and failed until it was too late: the worker is favoured in both kinds.
    function test_hazard__a_reverting_arbitrator_blocks_settlement() public {
        _contestPay(1, 0);
        _contestRejection(3);
        _finaliseEpoch();
        arbitrator.setMood(TestArbitrator.Mood.CreateReverts);
        for (uint256 id = 1; id < 3; ++id) {
            _confirm(id);
            disputes.raise(id);
        }
        vm.warp(START + 3 * WINDOW);
        disputes.settle(1);
        disputes.settle(2);
        vm.assertEq(_claimFinal(1), 300);
        vm.assertEq(token.balanceOf(_wallet(3)), 100 * UNIT);
        vm.assertEq(disputes.creditOf(CONTESTER), FEE + BOND);
        vm.assertEq(disputes.creditOf(_wallet(3)), FEE + BOND);
        _checkConserved(0);
    }

    /// @dev Worker 1 contests its own pay, from another account.
    function test_hazard__disputing_oneself_gives_the_bond_back() public {
        uint256 before = STRANGER.balance + _wallet(1).balance;
        _must(STRANGER, FEE + BOND, _payCall(1, 0));
        _rule(_raised(1), 1);
        disputes.settle(1);
        vm.prank(_wallet(1));
        disputes.withdraw();
        vm.assertEq(before - STRANGER.balance - _wallet(1).balance, FEE + BOND - HALF);
        vm.assertTrue(BOND - HALF >= HALF, "half is burnt");
    }

    /// @dev Who freezes and never raises pays as well: contesting oneself does not keep others out for free.
    function test_settle__self_dispute_never_raised__costs_and_anyone_may_raise_it() public {
        _must(STRANGER, FEE + BOND, _payCall(1, 0));
        _finaliseEpoch();
        _confirm(1);
        vm.prank(REQUESTER);
        disputes.raise(1);
        _checkStage(1, Stage.Raised);
    }

    /// @dev Here no silence takes a worker's pay.
    function test_hazard__an_operators_silence_refunds_the_client() public {
        _contestPay(1, 0);
        _finaliseEpoch();
        vm.warp(block.timestamp + 365 days);
        _confirm(1);
        disputes.settle(1);
        vm.assertEq(_claimFinal(1), 300);
    }

    /// @dev No path from a counted answer of a final epoch to losing its pay without ruling 2; and coins are conserved.
    function testFuzz_settle__any_path__only_a_ruling_takes_pay(
        bool raised,
        uint8 ruling,
        bool ruled,
        uint8 mood,
        bool rejection,
        uint32 wait
    ) public {
        ruling %= 3;
        uint256 id = rejection ? _contestRejection(3) : _contestPay(1, 0);
        _finaliseEpoch();
        _confirm(id);
        arbitrator.setMood(TestArbitrator.Mood(mood % 6));
        if (raised) disputes.raise(id);
        bool before = _stage(id) == Stage.Raised;
        uint256 dispute = disputes.contestOf(id).dispute;
        if (ruled && before && dispute < 1000) _rule(dispute, ruling);
        else ruled = false;
        vm.warp(block.timestamp + PATIENCE + wait);
        disputes.settle(id);
        bool toJob = ruled && ruling == 2;
        if (rejection) {
            toJob = toJob || !raised;
            vm.assertEq(token.balanceOf(_wallet(3)), toJob ? 0 : 100 * UNIT);
        } else {
            vm.assertEq(_claimFinal(1), toJob ? 150 : 300);
        }
        _checkConserved(0);
    }

    function _expectStage(Stage stage) private {
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesStageWrong.selector, 1, stage));
    }
}

contract DisputesWithdrawTest is DisputesFixture {
    function test_withdraw__credit__pays_it_once() public {
        _deployDisputes();
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesNothingToWithdraw.selector, CONTESTER));
        vm.prank(CONTESTER);
        disputes.withdraw();
        _postEpoch();
        _contestPay(1, 0);
        _strikeEpoch();
        disputes.confirm(1, true, new Link[](0));
        vm.expectEmit(true, true, true, true, address(disputes));
        emit IDisputes.Withdrawn(CONTESTER, FEE + BOND);
        vm.prank(CONTESTER);
        disputes.withdraw();
        vm.assertEq(CONTESTER.balance, 100 ether);
        vm.assertEq(address(disputes).balance, 0);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesNothingToWithdraw.selector, CONTESTER));
        vm.prank(CONTESTER);
        disputes.withdraw();
    }
}
