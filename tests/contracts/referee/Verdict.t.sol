// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Tree} from "../../../contracts/interfaces/IDemands.sol";
import {Header, IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {
    AssignmentLeaf,
    Evidence,
    Fault,
    IReferee,
    Link,
    Posted,
    WeightLeaf
} from "../../../contracts/interfaces/IReferee.sol";
import {IWorkers} from "../../../contracts/interfaces/IWorkers.sol";
import {Case, Epoch, Epochs} from "../support/Epochs.sol";
import {Plant, Plants} from "../support/Plants.sol";

contract VerdictTest is Plants {
    function setUp() public {
        _deployReferee();
    }

    // ------------------------------------------------------------------ what is refused before any rule

    function test_verdict__fault_of_another_entry__reverts() public {
        Epoch memory epoch = _first();
        Posted memory posted = _posted(epoch);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeFaultElsewhere.selector, Fault.RunningPay));
        referee.verdict(posted, Fault.RunningPay, _about(epoch, 0, 0));
    }

    function test_verdict__no_evidence__reverts() public {
        Posted memory posted = _posted(_first());
        Evidence memory none;
        for (uint256 fault = 0; fault <= uint256(Fault.UncountedWithLabel); ++fault) {
            if (fault == uint256(Fault.EmptyTreeRooted)) continue;
            vm.expectRevert(IReferee.RefereeEvidenceMissing.selector);
            referee.verdict(posted, Fault(fault), none);
        }
    }

    function test_verdict__leaf_of_another_index__reverts() public {
        Epoch memory epoch = _first();
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, 0, 0);
        e.verdicts[0].index = 1;
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafUnproven.selector, Tree.Verdicts, 1));
        referee.verdict(posted, Fault.WrongLabel, e);
    }

    function test_verdict__rows_of_others__reverts() public {
        Epoch memory epoch = _first();
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, 0, 0);
        e.rows[3] = bytes1(uint8(e.rows[3]) ^ 1);
        vm.expectRevert(IReferee.RefereeRowsUnproven.selector);
        referee.verdict(posted, Fault.WrongLabel, e);
    }

    function test_verdict__rows_missing__reverts() public {
        Epoch memory epoch = _first();
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, 0, 0);
        e.rows = "";
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeRowsLength.selector, 0, 24));
        referee.verdict(posted, Fault.WrongLabel, e);
    }

    function test_verdict__terms_of_another_job__reverts() public {
        Epoch memory epoch = _first();
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, 0, 0);
        e.jobs = _jobs(VOTED);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeTermsMismatch.selector, WEIGHTED));
        referee.verdict(posted, Fault.PriorLength, e);
    }

    function test_verdict__opening_of_another_answer__reverts() public {
        Epoch memory epoch = _first();
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, 0, 0);
        e.openings[0] = epoch.openings[0][1];
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeOpeningMismatch.selector, 0));
        referee.verdict(posted, Fault.SignatureForged, e);
    }

    // ------------------------------------------------------------------ who pays

    function test_verdict__signatures_of_others__reverts() public {
        (Posted memory posted, Evidence memory e) = _wrong();
        posted.signatures = bytes.concat(
            _signature(7, _digest(posted.header)), _signature(8, _digest(posted.header)), posted.signatures
        );
        posted.signers = SIGNERS;
        vm.expectRevert();
        referee.verdict(posted, Fault.WrongLabel, e);
        posted.signatures = bytes.concat(
            _signature(7, _digest(posted.header)),
            _signature(8, _digest(posted.header)),
            _signature(9, _digest(posted.header))
        );
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeSignatureForeign.selector, 0, vm.addr(memberKeys[0])));
        referee.verdict(posted, Fault.WrongLabel, e);
    }

    function test_verdict__accounts_without_stake_as_members__reverts() public {
        (Posted memory posted, Evidence memory e) = _wrong();
        uint256[] memory keys = new uint256[](3);
        (keys[0], keys[1], keys[2]) = (7, 8, 9);
        posted.members = _addresses(keys);
        bytes memory signatures;
        for (uint256 i = 0; i < 3; ++i) {
            signatures = bytes.concat(signatures, _signature(keys[i], _digest(posted.header)));
        }
        posted.signatures = signatures;
        vm.expectPartialRevert(IReferee.RefereeConfigurationMismatch.selector);
        referee.verdict(posted, Fault.WrongLabel, e);
    }

    function test_verdict__fewer_signers__reverts() public {
        (Posted memory posted, Evidence memory e) = _wrong();
        posted.signers = 3;
        posted.signatures = _signatures(_digest(posted.header), 2);
        vm.expectPartialRevert(IMarket.MarketHeadMismatch.selector);
        referee.verdict(posted, Fault.WrongLabel, e);
        posted.signers = SIGNERS;
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeSignersMismatch.selector, SIGNERS, 130));
        referee.verdict(posted, Fault.WrongLabel, e);
    }

    function test_verdict__more_signatures__reverts() public {
        (Posted memory posted, Evidence memory e) = _wrong();
        posted.signatures = _signatures(_digest(posted.header), 4);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeSignersMismatch.selector, SIGNERS, 260));
        referee.verdict(posted, Fault.WrongLabel, e);
        posted.signatures = bytes.concat(_signatures(_digest(posted.header), 3), hex"00");
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeSignersMismatch.selector, SIGNERS, 196));
        referee.verdict(posted, Fault.WrongLabel, e);
    }

    /// @dev What only looks like a Market says yes to everything, and makes nobody pay.
    function test_verdict__hostile_market__slashes_nobody() public {
        (Posted memory posted, Evidence memory e) = _wrong();
        HostileMarket hostile = new HostileMarket(address(committee), market.deploymentDigest());
        posted.market = IMarket(address(hostile));
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeSignatureForeign.selector, 0, vm.addr(memberKeys[0])));
        referee.verdict(posted, Fault.WrongLabel, e);
        (posted.signers, posted.signatures) = (0, "");
        referee.verdict(posted, Fault.WrongLabel, e);
        _assertStands();
    }

    function test_verdict__market_of_another_committee__reverts() public {
        (Posted memory posted, Evidence memory e) = _wrong();
        posted.market = IMarket(address(new HostileMarket(address(1), market.deploymentDigest())));
        vm.expectRevert(
            abi.encodeWithSelector(IReferee.RefereeCommitteeMismatch.selector, address(1), address(committee))
        );
        referee.verdict(posted, Fault.WrongLabel, e);
    }

    function test_verdict__window_over__reverts() public {
        (Posted memory posted, Evidence memory e) = _wrong();
        vm.warp(block.timestamp + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IMarket.MarketWindowOver.selector, block.timestamp));
        referee.verdict(posted, Fault.WrongLabel, e);
        vm.warp(block.timestamp - 1);
        referee.verdict(posted, Fault.WrongLabel, e);
        _assertStruck();
    }

    function test_verdict__twice__reverts() public {
        (Posted memory posted, Evidence memory e) = _wrong();
        referee.verdict(posted, Fault.WrongLabel, e);
        vm.expectRevert(IMarket.MarketNothingPending.selector);
        referee.verdict(posted, Fault.WrongLabel, e);
        _assertStruck();
    }

    /// @dev Whoever copies a refutation may take the reward; the epoch falls all the same.
    function test_verdict__copied__strikes_for_the_copier() public {
        (Posted memory posted, Evidence memory e) = _wrong();
        posted.beneficiary = STRANGER;
        _emitted(address(referee));
        emit IReferee.EpochRefuted(market, posted.header.epoch, Fault.WrongLabel, STRANGER);
        vm.prank(STRANGER);
        referee.verdict(posted, Fault.WrongLabel, e);
        vm.assertEq(committee.rewardOf(STRANGER), 3 * (STAKE / 2));
    }

    function _wrong() private returns (Posted memory posted, Evidence memory e) {
        Epoch memory epoch = _first();
        epoch.verdicts[0].label = 0;
        posted = _posted(epoch);
        e = _about(epoch, 0, 0);
    }

    // ------------------------------------------------------------------ what strikes

    /// @dev What is shown counts only if it is in the epoch that was posted.
    function test_verdict__each_plant_of_another_epoch__stands() public {
        _accuseWrongly(0, VERDICT_PLANTS);
    }

    function test_verdict__each_plant__strikes() public {
        uint256 state = vm.snapshotState();
        for (uint256 n = 0; n < VERDICT_PLANTS; ++n) {
            Epoch memory epoch = _first();
            Plant memory plant = _plant(epoch, n);
            (, bytes memory call) = _accuse(epoch, plant);
            (bool done,) = address(referee).call(call);
            vm.assertTrue(done, plant.what);
            _assertStruck();
            vm.revertToState(state);
        }
    }

    // ------------------------------------------------------------------ R1

    /// forge-config: default.fuzz.runs = 32
    /// forge-config: deep.fuzz.runs = 2000
    function test_verdict__prior_beyond_cap__strikes(int32 one, int32 two) public {
        Epoch memory epoch = _first();
        vm.assume(one > 65_536 || one < -65_536 || two > 65_536 || two < -65_536);
        epoch.verdicts[0].prior = abi.encodePacked(one, two);
        _refute(epoch, Fault.PriorBeyondCap, 0, 0);
    }

    /// forge-config: default.fuzz.runs = 32
    /// forge-config: deep.fuzz.runs = 2000
    function test_verdict__prior_within_cap__reverts(int32 one, int32 two) public {
        Epoch memory epoch = _first();
        epoch.verdicts[0].prior = abi.encodePacked(one % 65_537, two % 65_537);
        Posted memory posted = _posted(epoch);
        _expectUnfounded(Fault.PriorBeyondCap);
        referee.verdict(posted, Fault.PriorBeyondCap, _about(epoch, 0, 0));
    }

    function test_verdict__row_at_its_limits__reverts() public {
        Epoch memory epoch = _first();
        epoch.weights[0].row = abi.encodePacked(int32(6 * 65_536), int32(6 * 65_536));
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, 0, 0);
        e.weights = _weights(epoch.weights[0]);
        _expectUnfounded(Fault.RowBeyondCap);
        referee.verdict(posted, Fault.RowBeyondCap, e);
        _expectUnfounded(Fault.RowAgainstItself);
        referee.verdict(posted, Fault.RowAgainstItself, e);
    }

    // ------------------------------------------------------------------ R2

    /// @dev A signature counts for the key that the core names.
    function test_verdict__signature_of_the_workers_other_key__stands() public {
        Epoch memory epoch = _first();
        _set(epoch.verdicts[0].cores, 4, hex"0001");
        _sign(epoch, 0, 0, 77);
        Posted memory posted = _posted(epoch);
        _expectUnfounded(Fault.SignatureForged);
        referee.verdict(posted, Fault.SignatureForged, _about(epoch, 0, 0));
    }

    function test_verdict__opening_that_the_leaf_does_not_list__reverts() public {
        Epoch memory epoch = _first();
        epoch.verdicts[0].openings = abi.encodePacked(_openingHash(epoch.openings[0][0]));
        Posted memory posted = _posted(epoch);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereePositionBeyond.selector, 1, 1));
        referee.verdict(posted, Fault.CommitmentMismatch, _about(epoch, 0, 1));
    }

    // ------------------------------------------------------------------ R4: trees and leaves

    function test_verdict__empty_tree_rooted__strikes() public {
        Epoch memory epoch = _first();
        Header memory header = _sealed(epoch);
        header.assignmentsSize = 0;
        Posted memory posted = _postedWith(header, epoch);
        Evidence memory e;
        e.position = uint256(Tree.Weights);
        _expectUnfounded(Fault.EmptyTreeRooted);
        referee.verdict(posted, Fault.EmptyTreeRooted, e);
        e.position = 4;
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereePositionBeyond.selector, 4, 4));
        referee.verdict(posted, Fault.EmptyTreeRooted, e);
        e.position = uint256(Tree.Assignments);
        referee.verdict(posted, Fault.EmptyTreeRooted, e);
        _assertStruck();
    }

    function test_verdict__not_neighbours__reverts() public {
        Epoch memory epoch = _first();
        Posted memory posted = _posted(epoch);
        Evidence memory e;
        e.weights = new WeightLeaf[](2);
        (e.weights[0], e.weights[1]) = (epoch.weights[2], epoch.weights[0]);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeLeafElsewhere.selector, 0, 3));
        referee.verdict(posted, Fault.WeightsUnordered, e);
    }

    function test_verdict__task_decided__strikes() public {
        (Epoch memory past, Posted memory old) = _past();
        Epoch memory epoch = _second();
        epoch.verdicts[0].task = 2;
        Posted memory posted = _posted(epoch);
        Evidence memory e;
        e.stubs = _stubs(epoch.verdicts[0], past.verdicts[1]);
        e.older = _older(old, false);
        referee.verdict(posted, Fault.TaskDecided, e);
        _assertStruck();
    }

    /// @dev The very epoch that is refuted is not older than itself.
    function test_verdict__task_decided_by_itself__reverts() public {
        Epoch memory epoch = _first();
        Posted memory posted = _posted(epoch);
        Evidence memory e;
        e.stubs = _stubs(epoch.verdicts[0], epoch.verdicts[0]);
        e.older = _older(posted, false);
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeHeaderUnlinked.selector, market.head()));
        referee.verdict(posted, Fault.TaskDecided, e);
    }

    function test_verdict__task_decided_by_a_struck_epoch__reverts() public {
        Epoch memory struck = _first();
        struck.verdicts[0].label = 0;
        Posted memory old = _posted(struck);
        referee.verdict(old, Fault.WrongLabel, _about(struck, 0, 0));
        for (uint256 i = 0; i < 3; ++i) {
            committee.stake{value: STAKE}(vm.addr(memberKeys[i]));
        }
        Epoch memory epoch = _first();
        Posted memory posted = _posted(epoch);
        Evidence memory e;
        e.stubs = _stubs(epoch.verdicts[0], struck.verdicts[0]);
        e.older = _older(old, true);
        _expectUnfounded(Fault.TaskDecided);
        referee.verdict(posted, Fault.TaskDecided, e);
        // Nor does it help to say that it was not struck.
        e.older[0].struck = false;
        vm.expectPartialRevert(IReferee.RefereeHeaderUnlinked.selector);
        referee.verdict(posted, Fault.TaskDecided, e);
    }

    // ------------------------------------------------------------------ R4: lists

    function test_verdict__key_of_an_unknown_worker__reverts() public {
        Epoch memory epoch = _first();
        _set(epoch.verdicts[0].cores, 43, hex"06");
        Posted memory posted = _posted(epoch);
        vm.expectRevert(abi.encodeWithSelector(IWorkers.WorkersIndexUnknown.selector, 6));
        referee.verdict(posted, Fault.KeyUnknown, _about(epoch, 0, 2));
    }

    // ------------------------------------------------------------------ R4: pointers

    function test_verdict__pointer_beyond_this_epoch__strikes() public {
        Epoch memory epoch = _first();
        _set(epoch.verdicts[0].cores, 19, hex"0c");
        _refute(epoch, Fault.PointerBeyond, 0, 0);
    }

    function test_verdict__pointer_beyond_an_old_epoch__strikes() public {
        (, Posted memory old) = _past();
        Epoch memory epoch = _second();
        _set(epoch.verdicts[2].cores, 19, hex"0c");
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, 2, 0);
        e.older = _older(old, false);
        referee.verdict(posted, Fault.PointerBeyond, e);
        _assertStruck();
    }

    function test_verdict__pointer_elsewhere__strikes() public {
        Epoch memory epoch = _first();
        _set(epoch.verdicts[0].cores, 19, hex"01");
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, 0, 0);
        e.assignments = _assignments(epoch.assignments[1]);
        referee.verdict(posted, Fault.PointerElsewhere, e);
        _assertStruck();
    }

    function test_verdict__pointer_elsewhere_in_an_old_epoch__strikes() public {
        (Epoch memory past, Posted memory old) = _past();
        Epoch memory epoch = _second();
        _set(epoch.verdicts[2].cores, 19, hex"0a");
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, 2, 0);
        e.older = _older(old, false);
        e.assignments = _assignments(past.assignments[10]);
        referee.verdict(posted, Fault.PointerElsewhere, e);
        _assertStruck();
    }

    function test_verdict__pointer_struck__strikes() public {
        Epoch memory struck = _first();
        struck.verdicts[0].label = 0;
        Posted memory old = _posted(struck);
        referee.verdict(old, Fault.WrongLabel, _about(struck, 0, 0));
        for (uint256 i = 0; i < 3; ++i) {
            committee.stake{value: STAKE}(vm.addr(memberKeys[i]));
        }
        // Nothing was paid: the second epoch follows on the same balances, and points into the struck one.
        Epoch memory epoch = _second();
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, 2, 0);
        e.older = _older(old, true);
        referee.verdict(posted, Fault.PointerStruck, e);
        (uint32 number,,) = market.pending();
        vm.assertEq(number, 0);
    }

    function test_verdict__pointer_to_another_old_epoch__reverts() public {
        (, Posted memory old) = _past();
        Epoch memory epoch = _second();
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, 2, 0);
        e.older = _older(old, false);
        e.older[0].links = new Link[](1);
        vm.expectPartialRevert(IReferee.RefereeHeaderUnlinked.selector);
        referee.verdict(posted, Fault.PointerBeyond, e);
    }

    function test_verdict__row_pointer_elsewhere__strikes() public {
        Epoch memory epoch = _first();
        _set(epoch.verdicts[0].cores, 11, hex"00");
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, 0, 0);
        e.weights = _weights(epoch.weights[0]);
        referee.verdict(posted, Fault.RowPointerElsewhere, e);
        _assertStruck();
    }

    // ------------------------------------------------------------------ planting and refuting

    function _refute(Epoch memory epoch, Fault fault, uint256 verdict, uint256 position) private {
        Posted memory posted = _posted(epoch);
        Evidence memory e = _about(epoch, verdict, position);
        e.stubs = _stubs(epoch.verdicts[verdict]);
        referee.verdict(posted, fault, e);
        _assertStruck();
    }
}

