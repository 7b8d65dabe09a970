"""The main job, end to end, on real parts: a chain, four member processes, the API, wallets, escrow, verdicts, pay, audit.

Stages in order; before each the chain is made sure of, and transactions that it forgot are sent again. Everything is kept in the
home, so that the result can be audited afterwards; everything that was started is ended, whatever happens.
"""

import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx

from oracle import publishing
from oracle.adapters import anvil, processes
from oracle.adapters.chain import RpcChain
from oracle.adapters.contracts import Interfaces, decode_post
from oracle.adapters.database import SqlDatabase
from oracle.adapters.signer import KeySigner, create_keystore
from oracle.bootstrap import MEMBER, RELAYER, Oracle, open_oracle
from oracle.config import Home, Settings
from oracle.demo import crowd
from oracle.demo.play import STAGES, Options, needed_by_children
from oracle.demo.progress import Show, Silent
from oracle.demo.recording import Recording
from oracle.demo.summary import summarise
from oracle.deploying import deploy, wishes
from oracle.ports import Call
from oracle.protocol.errors import BadInput, ChainUnavailable
from oracle.protocol.keys import address_of, checksum
from oracle.protocol.state import State
from oracle.services import assign, audit, outbox, settle

MEMBERS, QUORUM = 4, 3
BASE, BONUS, FEE_BPS = 10_000, 2_500, 250  # a cent and a quarter in a token of six decimals; 2.5 %
GAS_MONEY = 10**18
LIFE = 86_400 * 30
SEED = "1"
REQUESTER, DEPLOYER = "requester", "deployer"
PATIENCE_S = 60.0


