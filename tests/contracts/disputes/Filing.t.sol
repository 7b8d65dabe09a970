// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Disputes} from "../../../contracts/Disputes.sol";
import {IArbitrator} from "../../../contracts/interfaces/IArbitrator.sol";
import {Pending, Tree} from "../../../contracts/interfaces/IDemands.sol";
import {Contest, IDisputes, Stage} from "../../../contracts/interfaces/IDisputes.sol";
import {IEvidence} from "../../../contracts/interfaces/IEvidence.sol";
import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {
    BalanceLeaf,
    BalanceStub,
    IReferee,
    JobTerms,
    Link,
    VerdictLeaf
} from "../../../contracts/interfaces/IReferee.sol";
import {DisputesFixture} from "./DisputesFixture.sol";

contract DisputesConstructorTest is DisputesFixture {
    function test_constructor__a_parameter_missing__reverts() public {
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(IDisputes.DisputesParameterMissing.selector);
            this.make(i == 0 ? 0 : FEE, i == 1 ? 1 : BOND, i == 2 ? 0 : PATIENCE);
        }
    }

    /// @dev In a call of its own: a revert of `new` in the test itself would end the test there, and pass it.
    function make(uint256 fee, uint256 bond, uint64 patience) external returns (Disputes) {
        return new Disputes(IArbitrator(address(1)), "", fee, bond, patience, "", "");
    }

    function test_constructor__good__says_what_jurors_are_asked() public {
        // The first contract that this one makes.
        address first = address(uint160(uint256(keccak256(abi.encodePacked(hex"d694", address(this), uint8(1))))));
        vm.expectEmit(true, true, true, true, first);
        emit IEvidence.MetaEvidence(0, "a");
        vm.expectEmit(true, true, true, true, first);
        emit IEvidence.MetaEvidence(1, "b");
        Disputes made = new Disputes(IArbitrator(address(1)), "x", FEE, BOND, PATIENCE, "a", "b");
        vm.assertEq(address(made.arbitrator()), address(1));
        vm.assertEq(made.fee() + made.bond() + made.patience(), FEE + BOND + PATIENCE);
        vm.assertEq(string(made.extraData()), "x");
    }
}

