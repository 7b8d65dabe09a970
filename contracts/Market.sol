// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICommittee} from "./interfaces/ICommittee.sol";
import {Balance, Deployment, Header, IMarket, Job, Permit, Terms} from "./interfaces/IMarket.sol";
import {IWorkers} from "./interfaces/IWorkers.sol";
import {Counters} from "./libraries/Counters.sol";
import {Debits} from "./libraries/Debits.sol";
import {Escrow} from "./libraries/Escrow.sol";
import {Leaves} from "./libraries/Leaves.sol";
import {Messages} from "./libraries/Messages.sol";
import {Trees} from "./libraries/Trees.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
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

    uint256 private constant MOST_LEAVES = 2 ** 24;
    uint256 private constant MOST_DEBITS = 512;
    uint256 private constant MOST_CLAIMS = 200;
    uint256 private constant UNIT_DECIMALS = 6;
    /// @dev A unit of 10^30 times any uint64 amount still fits uint256.
    uint256 private constant MOST_DECIMALS = 36;
    uint256 private constant LONGEST_WINDOW = 7 days;
    uint256 private constant REFUND_WINDOWS = 4;

    /// @dev One slot: all that posting touches beside the head and its jobs.
    struct Progress {
        uint32 lastEpoch;
        uint32 jobCount;
        uint64 lastStrike;
        // 0 when no epoch is pending.
        uint64 postedAt;
        // The pool's final total, and what the pending epoch reserves.
        uint64 total;
    }

    /// @dev One slot: all that claiming touches beside the root and the counters.
    struct Pool {
        uint32 size;
        uint64 finalTotal;
        uint64 totalClaimed;
        uint64 frozen;
    }

    /// @inheritdoc IMarket
    IERC20 public immutable token;
    /// @inheritdoc IMarket
    IWorkers public immutable workers;
    /// @inheritdoc IMarket
    ICommittee public immutable committee;
    /// @inheritdoc IMarket
    address public immutable referee;
    /// @inheritdoc IMarket
    address public immutable disputes;
    /// @inheritdoc IMarket
    address public immutable hatch;
    /// @inheritdoc IMarket
    uint256 public immutable unit;
    /// @inheritdoc IMarket
    uint64 public immutable window;
    /// @inheritdoc IMarket
    bytes32 public immutable deploymentDigest;

    /// @inheritdoc IMarket
    bytes32 public head;
    Progress private _progress;

    /// @inheritdoc IMarket
    bytes32 public claimRoot;
    Pool private _pool;

    /// @dev A debit only touches a job's first slot.
    mapping(uint256 job => Job) private _jobs;
    /// @inheritdoc IMarket
    mapping(address satellite => mapping(uint32 job => uint64)) public reservedOf;
    /// @dev Units claimed, frozen or settled, by worker, as Counters packs them.
    mapping(uint256 slot => uint256 counters) private _claimed;

    // slither-disable-start missing-zero-check (a satellite of zero: nobody is it)
    constructor(
        IERC20Metadata token_,
        IWorkers workers_,
        ICommittee committee_,
        address referee_,
        address disputes_,
        address hatch_,
        uint64 window_
    ) EIP712(Messages.NAME, Messages.VERSION) {
        require(window_ != 0 && window_ <= LONGEST_WINDOW, MarketWindowOutOfRange(window_));
        uint8 decimals = token_.decimals();
        require(decimals <= MOST_DECIMALS, MarketDecimalsUnsupported(decimals));

        token = token_;
        workers = workers_;
        committee = committee_;
        referee = referee_;
        disputes = disputes_;
        hatch = hatch_;
        unit = 10 ** Math.saturatingSub(decimals, UNIT_DECIMALS);
        window = window_;
        deploymentDigest = _deployment();
        head = deploymentDigest;
    }

    // slither-disable-end missing-zero-check

    modifier onlyDisputes() {
        require(msg.sender == disputes, MarketNotDisputes(msg.sender));
        _;
    }

    // ------------------------------------------------------------------ jobs

    /// @inheritdoc IMarket
    function openJob(Terms calldata terms, uint64 deadline) external nonReentrant returns (uint32 job_) {
        uint256 cost;
        (job_, cost) = _open(terms, deadline);
        _pull(cost);
    }

    /// @inheritdoc IMarket
    function openJobWithPermit(Terms calldata terms, uint64 deadline, Permit calldata permit)
        external
        nonReentrant
        returns (uint32 job_)
    {
        uint256 cost;
        (job_, cost) = _open(terms, deadline);
        // slither-disable-next-line unused-return (the transfer that follows decides)
        try IERC20Permit(address(token))
            .permit(msg.sender, address(this), cost, permit.deadline, permit.v, permit.r, permit.s) {}
            catch {}
        _pull(cost);
    }

    /// @inheritdoc IMarket
    function topUp(uint32 job_, uint64 amount) external nonReentrant {
        Job storage account = _existing(job_);
        require(block.timestamp < account.deadline, MarketJobOver(job_, account.deadline));
        uint256 funded = uint256(account.funded) + amount;
        require(funded <= type(uint64).max, MarketEscrowTooLarge(funded));
        account.funded = funded.toUint64();
        emit JobFunded(job_, msg.sender, amount);
        _pull(amount * unit);
    }

    /// @inheritdoc IMarket
    function closeJob(uint32 job_, bytes32 termsHash) external {
        Job storage account = _identified(job_, msg.sender, termsHash);
        require(block.timestamp < account.deadline, MarketJobOver(job_, account.deadline));
        account.deadline = uint48(block.timestamp);
        emit JobClosed(job_, uint64(block.timestamp));
    }

    /// @inheritdoc IMarket
    function refund(uint32 job_, address requester, bytes32 termsHash) external nonReentrant {
        Job storage account = _identified(job_, requester, termsHash);
        uint256 opensAt = _refundOpensAt(account.deadline, _progress.lastStrike);
        require(block.timestamp >= opensAt, MarketRefundClosed(job_, opensAt));
        uint64 amount = _locked(account);
        require(amount != 0, MarketNothingToRefund(job_));

        account.refunded += amount;
        emit JobRefunded(job_, requester, amount);
        token.safeTransfer(requester, amount * unit);
    }

    // ------------------------------------------------------------------ epochs

    /// @inheritdoc IMarket
    function postEpoch(Header calldata header, bytes calldata debits, bytes calldata signatures) external {
        Progress memory progress = _progress;
        _checkFollows(header, progress);
        _checkTrees(header);
        _checkDebits(header, debits);
        bytes32 digest = _digest(header);
        uint256 signers = committee.check(digest, signatures);

        uint256 total = progress.total + _reserve(debits, progress.lastStrike);
        require(header.total == total, MarketTotalMismatch(header.total, total));
        bytes32 newHead = Leaves.head(header.previous, digest, signers);
        head = newHead;
        (progress.lastEpoch, progress.postedAt, progress.total) = (header.epoch, uint64(block.timestamp), header.total);
        _progress = progress;
        emit EpochPosted(header.epoch, newHead, digest, header.content, signers);
    }

    /// @inheritdoc IMarket
    function finaliseEpoch(Header calldata header, uint256 signers) external {
        uint256 endsAt = _checkPending(header, signers);
        require(block.timestamp >= endsAt, MarketWindowStillOpen(endsAt));

        _progress.postedAt = 0;
        claimRoot = header.balances;
        Pool memory pool = _pool;
        (pool.size, pool.finalTotal) = (header.balancesSize, header.total);
        _pool = pool;
        emit EpochFinalised(header.epoch, header.balances, header.total);
    }

    /// @inheritdoc IMarket
    function strike(Header calldata header, uint256 signers, bytes calldata debits) external {
        require(msg.sender == referee, MarketNotReferee(msg.sender));
        uint256 endsAt = _checkPending(header, signers);
        require(block.timestamp < endsAt, MarketWindowOver(endsAt));
        _checkDebits(header, debits);

        _release(debits);
        bytes32 newHead = Leaves.struck(head);
        head = newHead;
        Progress memory progress = _progress;
        (progress.postedAt, progress.total, progress.lastStrike) = (0, _pool.finalTotal, uint64(block.timestamp));
        _progress = progress;
        emit EpochStruck(header.epoch, newHead);
    }

    // ------------------------------------------------------------------ claims

    /// @inheritdoc IMarket
    function claim(Balance calldata balance, bytes32[] calldata proof) external nonReentrant {
        Pool memory pool = _pool;
        uint32 worker = balance.worker;
        uint256 counters = _claimed[Counters.slot(worker)];
        uint64 amount = _due(balance, counters);
        require(amount != 0, MarketNothingToClaim(worker, balance.cumulative));
        require(Trees.contains(claimRoot, pool.size, _leaf(balance), worker, proof), MarketBalanceUnproven(worker));
        _claimed[Counters.slot(worker)] = Counters.raised(counters, worker, amount);
        _allocate(pool, amount);
        emit Claimed(worker, balance.wallet, amount, balance.cumulative);
        token.safeTransfer(balance.wallet, amount * unit);
    }

    /// @inheritdoc IMarket
    function claimMany(Balance[] calldata balances, bytes32[] calldata proof) external nonReentrant {
        require(balances.length <= MOST_CLAIMS, MarketClaimsTooMany(balances.length));
        Pool memory pool = _pool;
        _checkBalances(balances, proof, pool.size);
        (uint64[] memory amounts, uint256 sum) = _count(balances);
        _allocate(pool, sum);
        for (uint256 i = 0; i < balances.length; ++i) {
            if (amounts[i] != 0) _payOut(balances[i], amounts[i]);
        }
    }

    // ------------------------------------------------------------------ disputes and the hatch

    /// @inheritdoc IMarket
    function freeze(uint32 worker, uint64 amount) external onlyDisputes {
        _claimed[Counters.slot(worker)] = Counters.raised(_claimed[Counters.slot(worker)], worker, amount);
        _pool.frozen += amount;
        emit ClaimFrozen(worker, amount);
    }

    /// @inheritdoc IMarket
    function thaw(uint32 worker, uint64 amount) external onlyDisputes {
        _unfreeze(worker, amount);
        _lower(worker, amount);
        emit ClaimThawed(worker, amount);
    }

    /// @inheritdoc IMarket
    function settleFrozen(uint32 worker, uint64 amount, address wallet, uint32 job_)
        external
        onlyDisputes
        nonReentrant
    {
        _unfreeze(worker, amount);
        _allocate(_pool, amount);
        emit FrozenSettled(worker, wallet, job_, amount);
        if (job_ == 0) token.safeTransfer(wallet, amount * unit);
        else _existing(job_).debited -= amount;
    }

    /// @inheritdoc IMarket
    function reserve(uint32 job_, uint64 amount) external {
        Job storage account = _existing(job_);
        uint256 opensAt = _refundOpensAt(account.deadline, _progress.lastStrike);
        require(msg.sender == disputes || msg.sender == hatch, MarketNotSatellite(msg.sender));
        require(
            block.timestamp < opensAt && (msg.sender == disputes || block.timestamp >= opensAt - window),
            MarketReserveClosed(job_, block.timestamp)
        );
        uint64 locked = _locked(account);
        require(amount <= locked, MarketReserveTooLarge(job_, amount, locked));
        account.debited += amount;
        reservedOf[msg.sender][job_] += amount;
        emit JobReserved(job_, msg.sender, amount);
    }

    /// @inheritdoc IMarket
    function release(uint32 job_, uint64 amount) external {
        _unreserve(job_, amount);
        _jobs[job_].debited -= amount;
        emit JobReleased(job_, msg.sender, amount);
    }

    /// @inheritdoc IMarket
    function award(uint32 job_, address wallet, uint64 amount) external nonReentrant {
        _unreserve(job_, amount);
        emit JobAwarded(job_, wallet, amount);
        token.safeTransfer(wallet, amount * unit);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc IMarket
    function configuration() public view returns (bytes32) {
        return Leaves.configuration(deploymentDigest, committee.digest());
    }

    /// @inheritdoc IMarket
    function escrowOf(Terms calldata terms) public pure returns (uint64) {
        return Escrow.total(terms);
    }

    /// @inheritdoc IMarket
    function job(uint32 job_) external view returns (Job memory) {
        return _existing(job_);
    }

    /// @inheritdoc IMarket
    function refundOpensAt(uint32 job_) external view returns (uint256) {
        return _refundOpensAt(_existing(job_).deadline, _progress.lastStrike);
    }

    /// @inheritdoc IMarket
    function pending() external view returns (uint32 epoch, uint64 postedAt, uint64 reserved) {
        Progress memory progress = _progress;
        if (progress.postedAt == 0) return (0, 0, 0);
        return (progress.lastEpoch, progress.postedAt, progress.total - _pool.finalTotal);
    }

    /// @inheritdoc IMarket
    function jobCount() external view returns (uint32) {
        return _progress.jobCount;
    }

    /// @inheritdoc IMarket
    function lastEpoch() external view returns (uint32) {
        return _progress.lastEpoch;
    }

    /// @inheritdoc IMarket
    function lastStrike() external view returns (uint64) {
        return _progress.lastStrike;
    }

    /// @inheritdoc IMarket
    function claimSize() external view returns (uint32) {
        return _pool.size;
    }

    /// @inheritdoc IMarket
    function finalTotal() external view returns (uint64) {
        return _pool.finalTotal;
    }

    /// @inheritdoc IMarket
    function totalClaimed() external view returns (uint64) {
        return _pool.totalClaimed;
    }

    /// @inheritdoc IMarket
    function frozen() external view returns (uint64) {
        return _pool.frozen;
    }

    /// @inheritdoc IMarket
    function claimedOf(uint32 worker) external view returns (uint64) {
        return Counters.read(_claimed[Counters.slot(worker)], worker);
    }

    // ------------------------------------------------------------------ checks of an epoch

    function _checkFollows(Header calldata header, Progress memory progress) private view {
        require(progress.postedAt == 0, MarketEpochPending(progress.lastEpoch));
        require(header.epoch == progress.lastEpoch + 1, MarketEpochUnexpected(header.epoch, progress.lastEpoch + 1));
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

    function _checkDebits(Header calldata header, bytes calldata debits) private pure {
        require(debits.length % Debits.SIZE == 0, MarketDebitsMisaligned(debits.length));
        require(debits.length <= MOST_DEBITS * Debits.SIZE, MarketDebitsTooMany(debits.length / Debits.SIZE));
        bytes32 given = keccak256(debits);
        require(given == header.debits, MarketDebitsMismatch(given, header.debits));
    }

    /// @dev Only the header that was posted, with its signers, gives the head again.
    /// @return endsAt First second after the challenge window.
    function _checkPending(Header calldata header, uint256 signers) private view returns (uint256 endsAt) {
        uint256 postedAt = _progress.postedAt;
        require(postedAt != 0, MarketNothingPending());
        bytes32 given = Leaves.head(header.previous, _digest(header), signers);
        require(given == head, MarketHeadMismatch(given, head));
        return postedAt + window;
    }

    function _digest(Header calldata header) private view returns (bytes32) {
        return _hashTypedDataV4(Messages.header(header));
    }

    // ------------------------------------------------------------------ escrow

    /// @return job_ Its number.
    /// @return cost What the caller has to pay, in the token's smallest units.
    function _open(Terms calldata terms, uint64 deadline) private returns (uint32 job_, uint256 cost) {
        require(
            deadline > block.timestamp && deadline <= type(uint48).max,
            MarketDeadlineOutOfRange(deadline, block.timestamp)
        );
        uint64 escrow = Escrow.total(terms);
        bytes32 termsHash = Leaves.terms(terms);

        job_ = ++_progress.jobCount;
        require(terms.parent < job_, MarketParentUnknown(terms.parent, job_));
        _jobs[job_] = Job({
            funded: escrow,
            debited: 0,
            refunded: 0,
            deadline: uint256(deadline).toUint48(),
            feeBps: terms.feeBps,
            identity: Leaves.identity(msg.sender, termsHash)
        });
        emit JobOpened(job_, msg.sender, termsHash, terms, deadline, escrow);
        return (job_, escrow * unit);
    }

    /// @dev Reserves what the debits take from their jobs. `total` cannot pass uint64: the caller compares it to one.
    function _reserve(bytes calldata debits, uint256 lastStrike_) private returns (uint256 total) {
        uint32 previous = 0;
        for (uint256 i = 0; i < debits.length; i += Debits.SIZE) {
            (uint32 job_, uint64 pay,) = Debits.read(debits, i);
            require(job_ > previous, MarketDebitsUnordered(previous, job_));
            previous = job_;
            total += _reserveOne(job_, pay, lastStrike_);
        }
    }

    function _reserveOne(uint32 job_, uint64 pay, uint256 lastStrike_) private returns (uint256 amount) {
        Job storage account = _existing(job_);
        uint256 closesAt = _refundOpensAt(account.deadline, lastStrike_) - window;
        require(block.timestamp < closesAt, MarketDebitClosed(job_, closesAt));
        amount = Escrow.withFee(pay, account.feeBps);
        uint256 locked = _locked(account);
        require(amount <= locked, MarketDebitTooLarge(job_, amount, locked));
        account.debited += amount.toUint64();
    }

    /// @dev The debits are those that were reserved: the header's hash of them was checked.
    function _release(bytes calldata debits) private {
        for (uint256 i = 0; i < debits.length; i += Debits.SIZE) {
            (uint32 job_, uint64 pay,) = Debits.read(debits, i);
            Job storage account = _jobs[job_];
            account.debited -= Escrow.withFee(pay, account.feeBps).toUint64();
        }
    }

    // ------------------------------------------------------------------ counters

    function _checkBalances(Balance[] calldata balances, bytes32[] calldata proof, uint256 size) private view {
        uint256[] memory indexes = new uint256[](balances.length);
        bytes32[] memory leaves = new bytes32[](balances.length);
        for (uint256 i = 0; i < balances.length; ++i) {
            indexes[i] = balances[i].worker;
            leaves[i] = _leaf(balances[i]);
        }
        require(Trees.containsMany(claimRoot, size, indexes, leaves, proof), MarketBalancesUnproven(balances.length));
    }

    /// @dev Counts all that the balances are due as claimed, each slot of counters being written once.
    function _count(Balance[] calldata balances) private returns (uint64[] memory amounts, uint256 sum) {
        amounts = new uint64[](balances.length);
        uint256 i = 0;
        while (i < balances.length) {
            uint256 slot = Counters.slot(balances[i].worker);
            uint256 before = _claimed[slot];
            uint256 counters = before;
            for (; i < balances.length && Counters.slot(balances[i].worker) == slot; ++i) {
                uint64 amount = _due(balances[i], counters);
                counters = Counters.raised(counters, balances[i].worker, amount);
                amounts[i] = amount;
                sum += amount;
            }
            if (counters != before) _claimed[slot] = counters;
        }
    }

    /// @dev The claim is already counted; it is taken back if the token refuses to pay.
    function _payOut(Balance calldata balance, uint64 amount) private {
        if (token.trySafeTransfer(balance.wallet, amount * unit)) {
            emit Claimed(balance.worker, balance.wallet, amount, balance.cumulative);
        } else {
            _lower(balance.worker, amount);
            _pool.totalClaimed -= amount;
            emit ClaimFailed(balance.worker, balance.wallet, amount, balance.cumulative);
        }
    }

    function _leaf(Balance calldata balance) private pure returns (bytes32) {
        return Leaves.balance(balance.worker, balance.wallet, balance.cumulative, balance.earnings);
    }

    /// @dev 0 if the balance brings nothing new.
    function _due(Balance calldata balance, uint256 counters) private pure returns (uint64) {
        uint64 claimed = Counters.read(counters, balance.worker);
        return balance.cumulative > claimed ? balance.cumulative - claimed : 0;
    }

    function _lower(uint32 worker, uint64 amount) private {
        _claimed[Counters.slot(worker)] = Counters.lowered(_claimed[Counters.slot(worker)], worker, amount);
    }

    function _unfreeze(uint32 worker, uint64 amount) private {
        uint64 frozen_ = _pool.frozen;
        require(amount <= frozen_, MarketThawTooLarge(worker, amount, frozen_));
        _pool.frozen = frozen_ - amount;
    }

    /// @dev Nobody but a satellite has anything reserved.
    function _unreserve(uint32 job_, uint64 amount) private {
        uint64 reserved = reservedOf[msg.sender][job_];
        require(amount <= reserved, MarketAwardTooLarge(job_, amount, reserved));
        reservedOf[msg.sender][job_] = reserved - amount;
    }

    /// @dev The only place where money leaves the pool of final epochs.
    function _allocate(Pool memory pool, uint256 amount) private {
        uint256 total = pool.totalClaimed + amount;
        require(total <= pool.finalTotal, MarketClaimsExceedTotal(total, pool.finalTotal));
        pool.totalClaimed = total.toUint64();
        _pool = pool;
    }

    // ------------------------------------------------------------------ accounts

    function _existing(uint32 job_) private view returns (Job storage account) {
        account = _jobs[job_];
        // Every opened job has an escrow, since its reward is not zero.
        require(account.funded != 0, MarketJobUnknown(job_));
    }

    function _identified(uint32 job_, address requester, bytes32 termsHash) private view returns (Job storage account) {
        account = _existing(job_);
        require(
            account.identity == Leaves.identity(requester, termsHash),
            MarketIdentityMismatch(job_, requester, termsHash)
        );
    }

    function _locked(Job storage account) private view returns (uint64) {
        return account.funded - account.debited - account.refunded;
    }

    function _refundOpensAt(uint256 deadline, uint256 lastStrike_) private view returns (uint256) {
        return Math.max(deadline, lastStrike_) + REFUND_WINDOWS * window;
    }

    /// @dev Measured by the balance, so that a token that keeps a fee is refused.
    function _pull(uint256 amount) private {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        require(received == amount, MarketReceivedOther(received, amount));
    }

    function _deployment() private view returns (bytes32) {
        return Leaves.deployment(
            Deployment({
                chainId: block.chainid,
                market: address(this),
                workers: address(workers),
                committee: address(committee),
                referee: referee,
                disputes: disputes,
                hatch: hatch,
                token: address(token),
                unit: unit,
                window: window
            })
        );
    }
}
