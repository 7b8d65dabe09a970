// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Demands} from "../../../contracts/Demands.sol";
import {Referee} from "../../../contracts/Referee.sol";
import {OpeningFields, Pending} from "../../../contracts/interfaces/IDemands.sol";
import {Header, Terms} from "../../../contracts/interfaces/IMarket.sol";
import {
    AssignmentLeaf,
    BalanceLeaf,
    BalanceStub,
    Evidence,
    Fault,
    IReferee,
    JobTerms,
    Link,
    OldHeader,
    Posted,
    VerdictLeaf,
    VerdictStub,
    WeightLeaf
} from "../../../contracts/interfaces/IReferee.sol";
import {Leaves} from "../../../contracts/libraries/Leaves.sol";
import {Messages} from "../../../contracts/libraries/Messages.sol";
import {Debit, Fixture} from "./Fixture.sol";
import {TreeBuilder} from "./TreeBuilder.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

/// @dev An answer as it came. `epoch` 0: assigned in the epoch that is built.
struct Given {
    uint32 worker;
    uint8 label;
    uint8 status;
    uint32 epoch;
    uint32 index;
}

/// @dev A whole epoch; the proofs in its leaves are empty until `_prove` fills in those of a copy.
struct Epoch {
    VerdictLeaf[] verdicts;
    OpeningFields[][] openings;
    WeightLeaf[] weights;
    AssignmentLeaf[] assignments;
    BalanceLeaf[] balances;
    Debit[] debits;
}

/// @dev A correct epoch that is pending, and the one before it.
struct Case {
    Epoch past;
    Posted old;
    Epoch epoch;
    Posted posted;
}

