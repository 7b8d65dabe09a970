// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hatch} from "../../../contracts/Hatch.sol";
import {IArbitrator} from "../../../contracts/interfaces/IArbitrator.sol";
import {ICommittee} from "../../../contracts/interfaces/ICommittee.sol";
import {Pending, Tree} from "../../../contracts/interfaces/IDemands.sol";
import {IHatch} from "../../../contracts/interfaces/IHatch.sol";
import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {
    AnswerFields,
    IReferee,
    JobTerms,
    Link,
    ReceiptFields,
    VerdictLeaf
} from "../../../contracts/interfaces/IReferee.sol";
import {IWorkers} from "../../../contracts/interfaces/IWorkers.sol";
import {Leaves} from "../../../contracts/libraries/Leaves.sol";
import {Messages} from "../../../contracts/libraries/Messages.sol";
import {ContestedEpochs} from "../support/ContestedEpochs.sol";
import {TreeBuilder} from "../support/TreeBuilder.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

abstract contract HatchFixture is ContestedEpochs {
    uint256 internal constant BOND = 0.1 ether;
    uint256 internal constant OPENS = DEADLINE + 3 * WINDOW;
    uint256 internal constant REFUNDS = DEADLINE + 4 * WINDOW;
    uint256 internal constant PAYS = DEADLINE + 5 * WINDOW;
    address internal constant FILER = address(0xF1);

    function _deployHatch() internal {
        _deployContested(IArbitrator(address(1)), 1, 2, 1);
        vm.deal(FILER, 100 ether);
        vm.deal(STRANGER, 100 ether);
    }

    function _answer(uint32 task, uint32 worker) internal view returns (AnswerFields memory) {
        return AnswerFields({
            job: job,
            terms: _termsHash(),
            task: task,
            worker: worker,
            commitment: keccak256("commitment"),
            sealHash: keccak256("seal")
        });
    }

    /// @dev The answer stands at 1 in a batch of 3.
    function _receipt(AnswerFields memory answer, uint256 signers)
        internal
        view
        returns (ReceiptFields memory receipt)
    {
        bytes32[] memory batch = new bytes32[](3);
        batch[0] = keccak256("other");
        batch[1] = Leaves.receipt(
            _typed(
                Messages.answer(
                    answer.job, answer.terms, answer.task, answer.worker, answer.commitment, answer.sealHash
                )
            )
        );
        batch[2] = keccak256("another");
        receipt.root = TreeBuilder.root(batch);
        receipt.size = 3;
        receipt.index = 1;
        receipt.proof = TreeBuilder.proof(batch, 1);
        receipt.signatures = _signatures(_typed(Messages.receipt(receipt.root, 3)), signers);
    }

    function _typed(bytes32 message) private view returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(_domain(address(market)), message);
    }

    function _file(uint32 task, uint32 worker) internal {
        AnswerFields memory answer = _answer(task, worker);
        ReceiptFields memory receipt = _receipt(answer, 3);
        vm.prank(FILER);
        hatch.file{value: BOND}(market, answer, _jobTerms(), receipt);
    }

    function _id(uint32 task, uint32 worker) internal view returns (bytes32) {
        return hatch.claimId(market, job, task, worker);
    }

    function _checkConserved(uint256 open) internal view {
        uint256 credits = hatch.creditOf(FILER) + hatch.creditOf(STRANGER);
        vm.assertEq(address(hatch).balance, credits + open * BOND + hatch.burnt(), "coins in = coins out + burnt");
    }
}