/// @title That no evidence refutes a correct epoch
contract VerdictStandsTest is Epochs {
    function setUp() public {
        _deployReferee();
        _store(_case());
    }

    /// @dev Every fault against every listed answer, with all the evidence that there is: each is refused, and each kind at
    /// least once because nothing is wrong (not because the evidence is).
    function test_verdict__correct_epoch__stands() public {
        Case memory c = _stand();
        for (uint256 fault = 0; fault <= uint256(Fault.UncountedWithLabel); ++fault) {
            bool unfounded = false;
            for (uint256 i = 0; i < c.epoch.verdicts.length; ++i) {
                for (uint256 k = 0; k < c.epoch.openings[i].length; ++k) {
                    (bool done, bytes memory problem) = address(referee).call(_call(c, Fault(fault), i, k));
                    vm.assertTrue(!done, vm.toString(fault));
                    if (bytes4(problem) == IReferee.RefereeUnfounded.selector) unfounded = true;
                }
            }
            vm.assertTrue(unfounded, vm.toString(fault));
        }
        _assertStands();
    }

    /// @dev One damaged byte anywhere in the call, of whatever fault: never a strike.
    function test_verdict__correct_epoch_and_mutated_evidence__stands(
        uint256 fault,
        uint256 i,
        uint256 k,
        uint256 place,
        bytes1 flip,
        bool small
    ) public {
        Case memory c = _stand();
        i %= c.epoch.verdicts.length;
        fault %= uint256(Fault.UncountedWithLabel) + 1;
        bytes memory call = _call(c, Fault(fault), i, k % c.epoch.openings[i].length);
        _damage(call, place, flip, small);
        (bool done,) = address(referee).call(call);
        vm.assertTrue(!done, "struck");
        _assertStands();
    }

    function _call(Case memory c, Fault fault, uint256 i, uint256 k) private pure returns (bytes memory) {
        return abi.encodeCall(IReferee.verdict, (c.posted, fault, _everything(c, fault, i, k)));
    }

    function _everything(Case memory c, Fault fault, uint256 i, uint256 k) private pure returns (Evidence memory e) {
        Epoch memory epoch = c.epoch;
        e = _about(epoch, i, k);
        _addPointers(e, c, k);
        e.stubs = _stubs(epoch.verdicts[i]);
        if (fault == Fault.TaskDecided) {
            e.stubs = _stubs(epoch.verdicts[i], c.past.verdicts[i]);
            e.older = _older(c.old, false);
        } else if (fault == Fault.WeightsUnordered) {
            e.weights = new WeightLeaf[](2);
            (e.weights[0], e.weights[1]) = (epoch.weights[i], epoch.weights[i + 1]);
        } else if (fault == Fault.VerdictsUnordered) {
            e.stubs = _stubs(epoch.verdicts[i / 2], epoch.verdicts[i / 2 + 1]);
        } else if (fault == Fault.AssignmentsUnordered) {
            e.assignments = new AssignmentLeaf[](2);
            (e.assignments[0], e.assignments[1]) = (epoch.assignments[i], epoch.assignments[i + 1]);
        } else if (fault == Fault.EmptyTreeRooted) {
            e.position = i;
        } else if (fault >= Fault.AssignmentOfNoJob && fault <= Fault.AssignmentWorker) {
            e.assignments = _assignments(epoch.assignments[k]);
            e.jobs = _jobs(epoch.assignments[k].job);
        }
    }

    function _addPointers(Evidence memory e, Case memory c, uint256 k) private pure {
        bytes memory cores = e.verdicts[0].cores;
        uint256 row = _field(cores, 20 * k + 8);
        bool here = _field(cores, 20 * k + 12) == c.posted.header.epoch;
        uint256 offer = _field(cores, 20 * k + 16);
        if (!here) e.older = _older(c.old, false);
        e.assignments = _assignments(here ? c.epoch.assignments[offer] : c.past.assignments[offer]);
        e.weights = _weights(c.epoch.weights[row]);
    }
}

/// @dev Looks like a Market whose every epoch is pending.
contract HostileMarket {
    address public immutable committee;
    bytes32 public immutable deploymentDigest;

    constructor(address committee_, bytes32 digest) {
        committee = committee_;
        deploymentDigest = digest;
    }

    function strike(Header calldata, uint256, bytes calldata) external {}
}
