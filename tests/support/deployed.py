"""Our contracts on a real Anvil, for tests of what the chain does: a sender without an outbox, wishes, and small epochs.

An epoch here is its header alone: balances and a debit, signed by a quorum. What it decided is of no interest to the chain.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from oracle.adapters import anvil
from oracle.adapters.chain import RpcChain, read_deployment
from oracle.adapters.compiler import artefacts
from oracle.adapters.contracts import Calls, Interfaces
from oracle.adapters.deployer import plan_deployment
from oracle.adapters.signer import KeySigner
from oracle.ports import Call, Registration
from oracle.protocol import events as ev
from oracle.protocol import state, trees
from oracle.protocol.deployment import Deployment
from oracle.protocol.hashing import ZERO, keccak
from oracle.protocol.heads import Debit, debits_hash
from oracle.protocol.leaves import Balance
from oracle.protocol.messages import Header, Register, digest
from oracle.protocol.state import State

INTERFACES = Interfaces({name: artefact.abi for name, artefact in artefacts().items()})
WINDOW = 60


def a_header(previous: bytes, configuration: bytes, until: int, **changes: Any) -> Header:
    empty = Header(1, previous, until, configuration, b"\1" * 32, 1, ZERO, 0, ZERO, 0, ZERO, 0, ZERO, 0, ZERO, ZERO)
    return replace(empty, **changes)


def wallet(i: int) -> KeySigner:
    return KeySigner(keccak(b"wallet %d" % i))


def registration(deployment: Deployment, i: int, until: int) -> Registration:
    """The wish of wallet `i`, whose answer key is itself."""
    signer = wallet(i)
    asked = Register(signer.address, signer.address, 0, until)
    return Registration(signer.address, signer.address, until, signer.sign(digest(deployment.workers_domain(), asked)))


@dataclass(frozen=True, slots=True)
class SmallEpoch:
    """What is needed to post an epoch, to finalise it and to claim from it."""

    header: Header
    debits: list[Debit]
    signatures: list[bytes]
    balances: list[Balance]

    def due(self) -> list[Balance]:
        """Of all workers that ever earned something."""
        return [balance for balance in self.balances if balance.cumulative]

    def proof(self, balances: Sequence[Balance]) -> list[bytes]:
        """Of those together."""
        return trees.multiproof(trees.build([b.leaf() for b in self.balances]), [b.worker for b in balances])


class Deployed:
    """Deployed by the first of Anvil's accounts; the next four are the committee."""

    def __init__(self, local: anvil.LocalChain) -> None:
        self.url = local.url
        self.chain = RpcChain(local.url, INTERFACES, local.chain_id)
        self.sender = KeySigner(anvil.dev_key(0))
        self.members = sorted((KeySigner(anvil.dev_key(i)) for i in range(1, 5)), key=lambda m: m.address)
        keys = {member.address: member.seal_key for member in self.members}
        nonce = self.chain.nonce(self.sender.address)
        plan = plan_deployment(artefacts(), self.sender.address, nonce, keys, 3, WINDOW, self.sender.address)
        for call in plan.calls:
            self.send(call)
        self.deployment = read_deployment(self.chain, plan.market)
        self.calls = Calls(INTERFACES, self.deployment)

    def send(self, call: Call) -> bytes:
        raw, sent = self.sign(self.sender, call)
        self.chain.send(raw)
        self.chain.send(raw)  # again: the node knows it, or has mined it
        outcome = None
        for _ in range(500):
            outcome = outcome or self.chain.outcome(sent)
            time.sleep(0 if outcome else 0.01)
        assert outcome
        assert outcome.succeeded
        return sent

    def sign(self, signer: KeySigner, call: Call, nonce: int | None = None) -> tuple[bytes, bytes]:
        """The call as a transaction, and its hash; the nonce is the chain's unless it is given."""
        fee, tip = self.chain.fees()
        fields = {
            "type": 2,
            "chainId": self.chain.chain_id(),
            "nonce": self.chain.nonce(signer.address) if nonce is None else nonce,
            "to": call.to,
            "data": call.data,
            "value": call.value,
            "gas": call.gas or 2_000 + self.chain.estimate(signer.address, call),
        }
        return signer.sign_transaction(fields | {"maxFeePerGas": 2 * fee, "maxPriorityFeePerGas": tip})

    def logs(self) -> list[ev.Log]:
        return self.chain.logs(self.deployment, 0, self.chain.latest().number)

    def state(self) -> State:
        """From genesis, without an index."""
        return state.fold(self.deployment.digest(), self.logs())

    def wish(self, i: int) -> Registration:
        return registration(self.deployment, i, self.chain.latest().timestamp + 100_000)

    def epoch(self, now: State, job: int, pay: int, cumulative: Sequence[int]) -> SmallEpoch:
        """The next epoch: debits `pay` to the job; `cumulative` are the balances of workers 0.. after it."""
        d, fee = self.deployment, now.jobs[job].terms.fee(pay)
        balances = [Balance(i, now.workers[i].wallet, amount, b"") for i, amount in enumerate(cumulative)]
        debits = [Debit(job, pay, 0)]
        header = a_header(
            now.head,
            d.configuration(),
            self.chain.latest().timestamp + 100_000,
            epoch=now.last_epoch + 1,
            balances=trees.top(trees.build([balance.leaf() for balance in balances])),
            balances_size=len(balances),
            debits=debits_hash(debits),
            total=now.final_total + pay + fee,
        )
        signatures = [member.sign(digest(d.domain(), header)) for member in self.members[: d.committee.quorum]]
        return SmallEpoch(header, debits, signatures, balances)