/// @title Small correct epochs, from which faults are planted one at a time
/// @dev Two jobs: one weighted with 2 classes, one with 3 that fixes the plain vote. Five workers, all three statuses, fees.
/// The first epoch decides three tasks and assigns three answers of the second, which decides two.
abstract contract Epochs is Fixture {
    address internal constant BENEFICIARY = address(0xF1DD1E);
    uint256 internal constant PRICE = 0.01 ether;
    uint8 internal constant COUNTED = 0;
    uint8 internal constant UNOPENED = 1;
    uint8 internal constant REJECTED = 2;
    uint32 internal constant WEIGHTED = 1;
    uint32 internal constant VOTED = 2;

    Demands internal demands;
    Referee internal referee;
    address private _predicted;

    function _referee() internal view override returns (address) {
        return _predicted;
    }

    function _deployReferee() internal {
        demands = new Demands(PRICE);
        // Token, Workers, Committee and Market come first.
        _predicted = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 4);
        _deploy();
        referee = new Referee(committee, demands);
        vm.assertEq(address(referee), _predicted);
        for (uint256 i = 1; i < WORKERS; ++i) {
            vm.prank(_wallet(i));
            workers.register();
        }
        vm.prank(_wallet(1));
        workers.addKey(vm.addr(77));
        _openJob();
        vm.prank(REQUESTER);
        market.openJob(_termsOf(VOTED), DEADLINE);
    }

    function _termsOf(uint32 job) internal pure returns (Terms memory terms) {
        terms = _terms();
        if (job == VOTED) (terms.classes, terms.weightCap, terms.priorCap, terms.feeBps) = (3, 0, 0, 300);
    }

    // ------------------------------------------------------------------ correct epochs

    function _first() internal view returns (Epoch memory epoch) {
        Given[][] memory given = new Given[][](3);
        given[0] = _three(Given(1, 1, COUNTED, 0, 0), Given(2, 0, COUNTED, 0, 0), Given(3, 1, COUNTED, 0, 0));
        given[1] = _three(Given(1, 0, COUNTED, 0, 0), Given(2, 255, UNOPENED, 0, 0), Given(4, 255, REJECTED, 0, 0));
        given[2] = _three(Given(2, 2, COUNTED, 0, 0), Given(3, 2, COUNTED, 0, 0), Given(5, 1, COUNTED, 0, 0));
        epoch = _decided(given, [WEIGHTED, WEIGHTED, VOTED], [uint32(0), 2, 0]);
        AssignmentLeaf[] memory more = new AssignmentLeaf[](12);
        for (uint256 i = 0; i < 9; ++i) {
            more[i] = epoch.assignments[i];
        }
        more[9] = _assigned(VOTED, 1, 1);
        more[10] = _assigned(VOTED, 1, 3);
        more[11] = _assigned(VOTED, 1, 4);
        epoch.assignments = more;
        _number(epoch);
    }

    function _second() internal view returns (Epoch memory epoch) {
        Given[][] memory given = new Given[][](3);
        given[0] = _three(Given(2, 1, COUNTED, 0, 0), Given(4, 0, COUNTED, 0, 0), Given(5, 1, COUNTED, 0, 0));
        given[1] = new Given[](1);
        given[1][0] = Given(5, 0, COUNTED, 0, 0);
        given[2] = _three(Given(1, 0, COUNTED, 1, 9), Given(3, 1, COUNTED, 1, 10), Given(4, 1, COUNTED, 1, 11));
        epoch = _decided(given, [WEIGHTED, WEIGHTED, VOTED], [uint32(3), 4, 1]);
        _number(epoch);
    }

    function _three(Given memory a, Given memory b, Given memory c) private pure returns (Given[] memory given) {
        given = new Given[](3);
        (given[0], given[1], given[2]) = (a, b, c);
    }

    function _decided(Given[][] memory given, uint32[3] memory jobs, uint32[3] memory tasks)
        private
        view
        returns (Epoch memory epoch)
    {
        epoch.weights = _weightsFor(given, jobs);
        epoch.assignments = new AssignmentLeaf[](0);
        epoch.verdicts = new VerdictLeaf[](given.length);
        epoch.openings = new OpeningFields[][](given.length);
        for (uint256 i = 0; i < given.length; ++i) {
            _assign(epoch, given[i], jobs[i], tasks[i]);
            epoch.verdicts[i] = _verdictFor(epoch, given[i], jobs[i], tasks[i]);
            epoch.openings[i] = _openingsFor(given[i], jobs[i], tasks[i]);
        }
        _settle(epoch);
    }

    /// @dev Rows of every label that counts, ascending by (job, worker, label).
    function _weightsFor(Given[][] memory given, uint32[3] memory jobs)
        private
        pure
        returns (WeightLeaf[] memory rows)
    {
        for (uint32 job = 1; job <= 2; ++job) {
            for (uint32 worker = 1; worker < WORKERS; ++worker) {
                for (uint8 label = 0; label < 3; ++label) {
                    if (_counts(given, jobs, job, worker, label)) {
                        rows = _grown(rows);
                        rows[rows.length - 1].job = job;
                        rows[rows.length - 1].worker = worker;
                        rows[rows.length - 1].label = label;
                        rows[rows.length - 1].row = _row(job, worker, label);
                    }
                }
            }
        }
    }

    function _counts(Given[][] memory given, uint32[3] memory jobs, uint32 job, uint32 worker, uint8 label)
        private
        pure
        returns (bool)
    {
        for (uint256 i = 0; i < given.length; ++i) {
            for (uint256 k = 0; k < given[i].length; ++k) {
                Given memory g = given[i][k];
                if (jobs[i] == job && g.worker == worker && g.label == label && g.status == COUNTED) return true;
            }
        }
        return false;
    }

    function _row(uint32 job, uint32 worker, uint8 label) internal pure returns (bytes memory) {
        if (job == VOTED) {
            return abi.encodePacked(_vote(label, 0), _vote(label, 1), _vote(label, 2));
        }
        int32 own = 65_536 + int32(worker) * 1000;
        return label == 0 ? abi.encodePacked(own, -own) : abi.encodePacked(-own, own);
    }

    function _vote(uint8 label, uint8 class) private pure returns (int32) {
        return label == class ? int32(65_536) : int32(0);
    }

    function _assign(Epoch memory epoch, Given[] memory given, uint32 job, uint32 task) private view {
        for (uint256 k = 0; k < given.length; ++k) {
            if (given[k].epoch != 0) continue;
            uint256 count = epoch.assignments.length;
            AssignmentLeaf[] memory more = new AssignmentLeaf[](count + 1);
            for (uint256 i = 0; i < count; ++i) {
                more[i] = epoch.assignments[i];
            }
            more[count] = _assigned(job, task, given[k].worker);
            epoch.assignments = more;
            (given[k].epoch, given[k].index) = (market.lastEpoch() + 1, uint32(count));
        }
    }

    function _assigned(uint32 job, uint32 task, uint32 worker) private pure returns (AssignmentLeaf memory leaf) {
        (leaf.job, leaf.task, leaf.worker, leaf.expiry) = (job, task, worker, DEADLINE);
        leaf.terms = _hashOf(job);
    }

    function _hashOf(uint32 job) internal pure returns (bytes32) {
        return keccak256(abi.encode(Leaves.TERMS, _termsOf(job)));
    }

    function _verdictFor(Epoch memory epoch, Given[] memory given, uint32 job, uint32 task)
        private
        pure
        returns (VerdictLeaf memory leaf)
    {
        (leaf.job, leaf.task) = (job, task);
        leaf.prior = job == VOTED ? new bytes(12) : abi.encodePacked(int32(3000), int32(-3000));
        int256[3] memory scores;
        if (job == WEIGHTED) (scores[0], scores[1]) = (3000, -3000);
        for (uint256 k = 0; k < given.length; ++k) {
            Given memory g = given[k];
            uint32 row = g.status == COUNTED ? _rowIndex(epoch, job, g.worker, g.label) : type(uint32).max;
            uint16 key = 0;
            leaf.cores =
                bytes.concat(leaf.cores, abi.encodePacked(g.worker, key, g.label, g.status, row, g.epoch, g.index));
            if (g.status != COUNTED) continue;
            for (uint256 c = 0; c < leaf.prior.length / 4; ++c) {
                scores[c] += _at(epoch.weights[row].row, c);
            }
        }
        for (uint8 c = 1; c < leaf.prior.length / 4; ++c) {
            if (scores[c] > scores[leaf.label]) leaf.label = c;
        }
    }

    function _at(bytes memory row, uint256 class) private pure returns (int256) {
        uint256 value = 0;
        for (uint256 i = 0; i < 4; ++i) {
            value = value << 8 | uint8(row[4 * class + i]);
        }
        return int32(uint32(value));
    }

    function _rowIndex(Epoch memory epoch, uint32 job, uint32 worker, uint8 label) private pure returns (uint32 i) {
        for (;; ++i) {
            WeightLeaf memory leaf = epoch.weights[i];
            if (leaf.job == job && leaf.worker == worker && leaf.label == label) return i;
        }
    }

    function _openingsFor(Given[] memory given, uint32 job, uint32 task)
        private
        view
        returns (OpeningFields[] memory fields)
    {
        fields = new OpeningFields[](given.length);
        for (uint256 k = 0; k < given.length; ++k) {
            Given memory g = given[k];
            fields[k].sealHash = keccak256(abi.encode("envelope", job, task, g.worker));
            if (g.status == UNOPENED) {
                fields[k].commitment = keccak256(abi.encode("unknown", job, task, g.worker));
            } else {
                fields[k].payloadHash = keccak256(abi.encodePacked(g.label));
                fields[k].salt = keccak256(abi.encode("salt", job, task, g.worker));
                fields[k].commitment = Leaves.commitment(job, task, g.worker, fields[k].payloadHash, fields[k].salt);
            }
            if (g.status == REJECTED) fields[k].reason = keccak256("reason");
            fields[k].signature = _signature(
                _walletKey(g.worker), _answerDigest(job, task, g.worker, fields[k].commitment, fields[k].sealHash)
            );
        }
    }

    function _answerDigest(uint32 job, uint32 task, uint32 worker, bytes32 commitment, bytes32 sealHash)
        internal
        view
        returns (bytes32)
    {
        bytes32 message = Messages.answer(job, _hashOf(job), task, worker, commitment, sealHash);
        return MessageHashUtils.toTypedDataHash(_domain(address(market)), message);
    }

    /// @dev Running pay, debits, earnings and balances on `cumulative`.
    function _settle(Epoch memory epoch) private view {
        epoch.balances = new BalanceLeaf[](WORKERS);
        for (uint32 w = 0; w < WORKERS; ++w) {
            (epoch.balances[w].worker, epoch.balances[w].wallet) = (w, _wallet(w));
            epoch.balances[w].cumulative = cumulative[w];
        }
        epoch.debits = new Debit[](2);
        for (uint32 i = 0; i < epoch.verdicts.length; ++i) {
            VerdictLeaf memory leaf = epoch.verdicts[i];
            Debit memory debit = epoch.debits[leaf.job - 1];
            for (uint256 k = 0; k < leaf.cores.length / 20; ++k) {
                (uint32 worker, uint8 label, uint8 status) = _core(leaf.cores, k);
                if (status == COUNTED) debit.pay += _earn(epoch, worker, i, label == leaf.label ? 150 : 100);
            }
            (debit.job, debit.last, leaf.pay) = (leaf.job, i, debit.pay);
        }
        for (uint256 j = 0; j < 2; ++j) {
            Debit memory debit = epoch.debits[j];
            _earn(epoch, 0, debit.last, debit.pay * _termsOf(debit.job).feeBps / 10_000);
        }
    }

    function _earn(Epoch memory epoch, uint32 worker, uint32 verdict, uint64 units) private pure returns (uint64) {
        BalanceLeaf memory balance = epoch.balances[worker];
        balance.earnings = bytes.concat(balance.earnings, abi.encodePacked(verdict, units));
        balance.cumulative += units;
        return units;
    }

    function _core(bytes memory cores, uint256 k) internal pure returns (uint32 worker, uint8 label, uint8 status) {
        worker =
            uint32(bytes4(abi.encodePacked(cores[20 * k], cores[20 * k + 1], cores[20 * k + 2], cores[20 * k + 3])));
        (label, status) = (uint8(cores[20 * k + 6]), uint8(cores[20 * k + 7]));
    }

    function _number(Epoch memory epoch) internal pure {
        for (uint32 i = 0; i < epoch.verdicts.length; ++i) {
            epoch.verdicts[i].index = i;
        }
        for (uint32 i = 0; i < epoch.weights.length; ++i) {
            epoch.weights[i].index = i;
        }
        for (uint32 i = 0; i < epoch.assignments.length; ++i) {
            epoch.assignments[i].index = i;
        }
        for (uint32 i = 0; i < epoch.balances.length; ++i) {
            epoch.balances[i].index = i;
        }
    }

    function _grown(WeightLeaf[] memory leaves) private pure returns (WeightLeaf[] memory more) {
        more = new WeightLeaf[](leaves.length + 1);
        for (uint256 i = 0; i < leaves.length; ++i) {
            more[i] = leaves[i];
        }
    }

    // ------------------------------------------------------------------ posting

    /// @dev Seals the leaves under a header, with proofs; `_post` may follow.
    function _sealed(Epoch memory epoch) internal view returns (Header memory header) {
        header = _header(epoch.debits);
        for (uint256 i = 0; i < epoch.verdicts.length; ++i) {
            bytes32[] memory hashes = new bytes32[](epoch.openings[i].length);
            for (uint256 k = 0; k < hashes.length; ++k) {
                hashes[k] = _openingHash(epoch.openings[i][k]);
            }
            // A planted list of hashes stays.
            if (epoch.verdicts[i].openings.length == 0) epoch.verdicts[i].openings = abi.encodePacked(hashes);
        }
        bytes32[] memory level = _verdictLevel(epoch);
        (header.verdicts, header.verdictsSize) = (TreeBuilder.root(level), uint32(level.length));
        for (uint256 i = 0; i < level.length; ++i) {
            epoch.verdicts[i].proof = TreeBuilder.proof(level, i);
        }
        level = _weightLevel(epoch);
        (header.weights, header.weightsSize) = (TreeBuilder.root(level), uint32(level.length));
        for (uint256 i = 0; i < level.length; ++i) {
            epoch.weights[i].proof = TreeBuilder.proof(level, i);
        }
        level = _assignmentLevel(epoch);
        (header.assignments, header.assignmentsSize) = (TreeBuilder.root(level), uint32(level.length));
        for (uint256 i = 0; i < level.length; ++i) {
            epoch.assignments[i].proof = TreeBuilder.proof(level, i);
        }
        level = _balanceLevel(epoch);
        (header.balances, header.balancesSize) = (TreeBuilder.root(level), uint32(level.length));
        for (uint256 i = 0; i < level.length; ++i) {
            epoch.balances[i].proof = TreeBuilder.proof(level, i);
        }
    }

    function _posted(Epoch memory epoch) internal returns (Posted memory posted) {
        return _postedWith(_sealed(epoch), epoch);
    }

    function _postedWith(Header memory header, Epoch memory epoch) internal returns (Posted memory posted) {
        _post(header, epoch.debits);
        return Posted({
            market: market,
            header: header,
            signers: SIGNERS,
            debits: _packed(epoch.debits),
            signatures: _signatures(_digest(header), 3),
            members: _addresses(memberKeys),
            sealKeys: _sealKeys(4),
            quorum: 3,
            beneficiary: BENEFICIARY
        });
    }

    /// @dev The first epoch, correct and final.
    function _past() internal returns (Epoch memory epoch, Posted memory posted) {
        epoch = _first();
        posted = _posted(epoch);
        _finalise(posted.header);
        for (uint256 w = 0; w < WORKERS; ++w) {
            cumulative[w] = epoch.balances[w].cumulative;
        }
    }

    function _case() internal returns (Case memory c) {
        (c.past, c.old) = _past();
        c.epoch = _second();
        c.posted = _posted(c.epoch);
    }

    function _verdictLevel(Epoch memory epoch) internal pure returns (bytes32[] memory level) {
        level = new bytes32[](epoch.verdicts.length);
        for (uint256 i = 0; i < level.length; ++i) {
            VerdictLeaf memory v = epoch.verdicts[i];
            level[i] = Leaves.verdict(v.job, v.task, v.label, v.prior, v.pay, Leaves.list(v.cores, v.openings));
        }
    }

    function _weightLevel(Epoch memory epoch) internal pure returns (bytes32[] memory level) {
        level = new bytes32[](epoch.weights.length);
        for (uint256 i = 0; i < level.length; ++i) {
            WeightLeaf memory w = epoch.weights[i];
            level[i] = Leaves.weight(w.job, w.worker, w.label, w.row);
        }
    }

    function _assignmentLevel(Epoch memory epoch) internal pure returns (bytes32[] memory level) {
        level = new bytes32[](epoch.assignments.length);
        for (uint256 i = 0; i < level.length; ++i) {
            AssignmentLeaf memory a = epoch.assignments[i];
            level[i] = Leaves.assignment(a.job, a.task, a.worker, a.expiry, a.terms);
        }
    }

    function _balanceLevel(Epoch memory epoch) internal pure returns (bytes32[] memory level) {
        level = new bytes32[](epoch.balances.length);
        for (uint256 i = 0; i < level.length; ++i) {
            BalanceLeaf memory b = epoch.balances[i];
            level[i] = Leaves.balance(b.worker, b.wallet, b.cumulative, keccak256(b.earnings));
        }
    }

    function _openingHash(OpeningFields memory o) internal pure returns (bytes32) {
        return Leaves.opening(o.commitment, o.sealHash, o.payloadHash, o.salt, o.reason, o.signature);
    }

    // ------------------------------------------------------------------ evidence

    /// @dev With everything about one verdict and one listed answer: what a fault does not need does not disturb it.
    function _about(Epoch memory epoch, uint256 verdict, uint256 position) internal pure returns (Evidence memory e) {
        e.position = position;
        e.verdicts = new VerdictLeaf[](1);
        e.verdicts[0] = epoch.verdicts[verdict];
        if (position < epoch.openings[verdict].length) {
            e.openings = new OpeningFields[](1);
            e.openings[0] = epoch.openings[verdict][position];
        }
        e.jobs = _jobs(epoch.verdicts[verdict].job);
        _addRows(e, epoch);
    }

    function _jobs(uint32 job) internal pure returns (JobTerms[] memory jobs) {
        jobs = new JobTerms[](1);
        jobs[0] = JobTerms({requester: REQUESTER, terms: _termsOf(job)});
    }

    function _addRows(Evidence memory e, Epoch memory epoch) private pure {
        bytes memory cores = e.verdicts[0].cores;
        uint256[] memory indexes = new uint256[](cores.length / 20);
        uint256 counted = 0;
        for (uint256 k = 0; k < cores.length / 20; ++k) {
            (,, uint8 status) = _core(cores, k);
            uint256 row = _field(cores, 20 * k + 8);
            if (status != COUNTED || row >= epoch.weights.length) continue;
            indexes[counted++] = row;
            e.rows = bytes.concat(e.rows, epoch.weights[row].row);
        }
        uint256[] memory used = new uint256[](counted);
        for (uint256 i = 0; i < counted; ++i) {
            used[i] = indexes[i];
        }
        if (counted != 0) e.rowsProof = TreeBuilder.multiproof(_weightLevel(epoch), used);
    }

    /// @dev The uint32 that starts at a byte.
    function _field(bytes memory packed, uint256 start) internal pure returns (uint256 value) {
        for (uint256 i = 0; i < 4; ++i) {
            value = value << 8 | uint8(packed[start + i]);
        }
    }

    function _stub(VerdictLeaf memory v) internal pure returns (VerdictStub memory) {
        return VerdictStub({
            index: v.index,
            job: v.job,
            task: v.task,
            label: v.label,
            priorHash: keccak256(v.prior),
            pay: v.pay,
            listHash: Leaves.list(v.cores, v.openings),
            proof: v.proof
        });
    }

    function _stubs(VerdictLeaf memory v) internal pure returns (VerdictStub[] memory stubs) {
        stubs = new VerdictStub[](1);
        stubs[0] = _stub(v);
    }

    function _stubs(VerdictLeaf memory one, VerdictLeaf memory two) internal pure returns (VerdictStub[] memory stubs) {
        stubs = new VerdictStub[](2);
        (stubs[0], stubs[1]) = (_stub(one), _stub(two));
    }

    function _weights(WeightLeaf memory one) internal pure returns (WeightLeaf[] memory leaves) {
        leaves = new WeightLeaf[](1);
        leaves[0] = one;
    }

    function _assignments(AssignmentLeaf memory one) internal pure returns (AssignmentLeaf[] memory leaves) {
        leaves = new AssignmentLeaf[](1);
        leaves[0] = one;
    }

    function _balancesOf(BalanceLeaf memory one) internal pure returns (BalanceLeaf[] memory leaves) {
        leaves = new BalanceLeaf[](1);
        leaves[0] = one;
    }

    function _previous(BalanceLeaf memory b) internal pure returns (BalanceStub[] memory stubs) {
        stubs = new BalanceStub[](1);
        stubs[0] = BalanceStub(b.worker, b.wallet, b.cumulative, keccak256(b.earnings), b.proof);
    }

    function _older(Posted memory posted, bool struck) internal pure returns (OldHeader[] memory older) {
        older = new OldHeader[](1);
        older[0] = OldHeader({header: posted.header, signers: SIGNERS, struck: struck, links: new Link[](0)});
    }

    function _pending(Posted memory posted) internal pure returns (Pending memory) {
        return Pending({market: posted.market, header: posted.header, signers: posted.signers});
    }

    function _set(bytes memory packed, uint256 start, bytes memory value) internal pure {
        for (uint256 i = 0; i < value.length; ++i) {
            packed[start + i] = value[i];
        }
    }

    /// @dev One byte of a call's arguments is another. `small`: the last of a word, where numbers, positions and lengths are.
    function _damage(bytes memory call, uint256 place, bytes1 flip, bool small) internal pure {
        uint256 count = call.length - 4;
        place = 4 + (small ? 32 * (place % (count / 32)) + 31 : place % count);
        call[place] ^= flip;
    }

    function _cut(bytes memory packed, uint256 start, uint256 end) internal pure returns (bytes memory part) {
        part = new bytes(end - start);
        for (uint256 i = 0; i < part.length; ++i) {
            part[i] = packed[start + i];
        }
    }

    // ------------------------------------------------------------------ what a strike does

    function _assertStruck() internal view {
        (uint32 epoch,,) = market.pending();
        vm.assertEq(epoch, 0, "still pending");
        vm.assertEq(market.lastStrike(), block.timestamp, "not struck now");
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(committee.stakeOf(vm.addr(memberKeys[i])), i < 3 ? 0 : STAKE, "the stake of a member");
        }
        vm.assertEq(committee.rewardOf(BENEFICIARY), 3 * (STAKE / 2), "the reward");
    }

    function _assertStands() internal view {
        vm.assertEq(market.lastStrike(), 0, "struck");
        for (uint256 i = 0; i < 4; ++i) {
            vm.assertEq(committee.stakeOf(vm.addr(memberKeys[i])), STAKE, "slashed");
        }
    }

    function _expectUnfounded(Fault fault) internal {
        vm.expectRevert(abi.encodeWithSelector(IReferee.RefereeUnfounded.selector, fault));
    }
}
