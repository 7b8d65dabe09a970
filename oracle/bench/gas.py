"""`crowdproof bench gas`: what each transaction of the protocol costs, whole, on a local chain, as the adapters send it.

A fresh deployment with the DemoToken (plain OpenZeppelin), four members, a quorum of three. Epochs are built here from balances and
debits alone: what was decided costs the chain nothing. All figures are in the steady state (slots, wallets and jobs that were used
before) unless the name says otherwise; those of claims are for one worker of the batch.
"""

import random
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from oracle.adapters import anvil
from oracle.adapters.chain import RpcChain, read_deployment
from oracle.adapters.compiler import artefacts
from oracle.adapters.contracts import Calls, Interfaces
from oracle.adapters.database import memory_database
from oracle.adapters.deployer import plan_deployment
from oracle.adapters.signer import KeySigner
from oracle.ports import Call, Permit
from oracle.protocol import heads, messages, trees
from oracle.protocol.hashing import keccak, words
from oracle.protocol.heads import Debit
from oracle.protocol.leaves import Balance
from oracle.protocol.terms import Terms
from oracle.services import outbox

WINDOW = 3_600
LIFE = 86_400 * 300
RICH = 10**12  # of the token's smallest units
PEOPLE = 4_096
BATCH = 50
JOB_WORKERS, JOBS, JOB_ANSWERS = 100, 30, 1_000  # of S1 and S4
TERMS = Terms(4, 1_000, 1, 10_000, 2_500, 250, 6 << 16, 1 << 16, keccak(b"tasks"), keccak(b"manifest"))
_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_PERMIT = keccak(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")


class Town:
    """A deployment, its committee, a requester, and workers who have earned something; each action gives the gas it used."""

    def __init__(self, local: anvil.LocalChain) -> None:
        interfaces = Interfaces({name: artefact.abi for name, artefact in artefacts().items()})
        self.url = local.url
        self.chain = RpcChain(local.url, interfaces, local.chain_id)
        self.database = memory_database()
        self.deployer, *rest = (KeySigner(anvil.dev_key(i)) for i in range(7))
        self.members = sorted(rest[:4], key=lambda member: member.address)
        self.requester, self.newcomer = rest[4:]
        seal_keys = {member.address: member.seal_key for member in self.members}
        plan = plan_deployment(artefacts(), self.deployer.address, 0, seal_keys, 3, WINDOW, self.deployer.address)
        for call in plan.calls:
            self.send(self.deployer, call)
        self.deployment = read_deployment(self.chain, plan.market)
        self.calls = Calls(interfaces, self.deployment)
        self.head, self.epoch, self.total = self.deployment.digest(), 0, 0
        self.jobs = 0
        self.balances = [Balance(i, keccak(b"wallet %d" % i)[:20], 0, b"") for i in range(PEOPLE)]
        self.signers = 0
        for requester in (self.requester, self.newcomer):
            self.give(requester.address, RICH)
        allowed = self.calls.approve(self.deployment.token, self.deployment.market, RICH)
        self.send(self.requester, allowed)

    def send(self, signer: KeySigner, call: Call) -> int:
        return outbox.run(self.database, self.chain, signer, call, "bench").gas

    def give(self, wallet: bytes, amount: int) -> None:
        self.send(self.deployer, self.calls.transfer(self.deployment.token, wallet, amount))

    def open(self, permitted: bool = False) -> int:
        self.jobs += 1
        deadline = self.now() + LIFE + self.jobs  # no two calls share their words
        signer, permit = (self.newcomer, self.permit(deadline)) if permitted else (self.requester, None)
        return self.send(signer, self.calls.open_job(TERMS, deadline, permit))

    def permit(self, deadline: int) -> Permit:
        d = self.deployment
        domain = keccak(words(_DOMAIN, keccak(b"Crowdproof Demo Dollar"), keccak(b"1"), d.chain_id, d.token))
        value = TERMS.escrow() * d.unit
        message = keccak(words(_PERMIT, self.newcomer.address, d.market, value, 0, deadline))
        return Permit(deadline, self.newcomer.sign(keccak(b"\x19\x01" + domain + message)))

    def now(self) -> int:
        return self.chain.latest().timestamp

    def earn(self, workers: Sequence[int], each: int) -> None:
        """What the next epoch will have earned them; account 0 gets the fee."""
        for worker in workers:
            given = self.balances[worker]
            verdicts = bytes(4) + each.to_bytes(8, "big")
            self.balances[worker] = Balance(worker, given.wallet, given.cumulative + each, verdicts)

    def post(self, jobs: Sequence[int], pay: int, size: int = PEOPLE) -> tuple[int, messages.Header]:
        """An epoch that debits each of the jobs `pay` units and a fee; the first `size` balances are its tree."""
        debits = [Debit(job, pay, at) for at, job in enumerate(jobs)]
        self.epoch += 1
        self.total += sum(debit.pay + TERMS.fee(debit.pay) for debit in debits)
        header = messages.Header(
            epoch=self.epoch,
            previous=self.head,
            valid_until=self.now() + WINDOW,
            configuration=self.deployment.configuration(),
            balances=trees.root(self.leaves(size)),
            balances_size=size,
            weights=keccak(b"weights %d" % self.epoch),
            weights_size=1_000,
            verdicts=keccak(b"verdicts %d" % self.epoch),
            verdicts_size=1_000,
            assignments=keccak(b"assignments %d" % self.epoch),
            assignments_size=1_000,
            debits=heads.debits_hash(debits),
            total=self.total,
            content=keccak(b"content %d" % self.epoch),
            model=keccak(b"model"),
        )
        digest = messages.digest(self.deployment.domain(), header)
        quorum = self.members[: self.deployment.committee.quorum]
        gas = self.send(
            self.deployer, self.calls.post_epoch(header, debits, [member.sign(digest) for member in quorum])
        )
        self.signers = (1 << len(quorum)) - 1
        self.head = heads.posted(self.head, digest, self.signers)
        return gas, header

    def leaves(self, size: int) -> list[bytes]:
        return [balance.leaf() for balance in self.balances[:size]]

    def finalise(self, header: messages.Header) -> int:
        anvil.warp(self.url, WINDOW)
        return self.send(self.deployer, self.calls.finalise_epoch(header, self.signers))

    def settled(self, workers: Sequence[int], size: int) -> None:
        """One more unit for each of them, final."""
        self.earn(workers, 1)
        self.finalise(self.post([1], len(workers), size)[1])

    def claim(self, workers: Sequence[int], size: int) -> int:
        levels = trees.build(self.leaves(size))
        proof = trees.multiproof(levels, workers)
        balances = [self.balances[worker] for worker in workers]
        if len(workers) == 1:
            return self.send(self.deployer, self.calls.claim(balances[0], proof))
        return self.send(self.deployer, self.calls.claim_many(balances, proof))


def gas() -> dict[str, int]:
    """The figures by name. A refutation's (`refute_r1_10x2`) belongs in MEASURES too, once a Referee can be deployed here."""
    found: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="crowdproof-bench-") as folder:
        local = anvil.start(Path(folder))
        try:
            town = Town(local)
            with closing(town.chain):
                for measure in MEASURES:
                    found |= measure(town)
        finally:
            anvil.stop(Path(folder))
    return found