contract ContestPayTest is DisputesFixture {
    Pending private _p;
    VerdictLeaf private _v;
    BalanceLeaf private _b;
    BalanceStub private _old;
    bytes private _debits;
    uint256 private _earning;

    function setUp() public {
        _deployDisputes();
        _postEpoch();
        _good(1, 0);
    }

    function _good(uint32 worker, uint32 verdict) private {
        (_p, _v, _b, _old) = (_pending(), _verdict(verdict), _balanceLeaf(worker), _before(worker));
        (_debits, _earning) = (_packedDebit(PAY), verdict);
    }

    function _call() private view returns (bytes memory) {
        return abi.encodeCall(IDisputes.contestPay, (_p, _v, _b, _earning, _old, _debits, 0, "ipfs://why"));
    }

    function _refuse(bytes memory problem) private {
        _refused(CONTESTER, FEE + BOND, _call(), problem);
    }

    function test_contestPay__a_market_that_names_another__reverts() public {
        Disputes other = new Disputes(IArbitrator(address(arbitrator)), "", FEE, BOND, PATIENCE, "", "");
        vm.deal(CONTESTER, 1 ether);
        vm.prank(CONTESTER);
        (bool done, bytes memory answer) = address(other).call{value: FEE + BOND}(_call());
        vm.assertTrue(!done, "taken");
        vm.assertEq(
            keccak256(answer), keccak256(abi.encodeWithSelector(IDisputes.DisputesForeignMarket.selector, market))
        );
    }

    function test_contestPay__another_deposit__reverts() public {
        uint256[3] memory values = [0, FEE + BOND - 1, FEE + BOND + 1];
        for (uint256 i = 0; i < 3; ++i) {
            _refused(
                CONTESTER,
                values[i],
                _call(),
                abi.encodeWithSelector(IDisputes.DisputesDepositMismatch.selector, values[i], FEE + BOND)
            );
        }
    }

    function test_contestPay__another_header__reverts() public {
        _p.header.total += 1;
        vm.prank(CONTESTER);
        (bool done, bytes memory answer) = address(disputes).call{value: FEE + BOND}(_call());
        vm.assertTrue(!done && bytes4(answer) == IDisputes.DisputesNotPending.selector, "taken");
    }

    function test_contestPay__final__reverts() public {
        _finaliseEpoch();
        bytes32 head = market.head();
        _refuse(abi.encodeWithSelector(IDisputes.DisputesNotPending.selector, head, head));
    }

    function test_contestPay__struck__reverts() public {
        bytes32 head = market.head();
        _strikeEpoch();
        _refuse(abi.encodeWithSelector(IDisputes.DisputesNotPending.selector, head, market.head()));
    }

    function test_contestPay__window_over__reverts() public {
        vm.warp(START + WINDOW);
        _refuse(abi.encodeWithSelector(IDisputes.DisputesWindowOver.selector, START + WINDOW));
        vm.warp(START + WINDOW - 1);
        _must(CONTESTER, FEE + BOND, _call());
    }

    function test_contestPay__unproven_leaves__revert() public {
        _v.label ^= 1;
        _refuse(abi.encodeWithSelector(IReferee.RefereeLeafUnproven.selector, Tree.Verdicts, 0));
        _good(1, 0);
        _b.cumulative += 1;
        _refuse(abi.encodeWithSelector(IReferee.RefereeLeafUnproven.selector, Tree.Balances, 1));
        _good(1, 0);
        _b.earnings = abi.encodePacked(uint32(0), uint64(151));
        _refuse(abi.encodeWithSelector(IReferee.RefereeLeafUnproven.selector, Tree.Balances, 1));
    }

    function test_contestPay__the_treasury__reverts() public {
        _good(0, 1);
        _earning = 0;
        _refuse(abi.encodeWithSelector(IDisputes.DisputesTreasury.selector));
    }

    function test_contestPay__an_earning_of_another_verdict__reverts() public {
        _earning = 1;
        _refuse(abi.encodeWithSelector(IDisputes.DisputesEarningElsewhere.selector, 1, 0));
        _earning = 2;
        _refuse(abi.encodeWithSelector(IReferee.RefereePositionBeyond.selector, 2, 2));
    }

    function test_contestPay__other_debits__revert() public {
        _debits = _packedDebit(PAY + 1);
        _refuse(
            abi.encodeWithSelector(
                IDisputes.DisputesDebitsMismatch.selector, keccak256(_debits), keccak256(_packedDebit(PAY))
            )
        );
    }

    /// @dev An epoch that pays a verdict from the debit of another job: no ruling can take from that job.
    function test_contestPay__a_debit_of_another_job__reverts() public {
        _strikeEpoch();
        cumulative[1] = 300;
        _debits = abi.encodePacked(uint32(2), PAY, uint32(1));
        _postWith(_debits, PAY + DEBIT_FEE);
        bytes memory other = _debits;
        _good(1, 0);
        _debits = other;
        _refuse(abi.encodeWithSelector(IDisputes.DisputesDebitElsewhere.selector, 2, 1));
    }

    function test_contestPay__earnings_beyond_the_debit__revert() public {
        _strikeEpoch();
        cumulative[1] = 300;
        _debits = _packedDebit(200);
        _postWith(_debits, 205);
        _good(1, 0);
        _debits = _packedDebit(200);
        _must(CONTESTER, FEE + BOND, _call());
        _good(1, 1);
        _debits = _packedDebit(200);
        _refuse(abi.encodeWithSelector(IDisputes.DisputesDebitExceeded.selector, job, 300, 200));
    }

    /// @dev A balance that is lower than its earnings (a fault of its own): never more is frozen than it gives.
    function test_contestPay__more_than_the_balance_gives__reverts() public {
        _strikeEpoch();
        cumulative[1] = 200;
        _postWith(_packedDebit(PAY), PAY + DEBIT_FEE);
        _good(1, 0);
        _must(CONTESTER, FEE + BOND, _call());
        _good(1, 1);
        _refuse(abi.encodeWithSelector(IDisputes.DisputesBalanceExceeded.selector, 1, 300, 200));
    }

    function test_contestPay__twice__reverts() public {
        _must(CONTESTER, FEE + BOND, _call());
        _refused(STRANGER, FEE + BOND, _call(), abi.encodeWithSelector(IDisputes.DisputesAlreadyContested.selector, 1));
    }

    function test_contestPay__false_balance_before__reverts() public {
        _finaliseEpoch();
        _postEpoch();
        _good(1, 0);
        _old.cumulative -= 1;
        _refuse(abi.encodeWithSelector(IDisputes.DisputesBalanceUnproven.selector, 1));
        _good(1, 0);
        _old = _before(2);
        _refuse(abi.encodeWithSelector(IDisputes.DisputesBalanceUnproven.selector, 1));
    }

    function test_contestPay__an_unconfirmed_contest_of_another_epoch__reverts() public {
        _must(CONTESTER, FEE + BOND, _call());
        bytes32 head = market.head();
        _finaliseEpoch();
        _postEpoch();
        _good(1, 0);
        _refuse(abi.encodeWithSelector(IDisputes.DisputesEarlierOpen.selector, 1, head));
        disputes.confirm(1, false, _link(false));
        _must(CONTESTER, FEE + BOND, _call());
    }

    function test_contestPay__good__freezes_exactly_the_earning() public {
        vm.expectEmit(true, true, true, true, address(disputes));
        emit IDisputes.ContestFiled(1, market, 1, job, 0, false, 150, market.head());
        vm.expectEmit(true, true, true, true, address(disputes));
        emit IEvidence.Evidence(IArbitrator(address(arbitrator)), 1, CONTESTER, "ipfs://why");
        _must(CONTESTER, FEE + BOND, _call());
        vm.assertEq(market.frozen(), 150);
        vm.assertEq(market.claimedOf(1), 150);
        vm.assertEq(disputes.contestFor(market, market.head(), 0, 1), 1);
        Contest memory contest = disputes.contestOf(1);
        vm.assertTrue(contest.stage == Stage.Filed && contest.other == _wallet(1), "contest");
        vm.assertEq(contest.deadline, START + 3 * WINDOW);
        _checkConserved(FEE + BOND);
        _finaliseEpoch();
        vm.assertEq(_claimFinal(1), 150);
    }

    /// @dev "A freeze never hits what the worker earned before."
    function test_contestPay__earned_before_and_not_claimed__is_claimed_first() public {
        _finaliseEpoch();
        _postEpoch();
        _good(1, 0);
        _must(CONTESTER, FEE + BOND, _call());
        vm.assertEq(token.balanceOf(_wallet(1)), 300 * UNIT);
        vm.assertEq(market.claimedOf(1), 450);
        _good(1, 1);
        _must(CONTESTER, FEE + BOND, _call());
        vm.assertEq(market.claimedOf(1), 600);
        vm.assertEq(token.balanceOf(_wallet(1)), 300 * UNIT);
    }

    /// @dev What an epoch that was struck froze, and nobody thawed yet, cannot hide what was earned since.
    function test_contestPay__frozen_by_a_struck_epoch__is_thawed_first() public {
        _must(CONTESTER, FEE + BOND, _call());
        bytes32 head = market.head();
        _strikeEpoch();
        _postEpoch();
        _finaliseEpoch();
        _postEpoch();
        _good(1, 0);
        _refuse(abi.encodeWithSelector(IDisputes.DisputesEarlierOpen.selector, 1, head));
    }

    function testFuzz_contestPay__any_choice_of_earnings__frozen_never_exceeds_earned(uint8 choice) public {
        uint256 frozen;
        for (uint32 i = 0; i < 4; ++i) {
            if (choice >> i & 1 == 0) continue;
            _contestPay(1 + i % 2, i / 2);
            frozen += i == 1 ? 100 : 150;
        }
        vm.assertEq(market.frozen(), frozen);
        for (uint32 worker = 1; worker < 3; ++worker) {
            vm.assertTrue(market.claimedOf(worker) <= cumulative[worker], "frozen exceeds earned");
        }
        _finaliseEpoch();
        vm.assertEq(_claimFinal(1) + _claimFinal(2), 550 - frozen);
    }
}

