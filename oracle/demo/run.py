"""The main job, end to end, on real parts: a chain, four member processes, the API, wallets, escrow, verdicts, pay, audit.

Stages in order; before each the chain is made sure of and transactions that it forgot are sent again. Everything is kept in the
home, so the result can be audited afterwards.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from oracle import labels as lb
from oracle.adapters import anvil, processes
from oracle.adapters.car import write_car
from oracle.adapters.chain import Interfaces, RpcChain, decode_post
from oracle.adapters.compiler import artefacts
from oracle.adapters.database import SqlDatabase
from oracle.adapters.deployer import plan_deployment, write_deployment
from oracle.adapters.signer import KeySigner, create_keystore
from oracle.bootstrap import MEMBER, RELAYER, Oracle, open_key, open_oracle
from oracle.config import Home, Settings
from oracle.demo import crowd
from oracle.demo.recording import Recording, load
from oracle.ports import Call
from oracle.protocol import epoch as ep
from oracle.protocol.cids import Codec, from_digest
from oracle.protocol.deployment import Committee, Deployment
from oracle.protocol.errors import BadInput
from oracle.protocol.keys import address_of, checksum
from oracle.protocol.manifest import make_job
from oracle.protocol.state import State
from oracle.services import assign, audit, outbox, settle

MEMBERS, QUORUM = 4, 3
WINDOW = 3_600
BASE, BONUS, FEE_BPS = 10_000, 2_500, 250  # a cent and a quarter in a token of six decimals; 2.5 %
GAS_MONEY = 10**18
LIFE = 86_400 * 30
SEED = "1"
REQUESTER, DEPLOYER = "requester", "deployer"

STAGES = (
    "chain",
    "deploy",
    "start",
    "fund",
    "register",
    "assign",
    "answer",
    "close",
    "settle",
    "pay",
    "refund",
    "audit",
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for. `rpc`: another endpoint than a local chain of our own; `port`: the API's."""

    labels: Path | None = None
    gold: Path | None = None
    rpc: str | None = None
    port: int = 0
    window: int = WINDOW
    title: str = "Recorded crowd"


