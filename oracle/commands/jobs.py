"""`crowdproof job`: a manifest and its tasks, checked and priced before anything is funded; then a funded job."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oracle import publishing
from oracle.adapters.deployer import read_deployment_file
from oracle.bootstrap import Oracle, open_oracle
from oracle.config import Home
from oracle.matching import graph as gr
from oracle.ports import Call, Signer
from oracle.privacy import anonymise
from oracle.privacy.policy import read_policy
from oracle.protocol.errors import BadInput, ChainUnavailable, WrongChain
from oracle.protocol.keys import checksum
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import Manifest, make_job, read_manifest
from oracle.protocol.pages import Block
from oracle.protocol.state import Job
from oracle.protocol.terms import Terms
from oracle.services import outbox, rules
from oracle.services.index import View
from oracle.tasks import Scan, golden, read_file, read_tasks

ONE = Scan([Task(0, "one", None)], [], 1, {})
RING: dict[str, Any] = {"share": 0.35, "delta": 0.01, "error": 0.2}  # answers of a ring; how often one may be mistaken


def check(home: Path | None, manifest: Path, tasks: Path | None, unit: int | None) -> dict[str, Any]:
    """The terms and the exact quote; without `tasks` that of one. `unit`: None takes that of the home's deployment, else 1."""
    if unit is None:
        place = Home.at(home)
        unit = read_deployment_file(place.deployment)[0].unit if place.deployment.exists() else 1
    elif unit < 1:
        raise BadInput(f"--unit {unit}: it is 1 or more")
    asked, given = _manifest(manifest), read_file(tasks) if tasks else ONE
    clean = _clean(home, asked, given.tasks, manifest)
    asked, items, known = golden(asked, clean.tasks, given.gold, str(manifest))
    terms, blocks = _priced(asked, items, unit, manifest)
    size = sum(len(block) for block, _ in blocks)
    found = {**_quote(terms, unit), "blocks": len(blocks), "bytes": size, "replaced": anonymise.totals(clean.changes)}
    found["gold"] = _gold(asked, terms, len(known))
    return {name: value for name, value in found.items() if name != "terms" or not known}  # they follow from the seal


def order(manifest: Path, tasks: Path) -> dict[str, Any]:
    """The task graph: levels, longest chain, slack, and what comes too late if each task takes `taskSeconds` from now on."""
    asked, items = _manifest(manifest), read_tasks(tasks)
    _priced(asked, items, 1, manifest)
    ids, document = [task.id for task in items], asked.document
    graph = gr.task_graph(ids, document["dependencies"], f"{manifest}: dependencies")
    seconds = float(document.get("taskSeconds", 1))
    found, levels = gr.critical(graph, seconds), gr.levels(graph)
    number = {name: t for t, name in enumerate(ids)}
    due = {number[name]: float(moment) for name, moment in document.get("taskDeadlines", [])}
    late = gr.late(graph, seconds, due, time.time(), asked.deadline)
    return {
        "tasks": len(ids),
        "dependencies": sum(map(len, graph.before.values())),
        "levels": 1 + max(levels.values(), default=0),
        "free": len(ids) - sum(bool(before) for before in graph.before.values()),
        "critical_path": [ids[t] for t in found.path],
        "critical_seconds": found.length,
        "slack": {ids[t]: float(found.slack[t]) for t in graph.order},
        "late": [{"task": ids[one.task], "finish": one.finish, "due": one.due} for one in late],
    }


def order_text(d: dict[str, Any]) -> str:
    lines = [
        f"  tasks       {d['tasks']:,}, {d['free']:,} of which can begin; {d['dependencies']:,} pairs in {d['levels']} levels",
        f"  longest     {d['critical_seconds']:,.0f} s: {' -> '.join(d['critical_path'][:12])}",
        *(
            f"  late        {one['task']}: done at {one['finish']:.0f}, due at {one['due']:.0f}"
            for one in d["late"][:20]
        ),
    ]
    return "\n".join(lines)


