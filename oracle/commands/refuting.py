"""`crowdproof refute` and `watch`: what anybody can do about a wrong epoch, from an endpoint and a copy of the data alone.

A refuter needs a key with coin for gas, and for the bond where data is missing; --collect takes its share of the stakes.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.adapters.chain import RpcChain
from oracle.adapters.contracts import Interfaces, decode_post
from oracle.adapters.deployer import read_deployment_file
from oracle.adapters.referee import RefereeCalls
from oracle.bootstrap import open_database
from oracle.commands.auditing import content_of, endpoint, reached
from oracle.config import Home
from oracle.ports import Signer, StoredReceipt
from oracle.protocol import leaves, trees
from oracle.protocol.errors import BadInput, CrowdproofError
from oracle.protocol.messages import Answer
from oracle.protocol.state import State, fold
from oracle.services import outbox
from oracle.services import refute as refuting
from oracle.services.refute import Finding, Purse, Refuter

ACTS = ("struck", "would strike", "demanded", "would demand", "waits")
ROUND_S = 2.0  # between two looks of `watch`
Receipts = list[tuple[dict[str, Any], StoredReceipt]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look: a home, or anything from outside."""

    home: Path | None = None
    rpc: str | None = None
    store: str | None = None
    deployment: Path | None = None


def refute(
    place: Place, signer: Signer | None, number: int | None, receipts: list[Path], dry: bool, collect: bool
) -> dict[str, Any]:
    """Looks at an epoch [the pending one] and does what there is to do; `struck` says whether the epoch fell by it."""
    held = [one for file in receipts for one in read_receipts(file)]
    with opened(place, signer) as refuter:
        state, now = state_of(refuter)
        collected = refuting.collect(refuter) if collect else 0
        pending = state.pending()
        post = state.posts.get(number) if number is not None else pending
        if post is None and number is not None:
            raise BadInput(f"--epoch {number}: there are epochs 1 to {state.last_epoch}")
        if post is None:
            return _document(Finding(0, what="no epoch is pending"), collected)
        found = refuting.refute(refuter, state, now, post, answers_of(state, held), dry)
        return _document(found, collected)


def watch(place: Place, signer: Signer, say: Any, rounds: int | None = None) -> None:
    """The same for every new epoch until it is stopped, and the answer to every demand that the store can answer."""
    said = ""
    with opened(place, signer) as refuter:
        while rounds is None or rounds > 0:
            try:
                what, facts = step(refuter)
            except BadInput:
                raise
            except CrowdproofError as problem:
                what, facts = "trouble", {"what": str(problem)}
            if (line := json.dumps([what, facts])) != said:
                say(what, facts)
                said = line
            rounds = None if rounds is None else rounds - 1
            time.sleep(ROUND_S)


def step(refuter: Refuter) -> tuple[str, dict[str, Any]]:
    """One look at the pending epoch: (what was done, facts)."""
    if refuter.purse:
        outbox.reconcile(refuter.purse.database, refuter.chain, refuter.purse.signer)
    state, now = state_of(refuter)
    if shown := refuting.reply(refuter, state, now):
        return "replied", {"what": "; ".join(shown)}
    post = state.pending()
    if post is None:
        return "waits", {"what": "new epochs"}
    finding = refuting.refute(refuter, state, now, post)
    return finding.did if not finding.stands else "stands", _document(finding, 0)


def text(document: dict[str, Any]) -> str:
    lines = [f"  {document['did']}: {document['what']}"]
    lines += [f"  - {f['kind']}: {f['tree']}, index {f['index']}: {f['what']}" for f in document["faults"]]
    if document["transaction"]:
        lines.append(f"  transaction {document['transaction']}, {document['gas']} gas")
    if document["collected"]:
        lines.append(f"  collected {document['collected']} wei")
    return "\n".join(lines)


def read_receipts(file: Path) -> Receipts:
    """A JSON document {answers: [as they were sent], receipt: as it came}, or a file of such lines."""
    try:
        content = file.read_text("utf-8")
        try:
            documents = [json.loads(content)]
        except ValueError:
            documents = [json.loads(line) for line in content.splitlines() if line]
        return [one for document in documents for one in _pairs(document)]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise BadInput(f"{file}: no receipt of this form: {problem}") from None


def _pairs(document: dict[str, Any]) -> Receipts:
    receipt = document["receipt"]
    digests, signatures = (tuple(map(_hex, receipt[name])) for name in ("answers", "signatures"))
    root = trees.root([leaves.receipt_leaf(digest) for digest in digests])
    if root != _hex(receipt["root"]):
        raise ValueError("its answers do not give its root")
    return [(answer, StoredReceipt(root, digests, signatures)) for answer in document["answers"]]


def answers_of(state: State, held: Receipts) -> list[tuple[Answer, StoredReceipt]]:
    found = []
    for fields, receipt in held:
        job, task, worker = (int(fields[name]) for name in ("job", "task", "worker"))
        if job not in state.jobs:
            raise BadInput(f"the receipt is about job {job}, which was never opened")
        bound = (_hex(fields["commitment"]), _hex(fields.get("sealHash") or fields["seal_hash"]))
        found.append((Answer(job, state.jobs[job].terms.hash(), task, worker, *bound), receipt))
    return found


def _hex(value: str) -> bytes:
    return bytes.fromhex(value.removeprefix("0x"))


def _document(finding: Finding, collected: int) -> dict[str, Any]:
    faults = [
        {"kind": f.kind.name if f.kind is not None else None, "tree": f.tree, "index": f.index, "what": f.what}
        for f in finding.faults
    ]
    return {
        "ok": collected > 0 or finding.did in ACTS,
        "epoch": finding.epoch,
        "stands": finding.stands,
        "faults": faults,
        "missing": [{"tree": tree, "index": index} for tree, index in finding.missing[:20]],
        "struck": finding.did == "struck",
        "did": finding.did,
        "what": finding.what,
        "transaction": finding.transaction,
        "gas": finding.gas,
        "collected": collected,
    }


def state_of(refuter: Refuter) -> tuple[State, int]:
    """The chain as it is now, and its time."""
    head = refuter.chain.latest()
    deployment = refuter.deployment
    return fold(deployment.digest(), refuter.chain.logs(deployment, deployment.block, head.number)), head.timestamp


@contextmanager
def opened(place: Place, signer: Signer | None, what: str = "refutation") -> Iterator[Refuter]:
    """Everything that whoever holds no office works with; `what` could not be made where the endpoint cannot be reached."""
    home = Home.at(place.home)
    if (place.rpc is None) != (place.store is None):
        raise BadInput("--rpc and --store go together: an endpoint and a copy of the content")
    deployment, abis = read_deployment_file(place.deployment or home.deployment)
    interfaces = Interfaces(abis)
    with ExitStack() as stack:
        stack.enter_context(reached(what))
        url = stack.enter_context(endpoint(home, place.rpc))
        chain = stack.enter_context(closing(RpcChain(url, interfaces, deployment.chain_id)))
        chain.latest()
        purse = None
        if signer:
            home.create()
            purse = Purse(stack.enter_context(closing(open_database(home))), signer)
            outbox.reconcile(purse.database, chain, signer)
        referee = RefereeCalls(chain, deployment)
        content = content_of(home, place.store)
        yield Refuter(deployment, chain, referee, content, lambda data: decode_post(interfaces, data), purse)
