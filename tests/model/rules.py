"""What Market, Committee and Workers must do, in Python: one function a transaction, which changes the state or raises Revert.

It knows no storage, no encoding, no proof: a claim is right if its leaf stands in the final tree, signers are whom their signatures
name. The rules come from the interfaces' words and docs/protocol.md; the order of the checks is the contracts', so that the error
has the same name. `play` runs each transaction here and on the real byte code and compares.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from tests.model import hashes
from tests.model.hashes import Balance, Header, Terms

U64 = 2**64 - 1
BPS = 10_000
MOST_LEAVES = 2**24
Event = tuple[object, ...]  # (name, its arguments ...)


class Revert(Exception):
    """The transaction has no effect; the name of the error."""


def must(condition: bool, error: str) -> None:
    if not condition:
        raise Revert(error)


@dataclass(frozen=True, slots=True)
class Addresses:
    market: str
    workers: str
    committee: str
    token: str
    referee: str
    disputes: str
    hatch: str


@dataclass(slots=True)
class Job:
    funded: int
    debited: int
    refunded: int
    deadline: int
    fee_bps: int
    requester: str
    terms: bytes

    @property
    def locked(self) -> int:
        return self.funded - self.debited - self.refunded


@dataclass(slots=True)
class Pending:
    header: Header
    signers: int
    debits: bytes
    posted_at: int
    reserved: int
    tree: tuple[Balance, ...]


@dataclass(slots=True)
class Account:
    stake: int = 0
    releases_at: int = 0


@dataclass(slots=True)
class Worker:
    wallet: str
    keys: list[tuple[str, int]]  # (key, revoked at)


@dataclass(slots=True)
class State:
    """Everything that a transaction can change."""

    now: int
    wei: dict[str, int]
    # The token.
    tokens: dict[str, int]
    allowances: dict[tuple[str, str], int] = field(default_factory=dict)
    nonces: dict[str, int] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    mood: int = 0  # honest, false, fee, silent
    # The Market.
    jobs: dict[int, Job] = field(default_factory=dict)
    head: bytes = b""
    last_epoch: int = 0
    last_strike: int = 0
    pending: Pending | None = None
    tree: tuple[Balance, ...] = ()
    final_total: int = 0
    total_claimed: int = 0
    frozen: int = 0
    counters: dict[int, int] = field(default_factory=dict)
    set_aside: dict[tuple[str, int], int] = field(default_factory=dict)
    # The Committee.
    members: list[str] = field(default_factory=list)
    seal_keys: list[bytes] = field(default_factory=list)
    quorum: int = 0
    accounts: dict[str, Account] = field(default_factory=dict)
    proposed: tuple[list[str], list[bytes], int] | None = None
    enacts_at: int = 0
    last_change: int = 0
    burnt: int = 0
    rewards: dict[str, int] = field(default_factory=dict)
    # Workers.
    workers: list[Worker] = field(default_factory=list)

    def copy(self) -> "State":
        return replace(
            self,
            wei=dict(self.wei),
            tokens=dict(self.tokens),
            allowances=dict(self.allowances),
            nonces=dict(self.nonces),
            blocked=set(self.blocked),
            jobs={number: replace(job) for number, job in self.jobs.items()},
            counters=dict(self.counters),
            set_aside=dict(self.set_aside),
            accounts={name: replace(account) for name, account in self.accounts.items()},
            rewards=dict(self.rewards),
            workers=[Worker(worker.wallet, list(worker.keys)) for worker in self.workers],
        )


@dataclass(slots=True)
class Rules:
    """The fixed parameters, the state, and the events of the transaction that runs."""

    at: Addresses
    chain: int
    unit: int  # of the token
    window: int
    stake_unit: int
    delay: int
    state: State
    events: list[Event] = field(default_factory=list)

    def emit(self, *event: object) -> None:
        self.events.append(event)

    # -------------------------------------------------------------------------------------------------------------- token

    def _move(self, source: str, target: str, amount: int) -> bool:
        """An ERC-20 transfer in the token's mood; what it answers."""
        s = self.state
        if s.mood == 1:
            return False
        must(target not in s.blocked, "Blocked")
        must(s.tokens.get(source, 0) >= amount, "ERC20InsufficientBalance")
        kept = amount // 100 if s.mood == 2 else 0
        s.tokens[source] -= amount
        s.tokens[target] = s.tokens.get(target, 0) + amount - kept
        s.tokens[self.at.token] = s.tokens.get(self.at.token, 0) + kept
        return True

    def _pay(self, wallet: str, units: int) -> None:
        must(self._move(self.at.market, wallet, units * self.unit), "SafeERC20FailedOperation")

    def _pays(self, wallet: str, units: int) -> bool:
        """The same, but a refusal is only an answer."""
        try:
            return self._move(self.at.market, wallet, units * self.unit)
        except Revert:
            return False

    def _pull(self, source: str, units: int) -> None:
        s, amount = self.state, units * self.unit
        if s.mood != 1:
            allowed = s.allowances.get((source, self.at.market), 0)
            must(allowed >= amount, "ERC20InsufficientAllowance")
            if allowed != 2**256 - 1:
                s.allowances[source, self.at.market] = allowed - amount
        must(self._move(source, self.at.market, amount), "SafeERC20FailedOperation")
        must(s.mood != 2 or amount // 100 == 0, "MarketReceivedOther")

    # --------------------------------------------------------------------------------------------------------------- jobs

    def open_job(self, sender: str, terms: Terms, deadline: int, permitted: bool = False) -> None:
        """`permitted`: with a good permit. One that is not good changes nothing."""
        s = self.state
        must(s.now < deadline <= 2**48 - 1, "MarketDeadlineOutOfRange")
        escrow = escrow_of(terms)
        number = len(s.jobs) + 1
        must(terms.parent < number, "MarketParentUnknown")
        digest = hashes.terms(terms)
        s.jobs[number] = Job(escrow, 0, 0, deadline, terms.fee_bps, sender, digest)
        self.emit("JobOpened", number, sender, digest, terms, deadline, escrow)
        if permitted:
            self.permit(sender, self.at.market, escrow * self.unit)
        self._pull(sender, escrow)

    def permit(self, owner: str, spender: str, value: int) -> None:
        s = self.state
        s.allowances[owner, spender] = value
        s.nonces[owner] = s.nonces.get(owner, 0) + 1

    def top_up(self, sender: str, number: int, amount: int) -> None:
        job = self._job(number)
        must(self.state.now < job.deadline, "MarketJobOver")
        must(job.funded + amount <= U64, "MarketEscrowTooLarge")
        job.funded += amount
        self.emit("JobFunded", number, sender, amount)
        self._pull(sender, amount)

    def close_job(self, sender: str, number: int, terms: bytes) -> None:
        job = self._job_of(number, sender, terms)
        must(self.state.now < job.deadline, "MarketJobOver")
        job.deadline = self.state.now
        self.emit("JobClosed", number, self.state.now)

    def refund(self, number: int, requester: str, terms: bytes) -> None:
        job = self._job_of(number, requester, terms)
        must(self.state.now >= self.refund_opens_at(job), "MarketRefundClosed")
        rest = job.locked
        must(rest != 0, "MarketNothingToRefund")
        job.refunded += rest
        self.emit("JobRefunded", number, requester, rest)
        self._pay(requester, rest)

    def refund_opens_at(self, job: Job) -> int:
        return max(job.deadline, self.state.last_strike) + 4 * self.window

    def _job(self, number: int) -> Job:
        must(number in self.state.jobs, "MarketJobUnknown")
        return self.state.jobs[number]

    def _job_of(self, number: int, requester: str, terms: bytes) -> Job:
        job = self._job(number)
        must((job.requester, job.terms) == (requester, terms), "MarketIdentityMismatch")
        return job

    # ------------------------------------------------------------------------------------------------------------- epochs

    def configuration(self) -> bytes:
        s = self.state
        digest = hashes.committee(s.members, s.seal_keys, s.quorum)
        return hashes.tagged("configuration", ["bytes32", "bytes32"], [self.deployment(), digest])

    def deployment(self) -> bytes:
        at = self.at
        types = ["uint256", *["address"] * 7, "uint256", "uint64"]
        parties = [at.market, at.workers, at.committee, at.referee, at.disputes, at.hatch, at.token]
        return hashes.tagged("deployment", types, [self.chain, *parties, self.unit, self.window])

    def digest(self, header: Header) -> bytes:
        return hashes.header(hashes.domain(self.chain, self.at.market), header)

    def post_epoch(self, header: Header, debits: bytes, signed: "Signed", tree: tuple[Balance, ...]) -> None:
        """`tree`: the balances whose root the header has."""
        s = self.state
        must(s.pending is None, "MarketEpochPending")
        must(header.epoch == s.last_epoch + 1, "MarketEpochUnexpected")
        must(header.previous == s.head, "MarketHeadMismatch")
        must(s.now <= header.valid_until, "MarketHeaderExpired")
        must(header.configuration == self.configuration(), "MarketConfigurationMismatch")
        must(header.balances != hashes.EMPTY and header.balances_size != 0, "MarketBalancesMissing")
        sizes = (header.balances_size, header.weights_size, header.verdicts_size, header.assignments_size)
        must(max(sizes) <= MOST_LEAVES, "MarketTreeTooLarge")
        self._check_debits(header, debits)
        signers = self.check(signed, self.stake_unit)
        reserved = self._reserve(debits)
        before = s.final_total
        must(header.total == before + reserved, "MarketTotalMismatch")
        s.head = hashes.tagged("head", ["bytes32", "bytes32", "uint256"], [s.head, self.digest(header), signers])
        s.last_epoch = header.epoch
        s.pending = Pending(header, signers, debits, s.now, reserved, tree)
        self.emit("EpochPosted", header.epoch, s.head, self.digest(header), header.content, signers)

    def _check_debits(self, header: Header, debits: bytes) -> None:
        must(len(debits) % 16 == 0, "MarketDebitsMisaligned")
        must(len(debits) <= 512 * 16, "MarketDebitsTooMany")
        must(hashes.keccak(debits) == header.debits, "MarketDebitsMismatch")

    def _reserve(self, debits: bytes) -> int:
        total = previous = 0
        for number, pay in read(debits):
            must(number > previous, "MarketDebitsUnordered")
            previous = number
            job = self._job(number)
            must(self.state.now < self.refund_opens_at(job) - self.window, "MarketDebitClosed")
            amount = with_fee(pay, job.fee_bps)
            must(amount <= job.locked, "MarketDebitTooLarge")
            job.debited += amount
            total += amount
        return total

    def finalise_epoch(self, header: Header, signers: int) -> None:
        s = self.state
        pending = self._pending(header, signers)
        must(s.now >= pending.posted_at + self.window, "MarketWindowStillOpen")
        s.pending = None
        s.tree, s.final_total = pending.tree, s.final_total + pending.reserved
        self.emit("EpochFinalised", header.epoch, header.balances, header.total)

    def strike(self, sender: str, header: Header, signers: int, debits: bytes) -> None:
        s = self.state
        must(sender == self.at.referee, "MarketNotReferee")
        pending = self._pending(header, signers)
        must(s.now < pending.posted_at + self.window, "MarketWindowOver")
        self._check_debits(header, debits)
        for number, pay in read(debits):
            amount = with_fee(pay, s.jobs[number].fee_bps)
            must(amount <= s.jobs[number].debited, "Panic")
            s.jobs[number].debited -= amount
        s.pending, s.last_strike = None, s.now
        s.head = hashes.tagged("struck", ["bytes32"], [s.head])
        self.emit("EpochStruck", header.epoch, s.head)

    def _pending(self, header: Header, signers: int) -> Pending:
        pending = self.state.pending
        must(pending is not None, "MarketNothingPending")
        assert pending is not None
        must((header, signers) == (pending.header, pending.signers), "MarketHeadMismatch")
        return pending

    # ------------------------------------------------------------------------------------------------------------- claims

    def claim(self, balance: Balance, whole: bool) -> None:
        """`whole`: the proof is the right one."""
        due = self._due(balance)
        must(due != 0, "MarketNothingToClaim")
        must(whole and self._stands(balance), "MarketBalanceUnproven")
        self._raise(balance.worker, due)
        self._allocate(due)
        self.emit("Claimed", balance.worker, balance.cumulative)
        self._pay(balance.wallet, due)

    def claim_many(self, balances: Sequence[Balance], whole: bool) -> None:
        must(len(balances) <= 200, "MarketClaimsTooMany")
        places = [balance.worker for balance in balances]
        ascending = bool(places) and all(a < b for a, b in pairwise(places))
        must(ascending and whole and all(map(self._stands, balances)), "MarketBalancesUnproven")
        amounts = [self._due(balance) for balance in balances]
        for balance, due in zip(balances, amounts, strict=True):
            self._raise(balance.worker, due)
        self._allocate(sum(amounts))
        for balance, due in zip(balances, amounts, strict=True):
            if due == 0:
                continue
            paid = self._pays(balance.wallet, due)
            if not paid:
                self.state.counters[balance.worker] -= due
                self.state.total_claimed -= due
            self.emit("Claimed" if paid else "ClaimFailed", balance.worker, balance.cumulative)

    def _due(self, balance: Balance) -> int:
        return max(0, balance.cumulative - self.state.counters.get(balance.worker, 0))

    def _stands(self, balance: Balance) -> bool:
        return balance.worker < len(self.state.tree) and self.state.tree[balance.worker] == balance

    def _raise(self, worker: int, amount: int) -> None:
        counters = self.state.counters
        must(counters.get(worker, 0) + amount <= U64, "Panic")
        counters[worker] = counters.get(worker, 0) + amount

    def _allocate(self, amount: int) -> None:
        must(self.state.total_claimed + amount <= self.state.final_total, "MarketClaimsExceedTotal")
        self.state.total_claimed += amount

    # --------------------------------------------------------------------------------------------------------- satellites

    def freeze(self, sender: str, worker: int, amount: int) -> None:
        must(sender == self.at.disputes, "MarketNotDisputes")
        self._raise(worker, amount)
        must(self.state.frozen + amount <= U64, "Panic")
        self.state.frozen += amount
        self.emit("ClaimFrozen", worker, amount)

    def thaw(self, sender: str, worker: int, amount: int) -> None:
        must(sender == self.at.disputes, "MarketNotDisputes")
        self._unfreeze(amount)
        must(self.state.counters.get(worker, 0) >= amount, "Panic")
        self.state.counters[worker] = self.state.counters.get(worker, 0) - amount
        self.emit("ClaimThawed", worker, amount)

    def forfeit(self, sender: str, worker: int, amount: int, number: int) -> None:
        must(sender == self.at.disputes, "MarketNotDisputes")
        job = self._job(number)
        self._unfreeze(amount)
        self._allocate(amount)
        must(amount <= job.debited, "Panic")
        job.debited -= amount
        self.emit("ClaimForfeited", worker, number, amount)

    def _unfreeze(self, amount: int) -> None:
        must(amount <= self.state.frozen, "MarketThawTooLarge")
        self.state.frozen -= amount

    def reserve(self, sender: str, number: int, amount: int) -> None:
        job, now = self._job(number), self.state.now
        opens_at = self.refund_opens_at(job)
        must(sender in (self.at.disputes, self.at.hatch), "MarketNotSatellite")
        begun = sender == self.at.disputes or now >= opens_at - self.window
        must(begun and now < opens_at, "MarketReserveClosed")
        must(amount <= job.locked, "MarketReserveTooLarge")
        job.debited += amount
        self.state.set_aside[sender, number] = self.state.set_aside.get((sender, number), 0) + amount
        self.emit("JobReserved", number, sender, amount)

    def release(self, sender: str, number: int, amount: int) -> None:
        self._take(sender, number, amount)
        if amount:
            must(self.state.jobs[number].debited >= amount, "Panic")
            self.state.jobs[number].debited -= amount
        self.emit("JobReleased", number, sender, amount)

    def award(self, sender: str, number: int, wallet: str, amount: int) -> None:
        self._take(sender, number, amount)
        self.emit("JobAwarded", number, wallet, amount)
        self._pay(wallet, amount)

    def _take(self, sender: str, number: int, amount: int) -> None:
        aside = self.state.set_aside.get((sender, number), 0)
        must(amount <= aside, "MarketAwardTooLarge")
        self.state.set_aside[sender, number] = aside - amount

    # ---------------------------------------------------------------------------------------------------------- committee

    def check(self, signed: "Signed", least: int) -> int:
        """The bitmap of the members that signed."""
        s = self.state
        must(signed.aligned, "CommitteeSignaturesMisaligned")
        previous, signers = 0, 0
        for signer in signed.by:
            must(signer is not None, "CommitteeSignatureInvalid")
            assert signer is not None
            must(int(signer, 16) > previous, "CommitteeSignersUnordered")
            must(signer in s.members, "CommitteeSignerUnknown")
            must(s.accounts[signer].stake >= least, "CommitteeStakeTooSmall")
            previous = int(signer, 16)
            signers |= 1 << s.members.index(signer)
        must(len(signed.by) >= (s.quorum if signed.by else 1), "CommitteeQuorumMissing")
        return signers

    def propose_change(
        self,
        members: list[str],
        seal_keys: list[bytes],
        quorum: int,
        valid_until: int,
        signed: "Signed",
        signatures: bytes,
    ) -> None:
        s = self.state
        must(s.now <= valid_until, "CommitteeChangeExpired")
        check_shape(members, seal_keys, quorum)
        self.check(signed, self.stake_unit)
        s.proposed, s.enacts_at = (members, seal_keys, quorum), s.now + self.delay
        s.last_change += 1
        digest = hashes.committee(members, seal_keys, quorum)
        facts = (members, seal_keys, quorum, digest, valid_until, s.enacts_at, signatures)
        self.emit("ChangeProposed", s.last_change, *facts)

    def enact_change(self, members: list[str], seal_keys: list[bytes], quorum: int) -> None:
        s = self.state
        must((members, seal_keys, quorum) == s.proposed, "CommitteeChangeMismatch")
        must(s.now >= s.enacts_at, "CommitteeChangeTooEarly")
        for member in s.members:
            s.accounts[member].releases_at = s.now + self.delay
        for member in members:
            must(self._account(member).stake >= self.stake_unit, "CommitteeStakeTooSmall")
        (s.members, s.seal_keys, s.quorum), s.proposed = (members, seal_keys, quorum), None
        digest = hashes.committee(members, seal_keys, quorum)
        self.emit("ChangeEnacted", s.last_change, members, seal_keys, quorum, digest)

    def stake(self, sender: str, member: str, value: int) -> None:
        must(value != 0 and int(member, 16) != 0, "CommitteeStakeMissing")
        self._account(member).stake += value
        self._send(sender, self.at.committee, value)
        self.emit("Staked", member, sender, value)

    def withdraw(self, sender: str) -> None:
        s, account = self.state, self._account(sender)
        must(sender not in s.members and s.now >= account.releases_at, "CommitteeStakeLocked")
        amount = account.stake
        must(amount != 0, "CommitteeStakeMissing")
        account.stake = 0
        self.emit("Withdrawn", sender, amount)
        self._send(self.at.committee, sender, amount)

    def slash(self, sender: str, signers: Sequence[str], beneficiary: str) -> None:
        must(sender == self.at.referee, "CommitteeNotReferee")
        previous = 0
        for signer in signers:
            must(int(signer, 16) > previous, "CommitteeSignersUnordered")
            previous = int(signer, 16)
            account = self._account(signer)
            amount = min(account.stake, self.stake_unit)
            if amount == 0:
                continue
            account.stake -= amount
            self.state.burnt += amount - amount // 2
            self.state.rewards[beneficiary] = self.state.rewards.get(beneficiary, 0) + amount // 2
            self.emit("Slashed", signer, beneficiary, amount, amount // 2)

    def collect(self, sender: str) -> None:
        amount = self.state.rewards.get(sender, 0)
        must(amount != 0, "CommitteeNothingToCollect")
        self.state.rewards[sender] = 0
        self.emit("RewardCollected", sender, amount)
        self._send(self.at.committee, sender, amount)

    def _account(self, who: str) -> Account:
        return self.state.accounts.setdefault(who, Account())

    def _send(self, source: str, target: str, value: int) -> None:
        self.state.wei[source] -= value
        self.state.wei[target] = self.state.wei.get(target, 0) + value

    # ------------------------------------------------------------------------------------------------------------ workers

    def register(self, sender: str) -> None:
        must(self._index(sender) is None, "WorkersWalletRegistered")
        self._register(sender, sender)

    def register_many(self, entries: Sequence["Entry"]) -> None:
        for entry in entries:
            if self._index(entry.wallet) is None:
                self._check_entry(entry, 0)
                self._register(entry.wallet, entry.key)

    def add_key(self, sender: str, key: str) -> None:
        must(int(key, 16) != 0, "WorkersKeyMissing")
        self._add_key(self._known(sender), key)

    def add_key_signed(self, entry: "Entry") -> None:
        index = self._known(entry.wallet)
        self._check_entry(entry, len(self.state.workers[index].keys))
        self._add_key(index, entry.key)

    def revoke_key(self, sender: str, number: int) -> None:
        index = self._known(sender)
        keys = self.state.workers[index].keys
        must(number < len(keys), "WorkersKeyUnknown")
        must(keys[number][1] == 0, "WorkersKeyRevoked")
        keys[number] = (keys[number][0], self.state.now)
        self.emit("KeyRevoked", index, number)

    def _index(self, wallet: str) -> int | None:
        return next((i for i, worker in enumerate(self.state.workers) if worker.wallet == wallet), None)

    def _known(self, wallet: str) -> int:
        index = self._index(wallet)
        must(index is not None, "WorkersWalletUnknown")
        assert index is not None
        return index

    def _register(self, wallet: str, key: str) -> None:
        index = len(self.state.workers)
        self.state.workers.append(Worker(wallet, [(key, 0)]))
        self.emit("WorkerRegistered", index, wallet)
        self.emit("KeyAdded", index, 0, key)

    def _add_key(self, index: int, key: str) -> None:
        keys = self.state.workers[index].keys
        keys.append((key, 0))
        self.emit("KeyAdded", index, len(keys) - 1, key)

    def _check_entry(self, entry: "Entry", number: int) -> None:
        must(int(entry.key, 16) != 0, "WorkersKeyMissing")
        must(self.state.now <= entry.valid_until, "WorkersSignatureExpired")
        must(entry.signer == entry.wallet and entry.number == number, "WorkersSignatureInvalid")


@dataclass(frozen=True, slots=True)
class Signed:
    """Whom the signatures name, in their order; nobody for one that is malformed."""

    by: tuple[str | None, ...]
    aligned: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """A registration; `signer` signed it for `number`."""

    wallet: str
    key: str
    valid_until: int
    signer: str
    number: int


def with_fee(pay: int, fee_bps: int) -> int:
    return pay + pay * fee_bps // BPS


def read(debits: bytes) -> list[tuple[int, int]]:
    """(job, pay) of each."""
    return [
        (int.from_bytes(debits[i : i + 4]), int.from_bytes(debits[i + 4 : i + 12])) for i in range(0, len(debits), 16)
    ]


def escrow_of(terms: Terms) -> int:
    must(2 <= terms.classes <= 64, "MarketClassesOutOfRange")
    must(1 <= terms.tasks <= MOST_LEAVES, "MarketTasksOutOfRange")
    must(1 <= terms.answers <= 64, "MarketAnswersOutOfRange")
    must(terms.base + terms.bonus > 0, "MarketRewardMissing")
    must(terms.fee_bps <= BPS, "MarketFeeOutOfRange")
    caps = max(terms.weight_cap, terms.prior_cap) <= 16 * 2**16
    must(caps and (terms.weight_cap > 0 or terms.prior_cap == 0), "MarketCapsOutOfRange")
    escrow = with_fee((terms.base + terms.bonus) * terms.tasks * terms.answers, terms.fee_bps)
    must(escrow <= U64, "MarketEscrowTooLarge")
    return escrow


def check_shape(members: list[str], seal_keys: list[bytes], quorum: int) -> None:
    n = len(members)
    must(4 <= n <= 31, "CommitteeSizeOutOfRange")
    must(len(seal_keys) == n, "CommitteeSealKeysMismatch")
    must(n - (n - 1) // 3 <= quorum <= n, "CommitteeQuorumOutOfRange")
    previous = 0
    for member, seal_key in zip(members, seal_keys, strict=True):
        must(int(member, 16) > previous, "CommitteeMembersUnordered")
        must(seal_key != hashes.EMPTY, "CommitteeSealKeyMissing")
        previous = int(member, 16)
