"""`crowdproof job`: a manifest and its tasks, checked and priced before anything is funded; then a funded job."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from oracle import publishing
from oracle.adapters.deployer import read_deployment_file
from oracle.bootstrap import Oracle, open_oracle
from oracle.config import Home
from oracle.ports import Signer
from oracle.protocol.errors import BadInput, ChainUnavailable, WrongChain
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import Manifest, make_job, read_manifest
from oracle.protocol.pages import Block
from oracle.protocol.terms import Terms
from oracle.tasks import read_tasks


def check(home: Path | None, manifest: Path, tasks: Path | None, unit: int | None) -> dict[str, Any]:
    """The terms and the exact quote; without `tasks` that of one. `unit`: None takes that of the home's deployment, else 1."""
    if unit is None:
        place = Home.at(home)
        unit = read_deployment_file(place.deployment)[0].unit if place.deployment.exists() else 1
    elif unit < 1:
        raise BadInput(f"--unit {unit}: it is 1 or more")
    terms, blocks = _priced(_manifest(manifest), read_tasks(tasks) if tasks else [Task(0, "one", None)], unit, manifest)
    return {**_quote(terms, unit), "blocks": len(blocks), "bytes": sum(len(block) for block, _ in blocks)}


def create(home: Path | None, manifest: Path, tasks: Path, requester: Signer) -> dict[str, Any]:
    """Stores the job at the oracle and its members, then escrows it with the requester's key."""
    asked, items = _manifest(manifest), read_tasks(tasks)
    with closing(open_oracle(Home.at(home))) as oracle:
        _priced(asked, items, oracle.deployment.unit, manifest)  # before anybody is asked
        try:
            _check_open(oracle, asked, manifest)
            terms = publishing.store(oracle, asked, items, str(manifest))
            job = publishing.fund(oracle, requester, terms, asked.deadline)
        except (ChainUnavailable, WrongChain) as problem:
            raise BadInput(f"{problem}; run this again to go on") from None
        return {"job": job, **_quote(terms, oracle.deployment.unit)}


def text(d: dict[str, Any]) -> str:
    return "\n".join(
        f"  {name:12} {value:,}" if isinstance(value, int) else f"  {name:12} {value}" for name, value in d.items()
    )


def _check_open(oracle: Oracle, asked: Manifest, file: Path) -> None:
    now = oracle.chain.latest().timestamp
    if asked.deadline <= now:
        raise BadInput(f"{file}: deadline is {asked.deadline}; block time is {now} already")
    if not oracle.peers:
        raise BadInput("the home's settings name no members: nobody would keep the job's content")


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


def _quote(terms: Terms, unit: int) -> dict[str, Any]:
    """Exact, in the token's smallest unit; `escrow` = `pay` + `fee` is what a job locks, and gets back what is not earned."""
    pay = terms.tasks * terms.answers * (terms.base + terms.bonus)
    return {
        "terms": "0x" + terms.hash().hex(),
        "tasks": terms.tasks,
        "answers": terms.answers,
        "classes": terms.classes,
        "base": terms.base * unit,
        "bonus": terms.bonus * unit,
        "pay": pay * unit,
        "fee": terms.fee(pay) * unit,
        "escrow": terms.escrow() * unit,
    }