@dataclass
class Demo:
    """A demo under way, as a context that holds its processes. `between` is called before each stage."""

    home: Home
    options: Options
    recording: Recording
    show: Show = field(default_factory=Silent)
    between: Callable[[str], None] = lambda _: None
    seconds: dict[str, float] = field(default_factory=dict)
    job: int = 0
    began: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self._stack = ExitStack()
        self._keys = [crowd.wallet(SEED, f"worker {i}") for i in range(len(self.recording.answers.workers))]
        self._signers: dict[str, KeySigner] = {}
        self._moment = 0  # block time that was reached: a chain that forgot it is moved on again
        self.oracle: Oracle | None = None

    def __enter__(self) -> Self:
        processes.warm(needed_by_children())
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

    def play(self, stage: str) -> None:
        """Plays one stage; the stages before it must have been played."""
        self.between(stage)
        self.show.stage(stage)
        started = time.perf_counter()
        if stage != "chain":
            self._ensure_chain()
        getattr(self, f"_{stage}")()
        if self.oracle:
            self._moment = self.oracle.chain.latest().timestamp
        self.seconds[stage] = round(time.perf_counter() - started, 3)

    # --------------------------------------------------------------------------------------------------- stages

    def _chain(self) -> None:
        """A local chain of our own, or the given endpoint; and the ports, before anything is spent."""
        self._sockets = [self._bound(processes.bind(self.options.port))]
        self._sockets += [self._bound(processes.bind()) for _ in range(MEMBERS)]
        if self.options.rpc:
            self._url = self.options.rpc
            _check_endpoint(self._url)
        else:
            anvil.anvil_binary()  # before anything is written
        self.home.create()
        if not self.options.rpc:
            self._stack.callback(anvil.stop, self.home.chain)
            self._url = anvil.start(self.home.chain).url

    def _deploy(self) -> None:
        """Token, Workers, Committee and Market; keys and coin for those who need them."""
        self.show.note("deploying the contracts")
        deployer = self._key(DEPLOYER, anvil.dev_key(0))
        members = [self._member_key(number) for number in range(1, MEMBERS + 1)]
        keys = {member.address: member.seal_key for member in members}
        deployment = deploy(self.home, self._url, deployer, wishes(keys, QUORUM, self.options.window, deployer.address))
        with (
            closing(RpcChain(self._url, Interfaces({}), deployment.chain_id)) as chain,
            closing(SqlDatabase(self.home.database)) as database,
        ):
            for name in (REQUESTER, RELAYER):
                signer = self._key(name, crowd.wallet(SEED, f"{self.home.path} {name}").secret)
                gift = Call(f"coin for {name}", signer.address, b"", value=GAS_MONEY)
                outbox.submit(database, chain, deployer, gift, "setup")
            outbox.settle(database, chain, deployer, PATIENCE_S)

    def _start(self) -> None:
        """Four members and the API, each a process."""
        self.show.note("starting four committee members and the API")
        public, *private = self._sockets
        urls = tuple(map(processes.url_of, private))
        self.home.write_settings(Settings(self._url, 0, urls, processes.url_of(public)))
        for secret in ("token", "password"):
            self.home.secret(secret)
        self._children: list[processes.Child] = []
        self._stack.callback(processes.stop, self._children)
        for number, listening in enumerate(private, 1):
            self._serve(f"member-{number}", "api.serve:member", (self.home.path, number), listening)
        self._serve("api", "api.serve:public", (self.home.path,), public)
        self.oracle = open_oracle(self.home)
        self._stack.callback(self.oracle.close)
        self._settler = self.oracle.settler(self._signers[RELAYER])
        processes.wait_ready(self._children)
        client = self._stack.enter_context(httpx.Client(base_url=self._children[-1].url, timeout=180, trust_env=False))
        until = self.oracle.chain.latest().timestamp + crowd.FAR
        self.api = crowd.Api(client, self.oracle.deployment, until)

    def _fund(self) -> None:
        """The requester stores manifest and tasks, then escrows the whole budget."""
        oracle, requester = self._oracle, self._signers[REQUESTER]
        deadline = oracle.chain.latest().timestamp + LIFE
        manifest = self.recording.manifest(self.options.title, BASE, BONUS, FEE_BPS, deadline)
        terms = publishing.store(oracle, manifest, self.recording.tasks(), "the demo's manifest")
        amount = terms.escrow() * oracle.deployment.unit
        self.show.note(f"escrowing {amount / 1e6:,.2f} DEMO for {terms.tasks} tasks")
        self._send(DEPLOYER, oracle.calls.transfer(oracle.deployment.token, requester.address, amount), "setup")
        self.job = publishing.fund(oracle, requester, terms, deadline)

    def _register(self) -> None:
        """Every worker's wallet signs; the relayer registers many to a transaction."""
        self.show.note(f"registering {len(self._keys)} wallets")
        crowd.register(self.api, self._keys, self.show.count)
        settle.register(self._settler, self._state())
        state = self._state()
        self.numbers = [state.worker_of[address_of(key)] for key in self._keys]

    def _assign(self) -> None:
        """The recorded pairs are the only edges; the matcher may not take what was never answered."""
        self.show.note("matching workers and tasks")
        answers = self.recording.answers
        edges = [(self.numbers[w], t, 1.0) for w, t in zip(answers.worker.tolist(), answers.task.tolist(), strict=True)]
        assign.assign(self._state(), self._oracle.peers, self._oracle.database, self.job, edges)

    def _answer(self) -> None:
        """Each recorded answer sealed, signed and sent by its worker; receipts checked."""
        self.show.note("answers: sealed, signed, sent, receipted")
        crowd.answer_all(self.api, self._keys, self.numbers, self.recording.labels, self.job, self.show.count)

    def _close(self) -> None:
        """Nothing more will come: the requester brings the deadline forward to now."""
        self._send(REQUESTER, self._oracle.calls.close_job(self.job), "close")

    def _settle(self) -> None:
        """Epochs until nothing is left to decide; each waits for its challenge window."""
        while True:
            self._finalise(self._state())
            self.show.note("a member proposes an epoch, the others check it")
            if not settle.post_next(self._settler, self._state()):
                break

    def _finalise(self, state: State) -> None:
        pending = state.pending()
        if pending:
            self._keep_block()
            self._wait_until(pending.posted_at + self._oracle.deployment.window, "the challenge window")
            settle.finalise_pending(self._settler, self._state(), self._oracle.index.now)

    def _pay(self) -> None:
        """Every worker asks for its money; the relayer claims many to a transaction, the treasury's fees with them."""
        self.show.note("paying every worker")
        crowd.claim(self.api, self._keys, self.numbers, self.show.count)
        self._oracle.database.add_claims([0])
        settle.pay(self._settler, self._state())

    def _refund(self) -> None:
        """What nobody earned goes back to the requester, three windows after the deadline."""
        state = self._state()
        job = state.jobs[self.job]
        self._wait_until(job.deadline + 3 * self._oracle.deployment.window, "the refund")
        if job.escrow > state.final_total:
            self._send(RELAYER, self._oracle.calls.refund(self.job), "refund")

    def _audit(self) -> None:
        """Chain and store alone."""
        self.show.note("auditing from the chain and the store alone")
        oracle = self._oracle
        interfaces = oracle.chain.interfaces
        self._report = audit.run(
            oracle.chain, oracle.content, oracle.deployment, lambda data: decode_post(interfaces, data)
        )

    # -------------------------------------------------------------------------------------------- chain and time

    def _ensure_chain(self) -> None:
        """Starts our chain again if it died: as late as it was, and with what it forgot sent again."""
        if not self.options.rpc:
            self._restart()
        if self.oracle is None:
            return
        chain = self.oracle.chain
        if (behind := self._moment - chain.latest().timestamp) > 0 and anvil.is_local(self._url):
            anvil.warp(self._url, behind)
        for signer in self._signers.values():  # deployer, requester, relayer: each needs only what is before it
            outbox.reconcile(self.oracle.database, chain, signer)
            outbox.settle(self.oracle.database, chain, signer, PATIENCE_S)

    def _restart(self) -> None:
        """On the port that the members know: for a moment after a kill it may be taken."""
        port = httpx.URL(self._url).port
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                anvil.start(self.home.chain, port)
                return
            except (BadInput, ChainUnavailable):
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    def _keep_block(self) -> None:
        """Waits until our chain has kept the post: a header has an hour to be posted, and we are about to move time on."""
        end = time.monotonic() + PATIENCE_S
        while not self.options.rpc and time.monotonic() < end:
            if anvil.kept_block(self.home.chain) >= self._oracle.index.block:
                return
            time.sleep(0.05)

    def _wait_until(self, moment: int, what: str) -> None:
        """Block time is moved on where that is possible; elsewhere we wait and say so."""
        chain = self._oracle.chain
        left = moment - chain.latest().timestamp
        if left > 0 and anvil.is_local(self._url):
            anvil.warp(self._url, left)
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
        log = self.home.path / "logs" / f"{name}.log"
        self._children.append(processes.spawn(name, target, arguments, listening, log))

    def _key(self, name: str, secret: bytes) -> KeySigner:
        _, signer = create_keystore(self.home.keys, name, self.home.secret("password"), secret, light=True)
        self._signers[name] = signer
        return signer

    def _member_key(self, number: int) -> KeySigner:
        secret = crowd.wallet(SEED, f"{self.home.path} member {number}").secret
        folder = self.home.member(number).keys
        return create_keystore(folder, MEMBER, self.home.secret("password"), secret, light=True)[1]

    def _summary(self) -> dict[str, Any]:
        total = round(time.perf_counter() - self.began, 3)
        oracle = self._oracle
        sent = [sent for signer in self._signers.values() for sent in oracle.database.sent(signer.address)]
        facts = summarise(oracle, self._state(), self.job, self.recording, sent, self._report)
        return {**facts, "seconds": {**self.seconds, "total": total}, "home": str(self.home.path)}


def _check_endpoint(url: str) -> None:
    """Raises BadInput unless it is a chain on which the development accounts have coin."""
    account = KeySigner(anvil.dev_key(0)).address
    with closing(RpcChain(url, Interfaces({}), timeout=5, attempts=2)) as chain:
        try:
            coin = chain.native_balance(account)
        except ChainUnavailable as problem:
            raise BadInput(f"--rpc: {problem}") from None
    if coin < 10 * GAS_MONEY:
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
