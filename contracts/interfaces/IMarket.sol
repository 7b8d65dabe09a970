// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICommittee} from "./ICommittee.sol";
import {IWorkers} from "./IWorkers.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @notice What a requester fixes for a job. Its hash is all that the chain keeps; docs/protocol.md gives each bound.
/// @param answers Most answers a task.
/// @param base,bonus Units for a counted answer, and for one that agrees with the verdict.
/// @param weightCap,priorCap Nats x 2^16. A weight cap of 0 fixes the plain vote.
/// @param taskRoot Root of the tree of task leaves.
/// @param manifest sha2-256 digest of the manifest's block.
struct Terms {
    uint8 classes;
    uint32 tasks;
    uint8 answers;
    uint64 base;
    uint64 bonus;
    uint16 feeBps;
    uint32 weightCap;
    uint32 priorCap;
    bytes32 taskRoot;
    bytes32 manifest;
}

/// @notice A job's account, in units. `funded - debited - refunded` is what is still locked in it.
/// @param debited Reserved by the pending epoch and allocated by final ones, fees included.
struct Job {
    uint64 funded;
    uint64 debited;
    uint64 refunded;
    uint48 deadline;
    uint16 feeBps;
    address requester;
    bytes32 termsHash;
}

/// @notice What an epoch takes from a job.
/// @param pay Units earned by its workers in this epoch; the fee comes on top.
/// @param last Index of the job's last verdict in the epoch's verdict tree.
struct Debit {
    uint32 job;
    uint64 pay;
    uint32 last;
}

/// @notice What a quorum signs for an epoch.
struct Header {
    uint32 epoch;
    bytes32 previous;
    uint64 validUntil;
    bytes32 configuration;
    bytes32 balances;
    uint32 balancesSize;
    bytes32 weights;
    uint32 weightsSize;
    bytes32 verdicts;
    uint32 verdictsSize;
    bytes32 assignments;
    uint32 assignmentsSize;
    bytes32 debits;
    uint64 total;
    bytes32 content;
    bytes32 model;
}

/// @notice A balance leaf of the last final epoch, and its proof.
/// @param worker Dense index, and position in the tree.
/// @param cumulative All that the worker ever earned, in units.
/// @param earnings Hash of the worker's earnings in that epoch.
struct Claim {
    uint32 worker;
    address wallet;
    uint64 cumulative;
    bytes32 earnings;
    bytes32[] proof;
}

/// @title The Market: the one contract that holds money
/// @notice Jobs are funded in full before work starts. An epoch, signed by a quorum of the committee, debits many jobs at
/// once; after the challenge window it is final, and its balances tree is what workers claim from, cumulatively.
/// There is no owner, no pause, no upgrade: every parameter is fixed at deployment.
///
/// Guaranteed, whatever the committee and the referee do:
/// - a job never pays out more than it was funded: only a debit of an epoch, and a refund, lower what is locked in it;
/// - what is reserved or allocated is never refunded; what is neither is refunded in the end, without any committee;
/// - `totalClaimed <= finalTotal`: claims together never exceed what final epochs debited;
/// - token balance = locked in jobs + reserved by the pending epoch + finalTotal - totalClaimed (+ donations), in units.
///
/// Breaks safety:
/// - a token whose balances change by themselves, or that moves less or more than it is told to. (A fee on transfer is
///   noticed at funding and refused.)
/// - a quorum of dishonest signers whose epoch nobody strikes within the window: it can divide what jobs still have
///   locked and what final epochs gave but nobody claimed yet.
/// - a referee that strikes a correct epoch: its pay goes back to the jobs. It can never touch a final epoch.
///
/// Breaks liveness:
/// - fewer than a quorum of signers: no new epoch. Claims of final pay and refunds go on.
/// - a token that refuses a payee: that payee alone waits; `claimMany` passes over it.
/// - a referee that strikes each epoch: no pay, and refunds wait three windows after the last strike.
interface IMarket {
    event JobOpened(
        uint32 indexed job, address indexed requester, bytes32 termsHash, Terms terms, uint64 deadline, uint64 escrow
    );
    event JobClosed(uint32 indexed job, uint64 deadline);
    event JobRefunded(uint32 indexed job, address indexed requester, uint64 amount);
    event EpochPosted(uint32 indexed epoch, bytes32 head, bytes32 digest, bytes32 content, uint256 signers);
    event EpochFinalised(uint32 indexed epoch, bytes32 root, uint64 total);
    event EpochStruck(uint32 indexed epoch, bytes32 head);
    event Claimed(uint32 indexed worker, address indexed wallet, uint64 amount, uint64 cumulative);
    event ClaimFailed(uint32 indexed worker, address indexed wallet, uint64 amount, uint64 cumulative);

    error MarketWindowOutOfRange(uint64 window);
    error MarketDecimalsUnsupported(uint8 decimals);

    error MarketClassesOutOfRange(uint8 classes);
    error MarketTasksOutOfRange(uint32 tasks);
    error MarketAnswersOutOfRange(uint8 answers);
    error MarketRewardMissing();
    error MarketFeeOutOfRange(uint16 feeBps);
    error MarketCapsOutOfRange(uint32 weightCap, uint32 priorCap);
    error MarketEscrowTooLarge(uint256 escrow);
    error MarketDeadlineOutOfRange(uint64 deadline, uint256 time);
    error MarketReceivedOther(uint256 received, uint256 expected);