def create(home: Path | None, manifest: Path, tasks: Path, requester: Signer) -> dict[str, Any]:
    """Stores the job, without personal data, at the oracle and its members, then escrows it with the requester's key."""
    asked, given = _manifest(manifest), read_file(tasks)
    clean = _clean(home, asked, given.tasks, manifest)
    asked, items, known = golden(asked, clean.tasks, given.gold, str(manifest))
    with closing(open_oracle(Home.at(home))) as oracle:
        _priced(asked, items, oracle.deployment.unit, manifest)  # before anybody is asked
        try:
            _check_open(oracle, asked, manifest)
            asked = publishing.seal_gold(oracle, asked, items, known, requester.address)
            asked, items, key = publishing.seal(oracle, asked, items, requester.address)
            terms = publishing.store(oracle, asked, items, str(manifest))
            publishing.keep_key(oracle, terms, requester.address, key)
            job = publishing.fund(oracle, requester, terms, asked.deadline)
        except (ChainUnavailable, WrongChain) as problem:
            raise BadInput(f"{problem}; run this again to go on") from None
        changes = [asdict(change) for change in clean.changes[: anonymise.MOST_SHOWN]]
        replaced = anonymise.totals(clean.changes)
        quoted = {**_quote(terms, oracle.deployment.unit), "gold": _gold(asked, terms, len(known))}
        return {"job": job, **quoted, "replaced": replaced, "changes": changes}


def status(home: Path | None, number: int) -> dict[str, Any]:
    """A job's money and times as the chain has them; amounts in the token's smallest unit."""
    with _opened(home) as oracle:
        view = oracle.index.view()
        return _status(oracle, view, number, _job(view, number))


