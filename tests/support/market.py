"""The contracts in memory, for a FakeChain: what Market, Workers and Committee check, as a fold over their own events.

`Market` is also the port Calls. A third implementation of the rules, kept small: no refutations, one token.
"""

import itertools
from collections.abc import Sequence
from typing import Any

from oracle.ports import Call, Permit, Registration
from oracle.protocol import events as ev
from oracle.protocol import heads, trees
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import Refused
from oracle.protocol.hashing import keccak
from oracle.protocol.heads import Debit
from oracle.protocol.keys import Address, recover
from oracle.protocol.leaves import Balance
from oracle.protocol.messages import Header, digest
from oracle.protocol.state import EpochStatus, Post, State, fold
from oracle.protocol.terms import Terms
from tests.support.chain import FakeChain

REQUESTER = b"\x77" * 20


class Market:
    """Runs on `chain`; `quorum` and `donated` let a test plant a defect."""

    def __init__(self, chain: FakeChain, deployment: Deployment) -> None:
        self.chain, self.deployment, self.quorum = chain, deployment, deployment.committee.quorum
        self.donated = 0
        self._calls: dict[bytes, tuple[str, tuple[Any, ...]]] = {}
        chain.run = self.run
        chain.balances = lambda _: self.held()

    def state(self) -> State:
        logs = [log for mined in self.chain.mined for log in mined.logs()]
        return fold(self.deployment.digest(), logs)

    def held(self) -> int:
        state = self.state()
        paid_in = sum(job.escrow - job.refunded for job in state.jobs.values())
        return (paid_in - sum(state.claimed.values())) * self.deployment.unit + self.donated

    def run(self, data: bytes) -> Sequence[ev.Event]:
        """The events of a call; Refused is a revert."""
        name, args = self._calls[data]
        events: Sequence[ev.Event] = getattr(self, f"_{name}")(self.state(), *args)
        return events

    def decode_post(self, data: bytes) -> tuple[Header, list[Debit], bytes]:
        name, args = self._calls.get(data, ("nothing", ()))
        if name != "post":
            raise Refused("no-post", f"the transaction calls {name}, not postEpoch")
        header, debits, signatures = args
        return header, list(debits), b"".join(signatures)

    # --------------------------------------------------------------------------------------------------- the port Calls

    def approve(self, token: Address, spender: Address, amount: int, purpose: str = "") -> Call:
        return self._call(f"allow {amount} {purpose}", "nothing")

    def transfer(self, token: Address, to: Address, amount: int, purpose: str = "") -> Call:
        return self._call(f"transfer {amount} {purpose}", "nothing")

    def open_job(self, terms: Terms, deadline: int, permit: Permit | None = None) -> Call:
        return self._call(f"open {terms.hash().hex()} {deadline}", "open", terms, deadline)

    def top_up(self, job: int, amount: int, purpose: str = "") -> Call:
        return self._call(f"add {amount} to job {job} {purpose}", "fund", job, amount)

    def close_job(self, job: int, terms: bytes) -> Call:
        return self._call(f"close job {job}", "close", job, terms)

    def refund(self, job: int, requester: Address, terms: bytes, refunded: int = 0) -> Call:
        return self._call(f"refund job {job} beyond {refunded}", "refund", job, requester, terms)

    def register_many(self, registrations: Sequence[Registration]) -> Call:
        return self._call(f"register {len(registrations)}", "register", tuple(registrations))

    def post_epoch(self, header: Header, debits: Sequence[Debit], signatures: Sequence[bytes]) -> Call:
        what = f"post epoch {header.epoch} after {header.previous.hex()}"
        return self._call(what, "post", header, tuple(debits), tuple(signatures))

    def finalise_epoch(self, header: Header, signers: int) -> Call:
        what = f"finalise epoch {header.epoch} after {header.previous.hex()}"
        return self._call(what, "finalise", header, signers)

    def claim_many(self, balances: Sequence[Balance], proof: Sequence[bytes]) -> Call:
        return self._call(f"claim for {len(balances)}", "claim", tuple(balances), tuple(proof))

    def _call(self, what: str, name: str, *args: Any) -> Call:
        data = keccak(repr((name, args)).encode())
        self._calls[data] = (name, args)
        unique = name in ("register", "claim")
        return Call(f"{what} ({data.hex()[:8]})" if unique else what, self.deployment.market, data)

    # ------------------------------------------------------------------------------------------------------ the checks

    def _nothing(self, state: State) -> list[ev.Event]:
        return []

    def _open(self, state: State, terms: Terms, deadline: int) -> list[ev.Event]:
        _require(deadline > self.chain.now, "MarketDeadlineOutOfRange")
        return [ev.JobOpened(len(state.jobs) + 1, REQUESTER, terms.hash(), terms, deadline, terms.escrow())]

    def _fund(self, state: State, job: int, amount: int) -> list[ev.Event]:
        _require(self.chain.now < state.jobs[job].deadline, "MarketJobOver")
        return [ev.JobFunded(job, amount)]

    def _close(self, state: State, job: int, terms: bytes) -> list[ev.Event]:
        _require(terms == state.jobs[job].terms.hash(), "MarketIdentityMismatch")
        _require(self.chain.now < state.jobs[job].deadline, "MarketJobOver")
        return [ev.JobClosed(job, self.chain.now)]

    def _refund(self, state: State, job: int, requester: Address, terms: bytes) -> list[ev.Event]:
        opened = state.jobs[job]
        _require((requester, terms) == (opened.requester, opened.terms.hash()), "MarketIdentityMismatch")
        _require(self.chain.now >= self._opens(state, job), "MarketRefundClosed")
        amount = opened.escrow - self._debited(state, job) - opened.refunded
        _require(amount > 0, "MarketNothingToRefund")
        return [ev.JobRefunded(job, amount)]

    def _register(self, state: State, registrations: tuple[Registration, ...]) -> list[ev.Event]:
        events: list[ev.Event] = []
        number = len(state.workers)
        for wish in registrations:
            if wish.wallet in state.worker_of:
                continue
            _require(wish.valid_until >= self.chain.now, "WorkersRegistrationExpired")
            events += [ev.WorkerRegistered(number, wish.wallet), ev.KeyAdded(number, 0, wish.key)]
            number += 1
        return events

    def _post(
        self, state: State, header: Header, debits: tuple[Debit, ...], signatures: tuple[bytes, ...]
    ) -> list[ev.Event]:
        _require(state.pending() is None, "MarketEpochPending")
        _require(header.epoch == state.last_epoch + 1, "MarketEpochUnexpected")
        _require(header.previous == state.head, "MarketHeadMismatch")
        _require(self.chain.now <= header.valid_until, "MarketHeaderExpired")
        _require(header.configuration == self.deployment.configuration(), "MarketConfigurationMismatch")
        _require(heads.debits_hash(debits) == header.debits, "MarketDebitsMismatch")
        message = digest(self.deployment.domain(), header)
        signers = self._signers(message, signatures)
        total = state.final_total
        for debit in debits:
            _require(self.chain.now < self._opens(state, debit.job) - self.deployment.window, "MarketDebitClosed")
            job = state.jobs[debit.job]
            amount = debit.pay + job.terms.fee(debit.pay)
            _require(amount <= job.escrow - job.refunded - self._debited(state, debit.job), "MarketDebitTooLarge")
            total += amount
        _require(header.total == total, "MarketTotalMismatch")
        head = heads.posted(header.previous, message, signers)
        return [ev.EpochPosted(header.epoch, head, message, header.content, signers)]

    def _finalise(self, state: State, header: Header, signers: int) -> list[ev.Event]:
        pending = state.pending()
        _require(pending is not None, "MarketNothingPending")
        assert pending
        message = digest(self.deployment.domain(), header)
        _require(heads.posted(header.previous, message, signers) == state.head, "MarketHeadMismatch")
        _require(self.chain.now >= pending.posted_at + self.deployment.window, "MarketWindowStillOpen")
        return [ev.EpochFinalised(header.epoch, header.balances, header.total)]

    def _claim(self, state: State, balances: tuple[Balance, ...], proof: tuple[bytes, ...]) -> list[ev.Event]:
        final = state.final()
        _require(final is not None, "MarketBalancesUnproven")
        assert final
        header = self._header(final)
        events: list[ev.Event] = []
        claimed = dict(state.claimed)
        leaves, workers = [b.leaf() for b in balances], [b.worker for b in balances]
        proven = trees.verify_many(header.balances, header.balances_size, workers, leaves, proof)
        _require(proven, "MarketBalancesUnproven")
        for b in balances:
            if b.cumulative <= claimed.get(b.worker, 0):
                continue
            claimed[b.worker] = b.cumulative
            _require(sum(claimed.values()) <= state.final_total, "MarketClaimsExceedTotal")
            events.append(ev.Claimed(b.worker, b.cumulative))
        return events

    def _signers(self, message: bytes, signatures: tuple[bytes, ...]) -> int:
        members = self.deployment.committee.members
        found = [recover(message, signature) for signature in signatures]
        ascending = all(one < two for one, two in itertools.pairwise(found))
        _require(len(found) >= self.quorum and ascending and set(found) <= set(members), "CommitteeQuorumMissed")
        return sum(1 << members.index(signer) for signer in found)

    def _opens(self, state: State, job: int) -> int:
        return max(state.jobs[job].deadline, state.last_strike) + 4 * self.deployment.window

    def _debited(self, state: State, job: int) -> int:
        fee = state.jobs[job].terms.fee
        posts = [post for post in state.posts.values() if post.status is not EpochStatus.STRUCK]
        return sum(d.pay + fee(d.pay) for post in posts for d in self._posted(post)[1] if d.job == job)

    def _header(self, post: Post) -> Header:
        return self._posted(post)[0]

    def _posted(self, post: Post) -> tuple[Header, list[Debit], bytes]:
        return self.decode_post(self.chain.calldata(post.transaction))


def _require(holds: bool, error: str) -> None:
    if not holds:
        raise Refused(error, f"{error}()")