    error MarketJobUnknown(uint256 job);
    error MarketNotRequester(uint256 job, address caller);
    error MarketJobOver(uint256 job, uint256 deadline);
    error MarketRefundClosed(uint256 job, uint256 opensAt);
    error MarketNothingToRefund(uint256 job);

    error MarketEpochPending(uint32 epoch);
    error MarketEpochUnexpected(uint32 epoch, uint32 expected);
    error MarketHeadMismatch(bytes32 given, bytes32 expected);
    error MarketHeaderExpired(uint64 validUntil, uint256 time);
    error MarketConfigurationMismatch(bytes32 given, bytes32 expected);
    error MarketTreeTooLarge(uint32 size);
    error MarketBalancesMissing();
    error MarketDebitsMismatch(bytes32 given, bytes32 expected);
    error MarketDebitsTooMany(uint256 count);
    error MarketDebitsUnordered(uint32 previous, uint32 job);
    error MarketDebitClosed(uint32 job, uint256 refundOpensAt);
    error MarketDebitTooLarge(uint32 job, uint256 amount, uint256 locked);
    error MarketTotalMismatch(uint64 given, uint256 expected);

    error MarketNothingPending();
    error MarketWindowStillOpen(uint256 endsAt);
    error MarketWindowOver(uint256 endsAt);
    error MarketNotReferee(address caller);

    error MarketNothingToClaim(uint32 worker, uint64 cumulative);
    error MarketBalanceUnproven(uint32 worker);
    error MarketClaimsTooMany(uint256 count);
    error MarketClaimsExceedTotal(uint256 claimed, uint64 finalTotal);

    /// @notice Opens a job and pulls exactly its escrow from the caller, who must have allowed it.
    /// @param deadline First second, in block time, at which the job is over; refunding opens three windows later.
    function openJob(Terms calldata terms, uint64 deadline) external returns (uint32 job);

    /// @notice Brings the deadline of the caller's job forward to now.
    function closeJob(uint32 job) external;

    /// @notice Pays the requester what is neither reserved nor allocated. Anyone may call it, again if a strike freed more.
    function refund(uint32 job) external;

    /// @notice Posts an epoch for all of its jobs. Anyone may call it: the signatures decide.
    /// @param signatures Of at least a quorum over the header's EIP-712 digest, as `ICommittee.check` takes them.
    function postEpoch(Header calldata header, Debit[] calldata debits, bytes calldata signatures) external;

    /// @notice Makes the pending epoch final after the window. Anyone may call it.
    /// @param header The posted header; it is proven by recomputing the head.
    /// @param signers The bitmap that the post emitted.
    function finaliseEpoch(Header calldata header, uint256 signers) external;

    /// @notice Takes the pending epoch back within the window: its debits return to the jobs, its number stays used.
    function strike(Header calldata header, uint256 signers, Debit[] calldata debits) external;

    /// @notice Pays a worker all that the last final epoch gives it and it has not claimed. Anyone may call it: the money
    /// only goes to the wallet of the leaf.
    function claim(Claim calldata claim_) external;

    /// @notice The same for many workers, cheapest with neighbours together. A worker with nothing new is passed over, and
    /// so is one whom the token refuses to pay: it keeps its claim.
    function claimMany(Claim[] calldata claims) external;

    function token() external view returns (IERC20);
    function workers() external view returns (IWorkers);
    function committee() external view returns (ICommittee);

    /// @notice The only one who may strike; the zero address if nobody may.
    function referee() external view returns (address);

    /// @notice The token's smallest units in one unit of the protocol: 10^max(0, decimals - 6).
    function unit() external view returns (uint256);

    /// @notice The challenge window in seconds.
    function window() external view returns (uint64);

    /// @notice Identifies this deployment; the head before the first epoch.
    function deploymentDigest() external view returns (bytes32);

    /// @notice The deployment and its committee of now; a header must carry it.
    function configuration() external view returns (bytes32);

    /// @notice The escrow of these terms in units; reverts if the Market would refuse them.
    function escrowOf(Terms calldata terms) external pure returns (uint64);

    /// @notice Jobs are numbered from 1 to this.
    function jobCount() external view returns (uint32);

    /// @notice Reverts for a job that was never opened.
    function job(uint32 job_) external view returns (Job memory);

    /// @notice From this second on the job can be refunded, and no longer debited.
    function refundOpensAt(uint32 job_) external view returns (uint256);

    /// @notice Hash chain over all posted and struck epochs.
    function head() external view returns (bytes32);

    /// @notice The last number used, also if it was struck.
    function lastEpoch() external view returns (uint32);

    /// @notice When the last strike was; 0 if never.
    function lastStrike() external view returns (uint64);

    /// @notice The epoch in its window or waiting to be made final; zeros if none.
    /// @param reserved What it debits in all, fees included, in units.
    function pending() external view returns (uint32 epoch, uint64 postedAt, uint64 reserved);

    /// @notice Root and size of the balances tree of the last final epoch.
    function claimRoot() external view returns (bytes32);
    function claimSize() external view returns (uint32);

    /// @notice Everything that final epochs ever debited, in units.
    function finalTotal() external view returns (uint64);

    /// @notice Everything that was ever claimed, in units.
    function totalClaimed() external view returns (uint64);
    function claimedOf(uint32 worker) external view returns (uint64);
}
