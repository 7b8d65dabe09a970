"""What the command does through the API, as any bot would: a worker's registration, answers and pay; a job's export.

What is signed is in HOME/work/WALLET before it is sent, and goes out again as it is: a second answer to a task would be refused.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.client import Client, Worker
from api.client import register as enrol
from api.journal import Journal
from oracle.adapters.deployer import read_deployment_file
from oracle.adapters.signer import KeySigner
from oracle.config import Home, write_atomically
from oracle.labels import read_truth, write_whole
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import BadInput, Refused, Retryable
from oracle.protocol.keys import checksum
from oracle.services import candidates
from oracle.tasks import read_file

LIFE_S = 86_400  # that a signed wish holds
PATIENCE_S, LOOK_S = 120.0, 0.5  # for the relayer
Ask = Callable[
    [dict[str, Any]], str | None
]  # a task as the API shows it -> the label; "" leaves it, None gives it back


@dataclass(frozen=True, slots=True)
class Visit:
    """The API of a deployment, as its home or its address names it."""

    client: Client
    deployment: Deployment
    home: Home

    def until(self) -> int:
        return int(self.client.get("/node")["now"]) + LIFE_S

    def worker(self, signer: KeySigner) -> Worker:
        """Signed in. Raises BadInput for a wallet that is not registered."""
        number = self.number(signer)
        if number is None:
            raise BadInput(f"{checksum(signer.address)} is not registered: crowdproof register")
        return Worker(self.client.sign_in(signer), self.deployment, signer, number)

    def number(self, signer: KeySigner) -> int | None:
        try:
            return int(self.client.get(f"/workers/0x{signer.address.hex()}")["worker"])
        except Refused as refused:
            if refused.code == "not-found":
                return None
            raise


@contextmanager
def visit(home: Path | None, api: str) -> Iterator[Visit]:
    """`api`: an address; empty takes that of the home. Raises BadInput where the API serves another deployment than the home's."""
    place = Home.at(home)
    known = read_deployment_file(place.deployment)[0] if place.deployment.exists() else None
    if not api and known is None:
        raise BadInput(f"{place.path} holds no deployment: name its API with --api URL, or its folder with --home")
    with Client(api or place.settings().api) as client:
        served = client.deployment()
        if known is not None and served != known:
            raise BadInput(f"{api} serves another deployment than {place.deployment} names")
        yield Visit(client, served, place)


def register(home: Path | None, api: str, signer: KeySigner) -> dict[str, Any]:
    """The wallet's number among the workers; a relayer pays for a new one. Raises Retryable if none comes in time."""
    with visit(home, api) as seen:
        number = seen.number(signer)
        new = number is None
        if new:
            enrol(seen.client, seen.deployment, signer, seen.until())
            number = _awaited(lambda: seen.number(signer), "the registration")
        return {"worker": number, "wallet": checksum(signer.address), "new": new}


def work(home: Path | None, api: str, signer: KeySigner, job: int | None, ask: Ask) -> dict[str, Any]:
    """Answers what is assigned to the wallet and still open, one task after the other."""
    with visit(home, api) as seen:
        worker = seen.worker(signer)
        journal = Journal(seen.home.path / "work" / signer.address.hex())
        open_ = [a for a in _assigned(worker, job) if a["state"] in ("RESERVED", "ACTIVE")]
        done: list[dict[str, Any]] = []
        for offer in open_:
            state, receipt = _one(worker, journal, offer, ask)
            done.append({"job": offer["job"], "task": offer["id"], "state": state, "receipt": receipt})
        return {"worker": worker.number, "assigned": len(open_), "tasks": done}


def by_file(labels: Path) -> Ask:
    """Answers the tasks that a file `task,label` names, and leaves the others."""
    truth, _ = read_truth(labels, strict=True)
    return lambda shown: truth.labels.get(shown["assignment"]["id"], "")


def balance(home: Path | None, api: str, worker: str) -> dict[str, Any]:
    """What a worker (a number, or a wallet 0x...) earned, in the token's smallest unit: in all, paid, to be claimed, pending."""
    with visit(home, api) as seen:
        found = seen.client.get(f"/workers/{worker}/balance")
        money = {name: int(found[name]) for name in ("cumulative", "claimed", "claimable", "pending")}
        return {"worker": found["worker"], "wallet": found["wallet"], **money, "epoch": found["epoch"]}


def claim(home: Path | None, api: str, signer: KeySigner) -> dict[str, Any]:
    """Has the relayer pay all that is claimable to the wallet. Raises Retryable if it does not in time."""
    with visit(home, api) as seen:
        number = seen.number(signer)
        if number is None:
            raise BadInput(f"{checksum(signer.address)} is not registered: it has earned nothing")
        amount = Worker(seen.client, seen.deployment, signer, number).claim(seen.until())
        if amount:
            _awaited(lambda: int(seen.client.get(f"/workers/{number}/balance")["claimable"]) == 0 or None, "the claim")
        return {"worker": number, "wallet": checksum(signer.address), "paid": amount}


