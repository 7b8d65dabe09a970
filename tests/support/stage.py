"""A world of tests.support.epochs on a real Anvil: its events are the contracts', and its members sign whatever they are given.

Everybody is dishonest at will: `put` posts any epoch, signed with the keys of all members. The chain's clock begins long ago, so
that what is signed there never grows old.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters import anvil
from oracle.adapters.chain import RpcChain, read_deployment
from oracle.adapters.compiler import artefacts
from oracle.adapters.contracts import Calls, Interfaces, decode_post
from oracle.adapters.deployer import plan_deployment
from oracle.adapters.referee import RefereeCalls
from oracle.adapters.signer import KeySigner
from oracle.ports import Call, Posted, Registration
from oracle.protocol import epoch as ep
from oracle.protocol import events as ev
from oracle.protocol import leaves, refutations, trees
from oracle.protocol import ledger as lg
from oracle.protocol import state as st
from oracle.protocol.deployment import Deployment
from oracle.protocol.epoch import Epoch, Packed
from oracle.protocol.errors import Refused
from oracle.protocol.evidence import ReceiptFields
from oracle.protocol.heads import Debit, pack_debits
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import check_manifest, make_job
from oracle.protocol.messages import Answer, Header, Receipt, Register, digest
from oracle.protocol.refutations import Case
from tests.support.epochs import EXPIRY, UNIT, World, manifest_document, person, wallet_of, with_verdict

GENESIS, CHAIN_ID, WINDOW = 1_700_000_000, 31337, 3_000
COIN = 10**18
INTERFACES = Interfaces({name: artefact.abi for name, artefact in artefacts().items()})


def signer(name: str) -> KeySigner:
    return KeySigner(person(name).secret)


def begin(folder: Path) -> anvil.LocalChain:
    """An Anvil whose first block is old."""
    folder.mkdir(parents=True)
    anvil._save(folder, {"chain_id": CHAIN_ID, "genesis": GENESIS, "port": 0})
    return anvil.start(folder)


@dataclass(slots=True)
class Stage(World):
    """The deployer is requester of every job and pays for everything that nobody else wants to."""

    url: str = ""
    chain: RpcChain = field(init=False)
    calls: Calls = field(init=False)
    sender: KeySigner = field(init=False)
    members: list[KeySigner] = field(init=False)

    def __post_init__(self) -> None:
        self.chain = RpcChain(self.url, INTERFACES, CHAIN_ID)
        self.sender = KeySigner(anvil.dev_key(0))
        self.members = sorted((signer(f"member {i}") for i in range(4)), key=lambda m: m.address)
        keys = {member.address: member.seal_key for member in self.members}
        treasury = wallet_of("treasury")
        self.keys[treasury] = person("treasury")
        plan = plan_deployment(
            artefacts(), self.sender.address, self.chain.nonce(self.sender.address), keys, 3, WINDOW, treasury
        )
        for call in plan.calls:
            self.send(call)
        self.deployment: Deployment = read_deployment(self.chain, plan.market)
        self.calls = Calls(INTERFACES, self.deployment)
        self.send(self.calls.approve(self.deployment.token, self.deployment.market, 1 << 255))
        self.sync()

    # ------------------------------------------------------------------------------------------------------- the chain

    def send(self, call: Call, by: KeySigner | None = None) -> int:
        """Mined when it returns; the gas that it took. Raises Refused when the contract refuses."""
        by = by or self.sender
        fee, tip = self.chain.fees()
        fields = {
            "type": 2,
            "chainId": CHAIN_ID,
            "nonce": self.chain.nonce(by.address),
            "to": call.to,
            "data": call.data,
            "value": call.value,
            "gas": call.gas or self.chain.estimate(by.address, call) * 5 // 4,
            "maxFeePerGas": 2 * fee,
            "maxPriorityFeePerGas": tip,
        }
        raw, sent = by.sign_transaction(fields)
        self.chain.send(raw)
        outcome = None
        for _ in range(500):  # Anvil shows what it mined a moment later
            outcome = outcome or self.chain.outcome(sent)
            time.sleep(0 if outcome else 0.005)
        assert outcome
        if not outcome.succeeded:
            raise Refused("reverted", call.what)
        return outcome.gas

    def encode(self, contract: str, function: str, *args: Any) -> bytes:
        return INTERFACES.encode(contract, function, *args)

    def view(self, contract: str, place: bytes, function: str, *args: Any) -> Any:
        return INTERFACES.output(contract, function, self.chain.call(place, self.encode(contract, function, *args)))

    def sync(self) -> None:
        logs = self.chain.logs(self.deployment, 0, self.chain.latest().number)
        self.state = st.fold(self.deployment.digest(), logs)

    def warp(self, seconds: int) -> None:
        anvil.warp(self.url, seconds)

    @property
    def now(self) -> int:
        return self.chain.latest().timestamp

    def snapshot(self) -> str:
        taken: str = self.chain.rpc.call("evm_snapshot")
        return taken

    def restore(self, taken: str) -> None:
        assert self.chain.rpc.call("evm_revert", taken)
        self.sync()

    @property
    def referee(self) -> RefereeCalls:
        return RefereeCalls(self.chain, self.deployment)

    # ------------------------------------------------------------------------------------------------------ the people

    def happen(self, event: ev.Event) -> None:
        raise NotImplementedError("the contracts say what happens")

    def register(self, name: str) -> int:
        worker, wallet = len(self.state.workers), wallet_of(name)
        self.keys[wallet] = person(name)
        asked = Register(wallet, wallet, 0, EXPIRY)
        signature = signer(name).sign(digest(self.deployment.workers_domain(), asked))
        self.send(self.calls.register_many([Registration(wallet, wallet, EXPIRY, signature)]))
        self.sync()
        return worker

    def open_job(self, tasks: int = 3, **changes: Any) -> int:
        job = len(self.state.jobs) + 1
        named = [Task(i, f"job {job} task {i}", {"text": f"animal {i}"}) for i in range(tasks)]
        terms, blocks = make_job(check_manifest(manifest_document(**changes)), named, UNIT)
        self.store(blocks)
        self.send(self.calls.open_job(terms, EXPIRY))
        self.sync()
        return job

    # ------------------------------------------------------------------------------------------------------ the epochs

    def put(self, epoch: Epoch, header: Header | None = None, debits: Sequence[Debit] | None = None) -> Packed:
        """Posts an epoch, signed by every member; `header`, `debits`: others than its own."""
        packed = self.pack(epoch)
        posted = header or packed.header
        message = digest(self.deployment.domain(), posted)
        signatures = [member.sign(message) for member in self.members]
        self.send(self.calls.post_epoch(posted, epoch.debits if debits is None else debits, signatures))
        self.sync()
        return Packed(posted, packed.blocks)

    def finalise(self, header: Header) -> None:
        self.warp(WINDOW)
        pending = self.state.pending()
        assert pending
        self.send(self.calls.finalise_epoch(header, pending.signers))
        self.sync()

    def post(self, epoch: Epoch, struck: bool = False) -> Packed:
        """Posts an epoch and makes it final; or posts it with a wrong label and strikes it."""
        if struck:
            epoch = with_verdict(epoch, 0, label=(epoch.verdicts[0].label + 1) % 3)
        packed = self.put(epoch)
        if struck:
            self.strike(epoch)
            self.top_up()
        else:
            self.finalise(packed.header)
            lg.apply(self.ledger, epoch)
        self.posted.append((epoch, struck))
        return packed

    def strike(self, epoch: Epoch, by: KeySigner | None = None) -> int:
        """By its first provable fault; the gas that it took."""
        refutation = next(iter(refutations.refutations(self.case(epoch))))
        call = self.referee.refute(self.accused(), refutation, (by or self.sender).address)
        gas = self.send(call, by)
        self.sync()
        return gas

    def top_up(self) -> None:
        """Each member gets back to its unit."""
        place = self.deployment.committee.address
        unit = self.view("Committee", place, "unit")
        for member in self.members:
            if self.view("Committee", place, "stakeOf", member.address) < unit:
                self.send(Call("top up", place, self.encode("Committee", "stake", member.address), value=unit))

    def receipt(self, answers: Sequence[Answer], index: int) -> ReceiptFields:
        """All members' word for a batch, and where one of its answers stands."""
        domain = self.deployment.domain()
        levels = trees.build([leaves.receipt_leaf(digest(domain, answer)) for answer in answers])
        message = digest(domain, Receipt(trees.top(levels), len(answers)))
        signatures = b"".join(member.sign(message) for member in self.members)
        return ReceiptFields(trees.top(levels), len(answers), index, tuple(trees.proof(levels, index)), signatures)

    def accused(self, number: int | None = None) -> Posted:
        """The newest epoch, as the Referee takes it."""
        post = self.state.posts[number or self.state.last_epoch]
        header, debits, signatures = self.decode(self.chain.calldata(post.transaction))
        return Posted(header, post.signers, pack_debits(debits), signatures, self.deployment.committee)

    def decode(self, data: bytes) -> tuple[Header, list[Debit], bytes]:
        return decode_post(INTERFACES, data)

    def case(self, epoch: Epoch) -> Case:
        """The newest epoch, with this data."""

        def header_of(number: int) -> Header:
            return self.accused(number).header

        def data_of(number: int) -> Epoch:
            found, faults = ep.load(self.source(), number, self.state.posts[number].content)
            assert found, faults
            return found

        header = self.accused().header
        return Case(header, epoch, self.state, self.ledger, self.deployment.domain(), header_of, data_of)


# ------------------------------------------------------------------------------------------------------- fixtures


@pytest.fixture(scope="session")
def anvil_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("stage") / "chain"
    try:
        yield begin(folder).url
    finally:
        anvil.stop(folder)


@pytest.fixture(scope="session")
def stages(anvil_url: str) -> Iterator[Callable[[], Stage]]:
    """Fresh deployments on one chain."""
    opened: list[Stage] = []

    def another() -> Stage:
        opened.append(Stage(url=anvil_url))
        return opened[-1]

    yield another
    for stage in opened:
        stage.chain.close()
