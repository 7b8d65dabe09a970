// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICommittee} from "../../../contracts/interfaces/ICommittee.sol";
import {Tree} from "../../../contracts/interfaces/IDemands.sol";
import {AnswerFields, Fault, IReferee, Posted, ReceiptFields} from "../../../contracts/interfaces/IReferee.sol";
import {Leaves} from "../../../contracts/libraries/Leaves.sol";
import {Messages} from "../../../contracts/libraries/Messages.sol";
import {Case, Epoch, Epochs} from "../support/Epochs.sol";
import {TreeBuilder} from "../support/TreeBuilder.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @dev Receipts for task 3 of the weighted job.
abstract contract Receipts is Epochs {
    function _answer(uint32 worker) internal pure returns (AnswerFields memory) {
        return AnswerFields({
            job: WEIGHTED,
            terms: _hashOf(WEIGHTED),
            task: 3,
            worker: worker,
            commitment: keccak256("commitment"),
            sealHash: keccak256("seal")
        });
    }

    /// @dev The third of five answers in a batch.
    function _receipt(AnswerFields memory a, uint256 members) internal view returns (ReceiptFields memory receipt) {
        bytes32[] memory level = new bytes32[](5);
        for (uint256 i = 0; i < 5; ++i) {
            level[i] = Leaves.receipt(keccak256(abi.encode("other", i)));
        }
        bytes32 message = Messages.answer(a.job, a.terms, a.task, a.worker, a.commitment, a.sealHash);
        level[2] = Leaves.receipt(MessageHashUtils.toTypedDataHash(_domain(address(market)), message));
        (receipt.root, receipt.size, receipt.index) = (TreeBuilder.root(level), 5, 2);
        receipt.proof = TreeBuilder.proof(level, 2);
        bytes32 digest =
            MessageHashUtils.toTypedDataHash(_domain(address(market)), Messages.receipt(receipt.root, receipt.size));
        receipt.signatures = _signatures(digest, members);
    }
}

