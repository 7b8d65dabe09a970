// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICommittee} from "./interfaces/ICommittee.sol";
import {Balance, Deployment, Header, IMarket, Job, Permit, Terms} from "./interfaces/IMarket.sol";
import {IWorkers} from "./interfaces/IWorkers.sol";
import {Account, Accounts} from "./libraries/Accounts.sol";
import {Balances} from "./libraries/Balances.sol";
import {Counters} from "./libraries/Counters.sol";
import {Debits} from "./libraries/Debits.sol";
import {Escrow} from "./libraries/Escrow.sol";
import {Headers} from "./libraries/Headers.sol";
import {Leaves} from "./libraries/Leaves.sol";
import {Messages} from "./libraries/Messages.sol";
import {Trees} from "./libraries/Trees.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Arrays} from "@openzeppelin/contracts/utils/Arrays.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title Market: the one contract that holds money
/// @dev What it promises, and what it assumes, is written in IMarket.
contract Market is IMarket, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using SafeCast for uint256;

    uint256 private constant MOST_CLAIMS = 200;
    uint256 private constant LONGEST_WINDOW = 7 days;
    uint256 private constant DEBIT_WINDOWS = 3;
    uint256 private constant REFUND_WINDOWS = 4;
    /// @dev Places in the pool's word.
    uint256 private constant SIZE = 0;
    uint256 private constant FINAL = 1;
    uint256 private constant CLAIMED = 2;
    uint256 private constant FROZEN = 3;

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

    struct Record {
        Account account;
        bytes32 identity;
    }

    /// @dev So that a slot that is read and written is looked up once.
    struct Word {
        uint256 counters;
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
    /// @dev All that claiming touches beside the root and the counters: four counters in a word.
    uint256 private _pool;

    mapping(uint256 job => Record) private _jobs;
    /// @inheritdoc IMarket
    mapping(address satellite => mapping(uint32 job => uint64)) public reservedOf;
    /// @dev Units claimed, frozen or settled, by worker, as Counters packs them.
    mapping(uint256 slot => Word) private _claimed;

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
        require(window_ < committee_.delay(), MarketWindowTooLong(window_, committee_.delay()));

        token = token_;
        workers = workers_;
        committee = committee_;
        referee = referee_;
        disputes = disputes_;
        hatch = hatch_;
        unit = Escrow.unitOf(token_.decimals());
        window = window_;
        deploymentDigest = Leaves.deployment(
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
        Record storage record = _existing(job_);
        Account account = record.account;
        require(block.timestamp < account.deadline(), MarketJobOver(job_, account.deadline()));
        uint256 funded = uint256(account.funded()) + amount;
        require(funded <= type(uint64).max, MarketEscrowTooLarge(funded));
        record.account = account.fund(amount);
        emit JobFunded(job_, msg.sender, amount);
        _pull(amount * unit);
    }

    /// @inheritdoc IMarket
    function closeJob(uint32 job_, bytes32 termsHash) external {
        Record storage record = _identified(job_, msg.sender, termsHash);
        Account account = record.account;
        require(block.timestamp < account.deadline(), MarketJobOver(job_, account.deadline()));
        record.account = account.close(uint48(block.timestamp));
        emit JobClosed(job_, uint64(block.timestamp));
    }

    /// @inheritdoc IMarket
    function refund(uint32 job_, address requester, bytes32 termsHash) external nonReentrant {
        Record storage record = _identified(job_, requester, termsHash);
        Account account = record.account;
        uint256 opensAt = _refundOpensAt(account);
        require(block.timestamp >= opensAt, MarketRefundClosed(job_, opensAt));
        uint64 amount = account.locked();
        require(amount != 0, MarketNothingToRefund(job_));

        record.account = account.refund(amount);
        emit JobRefunded(job_, requester, amount);
        token.safeTransfer(requester, amount * unit);
    }

    // ------------------------------------------------------------------ epochs

    /// @inheritdoc IMarket
    function postEpoch(Header calldata header, bytes calldata debits, bytes calldata signatures) external {
        Progress memory progress = _progress;
        _checkFollows(header, progress);
        Headers.checkTrees(header);
        Headers.checkDebits(header, debits);
        bytes32 digest = _hashTypedDataV4(Messages.header(header));
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
        uint256 pool = Counters.set(_pool, SIZE, header.balancesSize);
        _pool = Counters.set(pool, FINAL, header.total);
        emit EpochFinalised(header.epoch, header.balances, header.total);
    }

    /// @inheritdoc IMarket
    function strike(Header calldata header, uint256 signers, bytes calldata debits) external {
        require(msg.sender == referee, MarketNotReferee(msg.sender));
        uint256 endsAt = _checkPending(header, signers);
        require(block.timestamp < endsAt, MarketWindowOver(endsAt));
        Headers.checkDebits(header, debits);

        bytes32 newHead = Leaves.struck(head);
        head = newHead;
        Progress memory progress = _progress;
        // Without what the epoch reserved it is the final total again; to read that from the pool costs 2,100 gas more.
        progress.total -= _release(debits);
        (progress.postedAt, progress.lastStrike) = (0, uint64(block.timestamp));
        _progress = progress;
        emit EpochStruck(header.epoch, newHead);
    }

    // ------------------------------------------------------------------ claims

    /// @inheritdoc IMarket
    function claim(Balance calldata balance, bytes32[] calldata proof) external nonReentrant {
        (uint256 index, address wallet, uint256 cumulative, bytes32 leaf) = Balances.read(balance);
        // Casts here cut nothing off: an index beyond the tree is not proven, and `read` gives 64 bits.
        // forge-lint: disable-next-line(unsafe-typecast)
        uint32 worker = uint32(index);
        uint256 pool = _pool;
        Word storage word = _claimed[Counters.slot(index)];
        uint256 counters = word.counters;
        uint256 amount = Counters.read(counters, index);
        // forge-lint: disable-next-line(unsafe-typecast)
        require(cumulative > amount, MarketNothingToClaim(worker, uint64(cumulative)));
        require(Trees.contains(claimRoot, Counters.read(pool, SIZE), leaf, index, proof), MarketBalanceUnproven(worker));
        // Nothing overflows: 64 bits times a unit of at most 10^30.
        unchecked {
            amount = cumulative - amount;
            word.counters = counters + Counters.placed(amount, index);
            _allocate(pool, amount);
            // forge-lint: disable-next-line(unsafe-typecast)
            emit Claimed(worker, uint64(cumulative));
            token.safeTransfer(wallet, amount * unit);
        }
    }

    /// @inheritdoc IMarket
    function claimMany(Balance[] calldata balances, bytes32[] calldata proof) external nonReentrant {
        uint256 count = balances.length;
        require(count <= MOST_CLAIMS, MarketClaimsTooMany(count));
        (uint256[] memory indexes, bytes32[] memory leaves) = Balances.leaves(balances);
        require(Trees.containsMany(claimRoot, claimSize(), indexes, leaves, proof), MarketBalancesUnproven(count));
        _payOut(balances, _count(balances));
    }

    // ------------------------------------------------------------------ disputes and the hatch

    /// @inheritdoc IMarket
    function freeze(uint32 worker, uint64 amount) external onlyDisputes {
        Word storage word = _claimed[Counters.slot(worker)];
        word.counters = Counters.raised(word.counters, worker, amount);
        _pool = Counters.raised(_pool, FROZEN, amount);
        emit ClaimFrozen(worker, amount);
    }

    /// @inheritdoc IMarket
    function thaw(uint32 worker, uint64 amount) external onlyDisputes {
        _unfreeze(worker, amount);
        _lower(worker, amount);
        emit ClaimThawed(worker, amount);
    }

    /// @inheritdoc IMarket
    function forfeit(uint32 worker, uint64 amount, uint32 job_) external onlyDisputes {
        Record storage record = _existing(job_);
        _unfreeze(worker, amount);
        _allocate(_pool, amount);
        record.account = record.account.credit(amount);
        emit ClaimForfeited(worker, job_, amount);
    }

    /// @inheritdoc IMarket
    function reserve(uint32 job_, uint64 amount) external {
        Record storage record = _existing(job_);
        Account account = record.account;
        uint256 opensAt = _refundOpensAt(account);
        require(msg.sender == disputes || msg.sender == hatch, MarketNotSatellite(msg.sender));
        require(
            block.timestamp < opensAt && (msg.sender == disputes || block.timestamp >= opensAt - window),
            MarketReserveClosed(job_, block.timestamp)
        );
        uint64 locked = account.locked();
        require(amount <= locked, MarketReserveTooLarge(job_, amount, locked));
        record.account = account.debit(amount);
        reservedOf[msg.sender][job_] += amount;
        emit JobReserved(job_, msg.sender, amount);
    }

    /// @inheritdoc IMarket
    function release(uint32 job_, uint64 amount) external {
        _unreserve(job_, amount);
        _jobs[job_].account = _jobs[job_].account.credit(amount);
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
        Record storage record = _existing(job_);
        Account account = record.account;
        return Job({
            funded: account.funded(),
            debited: account.debited(),
            refunded: account.refunded(),
            deadline: account.deadline(),
            feeBps: account.feeBps(),
            identity: record.identity
        });
    }

    /// @inheritdoc IMarket
    function refundOpensAt(uint32 job_) external view returns (uint256) {
        return _refundOpensAt(_existing(job_).account);
    }

    /// @inheritdoc IMarket
    function pending() external view returns (uint32 epoch, uint64 postedAt, uint64 reserved) {
        Progress memory progress = _progress;
        if (progress.postedAt == 0) return (0, 0, 0);
        return (progress.lastEpoch, progress.postedAt, progress.total - finalTotal());
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
    function claimSize() public view returns (uint32) {
        return uint32(Counters.read(_pool, SIZE));
    }

    /// @inheritdoc IMarket
    function finalTotal() public view returns (uint64) {
        return Counters.read(_pool, FINAL);
    }

    /// @inheritdoc IMarket
    function totalClaimed() public view returns (uint64) {
        return Counters.read(_pool, CLAIMED);
    }

    /// @inheritdoc IMarket
    function frozen() public view returns (uint64) {
        return Counters.read(_pool, FROZEN);
    }

    /// @inheritdoc IMarket
    function claimedOf(uint32 worker) external view returns (uint64) {
        return Counters.read(_claimed[Counters.slot(worker)].counters, worker);
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

    /// @dev Only the header that was posted, with its signers, gives the head again.
    /// @return endsAt First second after the challenge window.
    function _checkPending(Header calldata header, uint256 signers) private view returns (uint256 endsAt) {
        uint256 postedAt = _progress.postedAt;
        require(postedAt != 0, MarketNothingPending());
        bytes32 given = Leaves.head(header.previous, _hashTypedDataV4(Messages.header(header)), signers);
        require(given == head, MarketHeadMismatch(given, head));
        return postedAt + window;
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
        _jobs[job_] = Record({
            account: Accounts.create(escrow, uint256(deadline).toUint48(), terms.feeBps),
            identity: Leaves.identity(msg.sender, termsHash)
        });
        emit JobOpened(job_, msg.sender, termsHash, terms, deadline, escrow);
        return (job_, escrow * unit);
    }

    /// @dev Reserves what the debits take from their jobs. `total` cannot pass uint64: the caller compares it to one.
    function _reserve(bytes calldata debits, uint256 lastStrike_) private returns (uint256 total) {
        uint256 reach = DEBIT_WINDOWS * window;
        uint32 previous = 0;
        // Nothing overflows: at most 512 amounts below 2^65.
        unchecked {
            for (uint256 i = 0; i < debits.length; i += Debits.SIZE) {
                // slither-disable-next-line unused-return (`last` is for the Referee)
                (uint32 job_, uint64 pay,) = Debits.read(debits, i);
                require(job_ > previous, MarketDebitsUnordered(previous, job_));
                previous = job_;
                total += _reserveOne(job_, pay, lastStrike_, reach);
            }
        }
    }

    function _reserveOne(uint32 job_, uint64 pay, uint256 lastStrike_, uint256 reach) private returns (uint256 amount) {
        Record storage record = _existing(job_);
        Account account = record.account;
        unchecked {
            uint256 closesAt = account.deadline();
            closesAt = (closesAt > lastStrike_ ? closesAt : lastStrike_) + reach;
            require(block.timestamp < closesAt, MarketDebitClosed(job_, closesAt));
        }
        amount = Escrow.withFee(pay, account.feeBps());
        uint256 locked = account.locked();
        require(amount <= locked, MarketDebitTooLarge(job_, amount, locked));
        record.account = account.debit(amount);
    }

    /// @dev The debits are those that were reserved: the header's hash of them was checked.
    function _release(bytes calldata debits) private returns (uint64 total) {
        for (uint256 i = 0; i < debits.length; i += Debits.SIZE) {
            // slither-disable-next-line unused-return (`last` is for the Referee)
            (uint32 job_, uint64 pay,) = Debits.read(debits, i);
            Account account = _jobs[job_].account;
            uint64 amount = Escrow.withFee(pay, account.feeBps()).toUint64();
            _jobs[job_].account = account.credit(amount);
            total += amount;
        }
    }

    // ------------------------------------------------------------------ counters

    /// @dev Counts all that the balances are due as claimed, each word of counters being written once.
    function _count(Balance[] calldata balances) private returns (uint256[] memory amounts) {
        uint256 count = balances.length;
        amounts = new uint256[](count);
        uint256 sum = 0;
        uint256 slot = type(uint256).max;
        uint256 counters = 0;
        // Nothing overflows: at most 200 amounts of 64 bits.
        unchecked {
            for (uint256 i = 0; i < count; ++i) {
                // slither-disable-next-line unused-return (the wallet matters when it is paid)
                (uint256 worker,, uint256 cumulative) = Balances.item(balances, i);
                uint256 mine = Counters.slot(worker);
                if (mine != slot) {
                    if (i != 0) _claimed[slot].counters = counters;
                    slot = mine;
                    counters = _claimed[slot].counters;
                }
                uint256 claimed = Counters.read(counters, worker);
                if (cumulative <= claimed) continue;
                amounts[i] = cumulative - claimed;
                sum += cumulative - claimed;
                counters += Counters.placed(cumulative - claimed, worker);
            }
        }
        _claimed[slot].counters = counters;
        _allocate(_pool, sum);
    }

    /// @dev What is paid is already counted; it is taken back where the token refuses.
    function _payOut(Balance[] calldata balances, uint256[] memory amounts) private {
        unchecked {
            for (uint256 i = 0; i < amounts.length; ++i) {
                uint256 amount = Arrays.unsafeMemoryAccess(amounts, i);
                if (amount == 0) continue;
                (uint256 worker, address wallet, uint256 cumulative) = Balances.item(balances, i);
                if (token.trySafeTransfer(wallet, amount * unit)) {
                    // forge-lint: disable-next-line(unsafe-typecast)
                    emit Claimed(uint32(worker), uint64(cumulative));
                } else {
                    _lower(worker, amount.toUint64());
                    _pool = Counters.lowered(_pool, CLAIMED, amount.toUint64());
                    // forge-lint: disable-next-line(unsafe-typecast)
                    emit ClaimFailed(uint32(worker), uint64(cumulative));
                }
            }
        }
    }

    function _lower(uint256 worker, uint64 amount) private {
        Word storage word = _claimed[Counters.slot(worker)];
        word.counters = Counters.lowered(word.counters, worker, amount);
    }

    function _unfreeze(uint32 worker, uint64 amount) private {
        require(amount <= frozen(), MarketThawTooLarge(worker, amount, frozen()));
        _pool = Counters.lowered(_pool, FROZEN, amount);
    }

    /// @dev Nobody but a satellite has anything reserved.
    function _unreserve(uint32 job_, uint64 amount) private {
        uint64 reserved = reservedOf[msg.sender][job_];
        require(amount <= reserved, MarketAwardTooLarge(job_, amount, reserved));
        reservedOf[msg.sender][job_] = reserved - amount;
    }

    /// @dev The only place where money leaves the pool of final epochs.
    function _allocate(uint256 pool, uint256 amount) private {
        uint256 total = Counters.read(pool, CLAIMED) + amount;
        uint64 limit = Counters.read(pool, FINAL);
        require(total <= limit, MarketClaimsExceedTotal(total, limit));
        _pool = pool + Counters.placed(amount, CLAIMED);
    }

    // ------------------------------------------------------------------ accounts

    function _existing(uint32 job_) private view returns (Record storage record) {
        record = _jobs[job_];
        // Every opened job has an escrow, since its reward is not zero.
        require(record.account.funded() != 0, MarketJobUnknown(job_));
    }

    function _identified(uint32 job_, address requester, bytes32 termsHash)
        private
        view
        returns (Record storage record)
    {
        record = _existing(job_);
        require(
            record.identity == Leaves.identity(requester, termsHash), MarketIdentityMismatch(job_, requester, termsHash)
        );
    }

    function _refundOpensAt(Account account) private view returns (uint256) {
        return Math.max(account.deadline(), _progress.lastStrike) + REFUND_WINDOWS * window;
    }

    /// @dev Measured by the balance, so that a token that keeps a fee is refused.
    function _pull(uint256 amount) private {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        require(received == amount, MarketReceivedOther(received, amount));
    }
}
