"""A town for the benchmark of gas: a fresh deployment on Anvil, its committee, requesters and workers, acting through the adapters.

The DemoToken (plain OpenZeppelin), four members, a quorum of three. Epochs are built from balances and debits alone, unless their
trees are given: what was decided costs the chain nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from oracle.adapters import anvil
from oracle.adapters.chain import RpcChain, read_deployment
from oracle.adapters.compiler import artefacts
from oracle.adapters.contracts import Calls, Interfaces
from oracle.adapters.database import memory_database
from oracle.adapters.deployer import DEMO_STAKE, GWEI, plan_deployment
from oracle.adapters.referee import RefereeCalls
from oracle.adapters.signer import KeySigner
from oracle.ports import Call, Permit, Posted
from oracle.protocol import heads, messages, trees
from oracle.protocol.epoch import TREES
from oracle.protocol.errors import Fatal
from oracle.protocol.hashing import keccak
from oracle.protocol.heads import Debit
from oracle.protocol.leaves import Balance
from oracle.protocol.refutations import Refutation
from oracle.protocol.terms import Terms
from oracle.services import outbox

WINDOW = 3_600
LIFE = 86_400 * 300
RICH = 10**12  # of the token's smallest units
PEOPLE = 4_096
TERMS = Terms(4, 1_000, 1, 10_000, 2_500, 250, 6 << 16, 1 << 16, keccak(b"tasks"), keccak(b"manifest"))


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
        self.interfaces, self.calls = interfaces, Calls(interfaces, self.deployment)
        self.head, self.epoch, self.total = self.deployment.digest(), 0, 0
        self.jobs = 0
        self.balances = [Balance(i, keccak(b"wallet %d" % i)[:20], 0, b"") for i in range(PEOPLE)]
        self.signers = 0
        for requester in (self.requester, self.newcomer):
            self.give(requester.address, RICH)
        allowed = self.calls.approve(self.deployment.token, self.deployment.market, RICH)
        self.send(self.requester, allowed)

    def send(self, signer: KeySigner, call: Call) -> int:
        outcome = outbox.run(self.database, self.chain, signer, call, "bench")
        self.block = outcome.block
        return outcome.gas

    def fresh_slots(self) -> int:
        """How many slots the last transaction filled that were zero before it: the only one of its block."""
        block = self.chain.rpc.call("eth_getBlockByNumber", hex(self.block), False)
        (transaction,) = block["transactions"]
        told = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
        found = self.chain.rpc.call("debug_traceTransaction", transaction, told)
        before, after = found["pre"], found["post"]
        return sum(
            int(before.get(account, {}).get("storage", {}).get(slot, "0x0"), 16) == 0 and int(value, 16) != 0
            for account, changed in after.items()
            for slot, value in changed.get("storage", {}).items()
        )

    def give(self, wallet: bytes, amount: int) -> None:
        self.send(self.deployer, self.calls.transfer(self.deployment.token, wallet, amount))

    def open(self, permitted: bool = False) -> int:
        self.jobs += 1
        deadline = self.now() + LIFE + self.jobs  # no two calls share their words
        signer, permit = (self.newcomer, self.permit(deadline)) if permitted else (self.requester, None)
        return self.send(signer, self.calls.open_job(TERMS, deadline, permit))

    def permit(self, deadline: int) -> Permit:
        d, owner = self.deployment, self.newcomer
        digest = self.chain.permit_digest(d.token, owner.address, d.market, TERMS.escrow() * d.unit, deadline)
        if digest is None:
            raise Fatal("the DemoToken takes permits")
        return Permit(deadline, owner.sign(digest))

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
        header = self.header(debits, size)
        return self.put(header, debits), header

    def header(
        self, debits: Sequence[Debit], size: int, others: Mapping[str, tuple[bytes, int]] | None = None
    ) -> messages.Header:
        """Of the next epoch. `others`: root and size of trees by name, where they matter."""
        roots = {tree: (keccak(b"%s %d" % (tree.encode(), self.epoch)), 1_000) for tree in TREES}
        roots |= {"balances": (trees.root(self.leaves(size)), size)} | dict(others or {})
        sealed: dict[str, Any] = {tree: root for tree, (root, _) in roots.items()}
        sealed |= {f"{tree}_size": count for tree, (_, count) in roots.items()}
        return messages.Header(
            epoch=self.epoch + 1,
            previous=self.head,
            valid_until=self.now() + WINDOW,
            configuration=self.deployment.configuration(),
            debits=heads.debits_hash(debits),
            total=self.total + sum(debit.pay + TERMS.fee(debit.pay) for debit in debits),
            content=keccak(b"content %d" % self.epoch),
            model=keccak(b"model"),
            **sealed,
        )

    def put(self, header: messages.Header, debits: Sequence[Debit]) -> int:
        gas = self.send(self.deployer, self.calls.post_epoch(header, debits, self.signatures(header)))
        self.signers = (1 << self.deployment.committee.quorum) - 1
        self.head = heads.posted(self.head, messages.digest(self.deployment.domain(), header), self.signers)
        self.epoch, self.total = header.epoch, header.total
        return gas

    def signatures(self, header: messages.Header) -> list[bytes]:
        """Of a quorum."""
        digest = messages.digest(self.deployment.domain(), header)
        return [member.sign(digest) for member in self.members[: self.deployment.committee.quorum]]

    def strike(self, header: messages.Header, debits: Sequence[Debit], refutation: Refutation) -> int:
        """By the newcomer, to whom the reward goes; the members stake again what they lost."""
        committee = self.deployment.committee
        signatures = b"".join(self.signatures(header))
        posted = Posted(header, self.signers, heads.pack_debits(debits), signatures, committee)
        referee = RefereeCalls(self.chain, self.deployment)
        gas = self.send(self.newcomer, referee.refute(posted, refutation, self.newcomer.address))
        self.head = heads.struck(self.head)
        self.total -= sum(debit.pay + TERMS.fee(debit.pay) for debit in debits)
        for member in self.members[: committee.quorum]:
            data = self.interfaces.encode("Committee", "stake", member.address)
            again = f"stake again after epoch {header.epoch}"
            self.send(member, Call(again, committee.address, data, value=DEMO_STAKE * GWEI))
        return gas

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