contract FileTest is HatchFixture {
    function setUp() public {
        _deployHatch();
        vm.warp(OPENS);
    }

    function _refuse(
        AnswerFields memory answer,
        JobTerms memory terms,
        ReceiptFields memory receipt,
        bytes memory problem
    ) private {
        vm.prank(FILER);
        vm.expectRevert(problem);
        hatch.file{value: BOND}(market, answer, terms, receipt);
    }

    function _refuseAnswer(AnswerFields memory answer, bytes memory problem) private {
        _refuse(answer, _jobTerms(), _receipt(answer, 3), problem);
    }

    function test_file__a_market_that_names_another__reverts() public {
        Hatch other = new Hatch(BOND);
        AnswerFields memory answer = _answer(5, 1);
        ReceiptFields memory receipt = _receipt(answer, 3);
        vm.prank(FILER);
        vm.expectRevert(abi.encodeWithSelector(IHatch.HatchForeignMarket.selector, market));
        other.file{value: BOND}(market, answer, _jobTerms(), receipt);
    }

    function test_file__another_bond__reverts() public {
        AnswerFields memory answer = _answer(5, 1);
        ReceiptFields memory receipt = _receipt(answer, 3);
        vm.prank(FILER);
        vm.expectRevert(abi.encodeWithSelector(IHatch.HatchBondMismatch.selector, BOND - 1, BOND));
        hatch.file{value: BOND - 1}(market, answer, _jobTerms(), receipt);
    }

    function test_file__out_of_time__reverts() public {
        uint256[2] memory times = [OPENS - 1, REFUNDS];
        for (uint256 i = 0; i < 2; ++i) {
            vm.warp(times[i]);
            _refuseAnswer(_answer(5, 1), abi.encodeWithSelector(IHatch.HatchClosed.selector, job, OPENS, REFUNDS));
        }
        vm.warp(REFUNDS - 1);
        _file(5, 1);
    }

    function test_file__other_terms__reverts() public {
        AnswerFields memory answer = _answer(5, 1);
        JobTerms memory terms = _jobTerms();
        terms.terms.base += 1;
        _refuse(answer, terms, _receipt(answer, 3), abi.encodeWithSelector(IHatch.HatchTermsMismatch.selector, job));
        terms = _jobTerms();
        terms.requester = STRANGER;
        _refuse(answer, terms, _receipt(answer, 3), abi.encodeWithSelector(IHatch.HatchTermsMismatch.selector, job));
        answer.terms = keccak256("other");
        _refuseAnswer(answer, abi.encodeWithSelector(IHatch.HatchTermsMismatch.selector, job));
    }

    function test_file__a_task_beyond_or_the_treasury_or_nobody__reverts() public {
        _refuseAnswer(_answer(10, 1), abi.encodeWithSelector(IHatch.HatchTaskUnknown.selector, 10, 10));
        _refuseAnswer(_answer(5, 0), abi.encodeWithSelector(IHatch.HatchTreasury.selector));
        _refuseAnswer(_answer(5, 6), abi.encodeWithSelector(IWorkers.WorkersIndexUnknown.selector, 6));
    }

    function test_file__no_quorum__reverts() public {
        AnswerFields memory answer = _answer(5, 1);
        _refuse(
            answer,
            _jobTerms(),
            _receipt(answer, 2),
            abi.encodeWithSelector(ICommittee.CommitteeQuorumMissing.selector, 2, 3)
        );
    }

    function test_file__an_answer_not_in_the_receipt__reverts() public {
        AnswerFields memory answer = _answer(5, 1);
        ReceiptFields memory receipt = _receipt(answer, 3);
        bytes memory problem = abi.encodeWithSelector(IHatch.HatchReceiptUnproven.selector, 1);
        answer.worker = 2;
        _refuse(answer, _jobTerms(), receipt, problem);
        answer = _answer(4, 1);
        _refuse(answer, _jobTerms(), receipt, problem);
    }

    function test_file__twice__reverts_also_when_it_is_over() public {
        _file(5, 1);
        _refuseAnswer(_answer(5, 1), abi.encodeWithSelector(IHatch.HatchFiledBefore.selector, _id(5, 1)));
        AnswerFields memory again = _answer(5, 1);
        again.commitment = keccak256("a second answer to the task");
        _refuseAnswer(again, abi.encodeWithSelector(IHatch.HatchFiledBefore.selector, _id(5, 1)));
    }

    /// @dev More claims than locked money: first come.
    function test_file__nothing_left__reverts() public {
        vm.prank(address(disputes));
        market.reserve(job, ESCROW - 150);
        _file(5, 1);
        _refuseAnswer(_answer(5, 2), abi.encodeWithSelector(IMarket.MarketReserveTooLarge.selector, job, 100, 50));
    }

    function test_file__good__is_safe_from_the_refund() public {
        vm.expectEmit(true, true, true, true, address(hatch));
        emit IHatch.HatchFiled(market, job, 1, 5, 100, FILER);
        _file(5, 1);
        vm.assertEq(market.reservedOf(address(hatch), job), 100);
        vm.warp(REFUNDS);
        uint256 before = token.balanceOf(REQUESTER);
        _refund(job);
        vm.assertEq(token.balanceOf(REQUESTER) - before, (ESCROW - 100) * UNIT);
        vm.warp(PAYS);
        hatch.pay(market, job, 5, 1);
        vm.assertEq(token.balanceOf(_wallet(1)), 100 * UNIT);
        _checkConserved(0);
    }
}

