// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Tree} from "../../../contracts/interfaces/IDemands.sol";
import {BalanceLeaf, Evidence, Fault, IReferee, Posted} from "../../../contracts/interfaces/IReferee.sol";
import {Case, Epoch, Epochs} from "../support/Epochs.sol";
import {Plant, Plants} from "../support/Plants.sol";

contract PayTest is Plants {
    function setUp() public {
        _deployReferee();
    }

    function test_pay__fault_of_another_entry__reverts() public {
        Case memory c = _case();
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeFaultElsewhere.selector, Fault.WrongLabel));
        referee.pay(c.posted, Fault.WrongLabel, _about(c.epoch, 0, 0));
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeFaultElsewhere.selector, Fault.Dropped));
        referee.pay(c.posted, Fault.Dropped, _about(c.epoch, 0, 0));
    }

    function test_pay__other_debits__reverts() public {
        Case memory c = _case();
        c.posted.debits = "";
        vm.expectPartialRevert(IReferee.RefereeDebitsMismatch.selector);
        referee.pay(c.posted, Fault.DebitMissing, _about(c.epoch, 0, 0));
    }

    function test_pay__no_evidence__reverts() public {
        Case memory c = _case();
        Evidence memory none;
        for (uint256 fault = uint256(Fault.RunningPay); fault <= uint256(Fault.FeeMissing); ++fault) {
            if (fault == uint256(Fault.DebitBeyond)) continue;
            if (fault == uint256(Fault.BalancesShrunk) || fault == uint256(Fault.BalancesBeyond)) continue;
            vm.expectRevert(IReferee.RefereeEvidenceMissing.selector);
            referee.pay(c.posted, Fault(fault), none);
        }
    }

    function test_pay__debit_beyond_the_posted__reverts() public {
        Case memory c = _case();
        Evidence memory e;
        e.position = 2;
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereePositionBeyond.selector, 2, 2));
        referee.pay(c.posted, Fault.DebitBeyond, e);
    }

    // ------------------------------------------------------------------ what strikes

    /// @dev What is shown counts only if it is in the epoch that was posted.
    function test_pay__each_plant_of_another_epoch__stands() public {
        _accuseWrongly(VERDICT_PLANTS, VERDICT_PLANTS + PAY_PLANTS);
    }

    function test_pay__each_plant__strikes() public {
        uint256 state = vm.snapshotState();
        for (uint256 n = VERDICT_PLANTS; n < VERDICT_PLANTS + PAY_PLANTS; ++n) {
            Epoch memory epoch = _first();
            Plant memory plant = _plant(epoch, n);
            (, bytes memory call) = _accuse(epoch, plant);
            (bool done,) = address(referee).call(call);
            vm.assertTrue(done, plant.what);
            _assertStruck();
            vm.revertToState(state);
        }
    }

    // ------------------------------------------------------------------ verdicts and debits

    function test_pay__running_pay_after_another_verdict__reverts() public {
        Case memory c = _case();
        Evidence memory e = _about(c.epoch, 1, 0);
        e.stubs = _stubs(c.epoch.verdicts[2]);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafElsewhere.selector, 2, 0));
        referee.pay(c.posted, Fault.RunningPay, e);
    }

    // ------------------------------------------------------------------ balances

    function test_pay__balances_shrunk__strikes() public {
        _past();
        Epoch memory epoch = _second();
        epoch.balances = _resized(epoch.balances, 5);
        Evidence memory none;
        _refute(epoch, Fault.BalancesShrunk, none);
    }

    function test_pay__balances_beyond__strikes() public {
        Epoch memory epoch = _first();
        epoch.balances = _resized(epoch.balances, 7);
        Evidence memory none;
        _refute(epoch, Fault.BalancesBeyond, none);
    }

    function test_pay__most_earnings__reverts() public {
        Epoch memory epoch = _first();
        epoch.balances[1].earnings = new bytes(4096 * 12);
        Posted memory posted = _posted(epoch);
        Evidence memory e;
        e.balances = _balancesOf(epoch.balances[1]);
        _expectUnfounded(Fault.EarningsTooMany);
        referee.pay(posted, Fault.EarningsTooMany, e);
    }

    function test_pay__cumulative_on_the_claim_root__strikes() public {
        (Epoch memory past,) = _past();
        Epoch memory epoch = _second();
        epoch.balances[2].cumulative -= 1;
        Posted memory posted = _posted(epoch);
        Evidence memory e;
        e.balances = _balancesOf(epoch.balances[2]);
        e.previous = _previous(past.balances[2]);
        referee.pay(posted, Fault.CumulativeMismatch, e);
        _assertStruck();
    }

    function test_pay__cumulative_on_the_balance_of_another__reverts() public {
        Case memory c = _case();
        Evidence memory e;
        e.balances = _balancesOf(c.epoch.balances[2]);
        e.previous = _previous(c.past.balances[3]);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafUnproven.selector, Tree.Balances, 2));
        referee.pay(c.posted, Fault.CumulativeMismatch, e);
    }

    function test_pay__earning_with_another_verdict__reverts() public {
        Case memory c = _case();
        Evidence memory e = _about(c.epoch, 1, 0);
        e.balances = _balancesOf(c.epoch.balances[2]);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafElsewhere.selector, 1, 0));
        referee.pay(c.posted, Fault.EarningUnfounded, e);
    }

    /// @dev The treasury's entries are fees, and no other account's are.
    function test_pay__fee_as_an_earning__reverts() public {
        Case memory c = _case();
        Evidence memory e = _about(c.epoch, 1, 0);
        e.balances = _balancesOf(c.epoch.balances[0]);
        _expectUnfounded(Fault.EarningUnfounded);
        referee.pay(c.posted, Fault.EarningUnfounded, e);
    }

    function test_pay__fee_of_a_worker__reverts() public {
        Case memory c = _case();
        Evidence memory e;
        e.balances = _balancesOf(c.epoch.balances[2]);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafElsewhere.selector, 2, 0));
        referee.pay(c.posted, Fault.FeeUnfounded, e);
    }

    /// @dev 2.5 % of 39 units is nothing, of 40 it is one.
    function test_pay__fee_missing__is_a_fault_from_one_unit_on() public {
        Epoch memory epoch = _first();
        epoch.balances[0].earnings = abi.encodePacked(epoch.debits[1].last, uint64(12));
        epoch.debits[0].pay = 39;
        uint256 state = vm.snapshotState();
        Posted memory posted = _posted(epoch);
        Evidence memory e;
        e.balances = _balancesOf(epoch.balances[0]);
        _expectUnfounded(Fault.FeeMissing);
        referee.pay(posted, Fault.FeeMissing, e);
        vm.revertToState(state);

        epoch.debits[0].pay = 40;
        posted = _posted(epoch);
        referee.pay(posted, Fault.FeeMissing, e);
        _assertStruck();
    }

    function test_pay__earning_of_an_unopened_answer_missing__reverts() public {
        Epoch memory epoch = _first();
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, 1, 1);
        e.balances = _balancesOf(epoch.balances[2]);
        _expectUnfounded(Fault.EarningMissing);
        referee.pay(posted, Fault.EarningMissing, e);
    }

    function test_pay__earning_missing_from_another_balance__reverts() public {
        Case memory c = _case();
        Evidence memory e = _about(c.epoch, 0, 0);
        e.balances = _balancesOf(c.epoch.balances[3]);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafElsewhere.selector, 3, 2));
        referee.pay(c.posted, Fault.EarningMissing, e);
    }

    function test_pay__earner_missing__strikes() public {
        Epoch memory epoch = _first();
        epoch.balances = _resized(epoch.balances, 5);
        _refute(epoch, Fault.EarnerMissing, _about(epoch, 2, 2));
    }

    // ------------------------------------------------------------------ planting and refuting

    /// @dev The proofs of the evidence's leaves are filled in by posting, for they are the epoch's own.
    function _refute(Epoch memory epoch, Fault fault, Evidence memory e) private {
        Posted memory posted = _posted(epoch);
        referee.pay(posted, fault, e);
        _assertStruck();
    }

    function _resized(BalanceLeaf[] memory leaves, uint256 size) private pure returns (BalanceLeaf[] memory more) {
        more = new BalanceLeaf[](size);
        for (uint256 i = 0; i < size && i < leaves.length; ++i) {
            more[i] = leaves[i];
        }
    }
}

