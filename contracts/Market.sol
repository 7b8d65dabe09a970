// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICommittee} from "./interfaces/ICommittee.sol";
import {Claim, Debit, Header, IMarket, Job, Terms} from "./interfaces/IMarket.sol";
import {IWorkers} from "./interfaces/IWorkers.sol";
import {Leaves} from "./libraries/Leaves.sol";
import {Messages} from "./libraries/Messages.sol";
import {Trees} from "./libraries/Trees.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title Market: the one contract that holds money
/// @dev What it promises, and what it assumes, is written in IMarket.
contract Market is IMarket, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    uint256 private constant MOST_CLASSES = 64;
    uint256 private constant MOST_ANSWERS = 64;
    uint256 private constant MOST_LEAVES = 2 ** 24;
    uint256 private constant MOST_DEBITS = 512;
    uint256 private constant MOST_CLAIMS = 200;
    /// @dev 16 nats: odds of nine million to one, and 65 of them still fit int32 with room to spare.
    uint256 private constant MOST_CAP = 16 * 2 ** 16;
    uint256 private constant BPS = 10_000;
    uint256 private constant UNIT_DECIMALS = 6;
    /// @dev A unit of 10^30 times any uint64 amount still fits uint256.
    uint256 private constant MOST_DECIMALS = 36;
    uint256 private constant LONGEST_WINDOW = 7 days;
    uint256 private constant REFUND_WINDOWS = 3;

    /// @inheritdoc IMarket
    IERC20 public immutable token;
    /// @inheritdoc IMarket
    IWorkers public immutable workers;
    /// @inheritdoc IMarket
    ICommittee public immutable committee;
    /// @inheritdoc IMarket
    address public immutable referee;
    /// @inheritdoc IMarket
    uint256 public immutable unit;
    /// @inheritdoc IMarket
    uint64 public immutable window;
    /// @inheritdoc IMarket
    bytes32 public immutable deploymentDigest;

    /// @inheritdoc IMarket
    bytes32 public head;

    // One slot, all that posting touches beside the head and its jobs.
    /// @inheritdoc IMarket
    uint32 public lastEpoch;
    /// @inheritdoc IMarket
    uint64 public lastStrike;
    /// @dev 0 when no epoch is pending.
    uint64 private _postedAt;
    /// @dev `finalTotal`, and what the pending epoch reserves.
    uint64 private _total;
    /// @inheritdoc IMarket
    uint32 public jobCount;

    /// @inheritdoc IMarket
    bytes32 public claimRoot;
    // One slot, all that claiming touches beside the root and the counters.
    /// @inheritdoc IMarket
    uint32 public claimSize;
    /// @inheritdoc IMarket
    uint64 public finalTotal;
    /// @inheritdoc IMarket
    uint64 public totalClaimed;

    /// @dev A debit only touches a job's first slot.
    mapping(uint256 job => Job) private _jobs;
    /// @dev Units claimed by worker 4 x slot + place: neighbours that claim together share their slot's cost.
    mapping(uint256 slot => uint64[4]) private _claimed;

    constructor(IERC20Metadata token_, IWorkers workers_, ICommittee committee_, address referee_, uint64 window_)
        EIP712(Messages.NAME, Messages.VERSION)
    {
        require(window_ != 0 && window_ <= LONGEST_WINDOW, MarketWindowOutOfRange(window_));
        uint8 decimals = token_.decimals();
        require(decimals <= MOST_DECIMALS, MarketDecimalsUnsupported(decimals));
        uint256 unit_ = 10 ** Math.saturatingSub(decimals, UNIT_DECIMALS);

        token = token_;
        workers = workers_;
        committee = committee_;
        // slither-disable-next-line missing-zero-check (no referee: nothing can be struck)
        referee = referee_;
        unit = unit_;
        window = window_;
        deploymentDigest = Leaves.deployment(
            block.chainid,
            address(this),
            address(workers_),
            address(committee_),
            referee_,
            address(token_),
            unit_,
            window_
        );
        head = deploymentDigest;
    }

    // ------------------------------------------------------------------ jobs

    /// @inheritdoc IMarket
    function openJob(Terms calldata terms, uint64 deadline) external nonReentrant returns (uint32 job_) {
        require(
            deadline > block.timestamp && deadline <= type(uint48).max,
            MarketDeadlineOutOfRange(deadline, block.timestamp)
        );
        uint64 escrow = escrowOf(terms);
        bytes32 termsHash = Leaves.terms(terms);

        job_ = ++jobCount;
        _jobs[job_] = Job({
            funded: escrow,
            debited: 0,
            refunded: 0,
            deadline: uint256(deadline).toUint48(),
            feeBps: terms.feeBps,
            requester: msg.sender,
            termsHash: termsHash
        });
        emit JobOpened(job_, msg.sender, termsHash, terms, deadline, escrow);

        _pull(escrow * unit);
    }

    /// @inheritdoc IMarket
    function closeJob(uint32 job_) external {
        Job storage account = _existing(job_);
        require(msg.sender == account.requester, MarketNotRequester(job_, msg.sender));
        require(block.timestamp < account.deadline, MarketJobOver(job_, account.deadline));
        account.deadline = uint48(block.timestamp);
        emit JobClosed(job_, uint64(block.timestamp));
    }

    /// @inheritdoc IMarket
    function refund(uint32 job_) external nonReentrant {
        Job storage account = _existing(job_);
        uint256 opensAt = _refundOpensAt(account);
        require(block.timestamp >= opensAt, MarketRefundClosed(job_, opensAt));
        uint64 amount = account.funded - account.debited - account.refunded;
        require(amount != 0, MarketNothingToRefund(job_));

        account.refunded += amount;
        address requester = account.requester;
        emit JobRefunded(job_, requester, amount);

        token.safeTransfer(requester, amount * unit);
    }

    // ------------------------------------------------------------------ epochs

    /// @inheritdoc IMarket
    function postEpoch(Header calldata header, Debit[] calldata debits, bytes calldata signatures) external {
        _checkFollows(header);
        _checkTrees(header);
        _checkDebits(header, debits);
        bytes32 digest = _digest(header);
        uint256 signers = committee.check(digest, signatures);

        uint256 total = _total + _reserve(debits);
        require(header.total == total, MarketTotalMismatch(header.total, total));
        bytes32 newHead = Leaves.head(header.previous, digest, signers);
        head = newHead;
        lastEpoch = header.epoch;
        _postedAt = uint64(block.timestamp);
        _total = header.total;
        emit EpochPosted(header.epoch, newHead, digest, header.content, signers);
    }

    /// @inheritdoc IMarket
    function finaliseEpoch(Header calldata header, uint256 signers) external {
        uint256 endsAt = _checkPending(header, signers);
        require(block.timestamp >= endsAt, MarketWindowStillOpen(endsAt));

        _postedAt = 0;
        claimRoot = header.balances;
        claimSize = header.balancesSize;
        finalTotal = header.total;
        emit EpochFinalised(header.epoch, header.balances, header.total);
    }

    /// @inheritdoc IMarket
    function strike(Header calldata header, uint256 signers, Debit[] calldata debits) external {
        require(msg.sender == referee, MarketNotReferee(msg.sender));
        uint256 endsAt = _checkPending(header, signers);
        require(block.timestamp < endsAt, MarketWindowOver(endsAt));
        _checkDebits(header, debits);

        _release(debits);
        bytes32 newHead = Leaves.struck(head);
        head = newHead;
        _postedAt = 0;
        _total = finalTotal;
        lastStrike = uint64(block.timestamp);
        emit EpochStruck(header.epoch, newHead);
    }

    // ------------------------------------------------------------------ claims

    /// @inheritdoc IMarket
    function claim(Claim calldata claim_) external nonReentrant {
        uint64 amount = _allocate(claim_);
        require(amount != 0, MarketNothingToClaim(claim_.worker, claim_.cumulative));
        emit Claimed(claim_.worker, claim_.wallet, amount, claim_.cumulative);
        token.safeTransfer(claim_.wallet, amount * unit);
    }

    /// @inheritdoc IMarket
    function claimMany(Claim[] calldata claims) external nonReentrant {
        require(claims.length <= MOST_CLAIMS, MarketClaimsTooMany(claims.length));
        for (uint256 i = 0; i < claims.length; ++i) {
            Claim calldata claim_ = claims[i];
            uint64 amount = _allocate(claim_);
            if (amount == 0) continue;
            if (token.trySafeTransfer(claim_.wallet, amount * unit)) {
                emit Claimed(claim_.worker, claim_.wallet, amount, claim_.cumulative);
            } else {
                _claimed[claim_.worker / 4][claim_.worker % 4] -= amount;
                totalClaimed -= amount;
                emit ClaimFailed(claim_.worker, claim_.wallet, amount, claim_.cumulative);
            }
        }
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IMarket
    function configuration() public view returns (bytes32) {
        return Leaves.configuration(deploymentDigest, committee.digest());
    }

    /// @inheritdoc IMarket
    function escrowOf(Terms calldata terms) public pure returns (uint64) {
        uint256 reward = uint256(terms.base) + terms.bonus;
        require(terms.classes >= 2 && terms.classes <= MOST_CLASSES, MarketClassesOutOfRange(terms.classes));
        require(terms.tasks != 0 && terms.tasks <= MOST_LEAVES, MarketTasksOutOfRange(terms.tasks));
        require(terms.answers != 0 && terms.answers <= MOST_ANSWERS, MarketAnswersOutOfRange(terms.answers));
        require(reward != 0, MarketRewardMissing());
        require(terms.feeBps <= BPS, MarketFeeOutOfRange(terms.feeBps));
        require(
            terms.weightCap <= MOST_CAP && terms.priorCap <= MOST_CAP && (terms.weightCap != 0 || terms.priorCap == 0),
            MarketCapsOutOfRange(terms.weightCap, terms.priorCap)
        );
        uint256 escrow = _withFee(reward * terms.tasks * terms.answers, terms.feeBps);
        require(escrow <= type(uint64).max, MarketEscrowTooLarge(escrow));
        return escrow.toUint64();
    }

    /// @inheritdoc IMarket
    function job(uint32 job_) external view returns (Job memory) {
        return _existing(job_);
    }

    /// @inheritdoc IMarket
    function refundOpensAt(uint32 job_) external view returns (uint256) {
        return _refundOpensAt(_existing(job_));
    }

    /// @inheritdoc IMarket
    function pending() external view returns (uint32 epoch, uint64 postedAt, uint64 reserved) {
        if (_postedAt == 0) return (0, 0, 0);
        return (lastEpoch, _postedAt, _total - finalTotal);
    }

    /// @inheritdoc IMarket
    function claimedOf(uint32 worker) external view returns (uint64) {
        return _claimed[worker / 4][worker % 4];
    }

    // ------------------------------------------------------------------ checks of an epoch

    function _checkFollows(Header calldata header) private view {
        require(_postedAt == 0, MarketEpochPending(lastEpoch));
        require(header.epoch == lastEpoch + 1, MarketEpochUnexpected(header.epoch, lastEpoch + 1));
        require(header.previous == head, MarketHeadMismatch(header.previous, head));
        require(block.timestamp <= header.validUntil, MarketHeaderExpired(header.validUntil, block.timestamp));
        bytes32 expected = configuration();
        require(header.configuration == expected, MarketConfigurationMismatch(header.configuration, expected));
    }

    /// @dev The balances tree always holds the treasury, so that the claim root is never empty.
    function _checkTrees(Header calldata header) private pure {
        require(header.balances != 0 && header.balancesSize != 0, MarketBalancesMissing());
        require(header.balancesSize <= MOST_LEAVES, MarketTreeTooLarge(header.balancesSize));
        require(header.weightsSize <= MOST_LEAVES, MarketTreeTooLarge(header.weightsSize));
        require(header.verdictsSize <= MOST_LEAVES, MarketTreeTooLarge(header.verdictsSize));
        require(header.assignmentsSize <= MOST_LEAVES, MarketTreeTooLarge(header.assignmentsSize));
    }

    function _checkDebits(Header calldata header, Debit[] calldata debits) private pure {
        require(debits.length <= MOST_DEBITS, MarketDebitsTooMany(debits.length));
        bytes32 given = Leaves.debits(debits);
        require(given == header.debits, MarketDebitsMismatch(given, header.debits));
    }

    /// @dev Only the header that was posted, with its signers, gives the head again.
    /// @return endsAt First second after the challenge window.
    function _checkPending(Header calldata header, uint256 signers) private view returns (uint256 endsAt) {
        require(_postedAt != 0, MarketNothingPending());
        bytes32 given = Leaves.head(header.previous, _digest(header), signers);
        require(given == head, MarketHeadMismatch(given, head));
        return uint256(_postedAt) + window;
    }

    function _digest(Header calldata header) private view returns (bytes32) {
        return _hashTypedDataV4(Messages.header(header));
    }

    // ------------------------------------------------------------------ accounts

    /// @dev Reserves what the debits take from their jobs. `total` cannot pass uint64: the caller compares it to one.
    function _reserve(Debit[] calldata debits) private returns (uint256 total) {
        uint32 previous = 0;
        for (uint256 i = 0; i < debits.length; ++i) {
            Debit calldata debit = debits[i];
            require(debit.job > previous, MarketDebitsUnordered(previous, debit.job));
            previous = debit.job;

            Job storage account = _existing(debit.job);
            uint256 opensAt = _refundOpensAt(account);
            require(block.timestamp < opensAt, MarketDebitClosed(debit.job, opensAt));
            uint256 amount = _withFee(debit.pay, account.feeBps);
            uint256 locked = account.funded - account.debited - account.refunded;
            require(amount <= locked, MarketDebitTooLarge(debit.job, amount, locked));
            account.debited += amount.toUint64();
            total += amount;
        }
    }

    /// @dev The debits are those that were reserved: the header's hash of them was checked.
    function _release(Debit[] calldata debits) private {
        for (uint256 i = 0; i < debits.length; ++i) {
            Job storage account = _jobs[debits[i].job];
            account.debited -= _withFee(debits[i].pay, account.feeBps).toUint64();
        }
    }

    /// @dev Counts what a claim is due as claimed. 0 if it brings nothing new: then its proof does not matter.
    function _allocate(Claim calldata claim_) private returns (uint64 amount) {
        uint64[4] storage counters = _claimed[claim_.worker / 4];
        uint256 place = claim_.worker % 4;
        uint64 claimed = counters[place];
        if (claim_.cumulative <= claimed) return 0;
        amount = claim_.cumulative - claimed;

        bytes32 leaf = Leaves.balance(claim_.worker, claim_.wallet, claim_.cumulative, claim_.earnings);
        require(
            Trees.contains(claimRoot, claimSize, leaf, claim_.worker, claim_.proof),
            MarketBalanceUnproven(claim_.worker)
        );
        uint256 total = uint256(totalClaimed) + amount;
        require(total <= finalTotal, MarketClaimsExceedTotal(total, finalTotal));
        counters[place] = claim_.cumulative;
        totalClaimed = total.toUint64();
    }

    function _existing(uint32 job_) private view returns (Job storage account) {
        account = _jobs[job_];
        // Every opened job has an escrow, since its reward is not zero.
        require(account.funded != 0, MarketJobUnknown(job_));
    }

    function _refundOpensAt(Job storage account) private view returns (uint256) {
        return Math.max(account.deadline, lastStrike) + REFUND_WINDOWS * window;
    }

    function _withFee(uint256 pay, uint256 feeBps) private pure returns (uint256) {
        return pay + pay * feeBps / BPS;
    }

    /// @dev Measured by the balance, so that a token that keeps a fee is refused.
    function _pull(uint256 amount) private {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        require(received == amount, MarketReceivedOther(received, amount));
    }
}