contract PayTest is HatchFixture {
    function setUp() public {
        _deployHatch();
        vm.warp(OPENS);
        _file(5, 1);
    }

    function test_pay__too_early__reverts() public {
        vm.warp(PAYS - 1);
        vm.expectRevert(abi.encodeWithSelector(IHatch.HatchTooEarly.selector, job, PAYS));
        hatch.pay(market, job, 5, 1);
    }

    function test_pay__never_filed_or_twice__reverts() public {
        vm.warp(PAYS);
        vm.expectRevert(abi.encodeWithSelector(IHatch.HatchNotOpen.selector, _id(5, 2)));
        hatch.pay(market, job, 5, 2);
        vm.expectEmit(true, true, true, true, address(hatch));
        emit IHatch.HatchPaid(market, job, 1, 5, 100);
        vm.prank(STRANGER);
        hatch.pay(market, job, 5, 1);
        vm.assertEq(token.balanceOf(_wallet(1)), 100 * UNIT);
        vm.assertEq(hatch.creditOf(FILER), BOND);
        _checkConserved(0);
        vm.expectRevert(abi.encodeWithSelector(IHatch.HatchNotOpen.selector, _id(5, 1)));
        hatch.pay(market, job, 5, 1);
    }

    /// @dev A strike opens debits again: the hatch waits until the committee had its time once more.
    function test_pay__a_strike_meanwhile__waits() public {
        vm.warp(OPENS + 10);
        _postEmpty();
        vm.prank(REFEREE);
        market.strike(posted, SIGNERS, "");
        vm.warp(PAYS);
        vm.expectRevert(abi.encodeWithSelector(IHatch.HatchTooEarly.selector, job, OPENS + 10 + 5 * WINDOW));
        hatch.pay(market, job, 5, 1);
        vm.warp(OPENS + 10 + 5 * WINDOW);
        hatch.pay(market, job, 5, 1);
    }
}