contract ContestRejectionTest is DisputesFixture {
    JobTerms private _t;

    function setUp() public {
        _deployDisputes();
        _postEpoch();
        _t = _jobTerms();
    }

    function _call(uint256 position) private view returns (bytes memory) {
        return abi.encodeCall(IDisputes.contestRejection, (_pending(), _verdict(0), position, _t, ""));
    }

    function test_contestRejection__a_counted_answer__reverts() public {
        _refused(_wallet(1), FEE + BOND, _call(0), abi.encodeWithSelector(IDisputes.DisputesAnswerCounted.selector, 1));
        _refused(
            _wallet(1), FEE + BOND, _call(3), abi.encodeWithSelector(IReferee.RefereePositionBeyond.selector, 3, 3)
        );
    }

    /// @dev Nobody can use up a worker's one contest for it.
    function test_contestRejection__by_another__reverts() public {
        address[3] memory others = [REQUESTER, STRANGER, _wallet(4)];
        for (uint256 i = 0; i < 3; ++i) {
            vm.deal(others[i], 1 ether);
            _refused(
                others[i],
                FEE + BOND,
                _call(2),
                abi.encodeWithSelector(IDisputes.DisputesNotWorker.selector, others[i], _wallet(3))
            );
        }
    }

    function test_contestRejection__other_terms__reverts() public {
        _t.terms.base += 1;
        _refused(
            _wallet(3), FEE + BOND, _call(2), abi.encodeWithSelector(IDisputes.DisputesTermsMismatch.selector, job)
        );
        _t = _jobTerms();
        _t.requester = STRANGER;
        _refused(
            _wallet(3), FEE + BOND, _call(2), abi.encodeWithSelector(IDisputes.DisputesTermsMismatch.selector, job)
        );
    }

    function test_contestRejection__twice__reverts() public {
        _contestRejection(3);
        _refused(
            _wallet(3), FEE + BOND, _call(2), abi.encodeWithSelector(IDisputes.DisputesAlreadyContested.selector, 1)
        );
    }

    function test_contestRejection__window_over__reverts() public {
        vm.warp(START + WINDOW);
        _refused(
            _wallet(3),
            FEE + BOND,
            _call(2),
            abi.encodeWithSelector(IDisputes.DisputesWindowOver.selector, START + WINDOW)
        );
    }

    /// @dev Rejected or unopened; the base is set aside, safe from debits and the refund.
    function test_contestRejection__good__reserves_the_base() public {
        vm.expectEmit(true, true, true, true, address(disputes));
        emit IDisputes.ContestFiled(1, market, 3, job, 0, true, 100, market.head());
        _contestRejection(3);
        _contestRejection(4);
        vm.assertEq(market.reservedOf(address(disputes), job), 200);
        vm.assertEq(disputes.contestOf(1).other, REQUESTER);
        vm.assertEq(market.frozen(), 0);
        _checkConserved(2 * (FEE + BOND));
        _finaliseEpoch();
        vm.warp(market.refundOpensAt(job));
        _refund(job);
        vm.assertEq(market.reservedOf(address(disputes), job), 200);
    }
}

contract SubmitEvidenceTest is DisputesFixture {
    function test_submitEvidence__only_while_open() public {
        _deployDisputes();
        _postEpoch();
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesStageWrong.selector, 1, Stage.None));
        disputes.submitEvidence(1, "x");
        _contestPay(1, 0);
        vm.expectEmit(true, true, true, true, address(disputes));
        emit IEvidence.Evidence(IArbitrator(address(arbitrator)), 1, STRANGER, "x");
        vm.prank(STRANGER);
        disputes.submitEvidence(1, "x");
        _strikeEpoch();
        disputes.confirm(1, true, new Link[](0));
        vm.expectRevert(abi.encodeWithSelector(IDisputes.DisputesStageWrong.selector, 1, Stage.Over));
        disputes.submitEvidence(1, "x");
    }
}
