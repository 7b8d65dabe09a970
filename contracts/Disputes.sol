// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IArbitrable} from "./interfaces/IArbitrable.sol";
import {IArbitrator} from "./interfaces/IArbitrator.sol";
import {Pending} from "./interfaces/IDemands.sol";
import {Contest, IDisputes, Stage} from "./interfaces/IDisputes.sol";
import {Balance, IMarket} from "./interfaces/IMarket.sol";
import {BalanceLeaf, BalanceStub, JobTerms, Link, VerdictLeaf} from "./interfaces/IReferee.sol";
import {Debits} from "./libraries/Debits.sol";
import {Domains} from "./libraries/Domains.sol";
import {Heads} from "./libraries/Heads.sol";
import {Leaves} from "./libraries/Leaves.sol";
import {Core, Lists} from "./libraries/Lists.sol";
import {Proofs} from "./libraries/Proofs.sol";
import {Trees} from "./libraries/Trees.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title Disputes: contests before an arbitrator
/// @dev What it promises, and what it assumes, is written in IDisputes. A Market is whatever the caller names: a false one
/// moves no coin but its own contesters', for nothing here is shared between contests but what each paid in.
contract Disputes is IDisputes, ReentrancyGuardTransient {
    using SafeCast for uint256;

    uint256 private constant CHOICES = 2;
    uint256 private constant TO_WORKER = 1;
    uint256 private constant TO_JOB = 2;
    uint256 private constant META_PAY = 0;
    uint256 private constant META_REJECTION = 1;
    /// @dev Windows from filing until a contest must be before the arbitrator: its epoch is final after one at most.
    uint256 private constant RAISE_WINDOWS = 3;
    /// @dev What the arbitrator may use to open a dispute. Bounded, and always there: a caller cannot make it fail.
    uint256 private constant ARBITRATOR_GAS = 1_500_000;

    /// @dev What open, unconfirmed contests froze of a worker, all in the epoch that left this head.
    struct Floating {
        bytes32 head;
        uint64 amount;
    }

    /// @inheritdoc IDisputes
    IArbitrator public immutable arbitrator;
    /// @inheritdoc IDisputes
    uint256 public immutable fee;
    /// @inheritdoc IDisputes
    uint256 public immutable bond;
    /// @inheritdoc IDisputes
    uint64 public immutable patience;
    /// @inheritdoc IDisputes
    bytes public extraData;

    /// @inheritdoc IDisputes
    uint256 public contestCount;
    /// @inheritdoc IDisputes
    uint256 public burnt;
    /// @inheritdoc IDisputes
    mapping(address account => uint256) public creditOf;
    /// @inheritdoc IDisputes
    mapping(uint256 dispute => uint256) public contestOfDispute;
    /// @inheritdoc IDisputes
    mapping(
        IMarket market => mapping(bytes32 head => mapping(uint32 verdict => mapping(uint32 worker => uint256)))
    ) public contestFor;

    mapping(uint256 contest => Contest) private _contests;
    mapping(IMarket market => mapping(uint32 worker => Floating)) private _floating;
    /// @dev Contested in all, of what an epoch debits from a job.
    mapping(IMarket market => mapping(bytes32 head => mapping(uint32 job => uint256))) private _contested;

    /// @param metaPay,metaRejection Where the question to jurors is written (ERC-1497), one for each kind of contest.
    constructor(
        IArbitrator arbitrator_,
        bytes memory extraData_,
        uint256 fee_,
        uint256 bond_,
        uint64 patience_,
        string memory metaPay,
        string memory metaRejection
    ) {
        require(fee_ != 0 && bond_ > 1 && patience_ != 0, DisputesParameterMissing());
        arbitrator = arbitrator_;
        extraData = extraData_;
        fee = fee_;
        bond = bond_;
        patience = patience_;
        emit MetaEvidence(META_PAY, metaPay);
        emit MetaEvidence(META_REJECTION, metaRejection);
    }

    // ------------------------------------------------------------------ filing

    /// @inheritdoc IDisputes
    function contestPay(
        Pending calldata pending,
        VerdictLeaf calldata verdict,
        BalanceLeaf calldata balance,
        uint256 earning,
        BalanceStub calldata before,
        bytes calldata debits,
        uint256 debit,
        string calldata evidence
    ) external payable nonReentrant returns (uint256 id) {
        Contest memory contest = _begin(pending, verdict);
        contest.worker = balance.index;
        contest.amount = _earned(pending, verdict.index, balance, earning);
        contest.other = balance.wallet;
        _checkDebit(pending, contest, debits, debit);
        _claimBefore(pending.market, contest, balance, before);

        id = _file(contest, verdict.index, evidence);
        pending.market.freeze(contest.worker, contest.amount);
    }

    /// @inheritdoc IDisputes
    function contestRejection(
        Pending calldata pending,
        VerdictLeaf calldata verdict,
        uint256 position,
        JobTerms calldata terms,
        string calldata evidence
    ) external payable nonReentrant returns (uint256 id) {
        Contest memory contest = _begin(pending, verdict);
        Core memory core = Lists.core(verdict.cores, position);
        require(core.status != Lists.COUNTED, DisputesAnswerCounted(core.worker));
        address wallet = pending.market.workers().walletOf(core.worker);
        require(msg.sender == wallet, DisputesNotWorker(msg.sender, wallet));
        bytes32 identity = Leaves.identity(terms.requester, Leaves.terms(terms.terms));
        require(pending.market.job(verdict.job).identity == identity, DisputesTermsMismatch(verdict.job));
        require(terms.terms.base != 0, DisputesAmountMissing());
        contest.rejection = true;
        contest.worker = core.worker;
        contest.amount = terms.terms.base;
        contest.other = terms.requester;

        id = _file(contest, verdict.index, evidence);
        pending.market.reserve(contest.job, contest.amount);
    }

    /// @inheritdoc IDisputes
    function submitEvidence(uint256 id, string calldata evidence) external {
        Stage stage = _contests[id].stage;
        require(stage != Stage.None && stage != Stage.Over, DisputesStageWrong(id, stage));
        emit Evidence(arbitrator, id, msg.sender, evidence);
    }

    // ------------------------------------------------------------------ the way to the arbitrator

    /// @inheritdoc IDisputes
    function confirm(uint256 id, bool struck, Link[] calldata links) external nonReentrant {
        Contest storage contest = _at(id, Stage.Filed);
        _checkLinked(id, contest, struck, links);
        if (!contest.rejection) _floating[contest.market][contest.worker].amount -= contest.amount;
        if (!struck) {
            contest.stage = Stage.Confirmed;
            emit ContestConfirmed(id);
            return;
        }
        contest.stage = Stage.Over;
        creditOf[contest.contester] += fee + bond;
        emit ContestDropped(id);
        if (contest.rejection) contest.market.release(contest.job, contest.amount);
        else contest.market.thaw(contest.worker, contest.amount);
    }

    /// @inheritdoc IDisputes
    function raise(uint256 id) external payable nonReentrant {
        Contest storage contest = _at(id, Stage.Confirmed);
        require(block.timestamp < contest.deadline, DisputesTooLate(id, contest.deadline));
        (bool asked, uint256 dispute, uint256 cost) = _ask();
        if (!asked) {
            contest.refused = true;
            creditOf[msg.sender] += msg.value;
            emit ArbitratorFailed(id);
            return;
        }
        _change(contest.contester, cost);
        contest.stage = Stage.Raised;
        contest.dispute = dispute;
        contest.deadline = (block.timestamp + patience).toUint64();
        contestOfDispute[dispute] = id;
        emit Dispute(arbitrator, dispute, contest.rejection ? META_REJECTION : META_PAY, id);
    }

    /// @inheritdoc IDisputes
    function appeal(uint256 id) external payable nonReentrant {
        Contest storage contest = _at(id, Stage.Raised);
        arbitrator.appeal{value: msg.value}(contest.dispute, extraData);
    }

    /// @inheritdoc IArbitrable
    function rule(uint256 dispute, uint256 ruling) external {
        require(msg.sender == address(arbitrator), DisputesNotArbitrator(msg.sender));
        uint256 id = contestOfDispute[dispute];
        Contest storage contest = _at(id, Stage.Raised);
        require(block.timestamp < contest.deadline, DisputesTooLate(id, contest.deadline));
        require(ruling <= CHOICES, DisputesRulingUnknown(ruling));
        contest.stage = Stage.Ruled;
        contest.ruling = ruling.toUint8();
        emit Ruling(arbitrator, dispute, ruling);
    }

    // ------------------------------------------------------------------ the end

    /// @inheritdoc IDisputes
    function settle(uint256 id) external nonReentrant {
        Contest storage contest = _contests[id];
        Stage stage = contest.stage;
        bool open = stage == Stage.Confirmed || stage == Stage.Raised;
        require(open || stage == Stage.Ruled, DisputesStageWrong(id, stage));
        require(!open || block.timestamp >= contest.deadline, DisputesTooEarly(id, contest.deadline));

        bool lapsed = stage == Stage.Confirmed && !contest.refused;
        bool toJob = contest.ruling == TO_JOB || (lapsed && contest.rejection);
        bool lost = lapsed || contest.ruling == (contest.rejection ? TO_JOB : TO_WORKER);
        contest.stage = Stage.Over;
        if (stage == Stage.Confirmed) creditOf[contest.contester] += fee;
        _payBond(id, contest, lost);
        emit ContestSettled(id, contest.ruling, !toJob);
        _carryOut(contest, toJob);
    }

    /// @inheritdoc IDisputes
    function withdraw() external {
        uint256 amount = creditOf[msg.sender];
        require(amount != 0, DisputesNothingToWithdraw(msg.sender));
        creditOf[msg.sender] = 0;
        emit Withdrawn(msg.sender, amount);
        Address.sendValue(payable(msg.sender), amount);
    }

    /// @inheritdoc IDisputes
    function contestOf(uint256 id) external view returns (Contest memory) {
        return _contests[id];
    }

    // ------------------------------------------------------------------ what a contest must prove

    /// @dev The epoch is pending, still in its window, and has this verdict.
    function _begin(Pending calldata pending, VerdictLeaf calldata verdict)
        private
        view
        returns (Contest memory contest)
    {
        IMarket market = pending.market;
        require(market.disputes() == address(this), DisputesForeignMarket(market));
        require(msg.value == fee + bond, DisputesDepositMismatch(msg.value, fee + bond));
        bytes32 head = Domains.head(market, pending.header, pending.signers);
        // slither-disable-next-line unused-return (what is left out is not asked for)
        (uint32 epoch, uint64 postedAt,) = market.pending();
        require(epoch != 0 && head == market.head(), DisputesNotPending(head, market.head()));
        uint256 endsAt = uint256(postedAt) + market.window();
        require(block.timestamp < endsAt, DisputesWindowOver(endsAt));
        Proofs.verdict(pending.header, verdict);

        contest.market = market;
        contest.head = head;
        contest.job = verdict.job;
        contest.contester = msg.sender;
        contest.stage = Stage.Filed;
        contest.deadline = (block.timestamp + RAISE_WINDOWS * market.window()).toUint64();
    }

    /// @dev The treasury's fee follows from the pay; it is no judgement.
    function _earned(Pending calldata pending, uint32 verdict, BalanceLeaf calldata balance, uint256 earning)
        private
        pure
        returns (uint64 amount)
    {
        require(balance.index != 0, DisputesTreasury());
        Proofs.balance(pending.header, balance);
        uint32 of_;
        (of_, amount) = Lists.earning(balance.earnings, earning);
        require(of_ == verdict, DisputesEarningElsewhere(of_, verdict));
        require(amount != 0, DisputesAmountMissing());
    }

    /// @dev What a ruling can give back to the job, the epoch took from it: earnings that no debit covers stay out.
    // slither-disable-next-line incorrect-equality (a debit is the one or not)
    function _checkDebit(Pending calldata pending, Contest memory contest, bytes calldata debits, uint256 debit)
        private
    {
        require(
            keccak256(debits) == pending.header.debits, DisputesDebitsMismatch(keccak256(debits), pending.header.debits)
        );
        // slither-disable-next-line unused-return (what is left out is not asked for)
        (uint32 job, uint64 pay,) = Debits.read(debits, debit * Debits.SIZE);
        require(job == contest.job, DisputesDebitElsewhere(job, contest.job));
        uint256 contested = _contested[contest.market][contest.head][job] + contest.amount;
        require(contested <= pay, DisputesDebitExceeded(job, contested, pay));
        _contested[contest.market][contest.head][job] = contested;
    }

    /// @dev Claims for the worker what it earned before, and sees to it that no more is frozen than this epoch gives. An
    /// unconfirmed contest of another epoch must be confirmed first: if that was struck, what it froze is still to be thawed.
    // slither-disable-next-line incorrect-equality (nothing to claim is nothing)
    function _claimBefore(
        IMarket market,
        Contest memory contest,
        BalanceLeaf calldata balance,
        BalanceStub calldata before
    ) private {
        uint32 worker = contest.worker;
        Floating memory floating = _floating[market][worker];
        require(floating.amount == 0 || floating.head == contest.head, DisputesEarlierOpen(worker, floating.head));
        uint256 cumulative = 0;
        if (worker < market.claimSize()) {
            bytes32 leaf = Leaves.balance(worker, before.wallet, before.cumulative, before.earningsHash);
            require(
                before.worker == worker
                    && Trees.contains(market.claimRoot(), market.claimSize(), leaf, worker, before.proof),
                DisputesBalanceUnproven(worker)
            );
            cumulative = before.cumulative;
        }
        uint256 frozen = uint256(floating.amount) + contest.amount;
        require(cumulative + frozen <= balance.cumulative, DisputesBalanceExceeded(worker, frozen, balance.cumulative));
        _floating[market][worker] = Floating(contest.head, frozen.toUint64());
        if (market.claimedOf(worker) < cumulative) {
            market.claim(Balance(worker, before.wallet, before.cumulative, before.earningsHash), before.proof);
        }
    }

    function _file(Contest memory contest, uint32 verdict, string calldata evidence) private returns (uint256 id) {
        uint256 earlier = contestFor[contest.market][contest.head][verdict][contest.worker];
        require(earlier == 0, DisputesAlreadyContested(earlier));
        id = ++contestCount;
        contestFor[contest.market][contest.head][verdict][contest.worker] = id;
        _contests[id] = contest;
        emit ContestFiled(
            id, contest.market, contest.worker, contest.job, verdict, contest.rejection, contest.amount, contest.head
        );
        emit Evidence(arbitrator, id, msg.sender, evidence);
    }

    // ------------------------------------------------------------------ inside

    function _at(uint256 id, Stage stage) private view returns (Contest storage contest) {
        contest = _contests[id];
        require(contest.stage == stage, DisputesStageWrong(id, contest.stage));
    }

    /// @dev A head that is still the Market's is final only if nothing is pending; a post after it shows that it is.
    function _checkLinked(uint256 id, Contest storage contest, bool struck, Link[] calldata links) private view {
        IMarket market = contest.market;
        bytes32 head = Heads.follow(contest.head, struck, links);
        bytes32 expected = market.head();
        require(head == expected, DisputesHeadMismatch(head, expected));
        if (struck || links.length != 0) return;
        // slither-disable-next-line unused-return (what is left out is not asked for)
        (uint32 epoch,,) = market.pending();
        require(epoch == 0, DisputesEpochPending(id));
    }

    /// @dev An arbitrator that reverts, or answers too shortly, has failed. One that has become dearer has not.
    // slither-disable-next-line arbitrary-send-eth (the arbitrator is fixed)
    function _ask() private returns (bool asked, uint256 dispute, uint256 cost) {
        uint256 needed = 2 * ARBITRATOR_GAS + ARBITRATOR_GAS / 16;
        require(gasleft() >= needed, DisputesGasShort(gasleft(), needed));
        bytes memory answer;
        // slither-disable-start low-level-calls,return-bomb
        (asked, answer) = address(arbitrator).staticcall{gas: ARBITRATOR_GAS}(
            abi.encodeCall(IArbitrator.arbitrationCost, (extraData))
        );
        if (!asked || answer.length != 32) return (false, 0, 0);
        cost = abi.decode(answer, (uint256));
        require(cost <= fee + msg.value, DisputesFeeShort(cost, fee + msg.value));
        (asked, answer) = address(arbitrator).call{value: cost, gas: ARBITRATOR_GAS}(
            abi.encodeCall(IArbitrator.createDispute, (CHOICES, extraData))
        );
        // slither-disable-end low-level-calls,return-bomb
        if (!asked) return (false, 0, 0);
        // It took the fee, so it was asked; an answer that cannot be read only leaves it unable to rule.
        dispute = answer.length == 32 ? abi.decode(answer, (uint256)) : type(uint256).max;
    }

    /// @dev The deposit pays first, then whoever raised; each has back what is left of its own.
    function _change(address contester, uint256 cost) private {
        uint256 prepaid = cost < fee ? cost : fee;
        creditOf[contester] += fee - prepaid;
        creditOf[msg.sender] += msg.value - (cost - prepaid);
    }

    function _payBond(uint256 id, Contest storage contest, bool lost) private {
        if (!lost) {
            creditOf[contest.contester] += bond;
            return;
        }
        uint256 share = bond / 2;
        creditOf[contest.other] += share;
        burnt += bond - share;
        emit Burnt(id, bond - share);
    }

    /// @dev A worker that keeps its earning claims it itself: nothing is pushed, so no wallet can block a contest's end. A
    /// rejection's award waits for its own wallet alone.
    function _carryOut(Contest storage contest, bool toJob) private {
        IMarket market = contest.market;
        if (contest.rejection && toJob) market.release(contest.job, contest.amount);
        else if (contest.rejection) market.award(contest.job, contest.contester, contest.amount);
        else if (toJob) market.forfeit(contest.worker, contest.amount, contest.job);
        else market.thaw(contest.worker, contest.amount);
    }
}
