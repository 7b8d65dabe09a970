"""`crowdproof federate`: owners train one model of texts on what each of them holds.

    labels and texts -> records of an owner (never leave its process) -> rounds with a server -> a model, and a block for each round

`run` does all on one machine, a process each over loopback; `serve` and `join` are its halves; `check` follows the chain of rounds.
"""

import csv
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle import labels, telemetry
from oracle.adapters import processes
from oracle.adapters.content import FolderStore
from oracle.adapters.federation import HttpFederation
from oracle.adapters.signer import KeySigner, new_key
from oracle.config import Home, only_one, write_atomically
from oracle.federated import train
from oracle.federated.member import Member
from oracle.federated.plan import Plan, read_plan
from oracle.federated.server import Server
from oracle.federated.train import Records
from oracle.protocol.cids import Cid, Codec, Link, cid_of, decode
from oracle.protocol.errors import BadInput, Refused, Retryable
from oracle.protocol.keys import checksum
from oracle.verification.embed import APART, WIDTH, read_texts, task_vectors

PAUSE_S = 0.05
Float32 = NDArray[np.float32]


# ---------------------------------------------------------------- what an owner holds


def records_of(answers: labels.Answers, vectors: Float32, classes: Sequence[str]) -> Records:
    """Of an owner's answers: a record for each task, with the shares of its votes. Raises BadInput for an unknown class."""
    if strange := [name for name in answers.classes if name not in classes]:
        raise BadInput(f"label {strange[0][:40]!r} is none of the federation's classes: {', '.join(classes)[:200]}")
    known = np.array([classes.index(name) for name in answers.classes])
    votes = np.zeros((len(answers.tasks), len(classes)), np.float32)
    np.add.at(votes, (answers.task, known[answers.label]), 1)
    return Records(vectors, votes / votes.sum(1, keepdims=True))


def load(file: Path, texts: Path, classes: Sequence[str], width: int, cache: Path | None) -> Records:
    """An owner's records, of its label file and the texts of its tasks."""
    answers, _ = labels.read_answers(file)
    known = _texts_of(answers, texts)
    vectors = task_vectors([known[task] for task in answers.tasks], cache)[:, :width]
    return records_of(answers, np.ascontiguousarray(vectors), classes)


def _texts_of(answers: labels.Answers, file: Path) -> dict[str, list[str]]:
    known = read_texts(file)
    if missing := [task for task in answers.tasks if task not in known]:
        raise BadInput(f"{file}: no text of task {missing[0][:60]!r}, and {len(missing) - 1} more")
    return known


# ---------------------------------------------------------------- both halves


def _plan_of(file: Path) -> tuple[Plan, list[str]]:
    """(plan, names of the classes) of a JSON file {plan, classes}."""
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise BadInput(f"{file}: no JSON ({problem})") from None
    if not isinstance(document, dict) or document.keys() != {"plan", "classes"}:
        raise BadInput(f"{file}: an object of plan and classes is needed")
    plan, classes = read_plan(document["plan"], f"{file}: plan"), document["classes"]
    if not isinstance(classes, list) or len({str(name) for name in classes}) != plan.classes:
        raise BadInput(f"{file}: classes: the names of the plan's {plan.classes} classes are needed")
    return plan, [str(name) for name in classes]


def server_of(home: Path, listening: socket) -> None:
    """A process: the server of the federation in `home`, until it is stopped."""
    from api import federation, serve  # noqa: PLC0415 - a member needs none of it

    telemetry.configure("federation")
    plan, _ = _plan_of(home / "plan.json")
    with only_one(home / "lock-server", f"the server of {home} runs already"):
        server = Server(plan, FolderStore(home / "store"), home / "journal")
        federation.keep_time(server)
        serve.run(federation.create_app(server), listening)


def member_of(home: Path, name: str, url: str, listening: socket) -> None:
    """A process: an owner of the federation in `home`, until the rounds are over."""
    listening.close()
    telemetry.configure(name)
    place = home / "owners" / name
    join(home / "plan.json", url, place / "labels.csv", place / "tasks.csv", place, home / "vectors")


def join(plan_file: Path, url: str, file: Path, texts: Path, place: Path, cache: Path | None = None) -> dict[str, Any]:
    """Takes part until the rounds are over. `place` holds this owner's key and memory; nothing else may use it."""
    plan, classes = _plan_of(plan_file)
    place.mkdir(parents=True, exist_ok=True)
    with (
        closing(HttpFederation(url)) as server,
        only_one(place / "lock", f"this owner takes part from {place} already"),
    ):
        records = load(file, texts, classes, plan.width, cache)
        member = Member(plan, KeySigner(owner_key(place)), records, place / "memory")
        return _take_part(server, member)


