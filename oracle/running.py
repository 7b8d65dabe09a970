"""The roles that keep a deployment going without anybody's hand: each a loop of its own process, alone or beside the others.

    indexer   follows the chain                         settler   proposes, posts and finalises epochs
    matcher   offers open tasks where an answer is worth most   relayer   registers wallets and claims for workers
    watcher   recomputes every new epoch; with a key of its own it strikes what breaks a rule, and shows what is demanded

A round reads the finalised view of the chain and does what is due there; it may be cut off anywhere and repeated. Several processes
of one role may share a database: a lease keeps them from doing the same work twice, and nothing is wrong where two have it.
"""

import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from oracle import telemetry
from oracle.adapters.contracts import decode_post
from oracle.bootstrap import RELAYER, WATCHER, Oracle, open_database, open_key, open_oracle
from oracle.config import Home
from oracle.ports import StoredReceipt
from oracle.protocol.errors import ContentMissing, CrowdproofError, Fatal, Retryable
from oracle.protocol.heads import Debit
from oracle.protocol.messages import Answer, Header
from oracle.protocol.state import Post, State
from oracle.services import audit, outbox, refute, rounds, settle
from oracle.services.index import View
from oracle.services.refute import Refuter
from oracle.services.settle import Settler

ROUND_S = 0.5  # between two rounds
LEASE_S = 15.0
TREASURY = 0
Tick = Callable[[], str]  # one round; what the role waits for, in words


