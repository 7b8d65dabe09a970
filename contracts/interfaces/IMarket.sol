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
/// @param parent 0, or an earlier job of this Market: the committee offers this one only when that one is over. The chain
/// checks no more than that it is earlier, so that jobs never wait for each other in a circle.
/// @param free Answers are free: which of a task's candidates a payload stands for is judgement. Else a payload is its label.
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
    uint32 parent;
    bool free;
}

/// @notice A job's account, in units. `funded - debited - refunded` is what is still locked in it.
/// @param debited Reserved by the pending epoch, allocated by final ones, fees included, and reserved or awarded by a satellite.
/// @param identity keccak256(abi.encode(requester, termsHash)): whoever needs either gives both.
struct Job {
    uint64 funded;
    uint64 debited;
    uint64 refunded;
    uint48 deadline;
    uint16 feeBps;
    bytes32 identity;
}

/// @notice An ERC-2612 signature of the requester over exactly the escrow.
struct Permit {
    uint256 deadline;
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @notice What a quorum signs for an epoch.
/// @param debits Hash of the packed debits: 16 bytes {job u32, pay u64, last u32} for each job that it debits, ascending.
/// `pay` is what the job's workers earned in this epoch, the fee comes on top; `last` is the index of the job's last verdict.
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

/// @notice A leaf of the balances tree.
/// @param worker Dense index, and position in the tree.
/// @param cumulative All that the worker ever earned, in units.
/// @param earnings keccak of the worker's packed earnings {verdict u32, pay u64} of that epoch.
struct Balance {
    uint32 worker;
    address wallet;
    uint64 cumulative;
    bytes32 earnings;
}

/// @notice What a Market is, and for whom; its hash is the first head.
struct Deployment {
    uint256 chainId;
    address market;
    address workers;
    address committee;
    address referee;
    address disputes;
    address hatch;
    address token;
    uint256 unit;
    uint64 window;
}

/// @title The Market: the one contract that holds money
/// @notice Jobs are funded in full before work starts. An epoch, signed by a quorum of the committee, debits many jobs at
/// once; after the challenge window it is final, and its balances tree is what workers claim from, cumulatively.
/// There is no owner, no pause, no upgrade: every parameter is fixed at deployment.
///
/// Guaranteed, whatever the committee and the satellites (referee, disputes, hatch) do:
/// - a job never pays out more than it was funded: only a debit of an epoch, a
///   satellite's reservation and a refund lower what is locked in it, and nobody awards more than it reserved;
/// - no root, whoever signed it, reaches what is locked in a job that its epoch does not debit;
/// - what is reserved or allocated is never refunded; what is neither is refunded in the end, without any committee;
/// - `totalClaimed <= finalTotal`: claims together never exceed what final epochs debited;
/// - token balance = locked in jobs + reserved by the pending epoch and the satellites + finalTotal - totalClaimed (+ donations), in units;
/// - what the claimed counters hold in all = `totalClaimed + frozen`: nobody thaws more than was frozen.
///
/// Breaks safety:
/// - a token whose balances change by themselves, or that moves less or more than it is told to. (A fee on transfer is
///   noticed at funding and refused.)
/// - a quorum of dishonest signers whose epoch nobody strikes within the window: it can divide what jobs still have
///   locked, and redirect what earlier final epochs gave but nobody claimed yet. What is claimed is out of its reach.
/// - a referee that strikes a correct epoch: its pay goes back to the jobs. It can never touch a final epoch.
/// - a wrong disputes or hatch contract: it can award what is locked in jobs. Disputes can besides keep pay frozen, or give
///   what is final and not yet claimed back to jobs that it did not come from.
///
/// Breaks liveness:
/// - fewer than a quorum of signers: no new epoch. Claims of final pay and refunds go on.
/// - a token that refuses a payee: that payee alone waits; `claimMany` passes over it.
/// - a referee that strikes each epoch: no pay, and refunds wait four windows after the last strike.
interface IMarket {
    event JobOpened(
        uint32 indexed job, address indexed requester, bytes32 termsHash, Terms terms, uint64 deadline, uint64 escrow
    );
    event JobFunded(uint32 indexed job, address indexed payer, uint64 amount);
    event JobClosed(uint32 indexed job, uint64 deadline);
    event JobRefunded(uint32 indexed job, address indexed requester, uint64 amount);
    event JobReserved(uint32 indexed job, address indexed satellite, uint64 amount);
    event JobReleased(uint32 indexed job, address indexed satellite, uint64 amount);
    event JobAwarded(uint32 indexed job, address indexed wallet, uint64 amount);
    event EpochPosted(uint32 indexed epoch, bytes32 head, bytes32 digest, bytes32 content, uint256 signers);
    event EpochFinalised(uint32 indexed epoch, bytes32 root, uint64 total);
    event EpochStruck(uint32 indexed epoch, bytes32 head);
    event Claimed(uint32 indexed worker, uint64 cumulative);
    event ClaimFailed(uint32 indexed worker, uint64 cumulative);
    event ClaimFrozen(uint32 indexed worker, uint64 amount);
    event ClaimThawed(uint32 indexed worker, uint64 amount);
    /// @param job Has the amount again.
    event ClaimForfeited(uint32 indexed worker, uint32 indexed job, uint64 amount);