/// @dev Worker 1 answered task 3 of the weighted job, and the verdict lists 2, 4 and 5.
contract DroppedTest is Receipts {
    function setUp() public {
        _deployReferee();
    }

    function test_dropped__receipt_of_an_unlisted_answer__strikes() public {
        Case memory c = _case();
        AnswerFields memory answer = _answer(1);
        _emitted(address(referee));
        emit IReferee.EpochRefuted(market, c.posted.header.epoch, Fault.Dropped, BENEFICIARY);
        referee.dropped(c.posted, answer, _receipt(answer, 3), c.epoch.verdicts[0]);
        _assertStruck();
    }

    /// @dev Receipts are words that members gave before: what they have at stake now does not matter.
    function test_dropped__receipt_of_members_without_stake__strikes() public {
        Case memory c = _case();
        address[] memory poor = new address[](1);
        poor[0] = vm.addr(memberKeys[3]);
        vm.prank(address(referee));
        committee.slash(poor, STRANGER);
        AnswerFields memory answer = _answer(1);
        ReceiptFields memory receipt = _receipt(answer, 4);
        referee.dropped(c.posted, answer, receipt, c.epoch.verdicts[0]);
        vm.assertEq(committee.rewardOf(BENEFICIARY), 3 * (STAKE / 2));
    }

    /// @dev Number 0 is in no list, nor in the bytes behind one.
    function test_dropped__receipt_for_the_treasury__strikes() public {
        Case memory c = _case();
        AnswerFields memory answer = _answer(0);
        referee.dropped(c.posted, answer, _receipt(answer, 3), c.epoch.verdicts[0]);
        _assertStruck();
    }

    function test_dropped__any_listed_answer_of_the_worker__reverts() public {
        Case memory c = _case();
        for (uint32 worker = 2; worker <= 5; ++worker) {
            if (worker == 3) continue;
            AnswerFields memory answer = _answer(worker);
            ReceiptFields memory receipt = _receipt(answer, 3);
            _expectUnfounded(Fault.Dropped);
            referee.dropped(c.posted, answer, receipt, c.epoch.verdicts[0]);
        }
        _assertStands();
    }

    /// @dev Listed as unopened or rejected is listed.
    function test_dropped__listed_without_being_counted__reverts() public {
        Epoch memory epoch = _first();
        Posted memory posted = _posted(epoch);
        AnswerFields memory answer = _answer(2);
        answer.task = 2;
        ReceiptFields memory receipt = _receipt(answer, 3);
        _expectUnfounded(Fault.Dropped);
        referee.dropped(posted, answer, receipt, epoch.verdicts[1]);
    }

    function test_dropped__verdict_of_another_task__reverts() public {
        Case memory c = _case();
        AnswerFields memory answer = _answer(1);
        ReceiptFields memory receipt = _receipt(answer, 3);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafElsewhere.selector, 4, 3));
        referee.dropped(c.posted, answer, receipt, c.epoch.verdicts[1]);
    }

    function test_dropped__verdict_of_another_job__reverts() public {
        Case memory c = _case();
        AnswerFields memory answer = _answer(2);
        answer.task = 1;
        ReceiptFields memory receipt = _receipt(answer, 3);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafElsewhere.selector, VOTED, WEIGHTED));
        referee.dropped(c.posted, answer, receipt, c.epoch.verdicts[2]);
    }

    function test_dropped__verdict_of_another_epoch__reverts() public {
        Case memory c = _case();
        AnswerFields memory answer = _answer(5);
        answer.task = 0;
        ReceiptFields memory receipt = _receipt(answer, 3);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafUnproven.selector, Tree.Verdicts, 0));
        referee.dropped(c.posted, answer, receipt, c.past.verdicts[0]);
    }

    function test_dropped__receipt_of_another_answer__reverts() public {
        Case memory c = _case();
        AnswerFields memory answer = _answer(1);
        ReceiptFields memory receipt = _receipt(answer, 3);
        answer.sealHash = keccak256("other");
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeReceiptUnproven.selector, 2));
        referee.dropped(c.posted, answer, receipt, c.epoch.verdicts[0]);
    }

    function test_dropped__receipt_of_fewer_members__reverts() public {
        Case memory c = _case();
        AnswerFields memory answer = _answer(1);
        ReceiptFields memory receipt = _receipt(answer, 2);
        vm.expectRevert(abi.encodeWithSelector(ICommittee.CommitteeQuorumMissing.selector, 2, 3));
        referee.dropped(c.posted, answer, receipt, c.epoch.verdicts[0]);
    }

    function test_dropped__receipt_for_another_market__reverts() public {
        Case memory c = _case();
        AnswerFields memory answer = _answer(1);
        ReceiptFields memory receipt = _receipt(answer, 3);
        bytes32 digest =
            MessageHashUtils.toTypedDataHash(_domain(address(referee)), Messages.receipt(receipt.root, receipt.size));
        receipt.signatures = _signatures(digest, 3);
        vm.expectPartialRevert(ICommittee.CommitteeSignerUnknown.selector);
        referee.dropped(c.posted, answer, receipt, c.epoch.verdicts[0]);
    }
}

contract DroppedStandsTest is Receipts {
    function setUp() public {
        _deployReferee();
        _store(_case());
    }

    function test_dropped__correct_epoch_and_mutated_evidence__stands(
        uint256 worker,
        uint256 place,
        bytes1 flip,
        bool small
    ) public {
        Case memory c = _stand();
        uint32[3] memory listed = [uint32(2), 4, 5];
        AnswerFields memory answer = _answer(listed[worker % 3]);
        bytes memory call =
            abi.encodeCall(IReferee.dropped, (c.posted, answer, _receipt(answer, 3), c.epoch.verdicts[0]));
        _damage(call, place, flip, small);
        (bool done,) = address(referee).call(call);
        vm.assertTrue(!done, "struck");
        _assertStands();
    }
}
