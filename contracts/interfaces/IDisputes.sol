// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IArbitrable} from "./IArbitrable.sol";
import {IArbitrator} from "./IArbitrator.sol";
import {Pending} from "./IDemands.sol";
import {IEvidence} from "./IEvidence.sol";
import {IMarket} from "./IMarket.sol";
import {BalanceLeaf, BalanceStub, JobTerms, Link, VerdictLeaf} from "./IReferee.sol";

/// @notice None: never filed. Filed: its epoch was pending. Confirmed: its epoch is final. Raised: before the arbitrator.
/// Ruled: the arbitrator spoke. Over: settled, or its epoch was struck.
enum Stage {
    None,
    Filed,
    Confirmed,
    Raised,
    Ruled,
    Over
}

/// @notice A question to the arbitrator about one answer: does its worker get `amount` units, or does the job?
/// @param rejection Whether an answer was not counted and its worker wants its base pay; else a worker's earning is contested.
/// @param refused Whether the arbitrator failed when it was asked.
/// @param contester Prepaid the fee and the bond. The worker's wallet for a rejection.
/// @param other Gets half the bond if the contester loses: the worker's wallet, the requester for a rejection.
/// @param deadline Until Confirmed: the first second at which it is too late to raise it. Raised: to rule.
/// @param head The head that its epoch's post left.
/// @param dispute Its number at the arbitrator.
struct Contest {
    IMarket market;
    uint32 worker;
    uint32 job;
    Stage stage;
    bool rejection;
    bool refused;
    uint8 ruling;
    address contester;
    uint64 amount;
    address other;
    uint64 deadline;
    bytes32 head;
    uint256 dispute;
}

/// @title Contests of what is judgement: an earning, or a rejected answer, before an arbitrator (ERC-792, ERC-1497)
/// @notice Serves every Market that names it. An epoch can be contested within its window: an earning of one verdict is
/// frozen, or the base pay of an answer that was not counted is reserved in its job. Only when the epoch is final is the
/// arbitrator asked: a strike takes the contest back and returns everything. Ruling 1 gives the amount to the worker, 2 to
/// the job, 0 is no decision.
///
/// One immutable arbitrator for a deployment, not one a manifest names: the worker could otherwise be judged by the
/// requester's own contract, and each worker and member would have to judge the arbitrator of each job.
///
/// Who pays. The contester prepays all: `fee`, which is the arbitrator's, and `bond`. Nobody else ever has to pay, be
/// online or answer, least of all the worker, whose silence therefore costs nothing. A contester that loses, or freezes
/// and never raises, loses the bond: half to the other side, half burnt, so that disputing oneself always costs. One that wins, or
/// whom the arbitrator does not decide, has the bond back. The arbitrator's fee is spent once it was asked.
///
/// No decision favours the worker: 0, no ruling within `patience`, an arbitrator that fails when asked until it is too late.
/// The silence that counts is the arbitrator's, never a party's: a rejection that its worker does not bring before the
/// arbitrator stands.
///
/// Guaranteed:
/// - what the worker earned before the contested epoch is out of reach: it is claimed for it before anything is frozen;
/// - never more is frozen of a worker than the pending epoch gives it, nor credited to a job than the epoch debited from it;
/// - one contest for an epoch, verdict and worker;
/// - an earning of a final epoch is lost only by the arbitrator's ruling 2;
/// - coins in = fees paid to the arbitrator + credits + withdrawn + deposits of open contests + burnt.
///
/// Breaks safety:
/// - an arbitrator that rules wrongly: contested amounts go to the wrong side, never others.
///
/// Breaks liveness:
/// - a token that refuses a worker's wallet: its earnings cannot be contested, and an award to it waits.
/// - an arbitrator whose fee rose above `fee`: whoever raises a contest pays the difference.
interface IDisputes is IArbitrable, IEvidence {
    event ContestFiled(
        uint256 indexed contest,
        IMarket indexed market,
        uint32 indexed worker,
        uint32 job,
        uint32 verdict,
        bool rejection,
        uint64 amount,
        bytes32 head
    );
    event ContestConfirmed(uint256 indexed contest);
    event ContestDropped(uint256 indexed contest);
    event ArbitratorFailed(uint256 indexed contest);
    event ContestSettled(uint256 indexed contest, uint256 ruling, bool toWorker);
    event Burnt(uint256 indexed contest, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);