    error MarketWindowOutOfRange(uint64 window);
    /// @dev Who leaves the committee must be in reach of a strike for longer than any epoch that it signed is pending.
    error MarketWindowTooLong(uint64 window, uint64 delay);
    error MarketDecimalsUnsupported(uint8 decimals);

    error MarketClassesOutOfRange(uint8 classes);
    error MarketTasksOutOfRange(uint32 tasks);
    error MarketAnswersOutOfRange(uint8 answers);
    error MarketRewardMissing();
    error MarketFeeOutOfRange(uint16 feeBps);
    error MarketCapsOutOfRange(uint32 weightCap, uint32 priorCap);
    error MarketEscrowTooLarge(uint256 escrow);
    error MarketDeadlineOutOfRange(uint64 deadline, uint256 time);
    error MarketParentUnknown(uint32 parent, uint32 job);
    error MarketReceivedOther(uint256 received, uint256 expected);

    error MarketJobUnknown(uint256 job);
    error MarketIdentityMismatch(uint256 job, address requester, bytes32 termsHash);
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
    error MarketDebitsMisaligned(uint256 length);
    error MarketDebitsTooMany(uint256 count);
    error MarketDebitsUnordered(uint32 previous, uint32 job);
    error MarketDebitClosed(uint32 job, uint256 closedAt);
    error MarketDebitTooLarge(uint32 job, uint256 amount, uint256 locked);
    error MarketTotalMismatch(uint64 given, uint256 expected);

    error MarketNothingPending();
    error MarketWindowStillOpen(uint256 endsAt);
    error MarketWindowOver(uint256 endsAt);
    error MarketNotReferee(address caller);

    error MarketNothingToClaim(uint32 worker, uint64 cumulative);
    error MarketBalanceUnproven(uint32 worker);
    error MarketBalancesUnproven(uint256 count);
    error MarketClaimsTooMany(uint256 count);
    error MarketClaimsExceedTotal(uint256 claimed, uint64 finalTotal);

    error MarketNotDisputes(address caller);
    error MarketNotSatellite(address caller);
    error MarketThawTooLarge(uint32 worker, uint64 amount, uint64 frozen);
    error MarketSettlementTooLarge(uint32 worker, uint64 amount, uint64 limit);
    error MarketReserveClosed(uint256 job, uint256 time);
    error MarketReserveTooLarge(uint256 job, uint64 amount, uint64 locked);
    error MarketAwardTooLarge(uint256 job, uint64 amount, uint64 reserved);

    /// @notice Opens a job and pulls exactly its escrow from the caller, who must have allowed it.
    /// @param deadline First second, in block time, at which the job is over. Debits close three windows later, refunding
    /// opens one more window later: that last window is the hatch's, whose awards a requester's refund would else outrun.
    function openJob(Terms calldata terms, uint64 deadline) external returns (uint32 job);

    /// @notice The same with the caller's ERC-2612 permit over exactly the escrow. A permit that fails is passed over:
    /// somebody may have sent it ahead, and then the allowance is there.
    function openJobWithPermit(Terms calldata terms, uint64 deadline, Permit calldata permit)
        external
        returns (uint32 job);