contract VoidTest is HatchFixture {
    Link[] private _later;

    /// @dev An epoch that decides tasks 0 and 1 is final; then claims are filed for answers that it lists.
    function setUp() public {
        _deployHatch();
        _postEpoch();
        vm.warp(START + WINDOW);
        market.finaliseEpoch(posted, SIGNERS);
        finalCumulative = cumulative;
        for (uint256 i = 0; i < WORKERS; ++i) {
            finalEarnings.push(_earningsOf(i));
        }
        vm.warp(OPENS);
        _file(0, 1);
    }

    function _void(uint32 verdict, uint32 worker) private {
        Pending memory epoch = _pending();
        vm.prank(STRANGER);
        hatch.void(epoch, _later, _verdict(verdict), worker);
    }

    function test_void__not_filed_or_over__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IHatch.HatchNotOpen.selector, _id(1, 1)));
        _void(1, 1);
        _void(0, 1);
        vm.expectRevert(abi.encodeWithSelector(IHatch.HatchNotOpen.selector, _id(0, 1)));
        _void(0, 1);
        vm.warp(PAYS);
        vm.expectRevert(abi.encodeWithSelector(IHatch.HatchNotOpen.selector, _id(0, 1)));
        hatch.pay(market, job, 0, 1);
    }

    function test_void__a_verdict_that_does_not_list_the_worker__reverts() public {
        _file(0, 4);
        vm.expectRevert(abi.encodeWithSelector(IHatch.HatchNotListed.selector, 4));
        _void(0, 4);
    }

    function test_void__an_unproven_verdict__reverts() public {
        Pending memory epoch = _pending();
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafUnproven.selector, Tree.Verdicts, 0));
        hatch.void(epoch, _later, _swapped(), 1);
    }

    /// @dev Every status: the committee decided that answer.
    function test_void__rejected_or_unopened__is_listed_too() public {
        _file(0, 3);
        _file(1, 4);
        _void(0, 3);
        _void(1, 4);
    }

    function test_void__good__releases_and_half_the_bond_is_burnt() public {
        vm.expectEmit(true, true, true, true, address(hatch));
        emit IHatch.HatchVoided(market, job, 1, 0, STRANGER);
        _void(0, 1);
        vm.assertEq(market.reservedOf(address(hatch), job), 0);
        vm.assertEq(market.job(job).debited, PAY + DEBIT_FEE);
        vm.assertEq(hatch.creditOf(STRANGER), BOND / 2);
        vm.assertEq(hatch.burnt(), BOND - BOND / 2);
        _checkConserved(0);
    }

    function test_void__not_in_the_chain__reverts() public {
        Pending memory epoch = _pending();
        epoch.header.model = 0;
        (bool done, bytes memory answer) =
            address(hatch).call(abi.encodeCall(IHatch.void, (epoch, _later, _verdict(0), 1)));
        vm.assertTrue(!done && bytes4(answer) == IHatch.HatchHeadUnlinked.selector, "taken");
    }

    function test_void__pending_or_struck__reverts_then_an_old_one_by_links() public {
        Pending memory first = _pending();
        _postEmpty();
        _later.push(_link(false)[0]);
        // The first epoch is final, which the pending one after it shows.
        uint256 before = vm.snapshotState();
        vm.prank(STRANGER);
        hatch.void(first, _later, _verdict(0), 1);
        vm.assertTrue(vm.revertToState(before), "state");
        vm.prank(REFEREE);
        market.strike(posted, SIGNERS, "");
        (bool done, bytes memory answer) =
            address(hatch).call(abi.encodeCall(IHatch.void, (first, _later, _verdict(0), 1)));
        vm.assertTrue(!done && bytes4(answer) == IHatch.HatchHeadUnlinked.selector, "taken");
        _later[0].struck = true;
        hatch.void(first, _later, _verdict(0), 1);
    }

    /// @dev Any number of epochs back, in several transactions.
    function test_void__traced__by_the_links_up_to_there() public {
        Pending memory first = _pending();
        bytes32 firstHead = market.head();
        Link[] memory one = _postAndLink();
        bytes32 secondHead = market.head();
        Link[] memory two = _postAndLink();
        (bool done,) = address(hatch).call(abi.encodeCall(IHatch.void, (first, one, _verdict(0), 1)));
        vm.assertTrue(!done, "a head that nobody traced");
        hatch.trace(market, secondHead, two);
        uint256 before = vm.snapshotState();
        hatch.void(first, one, _verdict(0), 1);
        vm.assertTrue(vm.revertToState(before), "state");
        hatch.trace(market, firstHead, one);
        hatch.void(first, new Link[](0), _verdict(0), 1);
    }

    function _postAndLink() private returns (Link[] memory links) {
        Pending memory first = _pending();
        Pending memory kept = first;
        _postEmpty();
        links = _link(false);
        vm.warp(block.timestamp + WINDOW);
        market.finaliseEpoch(posted, SIGNERS);
        posted = kept.header;
    }

    function _swapped() private view returns (VerdictLeaf memory leaf) {
        leaf = _verdict(0);
        leaf.label ^= 1;
    }
}