def _take_part(server: HttpFederation, member: Member) -> dict[str, Any]:
    said: set[bytes] = set()
    while True:
        try:
            view = server.view()
            if view["phase"] == "done":
                return {"rounds": view["rounds"], "failed": view["failed"], "epsilon": member.epsilon()}
            message = member.answer(view) if member.number in view["waits"] else None
            if message is not None:
                server.send(message.block())
        except Retryable:
            pass  # the server is away, or was started again: it reads its journal and goes on
        except Refused as problem:
            if str(problem).encode() not in said:
                telemetry.log("refused", why=str(problem))
                said.add(str(problem).encode())
        time.sleep(PAUSE_S)


def owner_key(place: Path) -> bytes:
    """The key of the owner in this folder, made at the first time."""
    file = place / "key"
    if not file.exists():
        write_atomically(file, new_key().hex(), 0o600)
    return bytes.fromhex(file.read_text().strip())


# ---------------------------------------------------------------- all on one machine


def split(file: Path, texts: Path, owners: int, home: Path, seed: int, settings: str) -> dict[str, Any]:
    """Makes a home of a federation: the answers dealt out by worker to owners of uneven size, each with a key, and the plan."""
    if not 2 <= owners <= 1_000:
        raise BadInput(f"--owners: {owners}; 2 to 1000")
    answers, _ = labels.read_answers(file)
    known = _texts_of(answers, texts)
    given = _settings(settings)
    of = deal(answers, owners, seed)
    two = any(len(known[task]) > 1 for task in answers.tasks)
    draft = {"width": 2 * WIDTH + 1 if two else WIDTH, "classes": len(answers.classes), **given}
    read_plan(draft | {"members": [f"0x{i + 1:040x}" for i in range(owners)]})
    place = Home.at(home)
    place.require_unused()
    place.create()
    keys = []
    for number in range(owners):
        folder = place.path / "owners" / f"owner-{number}"
        folder.mkdir(parents=True)
        keys.append(checksum(KeySigner(owner_key(folder)).address))
        _write_owner(folder, answers, known, np.flatnonzero(of[answers.worker] == number))
    plan = {"plan": draft | {"members": keys}, "classes": list(answers.classes)}
    write_atomically(place.path / "plan.json", json.dumps(plan, indent=1))
    sizes = np.bincount(of[answers.worker], minlength=owners).tolist()
    return {"home": str(place.path), "answers": sizes, "plan": plan["plan"]}


def deal(answers: labels.Answers, owners: int, seed: int) -> NDArray[np.int64]:
    """The owner of each worker [K], at random; the k-th owner gets about 1 / k of what the first does. None is without."""
    workers = len(answers.workers)
    if workers < owners:
        raise BadInput(f"{workers} workers cannot be dealt out to {owners} owners")
    luck, share = np.random.default_rng(seed), 1 / np.arange(1, owners + 1)
    of = luck.choice(owners, workers, p=share / share.sum())
    of[luck.permutation(workers)[:owners]] = np.arange(owners)
    return of.astype(np.int64)


def run(home: Path, say: Any) -> dict[str, Any]:
    """A server and a process for each owner, over loopback, until the rounds are over. Goes on where it was cut off."""
    place = Home.at(home).path
    plan, _ = _plan_of(place / "plan.json")
    with ExitStack() as stack:
        stack.enter_context(only_one(place / "lock", f"another process works in {place}"))
        processes.warm(["oracle.commands.federating"], judging=False)
        crew = processes.Crew(say)
        stack.callback(crew.stop)
        listening = processes.bind()
        server = crew.add("server", f"{__name__}:server_of", (place,), listening, place / "logs" / "server.log")
        crew.wait_ready()
        write_atomically(place / "processes.json", json.dumps({"url": server.url, **crew.pids()}))
        link = stack.enter_context(closing(HttpFederation(server.url)))
        names = sorted(path.name for path in (place / "owners").iterdir())
        members = processes.Crew(say)
        stack.callback(members.stop)
        for name in names:
            arguments = (place, name, server.url)
            members.add(name, f"{__name__}:member_of", arguments, processes.bind(), place / "logs" / f"{name}.log")
        write_atomically(place / "processes.json", json.dumps({"url": server.url, **crew.pids(), **members.pids()}))
        crew.watch()
        view = _wait(link, lambda view: say(f"round {view['start'][1]} of {plan.rounds}"))
    return check(home) | {"failed": view["failed"]}


