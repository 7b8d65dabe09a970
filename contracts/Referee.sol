// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICommittee} from "./interfaces/ICommittee.sol";
import {IDemands, OpeningFields, Tree} from "./interfaces/IDemands.sol";
import {Header, IMarket, Job, Terms} from "./interfaces/IMarket.sol";
import {
    AnswerFields,
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
    ReceiptFields,
    VerdictLeaf,
    VerdictStub,
    WeightLeaf
} from "./interfaces/IReferee.sol";
import {IWorkers} from "./interfaces/IWorkers.sol";
import {Debits} from "./libraries/Debits.sol";
import {Domains} from "./libraries/Domains.sol";
import {Leaves} from "./libraries/Leaves.sol";
import {Core, Lists} from "./libraries/Lists.sol";
import {Messages} from "./libraries/Messages.sol";
import {Proofs} from "./libraries/Proofs.sol";
import {Scoring} from "./libraries/Scoring.sol";
import {Trees} from "./libraries/Trees.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Referee: strikes an epoch that breaks the rules, on anybody's proof
/// @dev What it promises, and what it assumes, is written in IReferee. Each check asks of an epoch no more than that it is
/// correct in this one respect: where a proof leans on another rule (that rows have their length, that lists are ordered), an
/// epoch that breaks that one may fall by either.
contract Referee is IReferee {
    uint256 private constant SIGNATURE = 65;
    uint256 private constant BPS = 10_000;
    uint256 private constant MOST_EARNINGS = 4096;

    /// @inheritdoc IReferee
    ICommittee public immutable committee;
    /// @inheritdoc IReferee
    IDemands public immutable demands;

    /// @inheritdoc IReferee
    mapping(IMarket market => mapping(bytes32 head => bool)) public isTraced;

    constructor(ICommittee committee_, IDemands demands_) {
        committee = committee_;
        demands = demands_;
    }

    // ------------------------------------------------------------------ the entries

    /// @inheritdoc IReferee
    function verdict(Posted calldata posted, Fault fault, Evidence calldata evidence) external {
        require(fault <= Fault.UncountedWithLabel, RefereeFaultElsewhere(fault));
        require(_verdictFaulty(posted, uint256(fault), evidence), RefereeUnfounded(fault));
        _strike(posted, fault);
    }

    /// @inheritdoc IReferee
    function pay(Posted calldata posted, Fault fault, Evidence calldata evidence) external {
        require(fault >= Fault.RunningPay && fault <= Fault.FeeMissing, RefereeFaultElsewhere(fault));
        bytes32 given = keccak256(posted.debits);
        require(given == posted.header.debits, RefereeDebitsMismatch(given, posted.header.debits));
        require(_payFaulty(posted, uint256(fault), evidence), RefereeUnfounded(fault));
        _strike(posted, fault);
    }

    /// @inheritdoc IReferee
    function dropped(
        Posted calldata posted,
        AnswerFields calldata answer,
        ReceiptFields calldata receipt,
        VerdictLeaf calldata leaf
    ) external {
        Proofs.verdict(posted.header, leaf);
        require(leaf.job == answer.job, RefereeLeafElsewhere(leaf.job, answer.job));
        require(leaf.task == answer.task, RefereeLeafElsewhere(leaf.task, answer.task));
        require(!Lists.lists(leaf.cores, answer.worker), RefereeUnfounded(Fault.Dropped));

        bytes32 receipted = Leaves.receipt(_answerDigest(posted.market, answer));
        require(
            Trees.contains(receipt.root, receipt.size, receipted, receipt.index, receipt.proof),
            RefereeReceiptUnproven(receipt.index)
        );
        bytes32 digest = Domains.digest(posted.market, Messages.receipt(receipt.root, receipt.size));
        // slither-disable-next-line unused-return (it reverts unless a quorum signed; who is not asked)
        committee.membership(digest, receipt.signatures);
        _strike(posted, Fault.Dropped);
    }

    /// @inheritdoc IReferee
    function withheld(Posted calldata posted, Tree tree, uint32 index) external {
        bytes32 head = Domains.head(posted.market, posted.header, posted.signers);
        // It gives no bond back, and reverts, unless the leaf was demanded and not given in time.
        demands.release(demands.demandId(posted.market, head, tree, index));
        _strike(posted, Fault.Withheld);
    }

    // ------------------------------------------------------------------ old heads

    /// @inheritdoc IReferee
    function trace(IMarket market, bytes32 from, Link[] calldata links) external {
        require(links.length != 0, RefereeNothingTraced());
        bytes32 head = _follow(from, links);
        require(head == market.head() || isTraced[market][head], RefereeHeaderUnlinked(head));
        isTraced[market][from] = true;
        emit HeadTraced(market, from);
    }

    // ------------------------------------------------------------------ striking

    /// @dev Nothing of this contract changes after the first call outside: a Market that calls back finds all done.
    function _strike(Posted calldata posted, Fault fault) private {
        address[] memory signers = _signers(posted);
        emit EpochRefuted(posted.market, posted.header.epoch, fault, posted.beneficiary);
        posted.market.strike(posted.header, posted.signers, posted.debits);
        committee.slash(signers, posted.beneficiary);
    }

    /// @dev Who signed this very header. That its `signers` are those that the Market saw is for `Market.strike` to check; a
    /// contract that checks nothing gets here with nobody's signature.
    function _signers(Posted calldata posted) private view returns (address[] memory signers) {
        address served = address(posted.market.committee());
        require(served == address(committee), RefereeCommitteeMismatch(served, address(committee)));
        bytes32 members = Leaves.committeeOf(posted.members, posted.sealKeys, posted.quorum);
        bytes32 given = Leaves.configuration(posted.market.deploymentDigest(), members);
        bytes32 expected = posted.header.configuration;
        require(given == expected, RefereeConfigurationMismatch(given, expected));

        uint256 count = posted.signatures.length / SIGNATURE;
        signers = new address[](count);
        bytes32 digest = Domains.digest(posted.market, Messages.header(posted.header));
        uint256 found = 0;
        for (uint256 i = 0; i < posted.members.length; ++i) {
            if (posted.signers >> i & 1 == 0) continue;
            require(found < count, RefereeSignersMismatch(posted.signers, posted.signatures.length));
            address signer = _recover(digest, posted.signatures[found * SIGNATURE:(found + 1) * SIGNATURE]);
            require(signer == posted.members[i], RefereeSignatureForeign(found, posted.members[i]));
            signers[found++] = signer;
        }
        require(
            found == count && found * SIGNATURE == posted.signatures.length,
            RefereeSignersMismatch(posted.signers, posted.signatures.length)
        );
    }

    // ------------------------------------------------------------------ R1, R2, R4

    function _verdictFaulty(Posted calldata posted, uint256 fault, Evidence calldata evidence)
        private
        view
        returns (bool)
    {
        if (fault == uint256(Fault.WrongLabel)) return _mislabelled(posted, evidence);
        if (fault <= uint256(Fault.PriorBeyondCap)) return _priorFaulty(posted, fault, evidence);
        if (fault <= uint256(Fault.RowNotVote)) return _rowFaulty(posted, fault, evidence);
        if (fault <= uint256(Fault.ReasonMismatch)) return _answerFaulty(posted, fault, evidence);
        if (fault <= uint256(Fault.AssignmentsUnordered)) return _orderFaulty(posted, fault, evidence);
        if (fault <= uint256(Fault.AssignmentWorker)) return _assignmentFaulty(posted, fault, evidence);
        if (fault <= uint256(Fault.TaskDecided)) return _taskFaulty(posted, fault, evidence);
        if (fault <= uint256(Fault.ListTooLong)) return _listFaulty(posted, fault, evidence);
        return _listedFaulty(posted, fault, evidence);
    }

    function _mislabelled(Posted calldata posted, Evidence calldata evidence) private pure returns (bool) {
        VerdictLeaf calldata leaf = _verdict(posted, evidence);
        // slither-disable-next-line unused-return (what is left out is not asked for)
        (uint256 counted,) = Lists.tally(leaf.cores, 0);
        uint256 length = counted * leaf.prior.length;
        require(evidence.rows.length == length, RefereeRowsLength(evidence.rows.length, length));
        if (counted != 0) {
            (uint256[] memory indexes, bytes32[] memory leaves) =
                _rows(leaf.job, leaf.cores, evidence.rows, leaf.prior.length, counted);
            Header calldata header = posted.header;
            require(
                Trees.containsMany(header.weights, header.weightsSize, indexes, leaves, evidence.rowsProof),
                RefereeRowsUnproven()
            );
        }
        return Scoring.decide(leaf.prior, evidence.rows) != leaf.label;
    }

    /// @dev Where the weight rows of the counted answers must stand, and their leaves.
    function _rows(uint32 job, bytes calldata cores, bytes calldata rows, uint256 width, uint256 counted)
        private
        pure
        returns (uint256[] memory indexes, bytes32[] memory leaves)
    {
        indexes = new uint256[](counted);
        leaves = new bytes32[](counted);
        uint256 found = 0;
        // Positions in calldata: nothing here can overflow.
        unchecked {
            for (uint256 i = 0; found < counted; ++i) {
                uint256 core = Lists.packedCore(cores, i);
                if (!Lists.isCounted(core)) continue;
                // forge-lint: disable-next-line(unsafe-typecast)
                indexes[found] = uint32(core >> 64);
                leaves[found++] = _rowLeaf(job, core, rows[:width]);
                rows = rows[width:];
            }
        }
    }

    function _rowLeaf(uint32 job, uint256 core, bytes calldata row) private pure returns (bytes32) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return Leaves.weightOf(job, uint32(core >> 128), uint8(core >> 104), keccak256(row));
    }

    function _priorFaulty(Posted calldata posted, uint256 fault, Evidence calldata evidence)
        private
        view
        returns (bool)
    {
        VerdictLeaf calldata leaf = _verdict(posted, evidence);
        Terms calldata terms = _terms(posted.market, leaf.job, evidence);
        if (fault == uint256(Fault.LabelBeyond)) return leaf.label >= terms.classes;
        if (fault == uint256(Fault.PriorLength)) return leaf.prior.length != terms.classes * Scoring.WEIGHT;
        return Scoring.beyond(leaf.prior, terms.weightCap == 0 ? 0 : terms.priorCap);
    }

    function _rowFaulty(Posted calldata posted, uint256 fault, Evidence calldata evidence) private view returns (bool) {
        WeightLeaf calldata leaf = _weight(posted, evidence, 0);
        if (fault == uint256(Fault.RowOfNoJob)) return _isNoJob(posted.market, leaf.job);
        Terms calldata terms = _terms(posted.market, leaf.job, evidence);
        if (fault == uint256(Fault.RowLabel)) return leaf.label >= terms.classes;
        if (fault == uint256(Fault.RowLength)) return leaf.row.length != terms.classes * Scoring.WEIGHT;
        if (fault == uint256(Fault.RowBeyondCap)) {
            return terms.weightCap != 0 && Scoring.beyond(leaf.row, terms.weightCap);
        }
        if (fault == uint256(Fault.RowAgainstItself)) return Scoring.againstItself(leaf.row, leaf.label);
        return terms.weightCap == 0 && !Scoring.isVote(leaf.row, leaf.label);
    }

    function _answerFaulty(Posted calldata posted, uint256 fault, Evidence calldata evidence)
        private
        view
        returns (bool)
    {
        VerdictLeaf calldata leaf = _verdict(posted, evidence);
        Core memory core = Lists.core(leaf.cores, evidence.position);
        _present(evidence.openings.length, 0);
        OpeningFields calldata fields = evidence.openings[0];
        Proofs.opening(leaf, evidence.position, fields);
        if (fault == uint256(Fault.SignatureForged)) return _isForged(posted.market, leaf, core, fields, evidence);
        if (fault == uint256(Fault.CommitmentMismatch)) {
            return core.status != Lists.UNOPENED && !_fits(leaf, core, fields);
        }
        if (fault == uint256(Fault.PayloadMismatch)) {
            return core.status == Lists.COUNTED && fields.payloadHash != keccak256(abi.encodePacked(core.label))
                && !_terms(posted.market, leaf.job, evidence).free;
        }
        if (fault == uint256(Fault.UnopenedWithOpening)) {
            return core.status == Lists.UNOPENED && (fields.payloadHash != 0 || fields.salt != 0);
        }
        return (core.status == Lists.REJECTED) != (fields.reason != 0);
    }

    /// @dev Of an unknown worker or key the registry says so and reverts: that is another fault.
    function _isForged(
        IMarket market,
        VerdictLeaf calldata leaf,
        Core memory core,
        OpeningFields calldata fields,
        Evidence calldata evidence
    ) private view returns (bool) {
        bytes32 terms = Leaves.terms(_terms(market, leaf.job, evidence));
        bytes32 message = Messages.answer(leaf.job, terms, leaf.task, core.worker, fields.commitment, fields.sealHash);
        return
            _recover(Domains.digest(market, message), fields.signature) != _workers(market).keyOf(core.worker, core.key);
    }

    function _fits(VerdictLeaf calldata leaf, Core memory core, OpeningFields calldata fields)
        private
        pure
        returns (bool)
    {
        return fields.salt != 0
            && fields.commitment == Leaves.commitment(leaf.job, leaf.task, core.worker, fields.payloadHash, fields.salt);
    }

    function _orderFaulty(Posted calldata posted, uint256 fault, Evidence calldata evidence)
        private
        pure
        returns (bool)
    {
        if (fault == uint256(Fault.EmptyTreeRooted)) {
            require(
                evidence.position <= uint256(type(Tree).max),
                RefereePositionBeyond(evidence.position, uint256(type(Tree).max) + 1)
            );
            (bytes32 root, uint256 size) = Proofs.rootOf(posted.header, Tree(evidence.position));
            return size == 0 && root != 0;
        }
        if (fault == uint256(Fault.WeightsUnordered)) {
            (WeightLeaf calldata one, WeightLeaf calldata two) =
                (_weight(posted, evidence, 0), _weight(posted, evidence, 1));
            _neighbours(one.index, two.index);
            return _key(one.job, one.worker, one.label) >= _key(two.job, two.worker, two.label);
        }
        if (fault == uint256(Fault.VerdictsUnordered)) {
            (VerdictStub calldata one, VerdictStub calldata two) =
                (_stub(posted.header, evidence, 0), _stub(posted.header, evidence, 1));
            _neighbours(one.index, two.index);
            return _key(one.job, one.task, 0) >= _key(two.job, two.task, 0);
        }
        (AssignmentLeaf calldata first, AssignmentLeaf calldata second) =
            (_assignment(posted.header, evidence, 0), _assignment(posted.header, evidence, 1));
        _neighbours(first.index, second.index);
        return _key(first.job, first.task, first.worker) >= _key(second.job, second.task, second.worker);
    }

    function _assignmentFaulty(Posted calldata posted, uint256 fault, Evidence calldata evidence)
        private
        view
        returns (bool)
    {
        AssignmentLeaf calldata leaf = _assignment(posted.header, evidence, 0);
        if (fault == uint256(Fault.AssignmentOfNoJob)) return _isNoJob(posted.market, leaf.job);
        if (fault == uint256(Fault.AssignmentWorker)) return _isNobody(posted.market, leaf.worker);
        Terms calldata terms = _terms(posted.market, leaf.job, evidence);
        if (fault == uint256(Fault.AssignmentTerms)) return leaf.terms != Leaves.terms(terms);
        return leaf.task >= terms.tasks;
    }

    function _taskFaulty(Posted calldata posted, uint256 fault, Evidence calldata evidence)
        private
        view
        returns (bool)
    {
        VerdictStub calldata leaf = _stub(posted.header, evidence, 0);
        if (fault == uint256(Fault.VerdictOfNoJob)) return _isNoJob(posted.market, leaf.job);
        if (fault == uint256(Fault.VerdictTask)) return leaf.task >= _terms(posted.market, leaf.job, evidence).tasks;
        OldHeader calldata old = _older(posted, evidence);
        VerdictStub calldata before = _stub(old.header, evidence, 1);
        return !old.struck && before.job == leaf.job && before.task == leaf.task;
    }

    function _listFaulty(Posted calldata posted, uint256 fault, Evidence calldata evidence)
        private
        view
        returns (bool)
    {
        VerdictLeaf calldata leaf = _verdict(posted, evidence);
        uint256 count = Lists.coreCount(leaf.cores);
        if (fault == uint256(Fault.ListMisshapen)) {
            return leaf.cores.length != count * Lists.CORE || leaf.openings.length != count * 32;
        }
        if (fault == uint256(Fault.ListEmpty)) return leaf.cores.length == 0;
        return count > _terms(posted.market, leaf.job, evidence).answers;
    }

    function _listedFaulty(Posted calldata posted, uint256 fault, Evidence calldata evidence)
        private
        view
        returns (bool)
    {
        VerdictLeaf calldata leaf = _verdict(posted, evidence);
        Core memory core = Lists.core(leaf.cores, evidence.position);
        if (fault == uint256(Fault.ListUnordered)) {
            return core.worker >= Lists.core(leaf.cores, evidence.position + 1).worker;
        }
        if (fault == uint256(Fault.StatusUnknown)) return core.status > Lists.REJECTED;
        if (fault == uint256(Fault.WorkerUnknown)) return _isNobody(posted.market, core.worker);
        if (fault == uint256(Fault.KeyUnknown)) return core.key >= _workers(posted.market).keyCount(core.worker);
        if (fault == uint256(Fault.PointerEpoch)) return core.epoch == 0 || core.epoch > posted.header.epoch;
        if (fault <= uint256(Fault.PointerElsewhere)) return _pointerFaulty(posted, fault, evidence, leaf, core);
        if (fault == uint256(Fault.UncountedWithLabel)) {
            return core.status != Lists.COUNTED && (core.label != Lists.NO_LABEL || core.row != Lists.NO_ROW);
        }
        if (core.status != Lists.COUNTED) return false;
        if (fault == uint256(Fault.RowPointerBeyond)) return core.row >= posted.header.weightsSize;
        WeightLeaf calldata row = _weight(posted, evidence, 0);
        _about(row.index, core.row);
        return _key(row.job, row.worker, row.label) != _key(leaf.job, core.worker, core.label);
    }

    /// @dev An answer is given on an assignment of this epoch or of one before it that stands.
    function _pointerFaulty(
        Posted calldata posted,
        uint256 fault,
        Evidence calldata evidence,
        VerdictLeaf calldata leaf,
        Core memory core
    ) private view returns (bool) {
        Header calldata header = posted.header;
        bool struck = false;
        if (core.epoch != header.epoch) {
            OldHeader calldata old = _older(posted, evidence);
            (header, struck) = (old.header, old.struck);
            _about(header.epoch, core.epoch);
        }
        if (fault == uint256(Fault.PointerStruck)) return struck;
        if (fault == uint256(Fault.PointerBeyond)) return core.index >= header.assignmentsSize;
        AssignmentLeaf calldata offer = _assignment(header, evidence, 0);
        _about(offer.index, core.index);
        return _key(offer.job, offer.task, offer.worker) != _key(leaf.job, leaf.task, core.worker);
    }

    // ------------------------------------------------------------------ R3

    function _payFaulty(Posted calldata posted, uint256 fault, Evidence calldata evidence) private view returns (bool) {
        if (fault == uint256(Fault.RunningPay)) return _runsWrong(posted, evidence);
        if (fault <= uint256(Fault.DebitMissing)) return _debitFaulty(posted, fault, evidence);
        uint32 size = posted.header.balancesSize;
        if (fault == uint256(Fault.BalancesShrunk)) return size < posted.market.claimSize();
        if (fault == uint256(Fault.BalancesBeyond)) return size > _workers(posted.market).count();
        if (fault <= uint256(Fault.CumulativeMismatch)) return _balanceFaulty(posted, fault, evidence);
        if (fault == uint256(Fault.EarningUnfounded)) return _isUnfounded(posted, evidence);
        if (fault == uint256(Fault.FeeUnfounded)) return _isFeeUnfounded(posted, evidence);
        if (fault == uint256(Fault.FeeMissing)) return _isFeeMissing(posted, evidence);

        VerdictLeaf calldata leaf = _verdict(posted, evidence);
        Core memory core = Lists.core(leaf.cores, evidence.position);
        if (core.status != Lists.COUNTED) return false;
        if (fault == uint256(Fault.EarnerMissing)) return core.worker >= size;
        BalanceLeaf calldata balance = _balance(posted, evidence);
        _about(balance.index, core.worker);
        return !Lists.earns(balance.earnings, leaf.index);
    }

    function _runsWrong(Posted calldata posted, Evidence calldata evidence) private view returns (bool) {
        VerdictLeaf calldata leaf = _verdict(posted, evidence);
        Terms calldata terms = _terms(posted.market, leaf.job, evidence);
        (uint256 counted, uint256 agreeing) = Lists.tally(leaf.cores, leaf.label);
        uint256 running = counted * terms.base + agreeing * terms.bonus;
        if (leaf.index != 0) {
            VerdictStub calldata before = _stub(posted.header, evidence, 0);
            _about(before.index, leaf.index - 1);
            if (before.job == leaf.job) running += before.pay;
        }
        return leaf.pay != running;
    }

    function _debitFaulty(Posted calldata posted, uint256 fault, Evidence calldata evidence)
        private
        pure
        returns (bool)
    {
        if (fault == uint256(Fault.DebitMissing)) {
            return !_debits(posted, _stub(posted.header, evidence, 0).job);
        }
        (uint32 job, uint64 units, uint32 last) = _debit(posted, evidence.position);
        if (fault == uint256(Fault.DebitBeyond)) return last >= posted.header.verdictsSize;
        VerdictStub calldata leaf = _stub(posted.header, evidence, 0);
        if (fault == uint256(Fault.DebitMismatch)) {
            _about(leaf.index, last);
            return leaf.job != job || leaf.pay != units;
        }
        _about(leaf.index, uint256(last) + 1);
        return leaf.job == job;
    }

    function _balanceFaulty(Posted calldata posted, uint256 fault, Evidence calldata evidence)
        private
        view
        returns (bool)
    {
        BalanceLeaf calldata leaf = _balance(posted, evidence);
        if (fault == uint256(Fault.BalanceWorker)) return leaf.worker != leaf.index;
        if (fault == uint256(Fault.BalanceWallet)) return leaf.wallet != _workers(posted.market).walletOf(leaf.index);
        if (fault == uint256(Fault.EarningsMisshapen)) return leaf.earnings.length % Lists.EARNING != 0;
        if (fault == uint256(Fault.EarningsTooMany)) return leaf.earnings.length > MOST_EARNINGS * Lists.EARNING;
        if (fault == uint256(Fault.CumulativeMismatch)) {
            return leaf.cumulative != _before(posted.market, leaf.index, evidence) + Lists.earned(leaf.earnings);
        }
        // slither-disable-next-line unused-return (what is left out is not asked for)
        (uint32 of_,) = Lists.earning(leaf.earnings, evidence.position);
        if (fault == uint256(Fault.EarningBeyond)) return of_ >= posted.header.verdictsSize;
        // slither-disable-next-line unused-return (what is left out is not asked for)
        (uint32 next,) = Lists.earning(leaf.earnings, evidence.position + 1);
        return of_ >= next;
    }

    /// @dev What the last final epoch left at this index of the balances.
    function _before(IMarket market, uint32 index, Evidence calldata evidence) private view returns (uint256) {
        uint256 size = market.claimSize();
        if (index >= size) return 0;
        _present(evidence.previous.length, 0);
        BalanceStub calldata stub = evidence.previous[0];
        bytes32 leaf = Leaves.balance(stub.worker, stub.wallet, stub.cumulative, stub.earningsHash);
        require(
            Trees.contains(market.claimRoot(), size, leaf, index, stub.proof), RefereeLeafUnproven(Tree.Balances, index)
        );
        return stub.cumulative;
    }

    function _isUnfounded(Posted calldata posted, Evidence calldata evidence) private view returns (bool) {
        BalanceLeaf calldata balance = _balance(posted, evidence);
        (uint32 of_, uint64 units) = Lists.earning(balance.earnings, evidence.position);
        VerdictLeaf calldata leaf = _verdict(posted, evidence);
        _about(leaf.index, of_);
        Terms calldata terms = _terms(posted.market, leaf.job, evidence);
        uint256 count = Lists.coreCount(leaf.cores);
        for (uint256 i = 0; i < count; ++i) {
            Core memory core = Lists.core(leaf.cores, i);
            if (core.worker != balance.index || core.status != Lists.COUNTED) continue;
            if (units == uint256(terms.base) + (core.label == leaf.label ? terms.bonus : 0)) return false;
        }
        return balance.index != 0;
    }

    function _isFeeUnfounded(Posted calldata posted, Evidence calldata evidence) private view returns (bool) {
        BalanceLeaf calldata balance = _balance(posted, evidence);
        _about(balance.index, 0);
        (uint32 of_, uint64 units) = Lists.earning(balance.earnings, evidence.position);
        uint256 count = posted.debits.length / Debits.SIZE;
        for (uint256 i = 0; i < count; ++i) {
            (uint32 job, uint64 paid, uint32 last) = _debit(posted, i);
            // No two debits have the same last verdict, or one of them is a fault: the first one decides, at the cost of one job.
            if (last == of_) return units == 0 || units != _fee(posted.market, job, paid);
        }
        return true;
    }

    function _isFeeMissing(Posted calldata posted, Evidence calldata evidence) private view returns (bool) {
        (uint32 job, uint64 paid, uint32 last) = _debit(posted, evidence.position);
        BalanceLeaf calldata balance = _balance(posted, evidence);
        _about(balance.index, 0);
        return _fee(posted.market, job, paid) != 0 && !Lists.earns(balance.earnings, last);
    }

    function _fee(IMarket market, uint32 job, uint64 paid) private view returns (uint256) {
        return uint256(paid) * _job(market, job).feeBps / BPS;
    }

    function _debit(Posted calldata posted, uint256 position) private pure returns (uint32, uint64, uint32) {
        uint256 count = posted.debits.length / Debits.SIZE;
        require(position < count, RefereePositionBeyond(position, count));
        return Debits.read(posted.debits, Debits.SIZE * position);
    }

    function _debits(Posted calldata posted, uint32 job) private pure returns (bool) {
        uint256 count = posted.debits.length / Debits.SIZE;
        for (uint256 i = 0; i < count; ++i) {
            (uint32 of_,,) = _debit(posted, i);
            if (of_ == job) return true;
        }
        return false;
    }

    // ------------------------------------------------------------------ what the chain knows

    function _terms(IMarket market, uint32 job, Evidence calldata evidence) private view returns (Terms calldata) {
        _present(evidence.jobs.length, 0);
        JobTerms calldata given = evidence.jobs[0];
        bytes32 identity = Leaves.identity(given.requester, Leaves.terms(given.terms));
        require(_job(market, job).identity == identity, RefereeTermsMismatch(job));
        return given.terms;
    }

    function _workers(IMarket market) private view returns (IWorkers) {
        return market.workers();
    }

    function _job(IMarket market, uint32 job) private view returns (Job memory) {
        return market.job(job);
    }

    function _isNoJob(IMarket market, uint32 job) private view returns (bool) {
        return job == 0 || job > market.jobCount();
    }

    /// @dev The treasury answers nothing.
    function _isNobody(IMarket market, uint32 worker) private view returns (bool) {
        return worker == 0 || worker >= _workers(market).count();
    }

    // ------------------------------------------------------------------ what the evidence proves

    function _verdict(Posted calldata posted, Evidence calldata evidence)
        private
        pure
        returns (VerdictLeaf calldata leaf)
    {
        _present(evidence.verdicts.length, 0);
        leaf = evidence.verdicts[0];
        Proofs.verdict(posted.header, leaf);
    }

    function _stub(Header calldata header, Evidence calldata evidence, uint256 i)
        private
        pure
        returns (VerdictStub calldata leaf)
    {
        _present(evidence.stubs.length, i);
        leaf = evidence.stubs[i];
        Proofs.stub(header, leaf);
    }

    function _weight(Posted calldata posted, Evidence calldata evidence, uint256 i)
        private
        pure
        returns (WeightLeaf calldata leaf)
    {
        _present(evidence.weights.length, i);
        leaf = evidence.weights[i];
        Proofs.weight(posted.header, leaf);
    }

    function _assignment(Header calldata header, Evidence calldata evidence, uint256 i)
        private
        pure
        returns (AssignmentLeaf calldata leaf)
    {
        _present(evidence.assignments.length, i);
        leaf = evidence.assignments[i];
        Proofs.assignment(header, leaf);
    }

    function _balance(Posted calldata posted, Evidence calldata evidence)
        private
        pure
        returns (BalanceLeaf calldata leaf)
    {
        _present(evidence.balances.length, 0);
        leaf = evidence.balances[0];
        Proofs.balance(posted.header, leaf);
    }

    /// @dev An epoch before the posted one, by the chain of heads that the posted header continues.
    function _older(Posted calldata posted, Evidence calldata evidence) private view returns (OldHeader calldata old) {
        _present(evidence.older.length, 0);
        old = evidence.older[0];
        bytes32 head = Domains.head(posted.market, old.header, old.signers);
        if (old.struck) head = Leaves.struck(head);
        head = _follow(head, old.links);
        require(head == posted.header.previous || isTraced[posted.market][head], RefereeHeaderUnlinked(head));
    }

    function _present(uint256 length, uint256 i) private pure {
        require(i < length, RefereeEvidenceMissing());
    }

    /// @dev That a proven leaf is the one about which the fault is.
    function _about(uint256 index, uint256 expected) private pure {
        require(index == expected, RefereeLeafElsewhere(index, expected));
    }

    function _neighbours(uint32 one, uint32 two) private pure {
        _about(two, uint256(one) + 1);
    }

    /// @dev Three numbers as one, so that they compare as the leaves of a tree do.
    function _key(uint32 first, uint32 second, uint32 third) private pure returns (uint256) {
        return uint256(first) << 64 | uint256(second) << 32 | third;
    }

    // ------------------------------------------------------------------ heads and demands

    function _follow(bytes32 head, Link[] calldata links) private pure returns (bytes32) {
        for (uint256 i = 0; i < links.length; ++i) {
            head = Leaves.head(head, links[i].digest, links[i].signers);
            if (links[i].struck) head = Leaves.struck(head);
        }
        return head;
    }

    // ------------------------------------------------------------------ signatures

    function _answerDigest(IMarket market, AnswerFields calldata answer) private view returns (bytes32) {
        return Domains.digest(
            market,
            Messages.answer(answer.job, answer.terms, answer.task, answer.worker, answer.commitment, answer.sealHash)
        );
    }

    /// @dev Zero for what is no signature: 65 bytes, low s, v of 27 or 28.
    function _recover(bytes32 digest, bytes calldata signature) private pure returns (address signer) {
        // slither-disable-next-line unused-return (what is wrong with it does not matter)
        (signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
    }
}
