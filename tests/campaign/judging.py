"""What a run must have left behind, read from its chain, its store and what its workers saw; the product's own word is one witness.

home, document, receipts -> faults: `lost` answers (a receipt was seen, no final epoch counts it), `double` and `unpaid` money, and
whatever else is wrong, in words.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle.adapters import anvil
from oracle.adapters.chain import RpcChain
from oracle.adapters.content import FolderStore
from oracle.adapters.contracts import Interfaces
from oracle.adapters.deployer import read_deployment_file
from oracle.bootstrap import load_keystore, open_database
from oracle.config import Home
from oracle.ports import Sent
from oracle.protocol.deployment import Deployment
from oracle.protocol.epoch import Epoch
from oracle.protocol.leaves import Status
from oracle.protocol.messages import Answer, digest
from oracle.protocol.state import EpochStatus, State, fold
from oracle.services.books import Books

SENDERS = ("deployer", "requester", "relayer")


@dataclass(slots=True)
class Judgement:
    lost: int = 0
    double: int = 0
    unpaid: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.lost or self.double or self.unpaid or self.faults)

    def demand(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)


@dataclass(frozen=True, slots=True)
class Seen:
    """The end of a run, from outside."""

    home: Home
    deployment: Deployment
    chain: RpcChain
    state: State
    final: list[Epoch]

    def balance(self, holder: bytes) -> int:
        return self.chain.token_balance(self.deployment.token, holder)


def judge(folder: Path, document: dict[str, Any] | None, expected: str) -> Judgement:
    """Of a run in FOLDER that should have ended with the verdicts `expected`."""
    found = Judgement()
    if document is None:
        found.faults.append("the demo gave no document")
        return found
    _document(found, document, expected)
    with _seen(Home(folder / "home")) as seen:
        _answers(found, seen, _receipts(folder))
        _workers(found, seen)
        _money(found, seen, document)
        _transactions(found, seen)
    return found


def _document(found: Judgement, document: dict[str, Any], expected: str) -> None:
    found.demand(document["verdicts_digest"] == expected, f"other verdicts: {document['verdicts_digest']}")
    found.demand(document["audit"]["ok"], f"the audit fails: {document['audit']['faults'][:3]}")
    money = {name: document[name] for name in ("escrowed", "debited", "paid", "claimable", "refunded")}
    sums = money["escrowed"] == money["debited"] + money["refunded"] and money["debited"] == money["paid"]
    found.demand(sums and not money["claimable"], f"the money does not add up: {money}")


@contextmanager
def _seen(home: Home) -> Iterator[Seen]:
    deployment, abis = read_deployment_file(home.deployment)
    local = anvil.start(home.chain)
    try:
        with closing(RpcChain(local.url, Interfaces(abis), deployment.chain_id)) as chain:
            logs = chain.logs(deployment, deployment.block, chain.latest().number)
            state = fold(deployment.digest(), logs)
            books = Books(FolderStore(home.store))
            posts = [post for post in state.posts.values() if post.status is EpochStatus.FINAL]
            final = [books.epoch(post.epoch, post.content) for post in posts]
            yield Seen(home, deployment, chain, state, final)
    finally:
        anvil.stop(home.chain)


def _receipts(folder: Path) -> set[bytes]:
    """Digests of the answers for which a worker has seen a receipt, from the wrapper and from the workers' own journal."""
    file = folder / "receipts"
    return {bytes.fromhex(line) for line in file.read_text().split()} if file.exists() else set()


def _answers(found: Judgement, seen: Seen, receipts: set[bytes]) -> None:
    counted = set()
    for epoch in seen.final:
        for verdict in epoch.verdicts:
            terms = seen.state.jobs[verdict.job].terms.hash()
            for core, opening in zip(verdict.cores, verdict.openings, strict=True):
                if core.status is Status.COUNTED:
                    bound = opening.commitment, opening.seal_hash
                    answer = Answer(verdict.job, terms, verdict.task, core.worker, *bound)
                    counted.add(digest(seen.deployment.domain(), answer))
    found.lost = len(receipts - counted)
    found.demand(bool(receipts), "no worker saw a receipt")


def _workers(found: Judgement, seen: Seen) -> None:
    """A worker's wallet holds what the last epoch says that it ever earned, to the unit."""
    if not seen.final:
        found.faults.append("no epoch is final")
        return
    for balance in seen.final[-1].balances:
        if balance.worker:
            due, held = balance.cumulative * seen.deployment.unit, seen.balance(balance.wallet)
            found.double += held > due
            found.unpaid += held < due


def _money(found: Judgement, seen: Seen, document: dict[str, Any]) -> None:
    """Nobody else has gained or lost: the requester holds the refund, the Market nothing."""
    requester = _addresses(seen.home)["requester"]
    held = seen.balance(requester)
    found.double += held > document["refunded"]
    found.unpaid += held < document["refunded"]
    found.demand(len(seen.state.jobs) == 1, f"{len(seen.state.jobs)} jobs were opened")
    found.demand(not seen.balance(seen.deployment.market), "money is left in the Market")


def _transactions(found: Judgement, seen: Seen) -> None:
    """The chain holds the outbox's transactions, each once, and no other."""
    senders = _addresses(seen.home)
    sent: list[Sent] = []
    with closing(open_database(seen.home)) as database:
        for name, sender in senders.items():
            mine = database.sent(sender)
            found.demand(seen.chain.nonce(sender) == len(mine), f"{name}'s nonce is not the number of what it sent")
            sent += mine
    hashes = _on_chain(seen.chain)
    found.demand(all(one.outcome and one.outcome.succeeded for one in sent), "a transaction of the outbox failed")
    known = {hash_ for one in sent for hash_ in (one.transaction, *one.replaced)}
    found.demand(len(hashes) == len(sent), f"{len(hashes)} transactions on chain, {len(sent)} in the outbox")
    found.demand(hashes <= known, f"{len(hashes - known)} transactions on chain are not of the outbox")


def _on_chain(chain: RpcChain) -> set[bytes]:
    numbers = range(1, chain.latest().number + 1)
    blocks = chain.rpc.batch([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
    return {bytes.fromhex(hash_[2:]) for block in blocks for hash_ in block["transactions"]}


def _addresses(home: Home) -> dict[str, bytes]:
    password = home.secret("password")
    return {name: load_keystore(home.keys / f"{name}.json", password).address for name in SENDERS}
