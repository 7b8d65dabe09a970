"""The main job, end to end, on real parts: a chain, four member processes, the API, wallets, escrow, verdicts, pay, audit.

Stages in order; each may be repeated with the same effect. What dies meanwhile is started again and the stage goes on; a demo that
was itself killed goes on with `--resume`. Everything is kept in the home, so that the result can be audited afterwards; everything
that was started is ended, whatever happens.
"""

import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import httpx

from oracle import local, publishing
from oracle.adapters import anvil, processes
from oracle.adapters.chain import RpcChain
from oracle.adapters.contracts import Interfaces, decode_post
from oracle.adapters.signer import KeySigner
from oracle.bootstrap import RELAYER, Oracle, open_oracle
from oracle.config import Home, only_one
from oracle.demo import crowd
from oracle.demo.play import STAGES, Begun, Options
from oracle.demo.progress import Show, Silent
from oracle.demo.recording import Recording
from oracle.demo.summary import summarise
from oracle.ports import Call, OfferedAssignment
from oracle.protocol import jobkey
from oracle.protocol.errors import BadInput, ChainUnavailable, CrowdproofError, Retryable, WrongChain
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import address_of, checksum
from oracle.protocol.manifest import Manifest, make_job
from oracle.protocol.state import State
from oracle.services import assign, audit, outbox, settle
from oracle.services.rules import refund_opens

BASE, BONUS, FEE_BPS = 10_000, 2_500, 250  # a cent and a quarter in a token of six decimals; 2.5 %
LIFE = 86_400 * 30
SEED = "1"
REQUESTER, DEPLOYER = "requester", "deployer"
PATIENCE_S = 60.0
STAGE_S = 900.0  # for which a stage is tried again when something does not answer
FIRST = 2  # answers that each task gets before any is judged
LOTS = 64  # below a millionth of a nat
SURE = 0.93  # posterior at which `early_stop` asks no more
REFUSALS = 3  # of a stage: what is refused is rarely taken later
PAUSE_S = 1.0


