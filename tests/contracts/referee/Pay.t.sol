// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Tree} from "../../../contracts/interfaces/IDemands.sol";
import {BalanceLeaf, Evidence, Fault, IReferee, Posted} from "../../../contracts/interfaces/IReferee.sol";
import {Case, Epoch, Epochs} from "../support/Epochs.sol";
import {Debit} from "../support/Fixture.sol";

contract PayTest is Epochs {
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

    // ------------------------------------------------------------------ verdicts and debits

    function test_pay__running_pay_of_the_first_verdict__strikes() public {
        Epoch memory epoch = _first();
        epoch.verdicts[0].pay += 1;
        Evidence memory e = _evidence(epoch, 0, 0);
        _refute(epoch, Fault.RunningPay, e);
    }

    function test_pay__running_pay_of_a_later_verdict__strikes() public {
        Epoch memory epoch = _first();
        epoch.verdicts[1].pay -= 1;
        Evidence memory e = _evidence(epoch, 1, 0);
        e.stubs = _stubs(epoch.verdicts[0]);
        _refute(epoch, Fault.RunningPay, e);
    }

    /// @dev Each job starts anew.
    function test_pay__running_pay_that_goes_on_in_another_job__strikes() public {
        Epoch memory epoch = _first();
        epoch.verdicts[2].pay += epoch.verdicts[1].pay;
        Evidence memory e = _evidence(epoch, 2, 0);
        e.stubs = _stubs(epoch.verdicts[1]);
        _refute(epoch, Fault.RunningPay, e);
    }

    function test_pay__running_pay_after_another_verdict__reverts() public {
        Case memory c = _case();
        Evidence memory e = _evidence(c.epoch, 1, 0);
        e.stubs = _stubs(c.epoch.verdicts[2]);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafElsewhere.selector, 2, 0));
        referee.pay(c.posted, Fault.RunningPay, e);
    }

    function test_pay__debit_beyond__strikes() public {
        Epoch memory epoch = _first();
        epoch.debits[1].last = 3;
        Evidence memory e;
        e.position = 1;
        _refute(epoch, Fault.DebitBeyond, e);
    }

    function test_pay__debit_of_another_pay__strikes() public {
        Epoch memory epoch = _first();
        epoch.debits[0].pay += 1;
        _refuteDebit(epoch, Fault.DebitMismatch, 0, 1);
    }

    function test_pay__debit_of_another_job__strikes() public {
        Epoch memory epoch = _first();
        epoch.debits[1].last = 1;
        _refuteDebit(epoch, Fault.DebitMismatch, 1, 1);
    }

    function test_pay__debit_not_last__strikes() public {
        Epoch memory epoch = _first();
        (epoch.debits[0].last, epoch.debits[0].pay) = (0, epoch.verdicts[0].pay);
        _refuteDebit(epoch, Fault.DebitNotLast, 0, 1);
    }

    function test_pay__debit_missing__strikes() public {
        Epoch memory epoch = _first();
        Debit[] memory one = new Debit[](1);
        one[0] = epoch.debits[0];
        epoch.debits = one;
        _refuteDebit(epoch, Fault.DebitMissing, 0, 2);
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

    function test_pay__balance_of_another_worker__strikes() public {
        Epoch memory epoch = _first();
        epoch.balances[3].worker = 4;
        _refuteBalance(epoch, Fault.BalanceWorker, 3, 0);
    }

    function test_pay__balance_of_another_wallet__strikes() public {
        Epoch memory epoch = _first();
        epoch.balances[3].wallet = STRANGER;
        _refuteBalance(epoch, Fault.BalanceWallet, 3, 0);
    }

    function test_pay__earnings_misshapen__strikes() public {
        Epoch memory epoch = _first();
        epoch.balances[1].earnings = bytes.concat(epoch.balances[1].earnings, hex"00");
        _refuteBalance(epoch, Fault.EarningsMisshapen, 1, 0);
    }

    function test_pay__earnings_too_many__strikes() public {
        Epoch memory epoch = _first();
        epoch.balances[1].earnings = new bytes(4097 * 12);
        _refuteBalance(epoch, Fault.EarningsTooMany, 1, 0);
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

    function test_pay__earnings_unordered__strikes() public {
        Epoch memory epoch = _first();
        bytes memory one = epoch.balances[1].earnings;
        epoch.balances[1].earnings = bytes.concat(_cut(one, 12, 24), _cut(one, 0, 12));
        _refuteBalance(epoch, Fault.EarningsUnordered, 1, 0);
    }

    function test_pay__earning_twice__strikes() public {
        Epoch memory epoch = _first();
        epoch.balances[1].earnings = bytes.concat(epoch.balances[1].earnings, _cut(epoch.balances[1].earnings, 12, 24));
        _refuteBalance(epoch, Fault.EarningsUnordered, 1, 1);
    }

    function test_pay__earning_beyond__strikes() public {
        Epoch memory epoch = _first();
        _set(epoch.balances[1].earnings, 15, hex"03");
        _refuteBalance(epoch, Fault.EarningBeyond, 1, 1);
    }

    function test_pay__cumulative_of_a_new_index__strikes() public {
        Epoch memory epoch = _first();
        epoch.balances[1].cumulative += 1;
        _refuteBalance(epoch, Fault.CumulativeMismatch, 1, 0);
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

    function test_pay__earning_of_another_amount__strikes() public {
        Epoch memory epoch = _first();
        _set(epoch.balances[1].earnings, 11, hex"97");
        Evidence memory e = _evidence(epoch, 0, 0);
        e.balances = _balancesOf(epoch.balances[1]);
        _refute(epoch, Fault.EarningUnfounded, e);
    }

    function test_pay__earning_of_an_unlisted_worker__strikes() public {
        Epoch memory epoch = _first();
        epoch.balances[5].earnings = abi.encodePacked(uint32(0), uint64(150), epoch.balances[5].earnings);
        Evidence memory e = _evidence(epoch, 0, 0);
        e.balances = _balancesOf(epoch.balances[5]);
        _refute(epoch, Fault.EarningUnfounded, e);
    }

    function test_pay__earning_of_a_rejected_answer__strikes() public {
        Epoch memory epoch = _first();
        epoch.balances[4].earnings = abi.encodePacked(uint32(1), uint64(100));
        Evidence memory e = _evidence(epoch, 1, 0);
        e.balances = _balancesOf(epoch.balances[4]);
        _refute(epoch, Fault.EarningUnfounded, e);
    }

    function test_pay__earning_with_another_verdict__reverts() public {
        Case memory c = _case();
        Evidence memory e = _evidence(c.epoch, 1, 0);
        e.balances = _balancesOf(c.epoch.balances[2]);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafElsewhere.selector, 1, 0));
        referee.pay(c.posted, Fault.EarningUnfounded, e);
    }

    /// @dev The treasury's entries are fees, and no other account's are.
    function test_pay__fee_as_an_earning__reverts() public {
        Case memory c = _case();
        Evidence memory e = _evidence(c.epoch, 1, 0);
        e.balances = _balancesOf(c.epoch.balances[0]);
        _expectUnfounded(Fault.EarningUnfounded);
        referee.pay(c.posted, Fault.EarningUnfounded, e);
    }

    function test_pay__fee_of_another_amount__strikes() public {
        Epoch memory epoch = _first();
        _set(epoch.balances[0].earnings, 11, hex"ff");
        _refuteBalance(epoch, Fault.FeeUnfounded, 0, 0);
    }

    function test_pay__fee_at_another_verdict__strikes() public {
        Epoch memory epoch = _first();
        _set(epoch.balances[0].earnings, 3, hex"00");
        _refuteBalance(epoch, Fault.FeeUnfounded, 0, 0);
    }

    function test_pay__fee_of_nothing__strikes() public {
        Epoch memory epoch = _first();
        epoch.balances[0].earnings = abi.encodePacked(uint32(0), uint64(0), epoch.balances[0].earnings);
        _refuteBalance(epoch, Fault.FeeUnfounded, 0, 0);
    }

    function test_pay__fee_of_a_worker__reverts() public {
        Case memory c = _case();
        Evidence memory e;
        e.balances = _balancesOf(c.epoch.balances[2]);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafElsewhere.selector, 2, 0));
        referee.pay(c.posted, Fault.FeeUnfounded, e);
    }

    function test_pay__earning_missing__strikes() public {
        Epoch memory epoch = _first();
        epoch.balances[1].earnings = _cut(epoch.balances[1].earnings, 12, 24);
        Evidence memory e = _evidence(epoch, 0, 0);
        e.balances = _balancesOf(epoch.balances[1]);
        _refute(epoch, Fault.EarningMissing, e);
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
        Evidence memory e = _evidence(c.epoch, 0, 0);
        e.balances = _balancesOf(c.epoch.balances[3]);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafElsewhere.selector, 3, 2));
        referee.pay(c.posted, Fault.EarningMissing, e);
    }

    function test_pay__earner_missing__strikes() public {
        Epoch memory epoch = _first();
        epoch.balances = _resized(epoch.balances, 5);
        _refute(epoch, Fault.EarnerMissing, _evidence(epoch, 2, 2));
    }

    function test_pay__fee_missing__strikes() public {
        Epoch memory epoch = _first();
        epoch.balances[0].earnings = _cut(epoch.balances[0].earnings, 0, 12);
        _refuteBalance(epoch, Fault.FeeMissing, 0, 1);
    }

    // ------------------------------------------------------------------ planting and refuting

    /// @dev The proofs of the evidence's leaves are filled in by posting, for they are the epoch's own.
    function _refute(Epoch memory epoch, Fault fault, Evidence memory e) private {
        Posted memory posted = _posted(epoch);
        if (e.stubs.length != 0) e.stubs = _stubs(epoch.verdicts[e.stubs[0].index]);
        referee.pay(posted, fault, e);
        _assertStruck();
    }

    function _refuteDebit(Epoch memory epoch, Fault fault, uint256 debit, uint256 verdict) private {
        Evidence memory e;
        e.position = debit;
        e.stubs = _stubs(epoch.verdicts[verdict]);
        _refute(epoch, fault, e);
    }

    function _refuteBalance(Epoch memory epoch, Fault fault, uint256 worker, uint256 position) private {
        Evidence memory e;
        e.position = position;
        e.balances = _balancesOf(epoch.balances[worker]);
        _refute(epoch, fault, e);
    }

    function _evidence(Epoch memory epoch, uint256 verdict, uint256 position) private pure returns (Evidence memory) {
        return _about(epoch, verdict, position);
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