def export(home: Path | None, api: str, job: int, kind: str, signer: KeySigner | None, out: Path) -> dict[str, Any]:
    """A job's results in one of the API's formats; sealed payloads are opened for the requester's key alone."""
    with visit(home, api) as seen:
        client = seen.client.sign_in(signer) if signer else seen.client
        data = client.download(f"/jobs/{job}/export", format=kind)
    write_whole(out, [data])
    return {"job": job, "format": kind, "out": str(out), "bytes": len(data)}


def rest(home: Path | None, api: str, job: int, signer: KeySigner | None, tasks: Path, out: Path) -> dict[str, Any]:
    """The tasks of a job's file that nobody can decide any more there, as a file for a job that goes on with them.

    Raises BadInput for a file that has not the job's tasks, Refused while they can still be decided.
    """
    given = read_file(tasks)
    with visit(home, api) as seen:
        client = seen.client.sign_in(signer) if signer else seen.client
        stands = client.get(f"/jobs/{job}/progress")
        if stands["phase"] not in ("hatch", "over"):
            hint = "close it first (crowdproof job close)" if stands["now"] < stands["deadline"] else "wait"
            raise Refused("still-deciding", f"job {job} can still decide its tasks: {hint}")
        rows = map(json.loads, client.download(f"/jobs/{job}/export", format="jsonl").splitlines())
        decided = {row["id"] for row in rows}
    strange = decided - {task.id for task in given.tasks}
    if strange or len(given.tasks) != stands["tasks"]:
        what = f"no task {min(strange)[:80]!r}" if strange else f"{len(given.tasks)} tasks, not {stands['tasks']}"
        raise BadInput(f"{tasks}: it has {what}: is it the file that job {job} was made of?")
    left = [task for task in given.tasks if task.id not in decided]
    lines = [
        {"task": task.id, "payload": task.payload, **({"gold": given.gold[task.id]} if task.id in given.gold else {})}
        for task in left
    ]
    write_whole(out, [(json.dumps(line, ensure_ascii=False) + "\n").encode() for line in lines])
    return {"job": job, "decided": len(decided), "left": len(left), "out": str(out)}


def job_key(home: Path | None, api: str, job: int, signer: KeySigner, out: Path) -> dict[str, Any]:
    """The key of the signer's own job, into a file that its owner alone can read."""
    with visit(home, api) as seen:
        found = seen.client.sign_in(signer).get(f"/jobs/{job}/key")
    write_atomically(out, json.dumps(found) + "\n", mode=0o600)
    return {"job": job, "out": str(out)}


def _assigned(worker: Worker, job: int | None) -> list[dict[str, Any]]:
    return list(worker.client.pages("/me/assignments", job=job))


def _one(worker: Worker, journal: Journal, offer: dict[str, Any], ask: Ask) -> tuple[str, str | None]:
    """What became of one assignment, and the root of its receipt."""
    job, task = offer["job"], offer["task"]
    place = f"/me/assignments/{job}/{task}"
    answer = journal.signed(job, task, worker.number)
    if answer is None:
        shown = worker.client.get(place)
        label = ask(shown)
        if label is None:
            worker.client.post(f"{place}/return")
            return "RETURNED", None
        if not label:
            return "ACTIVE", None
        answer = worker.answer(offer, _read(shown, label) if shown["asked"] else _class(shown, label))
        journal.sign([answer])
    receipt = worker.send([offer], [answer])
    journal.receive([worker.digest(offer, answer)], receipt)
    return "SUBMITTED", str(receipt["root"])


def _read(shown: dict[str, Any], text: str) -> str:
    """The text, where it is an answer of what is asked."""
    from oracle.verification.types.answer import Unreadable  # noqa: PLC0415 - as the next

    try:
        candidates.kind_of(shown["asked"]).read(text)
    except Unreadable as problem:
        raise BadInput(f"task {shown['assignment']['id']}: the answer {problem}") from None
    return text


def _class(shown: dict[str, Any], label: str) -> int:
    classes: list[str] = shown["classes"]
    if label not in classes:
        raise BadInput(f"task {shown['assignment']['id']}: {label[:50]!r} is none of {', '.join(classes)}")
    return classes.index(label)


def _awaited(look: Callable[[], int | None], what: str) -> int:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if (found := look()) is not None:
            return found
        time.sleep(LOOK_S)
    raise Retryable(f"{what} is queued, and no relayer sent it in {PATIENCE_S:.0f} s: run this again later")


# ---------------------------------------------------------------------- texts


def work_text(d: dict[str, Any]) -> str:
    lines = [f"  {one['job']}/{one['task']:20} {one['state'].lower()}" for one in d["tasks"]]
    return "\n".join(lines or ["  nothing waits for you: tasks are offered while a job is open"])


def balance_text(d: dict[str, Any]) -> str:
    return (
        f"  worker      {d['worker']} ({d['wallet']})\n  earned      {d['cumulative']:,} by final epochs\n"
        f"  paid        {d['claimed']:,}\n  claimable   {d['claimable']:,}\n  pending     {d['pending']:,}"
    )