@dataclass
class Demo:
    """A demo under way; holds its processes until `close`. `note` is told what happens, for people."""

    home: Home
    options: Options
    recording: Recording
    note: Callable[[str], None] = lambda _: None
    between: Callable[[str], None] = lambda _: None
    seconds: dict[str, float] = field(default_factory=dict)
    job: int = 1

    def __post_init__(self) -> None:
        self._stack = ExitStack()
        self._keys = [crowd.wallet(SEED, f"worker {i}") for i in range(len(self.recording.answers.workers))]
        self._signers: dict[str, KeySigner] = {}

    def run(self) -> dict[str, Any]:
        """Plays every stage and gives the summary."""
        with self._stack:
            for stage in STAGES:
                self.between(stage)
                started = time.perf_counter()
                if stage != "chain":
                    self._ensure_chain()
                getattr(self, f"_{stage}")()
                self.seconds[stage] = round(time.perf_counter() - started, 3)
            return self._summary()

    # --------------------------------------------------------------------------------------------------- stages

    def _chain(self) -> None:
        """A local chain of our own, or the given endpoint."""
        self.home.path.mkdir(parents=True, exist_ok=True)
        if self.options.rpc:
            self._url = self.options.rpc
            return
        self._stack.callback(anvil.stop, self.home.chain)
        self._url = anvil.start(self.home.chain).url

    def _deploy(self) -> None:
        """Token, Workers, Committee and Market; keys and coin for those who need them."""
        self.note("compiling and deploying the contracts")
        code = artefacts()
        chain = RpcChain(self._url, Interfaces({name: artefact.abi for name, artefact in code.items()}))
        database = SqlDatabase(self.home.database)
        deployer = self._key(DEPLOYER, anvil.dev_key(0))
        if chain.native_balance(deployer.address) < 10 * GAS_MONEY:
            raise BadInput(
                f"{self._url}: account {checksum(deployer.address)} has no coin there; use a development chain"
            )
        members = [self._member_key(number) for number in range(1, MEMBERS + 1)]
        keys = {member.address: member.seal_key for member in members}
        block = chain.latest().number
        plan = plan_deployment(
            code, deployer.address, chain.nonce(deployer.address), keys, QUORUM, self.options.window, deployer.address
        )
        for call in plan.calls:
            outbox.submit(database, chain, deployer, call, "deploy")
        outbox.settle(database, chain, deployer, 60)
        for name in (REQUESTER, RELAYER):
            signer = self._key(name, crowd.wallet(SEED, name).secret)
            gift = Call(f"coin for {name}", signer.address, b"", value=GAS_MONEY)
            outbox.run(database, chain, deployer, gift, "setup")
        ordered = sorted(keys)
        committee = Committee(plan.committee, tuple(ordered), tuple(keys[m] for m in ordered), QUORUM)
        window, referee = self.options.window, bytes(20)
        deployment = Deployment(
            chain.chain_id(), plan.market, plan.workers, committee, referee, plan.token, 1, window, block
        )
        write_deployment(self.home.deployment, deployment, code)

    def _start(self) -> None:
        """Four members and the API, each a process."""
        self.note("starting four committee members and the API")
        sockets = [processes.bind() for _ in range(MEMBERS)]
        public = processes.bind(self.options.port)
        urls = tuple(map(processes.url_of, sockets))
        self.home.write_settings(Settings(self._url, 0, urls, processes.url_of(public)))
        for secret in ("token", "password"):
            self.home.secret(secret)
        place, logs = ["--home", str(self.home.path)], self.home.path / "logs"
        children = [
            processes.spawn(f"member {n}", ["member", *place, "--number", str(n)], one, logs / f"member-{n}.log")
            for n, one in enumerate(sockets, 1)
        ]
        children.append(processes.spawn("the API", ["api", *place], public, logs / "api.log"))
        for child in children:
            self._stack.callback(child.stop)
        self._oracle = open_oracle(self.home)
        self._settler = self._oracle.settler(open_key(self.home, RELAYER))
        processes.wait_ready(children)
        client = self._stack.enter_context(httpx.Client(base_url=children[-1].url, timeout=180))
        until = self._oracle.chain.latest().timestamp + crowd.FAR
        self._api = crowd.Api(client, self._oracle.deployment, until)

    def _fund(self) -> None:
        """The requester stores manifest and tasks, then escrows the whole budget."""
        oracle, requester = self._oracle, self._signers[REQUESTER]
        deadline = oracle.chain.latest().timestamp + LIFE
        manifest = self.recording.manifest(self.options.title, BASE, BONUS, FEE_BPS, deadline)
        terms, blocks = make_job(manifest, self.recording.tasks(), oracle.deployment.unit)
        oracle.content.put_many(blocks)
        out = BytesIO()
        write_car(oracle.content, [from_digest(Codec.DAG_CBOR, terms.manifest)], out)
        for peer in oracle.peers:
            peer.store(out.getvalue())
        amount = terms.escrow() * oracle.deployment.unit
        self.note(f"escrowing {amount / 1e6:,.2f} DEMO for {terms.tasks} tasks")
        token, market = oracle.deployment.token, oracle.deployment.market
        self._send(DEPLOYER, oracle.calls.transfer(token, requester.address, amount), "setup")
        self._send(REQUESTER, oracle.calls.approve(token, market, amount), "fund")
        self._send(REQUESTER, oracle.calls.open_job(terms, deadline), "open")
        self._terms = terms

    def _register(self) -> None:
        """Every worker's wallet signs; the relayer registers many to a transaction."""
        self.note(f"registering {len(self._keys)} wallets")
        crowd.register(self._api, self._keys)
        settle.register(self._settler, self._state())
        state = self._state()
        self._numbers = [state.worker_of[address_of(key)] for key in self._keys]

    def _assign(self) -> None:
        """The recorded pairs are the only edges; the matcher may not take what was never answered."""
        answers = self.recording.answers
        edges = [
            (self._numbers[w], t, 1.0) for w, t in zip(answers.worker.tolist(), answers.task.tolist(), strict=True)
        ]
        offers = assign.assign(self._state(), self._oracle.peers, self._oracle.database, self.job, edges)
        self.note(f"{len(offers)} assignments signed by a member")

    def _answer(self) -> None:
        """Each recorded answer sealed, signed and sent by its worker; receipts checked."""
        total, sent = len(self.recording.answers.label), 0

        def done(count: int) -> None:
            nonlocal sent
            sent += count
            self.note(f"answers sealed, sent and receipted: {sent} of {total}")

        crowd.answer_all(self._api, self._keys, self._numbers, self.recording.labels, self.job, done)

    def _close(self) -> None:
        """Nothing more will come: the requester brings the deadline forward to now."""
        self._send(REQUESTER, self._oracle.calls.close_job(self.job), "close")

    def _settle(self) -> None:
        """Epochs until nothing is left to decide; each waits for its challenge window."""
        while True:
            self._finalise(self._state())
            self.note("a member proposes an epoch, the others check it")
            if not settle.post_next(self._settler, self._state()):
                break

    def _finalise(self, state: State) -> None:
        pending = state.pending()
        if pending:
            self._wait_until(pending.posted_at + self._oracle.deployment.window, "the challenge window")
            settle.finalise_pending(self._settler, self._state(), self._oracle.index.now)

    def _pay(self) -> None:
        """Every worker asks for its money; the relayer claims many to a transaction, the treasury's fees with them."""
        crowd.claim(self._api, self._keys, self._numbers)
        self._oracle.database.add_claims([0])
        paid = settle.pay(self._settler, self._state())
        self.note(f"{paid} accounts paid")

    def _refund(self) -> None:
        """What nobody earned goes back to the requester, three windows after the deadline."""
        state = self._state()
        job = state.jobs[self.job]
        self._wait_until(job.deadline + 3 * self._oracle.deployment.window, "the refund")
        if job.escrow > state.final_total:
            self._send(RELAYER, self._oracle.calls.refund(self.job), "refund")

    def _audit(self) -> None:
        """Chain and store alone."""
        oracle = self._oracle
        interfaces = oracle.chain.interfaces
        self._report = audit.run(
            oracle.chain, oracle.content, oracle.deployment, lambda data: decode_post(interfaces, data)
        )

    # --------------------------------------------------------------------------------------------------- common

    def _ensure_chain(self) -> None:
        """Starts our chain again if it died; what it forgot is sent again."""
        if not self.options.rpc:
            self._url = anvil.start(self.home.chain).url
        oracle: Oracle | None = getattr(self, "_oracle", None)
        if oracle:
            for signer in self._signers.values():
                outbox.reconcile(oracle.database, oracle.chain, signer)
                outbox.settle(oracle.database, oracle.chain, signer, 60)

    def _wait_until(self, moment: int, what: str) -> None:
        """Block time is moved on where that is possible; elsewhere we wait and say so."""
        left = moment - self._oracle.chain.latest().timestamp
        if left > 0 and anvil.is_local(self._url):
            anvil.warp(self._url, left)
            return
        while left > 0:
            self.note(f"waiting {left} s for {what}")
            time.sleep(min(left, 5))
            left = moment - self._oracle.chain.latest().timestamp

    def _state(self) -> State:
        return self._oracle.index.advance()

    def _send(self, name: str, call: Call, kind: str) -> None:
        outbox.run(self._oracle.database, self._oracle.chain, self._signers[name], call, kind)

    def _key(self, name: str, secret: bytes) -> KeySigner:
        _, signer = create_keystore(self.home.keys, name, self.home.secret("password"), secret, light=True)
        self._signers[name] = signer
        return signer

    def _member_key(self, number: int) -> KeySigner:
        secret = crowd.wallet(SEED, f"{self.home.path} member {number}").secret
        folder = self.home.member(number).keys
        return create_keystore(folder, MEMBER, self.home.secret("password"), secret, light=True)[1]

    # -------------------------------------------------------------------------------------------------- summary

    def _summary(self) -> dict[str, Any]:
        state, unit = self._state(), self._oracle.deployment.unit
        verdicts = self._verdicts(state)
        answers = self.recording.answers
        found = np.full(len(answers.tasks), lb.NO_TRUTH, np.int32)
        for task, label, _ in verdicts:
            found[task] = label
        gold, consensus = self.recording.gold, self.recording.consensus
        debited, claimed = state.final_total * unit, sum(state.claimed.values()) * unit
        committee = self._oracle.deployment.committee
        return {
            "tasks": len(answers.tasks),
            "workers": len(answers.workers),
            "answers": len(answers.label),
            "accuracy": None if gold is None else lb.accuracy(found, gold),
            "agreement": None if consensus is None else lb.accuracy(found, consensus),
            "epochs": state.last_epoch,
            "committee": {"members": len(committee.members), "quorum": committee.quorum},
            **self._gas(len(answers.label)),
            "debited": debited,
            "paid": claimed,
            "claimable": debited - claimed,
            "refunded": state.jobs[self.job].refunded * unit,
            "audit": {
                "ok": self._report.ok,
                **{k: getattr(self._report, k) for k in ("epochs", "verdicts", "answers")},
            },
            "verdicts_digest": self._digest(verdicts),
            "seconds": {**self.seconds, "total": round(sum(self.seconds.values()), 3)},
            "home": str(self.home.path),
            "notes": self.recording.notes,
        }

    def _verdicts(self, state: State) -> list[tuple[int, int, int]]:
        """(task, label, units of pay), ascending by task, of this job's verdicts."""
        found = []
        for post in state.unstruck():
            epoch = self._oracle.books.epoch(post.epoch, post.content)
            for verdict in epoch.verdicts:
                pay = ep.pay_of(state.jobs[verdict.job].terms, verdict.label, verdict.cores)
                found.append((verdict.task, verdict.label, pay))
        return sorted(found)

    def _digest(self, verdicts: list[tuple[int, int, int]]) -> str:
        answers = self.recording.answers
        lines = [f"{answers.tasks[task]}\t{answers.classes[label]}\t{pay}\n" for task, label, pay in verdicts]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def _gas(self, answers: int) -> dict[str, Any]:
        kinds: dict[str, int] = {}
        count = 0
        for signer in self._signers.values():
            for sent in self._oracle.database.sent(signer.address):
                if sent.outcome:
                    kinds[sent.kind] = kinds.get(sent.kind, 0) + sent.outcome.gas
                    count += 1
        work = sum(kinds.get(kind, 0) for kind in ("fund", "open", "close", "post", "finalise", "claim", "refund"))
        return {"transactions": count, "gas": {**kinds, "per_answer": round(work / answers, 1)}}


def play(
    home: Home,
    options: Options,
    note: Callable[[str], None] = lambda _: None,
    between: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Plays a recorded crowd in a fresh home. Raises BadInput before anything is started."""
    if home.path.exists() and any(home.path.iterdir()):
        raise BadInput(f"{home.path} is in use: choose a fresh folder, or leave --home out")
    return Demo(home, options, load(options.labels, options.gold), note, between).run()