def top_up(home: Path | None, number: int, amount: int, payer: Signer) -> dict[str, Any]:
    """Adds to a job's escrow from anybody's tokens; `amount` in the smallest unit."""
    with _opened(home) as oracle:
        deployment, view = oracle.deployment, oracle.index.view()
        _job(view, number)
        if amount < 1 or amount % deployment.unit:
            raise BadInput(f"--amount {amount}: a multiple of {deployment.unit}, the Market's unit")
        outbox.reconcile(oracle.database, oracle.chain, payer)
        purpose = f"a top-up of job {number} ({oracle.chain.nonce(payer.address)})"
        allow = oracle.calls.approve(deployment.token, deployment.market, amount, purpose)
        return _sent(oracle, number, payer, allow, oracle.calls.top_up(number, amount // deployment.unit, purpose))


def close(home: Path | None, number: int, requester: Signer) -> dict[str, Any]:
    """Brings the deadline of the requester's job forward to now."""
    with _opened(home) as oracle:
        job = _job(oracle.index.view(), number)
        return _sent(oracle, number, requester, oracle.calls.close_job(number, job.terms.hash()))


def refund(home: Path | None, number: int, payer: Signer) -> dict[str, Any]:
    """Gives the requester what is neither reserved nor allocated. Anybody may send it."""
    with _opened(home) as oracle:
        job = _job(oracle.index.view(), number)
        call = oracle.calls.refund(number, job.requester, job.terms.hash(), job.refunded)
        return _sent(oracle, number, payer, call)


def text(d: dict[str, Any]) -> str:
    lines = [
        f"  {name:12} {value:,}" if isinstance(value, int) else f"  {name:12} {value}"
        for name, value in d.items()
        if name not in ("replaced", "changes", "gold")
    ]
    found = ", ".join(f"{count:,} {kind}" for kind, count in d.get("replaced", {}).items())
    if found:
        lines.append(f"  replaced     {found} (personal data; see `crowdproof anonymise`)")
    if "gold" in d:
        lines.append(f"  gold         {d['gold']['tasks']:,} tasks. {d['gold']['advice']}")
    return "\n".join(lines)


@contextmanager
def _opened(home: Path | None) -> Iterator[Oracle]:
    with closing(open_oracle(Home.at(home))) as oracle:
        try:
            yield oracle
        except (ChainUnavailable, WrongChain) as problem:
            raise BadInput(f"{problem}; run this again to go on") from None


def _job(view: View, number: int) -> Job:
    if number not in view.state.jobs:
        raise BadInput(f"job {number}: there are jobs 1 to {len(view.state.jobs)}")
    return view.state.jobs[number]


def _sent(oracle: Oracle, number: int, signer: Signer, *calls: Call) -> dict[str, Any]:
    """Sends them one after the other; the job's status after that, with the hash of the last."""
    outbox.reconcile(oracle.database, oracle.chain, signer)
    for call in calls:
        outbox.run(oracle.database, oracle.chain, signer, call, "job")
    view = oracle.index.view()
    sent = oracle.database.sent(signer.address, what=calls[-1].what)[0]
    return {**_status(oracle, view, number, _job(view, number)), "transaction": "0x" + sent.transaction.hex()}


def _status(oracle: Oracle, view: View, number: int, job: Job) -> dict[str, Any]:
    unit, window, market = oracle.deployment.unit, oracle.deployment.window, oracle.deployment.market
    interfaces = oracle.chain.interfaces
    reply = oracle.chain.call(market, interfaces.encode("Market", "job", number))
    funded, debited, refunded, *_ = interfaces.output("Market", "job", reply)
    debits_close, opens = (f(view.state, job, window) for f in (rules.debits_close, rules.refund_opens))
    phases = ((job.deadline, "open"), (debits_close, "deciding"), (opens, "hatch"))
    return {
        "job": number,
        "requester": checksum(job.requester),
        "terms": "0x" + job.terms.hash().hex(),
        "parent": job.terms.parent or None,
        "phase": next((name for end, name in phases if view.now < end), "over"),
        "now": view.now,
        "deadline": job.deadline,
        "debits_until": debits_close,
        "refunds_from": opens,
        "escrow": job.escrow * unit,
        "debited": (debited - job.reserved - job.awarded + job.returned) * unit,
        "returned": job.returned * unit,
        "reserved": job.reserved * unit,
        "awarded": job.awarded * unit,
        "refunded": job.refunded * unit,
        "locked": (funded - debited - refunded) * unit,
    }


def _check_open(oracle: Oracle, asked: Manifest, file: Path) -> None:
    now = oracle.chain.latest().timestamp
    if asked.deadline <= now:
        raise BadInput(f"{file}: deadline is {asked.deadline}; block time is {now} already")
    if not oracle.peers:
        raise BadInput("the home's settings name no members: nobody would keep the job's content")


def _clean(home: Path | None, asked: Manifest, tasks: Sequence[Task], manifest: Path) -> anonymise.Anonymised:
    """Before anything is stored. The key of pseudonyms is the home's, in a file that only its owner reads."""
    document = asked.document.get("personalData", {})
    policy = read_policy(document, f"{manifest}: personalData")
    key = Home.at(home).secret("pseudonyms").encode() if policy.needs_key else None
    return anonymise.job(asked, tasks, key, str(manifest))


def _manifest(file: Path) -> Manifest:
    try:
        return read_manifest(file.read_bytes(), str(file))
    except OSError as problem:
        raise BadInput(f"{file}: cannot be read ({problem.strerror})") from None


def _priced(manifest: Manifest, tasks: Sequence[Task], unit: int, file: Path) -> tuple[Terms, list[Block]]:
    """Raises BadInput that begins with the file, whatever part of the job is wrong."""
    try:
        return make_job(manifest, tasks, unit, str(file))
    except BadInput as problem:
        raise BadInput(str(problem) if str(problem).startswith(str(file)) else f"{file}: {problem}") from None


def _gold(asked: Manifest, terms: Terms, known: int) -> dict[str, Any]:
    """How many tasks are gold, and how many would tell a ring of `RING` of the answers from honest errors."""
    from oracle.verification.rings import gold_questions, gold_sentence  # noqa: PLC0415 - loads for most of a second

    ring: dict[str, Any] = {**RING, "redundancy": terms.answers, "classes": terms.classes}
    found: dict[str, Any] = {"tasks": known, "share": asked.document["goldShare"], "needed": None}
    try:
        return found | {"needed": gold_questions(**ring), "advice": gold_sentence(**ring)}
    except BadInput as problem:
        return found | {"advice": f"No number of gold questions finds a ring here: {problem}"}


def _quote(terms: Terms, unit: int) -> dict[str, Any]:
    return {"terms": "0x" + terms.hash().hex(), **publishing.quote(terms, unit)}