@dataclass
class Demo:
    """A demo under way, as a context that holds its processes. `between` is called before each stage."""

    home: Home
    options: Options
    recording: Recording
    show: Show = field(default_factory=Silent)
    between: Callable[[str], None] = lambda _: None
    seconds: dict[str, float] = field(default_factory=dict)
    begun: Begun | None = None
    job: int = 0
    began: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self._stack = ExitStack()
        self._keys = [crowd.wallet(SEED, f"worker {i}") for i in range(len(self.recording.answers.workers))]
        self._signers: dict[str, KeySigner] = {}
        self._own: local.Chain | None = None
        self._sockets: list[socket.socket] = []
        self._taken = False
        self._url = ""
        self._said = ""
        self.crew = processes.Crew(self._say)
        self.oracle: Oracle | None = None

    def __enter__(self) -> Self:
        processes.warm(["api.serve"])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with _undisturbed():
            self._stack.close()

    def run(self) -> dict[str, Any]:
        """Plays every stage and gives the summary."""
        with self:
            for stage in STAGES:
                self.play(stage)
            return self._summary()

    def key(self, name: str) -> KeySigner:
        """Of the deployer, the requester or the relayer, once the contracts are there."""
        return self._signers[name]

    def play(self, stage: str) -> None:
        """Plays one stage, again while something does not answer; the stages before it must have been played."""
        self.between(stage)
        self.show.stage(stage)
        started, refusals = time.perf_counter(), 0
        while True:
            try:
                self._play(stage)
                break
            except (BadInput, WrongChain):
                raise
            except CrowdproofError as problem:
                refusals += not isinstance(problem, Retryable)
                if refusals >= REFUSALS or time.perf_counter() - started > STAGE_S:
                    raise
                self._say(f"{stage}: {problem}; trying again")
                time.sleep(PAUSE_S)
        self.seconds[stage] = round(time.perf_counter() - started, 3)

    def _play(self, stage: str) -> None:
        if stage != "chain":
            self._ensure_chain()
        getattr(self, f"_{stage}")()
        if self.oracle and self._own:
            self._own.moment = max(self._own.moment, self.oracle.chain.latest().timestamp)

    # --------------------------------------------------------------------------------------------------- stages

    def _chain(self) -> None:
        """A local chain of our own, or the given endpoint; and the ports, before anything is spent."""
        self._sockets = self._sockets or self._ports()
        if self.options.rpc:
            self._url = self.options.rpc
            check_endpoint(self._url)
        elif self._own is None:
            anvil.anvil_binary()  # before anything is written
        self._take_home()
        if self._own:
            self._own.start()
            self._own.watch()
            self._url = self._own.url
        public, *private = self._sockets
        places = (self.options.database, self.options.content)
        local.write_settings(self.home, self._url, 0, public, list(map(processes.url_of, private)), *places)

    def _ports(self) -> list[socket.socket]:
        return [self._bound(processes.bind(port)) for port in (self.options.port, *[0] * local.MEMBERS)]

    def _take_home(self) -> None:
        """The home is ours alone, until the end."""
        if not self._taken:
            self.home.create()
            self._stack.enter_context(only_one(self.home.path / "lock", f"another process works in {self.home.path}"))
            self._taken = True
        if not self.options.rpc and self._own is None:
            self._own = local.Chain(self.home)
            self._stack.callback(self._own.stop)

    def _deploy(self) -> None:
        """Token, Workers, Committee and Market; keys and coin for those who need them."""
        self.show.note("deploying the contracts")

        def secret(name: str) -> bytes:
            return crowd.wallet(SEED, f"{self.home.path} {name}").secret

        deployer = local.key(self.home, DEPLOYER, lambda _: anvil.dev_key(0))
        members = local.member_keys(self.home, secret)
        deployment = local.deploy_with_committee(self.home, self._url, deployer, members, self.options.window)
        others = {name: local.key(self.home, name, secret) for name in (REQUESTER, RELAYER)}
        wallets = {name: signer.address for name, signer in others.items()}
        local.give_coin(self.home, self._url, deployment, deployer, wallets)
        self._signers = {DEPLOYER: deployer, **others}

    def _start(self) -> None:
        """Four members and the API, each a process."""
        self.show.note("starting four committee members and the API")
        if self.oracle is None:
            self._open()
        self._give_tokens()
        self.crew.wait_ready()
        url = processes.url_of(self._sockets[0])
        client = self._stack.enter_context(httpx.Client(base_url=url, timeout=180, trust_env=False))
        until = self._oracle.chain.latest().timestamp + crowd.FAR
        self.api = crowd.Api(client, self._oracle.deployment, until)

    def _open(self) -> None:
        """Once, however often the stage is played."""
        public, *private = self._sockets
        self._stack.callback(self.crew.stop)
        for number, listening in enumerate(private, 1):
            self._serve(f"member-{number}", "api.serve:member", (self.home.path, number), listening)
        self._serve("api", "api.serve:public", (self.home.path,), public)
        self.oracle = open_oracle(self.home)
        self._stack.callback(self.oracle.close)
        self._settler = self.oracle.settler(self._signers[RELAYER])
        self.crew.watch()

    def _give_tokens(self) -> None:
        """What the job will cost, to the requester: early, since `fund` waits until the chain would not forget it."""
        deployment, requester = self._oracle.deployment, self._signers[REQUESTER]
        terms, _ = make_job(self._manifest(), self.recording.tasks(), deployment.unit, "the demo's manifest")
        amount = terms.escrow() * deployment.unit
        self._send(DEPLOYER, self._oracle.calls.transfer(deployment.token, requester.address, amount), "setup")

    def _fund(self) -> None:
        """The requester stores manifest and tasks, then escrows the whole budget."""
        oracle, requester = self._oracle, self._signers[REQUESTER]
        manifest, tasks, key = publishing.seal(oracle, self._manifest(), self.recording.tasks(), requester.address)
        terms = publishing.store(oracle, manifest, tasks, "the demo's manifest")
        publishing.keep_key(oracle, terms, requester.address, key)
        amount = terms.escrow() * oracle.deployment.unit
        self.show.note(f"escrowing {amount / 1e6:,.2f} DEMO for {terms.tasks} tasks")
        self._keep_block()  # two senders: what the second does must not come first when both are sent again
        self.job = publishing.fund(oracle, requester, terms, self._deadline(oracle))

    def _manifest(self) -> Manifest:
        sure = SURE if self.options.early_stop else None
        deadline = self._deadline(self._oracle)
        options = self.options
        chosen = {"seal": options.seal, "visibility": options.visibility}
        return self.recording.manifest(options.title, BASE, BONUS, FEE_BPS, deadline, confidence=sure, **chosen)

    def _register(self) -> None:
        """Every worker's wallet signs; the relayer registers many to a transaction."""
        self.show.note(f"registering {len(self._keys)} wallets")
        known = self._state().worker_of
        crowd.register(self.api, [key for key in self._keys if address_of(key) not in known], self.show.count)
        settle.register(self._settler, self._state())
        known = self._state().worker_of
        self._require(all(address_of(key) in known for key in self._keys), "not every wallet is registered")
        self.numbers = [known[address_of(key)] for key in self._keys]

    def _assign(self) -> None:
        """All recorded pairs, or the first round of them. What was never answered cannot be asked."""
        self.show.note("matching workers and tasks")
        if not self.options.early_stop:
            self._offer([(worker, task, 1) for task, worker in self._pairs()], {})
        elif not self._oracle.database.assignments(self.job):
            self._ask(FIRST)

    def _answer(self) -> None:
        """Each recorded answer sealed, signed and sent by its worker; receipts checked. In rounds, until all is sure."""
        self.show.note("answers: sealed, signed, sent, receipted")
        journal = crowd.Journal(self.home.path / "crowd")
        work = (self._keys, self.numbers, self.recording.said, self.job, journal, self.show.count)
        crowd.answer_all(self.api, *work)
        while self.options.early_stop and (asked := self._ask(1)):
            crowd.answer_all(self.api, *work, {offer.worker for offer in asked})

    def _ask(self, places: int) -> list[OfferedAssignment]:
        """Offers so many places of each task that is not sure yet to whom it is worth most; nothing when all is sure."""
        asked = {(offer.task, offer.worker) for offer in self._oracle.database.assignments(self.job)}
        pairs = [pair for pair in self._pairs() if pair not in asked]
        found = assign.appraised(self._oracle.matcher(), [(self.job, *pair) for pair in pairs])
        edges = [
            (worker, task, worth * LOTS + _lot(task, worker))
            for (task, worker), worth in zip(pairs, found.worth, strict=True)
            if worth
        ]
        return self._offer(edges, {task: places for task, _ in pairs})

    def _pairs(self) -> list[tuple[int, int]]:
        """(task, worker) of every recorded answer."""
        answers = self.recording.answers
        return [(t, self.numbers[w]) for w, t in zip(answers.worker.tolist(), answers.task.tolist(), strict=True)]

    def _offer(self, edges: list[assign.Edge], room: dict[int, int]) -> list[OfferedAssignment]:
        oracle, state = self._oracle, self._state()
        self._require(self.job in state.jobs and max(self.numbers) < len(state.workers), "the job or a worker is gone")
        return assign.assign(oracle.matcher(), state, self.job, edges, room=room)

    def _close(self) -> None:
        """Nothing more will come: the requester brings the deadline forward to now."""
        state = self._state()
        self._require(self.job in state.jobs, "the job is gone")
        self._send(REQUESTER, self._oracle.calls.close_job(self.job, state.jobs[self.job].terms.hash()), "close")
        job = self._state().jobs.get(self.job)
        self._require(job is not None and job.deadline <= self._oracle.index.now, "the job is still open")

    def _settle(self) -> None:
        """Epochs until nothing is left to decide; each waits for its challenge window."""
        while True:
            self._finalise(self._state())
            self.show.note("a member proposes an epoch, the others check it")
            if not settle.post_next(self._settler, self._state()):
                break
        state = self._state()
        decided = self._oracle.books.ledger(state).decided
        tasks = range(len(self.recording.answers.tasks))
        self._require(state.pending() is None and all((self.job, t) in decided for t in tasks), "tasks are undecided")

    def _finalise(self, state: State) -> None:
        pending = state.pending()
        if pending:
            self._keep_block()  # a header has an hour to be posted, and we are about to move time on
            self._wait_until(pending.posted_at + self._oracle.deployment.window, "the challenge window")
            settle.finalise_pending(self._settler, self._state(), self._oracle.index.now)

    def _pay(self) -> None:
        """Every worker asks for its money; the relayer claims many to a transaction, the treasury's fees with them."""
        self.show.note("paying every worker")
        crowd.claim(self.api, self._keys, self.numbers, self.show.count)
        self._oracle.database.add_claims([0])
        settle.pay(self._settler, self._state())
        state = self._state()
        self._require(sum(state.claimed.values()) == state.final_total > 0, "somebody is not paid yet")

    def _refund(self) -> None:
        """What nobody earned goes back to the requester, four windows after the deadline."""
        state = self._state()
        self._require(self.job in state.jobs, "the job is gone")
        job = state.jobs[self.job]
        self._wait_until(refund_opens(state, job, self._oracle.deployment.window), "the refund")
        if job.escrow > state.final_total:
            self._settler.send(self._oracle.calls.refund(self.job, job.requester, job.terms.hash()), "refund")
            left = self._state().jobs.get(self.job)
            self._require(left is not None and left.refunded > 0, "the refund is not made yet")

    def _audit(self) -> None:
        """Chain and store alone."""
        self.show.note("auditing from the chain and the store alone")
        oracle = self._oracle
        interfaces, key = oracle.chain.interfaces, oracle.books.keys(self.job)
        self._report = audit.run(
            oracle.chain,
            oracle.content,
            oracle.deployment,
            lambda data: decode_post(interfaces, data),
            {jobkey.hash_of(key): key} if key else {},
        )
        self._require(self._is_whole(), "the chain has lost transactions")

    def _is_whole(self) -> bool:
        """Whether all that was sent is on the chain, now that there is nothing more to send."""
        database = self._oracle.database
        before = [database.sent(signer.address) for signer in self._signers.values()]
        self._ensure_chain()
        return before == [database.sent(signer.address) for signer in self._signers.values()]

    def _require(self, holds: bool, otherwise: str) -> None:
        """A stage is over when the chain says so: one that died forgot its last blocks, and the stage is played again."""
        if not holds:
            raise Retryable(otherwise)

    # -------------------------------------------------------------------------------------------- chain and time

    def _ensure_chain(self) -> None:
        """Starts our chain again if it died: as late as it was, and with what it forgot sent again."""
        if self._own:
            self._own.tend()
        if self.oracle is None:
            return
        chain = self.oracle.chain
        for signer in self._signers.values():  # deployer, requester, relayer: each needs only what is before it
            outbox.reconcile(self.oracle.database, chain, signer)
            outbox.settle(self.oracle.database, chain, signer, PATIENCE_S)

    def _deadline(self, oracle: Oracle) -> int:
        """Chosen once: it is in the job's terms."""
        if self.begun is None:
            return oracle.chain.latest().timestamp + LIFE
        if not self.begun.deadline:
            self.begun = replace(self.begun, deadline=oracle.chain.latest().timestamp + LIFE)
            self.begun.save(self.home)
        return self.begun.deadline

    def _keep_block(self) -> None:
        """Waits until our chain would not forget what it has mined: what follows stands on it."""
        end = time.monotonic() + PATIENCE_S
        while not self.options.rpc and time.monotonic() < end:
            if anvil.kept_block(self.home.chain) >= self._oracle.chain.latest().number:
                return
            time.sleep(0.05)

    def _wait_until(self, moment: int, what: str) -> None:
        """Block time is moved on where that is possible; elsewhere we wait and say so."""
        chain = self._oracle.chain
        left = moment - chain.latest().timestamp
        if left > 0 and anvil.is_local(self._url):
            anvil.warp(self._url, left)
            self._state()  # durable here: should the chain forget it, nothing that needs this time is mined before it
            return
        if left > 0:
            print(f"crowdproof: this chain's time cannot be moved: waiting {left} s for {what}", file=sys.stderr)
        while left > 0:
            self.show.note(f"waiting {left} s for {what}")
            time.sleep(min(left, 5))
            left = moment - chain.latest().timestamp

    # --------------------------------------------------------------------------------------------------- common

    @property
    def _oracle(self) -> Oracle:
        if self.oracle is None:
            raise RuntimeError("the stage `start` comes first")
        return self.oracle

    def _state(self) -> State:
        return self._oracle.index.advance()

    def _send(self, name: str, call: Call, kind: str) -> None:
        outbox.run(self._oracle.database, self._oracle.chain, self._signers[name], call, kind)

    def _bound(self, listening: socket.socket) -> socket.socket:
        self._stack.callback(listening.close)
        return listening

    def _serve(self, name: str, target: str, arguments: tuple[Any, ...], listening: socket.socket) -> None:
        self.crew.add(name, target, arguments, listening, self.home.path / "logs" / f"{name}.log")

    def _say(self, text: str) -> None:
        """Once for each thing that goes wrong."""
        if text != self._said:
            print(f"crowdproof: {text}", file=sys.stderr, flush=True)
        self._said = text

    def _summary(self) -> dict[str, Any]:
        total = round(time.perf_counter() - self.began, 3)
        oracle = self._oracle
        sent = [sent for signer in self._signers.values() for sent in oracle.database.sent(signer.address)]
        facts = summarise(oracle, self._state(), self.job, self.recording, sent, self._report)
        return {**facts, "seconds": {**self.seconds, "total": total}, "home": str(self.home.path)}


def _lot(task: int, worker: int) -> int:
    """Drawn for a pair, to choose between two that are worth the same: else the first workers would get the most."""
    return int.from_bytes(keccak(b"%d %d" % (task, worker))[:2], "big") % LOTS


def check_endpoint(url: str) -> None:
    """Raises BadInput unless it is a chain on which the development accounts have coin."""
    account = KeySigner(anvil.dev_key(0)).address
    with closing(RpcChain(url, Interfaces({}), timeout=5, attempts=2)) as chain:
        try:
            coin = chain.native_balance(account)
        except ChainUnavailable as problem:
            raise BadInput(f"--rpc: {problem}") from None
    if coin < 10 * local.GAS_MONEY:
        raise BadInput(f"--rpc {chain.rpc.endpoint}: account {checksum(account)} has no coin: use a development chain")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No second Ctrl-C while what was started is ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