@dataclass
class Role:
    """A loop under way: `waits` says what it waits for, and whether that is trouble."""

    name: str
    tick: Tick
    waits: str = "its first round"
    trouble: bool = True
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Rounds until `ended`. What may pass is said and tried again; raises Fatal for what may not."""
        while not self.ended.is_set():
            try:
                self._note(self.tick(), None)
            except Fatal:
                raise
            except CrowdproofError as problem:
                self._note(str(problem), problem)
            self.ended.wait(ROUND_S)

    def ready(self) -> list[str]:
        """What keeps it from its work; nothing when all is well, also when nothing is to do."""
        return [self.waits] if self.trouble else []

    def _note(self, waits: str, problem: CrowdproofError | None) -> None:
        telemetry.METRICS.tick(self.name, problem)
        if waits != self.waits:
            telemetry.log("waits", what=waits) if problem is None else telemetry.problem("trouble", problem)
        self.waits, self.trouble = waits, problem is not None


def serve(home: Path, name: str, listening: socket.socket) -> None:
    """Runs a role until SIGTERM, with /health, /ready and /metrics on the socket."""
    telemetry.configure(name)
    place = Home(home)
    with closing(open_oracle(place)) as oracle:
        role = Role(name, ROLES[name](place, oracle))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: role.ended.set())
        with closing(telemetry.serve(listening, role.ready)):
            role.run()


# -------------------------------------------------------------------------------------------------------------- rounds


def indexer(_: Home, oracle: Oracle) -> Tick:
    def tick() -> str:
        view = oracle.index.view()
        telemetry.METRICS.chain(oracle.chain.latest().number - oracle.depth, view.block)
        return "new blocks"

    return tick


def settler(home: Home, oracle: Oracle) -> Tick:
    hands = oracle.settler(open_key(home, RELAYER))

    def tick() -> str:
        outbox.reconcile(oracle.database, oracle.chain, hands.signer)
        view = oracle.index.view()
        pending = view.state.pending()
        if pending is None:
            return "" if settle.post_next(hands, view.state) else "closed tasks"
        if settle.finalise_pending(hands, view.state, view.now):
            return ""
        until = pending.posted_at + oracle.deployment.window
        return f"the challenge window of epoch {pending.epoch}, until block time {until}"

    return _leased("settler", oracle, tick)


def relayer(home: Home, oracle: Oracle) -> Tick:
    hands = oracle.settler(open_key(home, RELAYER))

    def tick() -> str:
        outbox.reconcile(oracle.database, oracle.chain, hands.signer)
        view = oracle.index.view()
        settle.register(hands, view.state)
        _pay_treasury(hands, view)
        settle.pay(hands, view.state)
        return "wishes"

    return _leased("relayer", oracle, tick)


def _pay_treasury(hands: Settler, view: View) -> None:
    """The fees that final epochs gave: they pay for this."""
    final = view.state.final()
    if final and hands.books.epoch(final.epoch, final.content).balances[TREASURY].cumulative > view.state.claimed.get(
        TREASURY, 0
    ):
        hands.database.add_claims([TREASURY])


def matcher(_: Home, oracle: Oracle) -> Tick:
    hands = oracle.matcher()

    def tick() -> str:
        offers, problems = rounds.offer_all(hands, oracle.books, oracle.index.view())
        for problem in problems:
            if not isinstance(problem, ContentMissing):  # that is its requester's to mend
                raise problem
        return "" if offers else "open tasks and workers without work"

    return _leased("matcher", oracle, tick)


def watcher(home: Home, oracle: Oracle) -> Tick:
    seen: list[tuple[int, bytes, str]] = []
    faults: list[str] = []
    remedy = _remedy(home, oracle)

    def tick() -> str:
        view = oracle.index.view()
        what = remedy(view) if remedy else ""
        posts = [(p.epoch, p.head, p.status.value) for p in view.state.posts.values()]
        if posts != seen:
            report = audit.run(oracle.chain, oracle.content, oracle.deployment, decode)
            telemetry.log("audited", epochs=report.epochs, verdicts=report.verdicts, faults=len(report.faults))
            seen[:], faults[:] = posts, map(str, report.faults)
        if faults:
            raise Retryable(f"the audit found {len(faults)} faults, the first: {faults[0]}")
        return what or "new epochs"

    def decode(data: bytes) -> tuple[Header, list[Debit], bytes]:
        return decode_post(oracle.chain.interfaces, data)

    return tick


def _remedy(home: Home, oracle: Oracle) -> Callable[[View], str] | None:
    """What is done about each new epoch, again while it is not settled; None without a key, or without a Referee."""
    if not (home.keys / f"{WATCHER}.json").exists() or not any(oracle.deployment.referee):
        return None
    key = open_key(home, WATCHER)
    hands = oracle.refuter(key)
    settled: set[bytes] = set()  # heads of epochs that stand, or are struck

    def remedy(view: View) -> str:
        outbox.reconcile(oracle.database, oracle.chain, key)
        for shown in refute.reply(hands, view.state, view.now):
            telemetry.log("replied", what=shown)
        post = view.state.pending()
        if post is None or post.head in settled:
            return ""
        finding = refute.refute(hands, view.state, view.now, post, _held(home, hands, view.state, post))
        telemetry.log("refuted", epoch=post.epoch, did=finding.did, what=finding.what, faults=len(finding.faults))
        if finding.stands or finding.did == "struck":
            settled.add(post.head)
        return "" if finding.stands else f"{finding.did}: {finding.what}"

    return remedy


def _held(home: Home, hands: Refuter, state: State, post: Post) -> list[tuple[Answer, StoredReceipt]]:
    """Answers that the members of this home keep, and the epoch does not list, with their receipts."""
    epoch = refute.data_of(hands, post)
    found: list[tuple[Answer, StoredReceipt]] = []
    with closing(open_database(home)) as receipts:
        for number in range(1, len(home.settings().members) + 1):
            if epoch and home.member(number).keys.is_dir():
                with closing(open_database(home, number)) as answers:
                    found += refute.receipts_of(hands.deployment, state, epoch, answers, receipts)
    return found


ROLES: dict[str, Callable[[Home, Oracle], Tick]] = {
    "indexer": indexer,
    "matcher": matcher,
    "settler": settler,
    "relayer": relayer,
    "watcher": watcher,
}


# -------------------------------------------------------------------------------------------------------------- leases


def _leased(work: str, oracle: Oracle, tick: Tick) -> Tick:
    """`tick` while the lease is ours; it is renewed beside a long round, and ends with the process."""
    holder = f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"

    def leased() -> str:
        if not oracle.database.hold(work, holder, LEASE_S):
            return f"another {work} to stop"
        with _renewed(oracle, work, holder):
            return tick()

    return leased


@contextmanager
def _renewed(oracle: Oracle, work: str, holder: str) -> Iterator[None]:
    done = threading.Event()

    def renew() -> None:
        while not done.wait(LEASE_S / 3):
            with suppress(CrowdproofError):  # the round notices what is wrong with the database
                oracle.database.hold(work, holder, LEASE_S)

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