def _wait(link: HttpFederation, say: Any) -> dict[str, Any]:
    at = 0
    while True:
        try:
            view = link.view()
        except Retryable:
            time.sleep(PAUSE_S)
            continue
        if view["phase"] == "done":
            return view
        if view["start"][1] != at:
            at = view["start"][1]
            say(view)
        time.sleep(4 * PAUSE_S)


def check(home: Path) -> dict[str, Any]:
    """Follows the blocks of the rounds: every one is there, and each begins with the model with which the one before ended."""
    place = Home.at(home).path
    plan, _ = _plan_of(place / "plan.json")
    store = FolderStore(place / "store")
    server = Server(plan, store, place / "journal")
    rounds, model, problem = [], cid_of(train.packed(train.begin(plan)), Codec.RAW), ""
    previous: Cid | None = None
    for cid in server.ended:
        block: Any = decode(store.get(cid))
        if block["before"] != Link(model) or block["previous"] != (Link(previous) if previous else None):
            problem = f"round {block['number']} does not begin where the one before it ended"
            break
        model, previous = block["after"].cid, cid
        store.get(model)
        rounds.append(_shown(cid, block))
    return {"ok": not problem and bool(rounds), "problem": problem, "of": plan.rounds, "rounds": rounds, "model": model}


def _shown(cid: Cid, block: Any) -> dict[str, Any]:
    groups = [{**group, "sum": group["sum"].hex() if group["sum"] else None} for group in block["groups"]]
    return {
        "number": block["number"],
        "attempt": block["attempt"],
        "block": cid,
        "model": block["after"].cid,
        "groups": groups,
    }


@dataclass(frozen=True, slots=True)
class Result:
    """What a federation learned: a model, as its last round left it."""

    plan: Plan
    classes: list[str]
    model: bytes
    last: Cid  # the block of that round: it leads to the plan and to every round before it
    rounds: int

    @property
    def values(self) -> Float32:
        return np.frombuffer(self.model, "<f4")

    @property
    def epsilon(self) -> float | None:
        """That training may have spent of a record, with a round that nobody finished; None without noise."""
        steps = min(self.rounds + 1, self.plan.rounds) * self.plan.steps
        return train.spent(self.plan, train.noise(self.plan), steps) if self.plan.epsilon else None


def result(home: Path) -> Result:
    """Raises Refused where the chain of rounds is not whole, BadInput for a model of another shape or with NaN."""
    found = check(home)
    if not found["ok"]:
        raise Refused("no-model", f"{home}: {found['problem'] or 'no round is over yet'}")
    plan, classes = _plan_of(Home.at(home).path / "plan.json")
    model = FolderStore(Home.at(home).store).get(found["model"])
    if len(model) != 4 * plan.numbers or not np.isfinite(np.frombuffer(model, "<f4")).all():
        raise BadInput(f"{home}: the model {found['model']} is not the plan's {plan.numbers} finite numbers")
    return Result(plan, classes, model, found["rounds"][-1]["block"], len(found["rounds"]))


def text(d: dict[str, Any]) -> str:
    rows = [f"  {len(d['rounds'])} of {d['of']} rounds{'; ' + d['problem'] if d['problem'] else ''}"]
    for one in d["rounds"]:
        came = sum(len(group["came"]) for group in one["groups"])
        left = "; ".join(group["why"] for group in one["groups"] if group["why"])
        rows.append(
            f"  round {one['number']:3}  {came:3} members  {one['block']}" + (f"  left out: {left}" if left else "")
        )
    if d.get("failed"):
        rows.append(f"  given up: {d['failed']}")
    return "\n".join([*rows, f"  model {d['model']}"])


def split_text(d: dict[str, Any]) -> str:
    sizes = ", ".join(map(str, d["answers"]))
    return f"  {len(d['answers'])} owners with {sizes} answers\n  crowdproof federate run --home {d['home']}"


def _settings(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError as problem:
        raise BadInput(f"--plan: no JSON ({problem})") from None
    if not isinstance(found, dict) or "members" in found or "width" in found or "classes" in found:
        raise BadInput("--plan: an object of settings; members, width and classes follow from the files")
    return found


def _write_owner(folder: Path, answers: labels.Answers, texts: dict[str, list[str]], rows: NDArray[np.int64]) -> None:
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(labels.ANSWER_COLUMNS)
        for i in rows:
            names = (
                answers.tasks[answers.task[i]],
                answers.workers[answers.worker[i]],
                answers.classes[answers.label[i]],
            )
            writer.writerow(names)
    with (folder / "tasks.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("task", "text"))
        for task in sorted({answers.tasks[answers.task[i]] for i in rows}):
            writer.writerow((task, APART.join(texts[task])))