def _jobs(town: Town) -> dict[str, int]:
    """Of a requester with an allowance, and of one who never gave any, nor ever signed a permit."""
    town.open()
    return {"open": town.open(), "open_with_permit": town.open(permitted=True)}


def _epochs(town: Town) -> dict[str, int]:
    while town.jobs < 12:
        town.open()
    _, header = town.post([1], 0)
    town.finalise(header)
    one, header = town.post([1], 10)
    finalised = town.finalise(header)
    many, header = town.post(range(1, 12), 10)
    town.finalise(header)
    return {"post_3_signatures": one, "post_extra_job": (many - one) // 10, "finalise": finalised}


def _batches(town: Town) -> dict[str, int]:
    """50 neighbours of 128: `existing` hold the token, but never claimed; `new` have neither; `steady` have both."""
    existing, new = range(12, 12 + BATCH), range(64, 64 + BATCH)
    for worker in existing:
        town.give(town.balances[worker].wallet, 1)
    town.settled([*existing, *new], 128)
    found = {"existing": town.claim(existing, 128), "new": town.claim(new, 128)}
    town.settled(new, 128)
    found["steady"] = town.claim(new, 128)
    return {f"claim_many_50_{name}": found[name] // BATCH for name in ("steady", "existing", "new")}


def _strangers(town: Town) -> dict[str, int]:
    some = sorted(random.Random(1).sample(range(1, PEOPLE), BATCH))
    for _ in range(2):
        town.settled(some, PEOPLE)
        used = town.claim(some, PEOPLE)
    return {"claim_many_50_random_4096": used // BATCH}


def _single(town: Town) -> dict[str, int]:
    for _ in range(2):
        town.settled([300], 1_024)
        used = town.claim([300], 1_024)
    return {"claim_single_1024": used}


def _whole_jobs(town: Town) -> dict[str, int]:
    """S1: a job of 100 workers with an answer each. S4: 30 jobs of 1,000 answers, an epoch each, by 100 workers who claim once.

    An answer costs its share of opening, posting, finalising and claiming; the workers have claimed before.
    """
    people, size = range(1, 1 + JOB_WORKERS), 128
    town.settled(people, size)
    town.claim(people, size)
    one = _job(town, people, 1, size) + town.claim(people, size)
    many = sum(_job(town, people, JOB_ANSWERS // JOB_WORKERS, size) for _ in range(JOBS))
    many += town.claim(people, size)
    return {"S1": one // JOB_WORKERS, "S4": many // (JOBS * JOB_ANSWERS)}


def _job(town: Town, people: Sequence[int], answers: int, size: int) -> int:
    """A job in which each worker gives so many answers, opened and settled."""
    opened, pay = town.open(), answers * TERMS.base
    town.earn(people, pay)
    posted, header = town.post([town.jobs], pay * len(people), size)
    return opened + posted + town.finalise(header)


MEASURES: list[Callable[[Town], dict[str, int]]] = [_jobs, _epochs, _batches, _strangers, _single, _whole_jobs]


def text(document: dict[str, int]) -> str:
    """The document for people."""
    return "\n".join(f"{name:<27}{used:>9,}" for name, used in document.items())