/// @title That no evidence refutes a correct epoch
contract PayStandsTest is Epochs {
    function setUp() public {
        _deployReferee();
        _store(_case());
    }

    function test_pay__correct_epoch__stands() public {
        Case memory c = _stand();
        for (uint256 fault = uint256(Fault.RunningPay); fault <= uint256(Fault.FeeMissing); ++fault) {
            bool unfounded = false;
            for (uint256 i = 0; i < c.epoch.verdicts.length; ++i) {
                for (uint256 k = 0; k < WORKERS; ++k) {
                    (bool done, bytes memory problem) = address(referee).call(_call(c, Fault(fault), i, k));
                    vm.assertTrue(!done, vm.toString(fault));
                    if (bytes4(problem) == IReferee.RefereeUnfounded.selector) unfounded = true;
                }
            }
            vm.assertTrue(unfounded, vm.toString(fault));
        }
        _assertStands();
    }

    function test_pay__correct_epoch_and_mutated_evidence__stands(
        uint256 fault,
        uint256 i,
        uint256 k,
        uint256 place,
        bytes1 flip,
        bool small
    ) public {
        Case memory c = _stand();
        fault = uint256(Fault.RunningPay) + fault % (uint256(Fault.FeeMissing) - uint256(Fault.RunningPay) + 1);
        bytes memory call = _call(c, Fault(fault), i % c.epoch.verdicts.length, k % WORKERS);
        _damage(call, place, flip, small);
        (bool done,) = address(referee).call(call);
        vm.assertTrue(!done, "struck");
        _assertStands();
    }

    function _call(Case memory c, Fault fault, uint256 i, uint256 k) private pure returns (bytes memory) {
        return abi.encodeCall(IReferee.pay, (c.posted, fault, _everything(c, fault, i, k)));
    }

    /// @dev About verdict i, and answer, debit or balance k.
    function _everything(Case memory c, Fault fault, uint256 i, uint256 k) private pure returns (Evidence memory e) {
        Epoch memory epoch = c.epoch;
        e = _about(epoch, i, k);
        e.balances = _balancesOf(epoch.balances[k]);
        e.previous = _previous(c.past.balances[k]);
        e.stubs = _stubs(epoch.verdicts[i]);
        if (fault == Fault.RunningPay && i != 0) e.stubs = _stubs(epoch.verdicts[i - 1]);
        if (fault == Fault.DebitMismatch) e.stubs = _stubs(epoch.verdicts[epoch.debits[k % 2].last]);
        if (fault == Fault.DebitNotLast) e.stubs = _stubs(epoch.verdicts[(epoch.debits[k % 2].last + 1) % 3]);
        if (fault == Fault.EarningMissing && k < epoch.verdicts[i].cores.length / 20) {
            (uint32 worker,,) = _core(epoch.verdicts[i].cores, k);
            e.balances = _balancesOf(epoch.balances[worker]);
        }
        if (fault == Fault.EarningUnfounded || fault == Fault.EarningBeyond || fault == Fault.EarningsUnordered) {
            e.position = 0;
        }
        if (fault == Fault.FeeUnfounded) e.position = i;
        if (fault == Fault.FeeUnfounded || fault == Fault.FeeMissing) e.balances = _balancesOf(epoch.balances[0]);
    }
}