    error DisputesParameterMissing();
    error DisputesForeignMarket(IMarket market);
    error DisputesNotPending(bytes32 given, bytes32 head);
    error DisputesWindowOver(uint256 endsAt);
    error DisputesDepositMismatch(uint256 given, uint256 expected);
    error DisputesTreasury();
    error DisputesEarningElsewhere(uint32 verdict, uint32 expected);
    error DisputesDebitElsewhere(uint32 job, uint32 expected);
    error DisputesDebitsMismatch(bytes32 given, bytes32 expected);
    error DisputesDebitExceeded(uint32 job, uint256 contested, uint64 pay);
    error DisputesAmountMissing();
    error DisputesBalanceUnproven(uint32 worker);
    error DisputesBalanceExceeded(uint32 worker, uint256 frozen, uint64 cumulative);
    error DisputesEarlierOpen(uint32 worker, bytes32 head);
    error DisputesAlreadyContested(uint256 contest);
    error DisputesAnswerCounted(uint32 worker);
    error DisputesTermsMismatch(uint32 job);
    error DisputesNotWorker(address caller, address wallet);
    error DisputesStageWrong(uint256 contest, Stage stage);
    error DisputesEpochPending(uint256 contest);
    error DisputesHeadMismatch(bytes32 given, bytes32 expected);
    error DisputesTooLate(uint256 contest, uint256 deadline);
    error DisputesTooEarly(uint256 contest, uint256 deadline);
    error DisputesFeeShort(uint256 cost, uint256 given);
    error DisputesGasShort(uint256 gas, uint256 needed);
    error DisputesNotArbitrator(address caller);
    error DisputesRulingUnknown(uint256 ruling);
    error DisputesNothingToWithdraw(address account);

    // ------------------------------------------------------------------ contests

    /// @notice Contests what a worker earns by one verdict of the pending epoch. Anyone may, with `fee + bond`.
    /// @param verdict,balance The verdict, and the worker's balance with its earning of it at `earning`.
    /// @param before The worker's balance in the Market's claim root; ignored if the worker has none there.
    /// @param debits,debit The epoch's debits, and the position of the job's.
    function contestPay(
        Pending calldata pending,
        VerdictLeaf calldata verdict,
        BalanceLeaf calldata balance,
        uint256 earning,
        BalanceStub calldata before,
        bytes calldata debits,
        uint256 debit,
        string calldata evidence
    ) external payable returns (uint256 contest);

    /// @notice Contests that an answer is listed as rejected or unopened. Only by its worker's wallet, with `fee + bond`:
    /// another could spoil the worker's one contest. The ruling can only give base pay: the verdict was found without
    /// the answer, and two choices for an odd court leave no room for ties.
    /// @param position Of the answer in the verdict's list.
    function contestRejection(
        Pending calldata pending,
        VerdictLeaf calldata verdict,
        uint256 position,
        JobTerms calldata terms,
        string calldata evidence
    ) external payable returns (uint256 contest);

    /// @notice Shows jurors something. Anyone may, while the contest is open.
    function submitEvidence(uint256 contest, string calldata evidence) external;

    /// @notice Proves what became of the contest's epoch. Final: it can be raised. Struck: the contest is over, and all
    /// goes back. Anyone may call it.
    /// @param struck Whether the epoch was struck.
    /// @param links The epochs after it, up to the Market's head.
    function confirm(uint256 contest, bool struck, Link[] calldata links) external;

    /// @notice Brings a confirmed contest before the arbitrator. Anyone may. If the arbitrator fails, it can be tried
    /// again until the deadline.
    function raise(uint256 contest) external payable;

    /// @notice Passes an appeal, and its cost, on to the arbitrator. Anyone may.
    function appeal(uint256 contest) external payable;

    /// @notice Carries out a ruling, or what no ruling means once the deadline is over. Anyone may.
    function settle(uint256 contest) external;

    /// @notice Pays the caller its coins.
    function withdraw() external;

    // ------------------------------------------------------------------ views

    function arbitrator() external view returns (IArbitrator);

    /// @notice What the arbitrator is told about which court to ask.
    function extraData() external view returns (bytes memory);

    /// @notice Wei that a contester prepays for the arbitrator, and puts up against losing.
    function fee() external view returns (uint256);
    function bond() external view returns (uint256);

    /// @notice Seconds that the arbitrator has to rule, appeals included.
    function patience() external view returns (uint64);
    function contestCount() external view returns (uint256);
    function contestOf(uint256 contest) external view returns (Contest memory);

    /// @notice The contest that this dispute of the arbitrator is about; 0 if none.
    function contestOfDispute(uint256 dispute) external view returns (uint256);

    /// @notice The contest about this worker and verdict of the epoch whose post left this head; 0 if none.
    function contestFor(IMarket market, bytes32 head, uint32 verdict, uint32 worker) external view returns (uint256);
    function creditOf(address account) external view returns (uint256);

    /// @notice Wei that nobody can ever have.
    function burnt() external view returns (uint256);
}