contract PendingVoidTest is HatchFixture {
    function test_void__still_pending__reverts() public {
        _deployHatch();
        vm.warp(OPENS - 1);
        _postEpoch();
        vm.warp(OPENS);
        _file(0, 1);
        Pending memory epoch = _pending();
        vm.expectRevert(abi.encodeWithSelector(IHatch.HatchNotFinal.selector, market.head()));
        hatch.void(epoch, new Link[](0), _verdict(0), 1);
        // Posted in the last second, final before refunds open: one window is left to void.
        vm.warp(OPENS - 1 + WINDOW);
        market.finaliseEpoch(posted, SIGNERS);
        vm.warp(PAYS - 1);
        hatch.void(epoch, new Link[](0), _verdict(0), 1);
    }
}

contract TraceTest is HatchFixture {
    function setUp() public {
        _deployHatch();
    }

    function test_trace__nothing_or_not_in_the_chain__reverts() public {
        bytes32 head = market.head();
        vm.expectRevert(IHatch.HatchNothingTraced.selector);
        hatch.trace(market, head, new Link[](0));
        _postEpoch();
        Link[] memory link = _link(false);
        link[0].signers ^= 1;
        (bool done,) = address(hatch).call(abi.encodeCall(IHatch.trace, (market, head, link)));
        vm.assertTrue(!done, "taken");
    }

    /// @dev The head of a post that was struck is no head that stood.
    function test_trace__the_head_of_a_struck_post__cannot_be_traced() public {
        _postEpoch();
        bytes32 head = market.head();
        vm.prank(REFEREE);
        market.strike(posted, SIGNERS, _packedDebit(PAY));
        bytes32 after_ = market.head();
        _postEmpty();
        Link[] memory link = _link(false);
        (bool done,) = address(hatch).call(abi.encodeCall(IHatch.trace, (market, head, link)));
        vm.assertTrue(!done, "taken");
        hatch.trace(market, after_, link);
        vm.assertTrue(hatch.isTraced(market, after_) && !hatch.isTraced(market, head), "traced");
    }
}

contract HatchOtherTest is HatchFixture {
    function test_constructor__no_bond__reverts() public {
        vm.expectRevert(IHatch.HatchBondMissing.selector);
        new Hatch(1);
    }

    function test_withdraw__credit__pays_it_once() public {
        _deployHatch();
        vm.expectRevert(abi.encodeWithSelector(IHatch.HatchNothingToWithdraw.selector, FILER));
        vm.prank(FILER);
        hatch.withdraw();
        vm.warp(OPENS);
        _file(5, 1);
        vm.warp(PAYS);
        hatch.pay(market, job, 5, 1);
        vm.prank(FILER);
        hatch.withdraw();
        vm.assertEq(FILER.balance, 100 ether);
        vm.expectRevert(abi.encodeWithSelector(IHatch.HatchNothingToWithdraw.selector, FILER));
        vm.prank(FILER);
        hatch.withdraw();
    }

    /// @dev Hazard: who voids its own claim in time must not come out even.
    function test_void__self_void__costs() public {
        _deployHatch();
        _postEpoch();
        vm.warp(OPENS);
        market.finaliseEpoch(posted, SIGNERS);
        _file(0, 1);
        Pending memory epoch = _pending();
        vm.prank(FILER);
        hatch.void(epoch, new Link[](0), _verdict(0), 1);
        vm.prank(FILER);
        hatch.withdraw();
        vm.assertEq(100 ether - FILER.balance, BOND - BOND / 2);
    }
}

contract HatchGasTest is HatchFixture {
    function test_gas__hatch() public {
        _deployHatch();
        _postEpoch();
        vm.warp(OPENS);
        market.finaliseEpoch(posted, SIGNERS);
        _file(0, 1);
        vm.snapshotGasLastCall("Hatch", "file");
        _file(5, 2);
        hatch.void(_pending(), new Link[](0), _verdict(0), 1);
        vm.snapshotGasLastCall("Hatch", "void");
        vm.warp(PAYS);
        hatch.pay(market, job, 5, 2);
        vm.snapshotGasLastCall("Hatch", "pay");
    }
}