    /// @notice Adds to a job's escrow before its deadline. Anyone may; it is the requester's from then on.
    function topUp(uint32 job, uint64 amount) external;

    /// @notice Brings the deadline of the caller's job forward to now.
    function closeJob(uint32 job, bytes32 termsHash) external;

    /// @notice Pays the requester what is neither reserved nor allocated. Anyone may call it, again if more came free.
    function refund(uint32 job, address requester, bytes32 termsHash) external;

    /// @notice Posts an epoch for all of its jobs. Anyone may call it: the signatures decide.
    /// @param debits Packed, as the header's hash takes them.
    /// @param signatures Of at least a quorum over the header's EIP-712 digest, as `ICommittee.check` takes them.
    function postEpoch(Header calldata header, bytes calldata debits, bytes calldata signatures) external;

    /// @notice Makes the pending epoch final after the window. Anyone may call it.
    /// @param header The posted header; it is proven by recomputing the head.
    /// @param signers The bitmap that the post emitted.
    function finaliseEpoch(Header calldata header, uint256 signers) external;

    /// @notice Takes the pending epoch back within the window: its debits return to the jobs, its number stays used. Only
    /// by the referee.
    function strike(Header calldata header, uint256 signers, bytes calldata debits) external;

    /// @notice Pays a worker all that the last final epoch gives it and it has not claimed. Anyone may call it: the money
    /// only goes to the wallet of the leaf.
    /// @param proof As `Trees.contains` takes it.
    function claim(Balance calldata balance, bytes32[] calldata proof) external;

    /// @notice The same for many workers, cheapest with neighbours together. A worker with nothing new is passed over, and
    /// so is one whom the token refuses to pay: it keeps its claim.
    /// @param balances Ascending by worker.
    /// @param proof Of all of them together, as `Trees.containsMany` takes it.
    function claimMany(Balance[] calldata balances, bytes32[] calldata proof) external;

    /// @notice Raises a worker's claimed counter, so that as much of what it earns cannot be claimed. Only by disputes, which
    /// answers for freezing no more than is contested. It may be pay of the pending epoch.
    function freeze(uint32 worker, uint64 amount) external;

    /// @notice Lowers the counter again: the worker claims the amount itself, or its epoch was struck. Only by disputes.
    function thaw(uint32 worker, uint64 amount) external;

    /// @notice Gives frozen pay of a final epoch back to the job that it came from, where it can be refunded. Only by
    /// disputes.
    function forfeit(uint32 worker, uint64 amount, uint32 job) external;

    /// @notice Sets aside what is locked in a job, for an award that is not decided yet: no debit and no refund takes it
    /// meanwhile. By disputes before refunding opens, by the hatch in the window before it, when the committee can debit no
    /// more: what it could still decide is never taken from it.
    function reserve(uint32 job, uint64 amount) external;

    /// @notice Gives back to the job what the caller reserved in it: it is locked again, and refundable when that opens.
    function release(uint32 job, uint64 amount) external;

    /// @notice Pays a wallet from what the caller reserved in a job, at any time: nothing else can have taken it.
    function award(uint32 job, address wallet, uint64 amount) external;

    function token() external view returns (IERC20);
    function workers() external view returns (IWorkers);
    function committee() external view returns (ICommittee);

    /// @notice The only one who may strike; the zero address if nobody may.
    function referee() external view returns (address);

    /// @notice The only one who may freeze, thaw and settle, and may award; the zero address if nobody may.
    function disputes() external view returns (address);

    /// @notice The other one who may award; the zero address if nobody may.
    function hatch() external view returns (address);

    /// @notice What disputes or the hatch set aside in a job and neither released nor awarded yet, in units.
    function reservedOf(address satellite, uint32 job) external view returns (uint64);

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

    /// @notice From this second on the job can be refunded: four windows after its deadline, or after the last strike if that
    /// was later. From one window before it on it can no longer be debited.
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

    /// @notice Everything that is frozen now, in units.
    function frozen() external view returns (uint64);

    /// @notice What a worker cannot claim any more: claimed, frozen, or settled for it.
    function claimedOf(uint32 worker) external view returns (uint64);
}
