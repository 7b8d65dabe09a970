"""`crowdproof release` and `crowdproof ledger`: noisy statistics of a job, or of a file of labels, against a budget."""

import json
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from api import releases as published
from api.reader import Reader
from oracle import labels
from oracle.bootstrap import open_database, open_oracle
from oracle.config import Home
from oracle.privacy.budget import read_budget, verify
from oracle.privacy.release import AGREEMENT, QUALITY, Query, Row, read_query
from oracle.protocol.errors import BadInput, CrowdproofError
from oracle.services import releases


def of_job(home: Path | None, job: int, query: str, groups: Path | None) -> dict[str, Any]:
    """Of the final answers of a job, against the budget of its manifest."""
    place, asked = Home.at(home), read_query(_json(query, "the query"))
    with closing(open_oracle(place)) as oracle:
        reader, key = Reader(oracle), published.ledger_key(place)
        entry = published.publish(reader, key, job, asked, _groups(groups))
        return published.shown(oracle.database.budget(entry.dataset), oracle.database.entries(entry.dataset), key)


def of_file(
    home: Path | None, file: Path, name: str, query: str, groups: Path | None, truth: Path | None, budget: str
) -> dict[str, Any]:
    """Of `task,worker,label`, under the name of its data set; `truth` says which labels are right. `budget`: at the first time."""
    if not name:
        raise BadInput("--dataset: name the data; its budget is that name's, whatever the file is called")
    asked, place = read_query(_json(query, "the query")), Home.at(home)
    found, warnings = labels.read_answers(file)
    rows = _rows(found, _groups(groups), _truth(truth, asked))
    place.path.mkdir(parents=True, exist_ok=True)
    with closing(open_database(place)) as database:
        if budget:
            database.set_budget(read_budget(name, _json(budget, "--budget"), "--budget"))
        key = published.ledger_key(place)
        releases.publish(database, key, name, asked, rows, (), (), int(time.time()))
        return published.shown(database.budget(name), database.entries(name), key) | {"notes": warnings}


def ledger(home: Path | None, job: int | None, name: str) -> dict[str, Any]:
    """What a data set has revealed; `ok` where the ledger is whole, signed and within its budget."""
    place, dataset = Home.at(home), published.dataset(job) if job else name
    with closing(open_database(place)) as database:
        budget, entries, key = database.budget(dataset), database.entries(dataset), published.ledger_key(place)
        if budget is None:
            raise BadInput(
                f"{dataset or 'no data set'} has no budget here: nothing of it was released (--job or --dataset)"
            )
        problem = ""
        try:
            verify(budget, entries, key.address)
        except CrowdproofError as found:
            problem = str(found)
        return published.shown(budget, entries, key) | {"ok": not problem, "problem": problem}


def text(d: dict[str, Any]) -> str:
    budget, used = d["budget"], d["spent"]
    of = f"{used['epsilon']:.6g} of {budget['epsilon'] / 1e9:g}"
    lines = [f"  {budget['dataset']}: epsilon {of} spent, delta {budget['delta']:g} ({budget['composition']})"]
    lines += [
        f"  {one['number']:4}  epsilon {one['cost']['epsilon'] / 1e9:g}  {json.dumps(one[part])}"
        for one in d["entries"]
        for part in ("query", "result")
    ]
    return "\n".join([*lines, *([f"  BROKEN: {d['problem']}"] if d.get("problem") else [])])


def _rows(found: labels.Answers, groups: Mapping[str, str], truth: Mapping[str, str]) -> list[Row]:
    made = []
    for task, worker, label in zip(found.task.tolist(), found.worker.tolist(), found.label.tolist(), strict=True):
        name, said, of = found.workers[worker], found.classes[label], found.tasks[task]
        made.append(Row(name, of, said, truth.get(of) == said, 0, groups.get(name, "")))
    return made


def _truth(file: Path | None, asked: Query) -> dict[str, str]:
    if file is None:
        if asked.of in (AGREEMENT, QUALITY):
            raise BadInput("--truth: agreement is with labels that are public; name their file")
        return {}
    truth, _ = labels.read_truth(file)
    return truth.labels


def _groups(file: Path | None) -> dict[str, str]:
    """CSV `worker,group`."""
    if file is None:
        return {}
    import csv  # noqa: PLC0415

    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.DictReader(opened, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise BadInput(f"{file}: cannot be read ({problem})") from None
    if (
        not rows
        or not {"worker", "group"} <= rows[0].keys()
        or any(None in (row["worker"], row["group"]) for row in rows)
    ):
        raise BadInput(f"{file}: CSV with the columns worker and group")
    return {row["worker"]: row["group"] for row in rows}


def _json(given: str, what: str) -> Any:
    """A JSON text, or a file with one."""
    try:
        content = given if given.lstrip().startswith("{") else Path(given).read_text("utf-8-sig")
        return json.loads(content)
    except (OSError, ValueError, RecursionError) as problem:
        raise BadInput(f"{what}: neither JSON nor a file of it ({problem})") from None
