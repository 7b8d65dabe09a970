"""A job's manifest: what the requester asks for, checked against manifest.schema.json, and the terms that follow from it.

JSON -> Manifest; Manifest, tasks, unit -> blocks and Terms. Everything is refused before anything is funded.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema

from oracle.protocol import pages
from oracle.protocol.cids import Codec, cid_of, decode, digest_of, encode, from_digest
from oracle.protocol.errors import BadInput, CrowdproofError
from oracle.protocol.leaves import Task, leaf_of, parse
from oracle.protocol.pages import Block, Fault, Source
from oracle.protocol.terms import MAX_LEAF, MAX_TASKS, NAT, Terms, check_terms
from oracle.protocol.trees import root

MAX_BYTES = 4_000_000
MAX_ID = 1024


@dataclass(frozen=True, slots=True)
class Manifest:
    """A checked manifest with every default filled in; `document` is its JSON."""

    document: dict[str, Any]

    @property
    def classes(self) -> list[str]:
        return list(self.document["answer"]["classes"])

    @property
    def least(self) -> int:
        return int(self.document["redundancy"]["least"])

    @property
    def deadline(self) -> int:
        return int(self.document["deadline"])

    @property
    def assignment_seconds(self) -> int:
        return int(self.document["assignmentSeconds"])


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a manifest (draft 2020-12)."""
    loaded: dict[str, Any] = json.loads(files("oracle.protocol").joinpath("manifest.schema.json").read_text("utf-8"))
    return loaded


def read_manifest(text: str | bytes, where: str = "manifest") -> Manifest:
    """The manifest in a JSON text. Raises BadInput that names `where`, the field and what it must be."""
    if len(text) > MAX_BYTES:
        raise BadInput(f"{where}: {len(text)} bytes are more than the {MAX_BYTES} that a manifest may have")
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as problem:
        raise BadInput(f"{where}, line {problem.lineno}, column {problem.colno}: not JSON: {problem.msg}") from None
    except (UnicodeDecodeError, RecursionError, ValueError) as problem:
        raise BadInput(f"{where}: not a JSON document: {problem}") from None
    return check_manifest(document, where)


def check_manifest(document: Any, where: str = "manifest") -> Manifest:
    """The same for a document that is already parsed."""
    validator = jsonschema.Draft202012Validator(schema())
    problems = sorted(validator.iter_errors(document), key=lambda p: [str(part) for part in p.absolute_path])
    if problems:
        lines = "; ".join(f"{_field(p.absolute_path)}: {p.message[:200]}" for p in problems[:5])
        raise BadInput(f"{where}: {lines}")
    filled = _with_defaults(schema(), document)
    redundancy = filled["redundancy"]
    if redundancy["least"] > redundancy["most"]:
        raise BadInput(
            f"{where}: redundancy.least is {redundancy['least']}, more than redundancy.most ({redundancy['most']})"
        )
    return Manifest(filled)


def make_job(
    manifest: Manifest, tasks: Sequence[Task], unit: int, where: str = "manifest"
) -> tuple[Terms, list[Block]]:
    """The terms to escrow and the blocks to store (the manifest's own last). Raises BadInput naming the field."""
    _check_tasks(tasks, where)
    node, blocks = pages.pack(tasks)
    block = encode({"manifest": _plain(manifest.document), "tasks": node})
    document = manifest.document
    decision, reward = document["decision"], document["reward"]
    weighted = decision["rule"] == "weighted"
    terms = Terms(
        classes=len(manifest.classes),
        tasks=len(tasks),
        answers=document["redundancy"]["most"],
        base=_units(reward["base"], unit, where, "reward.base"),
        bonus=_units(reward["bonus"], unit, where, "reward.bonus"),
        fee_bps=document["feeBps"],
        weight_cap=round(decision["weightCap"] * NAT) if weighted else 0,
        prior_cap=round(decision["priorCap"] * NAT) if weighted else 0,
        task_root=node["root"],
        manifest=digest_of(cid_of(block, Codec.DAG_CBOR)),
    )
    check_terms(terms)
    need = terms.escrow() * unit
    if "budget" in document and int(document["budget"]) < need:
        raise BadInput(
            f"{where}: budget is {document['budget']}, but {terms.tasks} tasks x {terms.answers} answers x (base + bonus)"
            f" + fee need {need}; raise it or ask for less"
        )
    return terms, [*blocks, (block, Codec.DAG_CBOR)]


def load_job(source: Source, epoch: int, terms: Terms) -> tuple[Manifest | None, list[Task], list[Fault]]:
    """Manifest and tasks under the digest that a job's terms name, with every fault (placed in `epoch`)."""
    try:
        node: Any = decode(source.read(from_digest(Codec.DAG_CBOR, terms.manifest)))
        manifest, tree = check_manifest(node["manifest"]), node["tasks"]
    except (CrowdproofError, KeyError, TypeError) as problem:
        return None, [], [Fault(epoch, "manifest", 0, f"the manifest cannot be read: {problem}")]
    reading = pages.read(source, epoch, "tasks", tree)
    if reading.faults:
        return manifest, [], reading.faults
    try:
        tasks = [parse("tasks", record) for record in reading.records]
    except (TypeError, ValueError) as problem:
        return manifest, [], [Fault(epoch, "tasks", 0, f"a task cannot be read: {problem}")]
    if len(tasks) != terms.tasks or root([leaf_of(task) for task in tasks]) != terms.task_root:
        return manifest, [], [Fault(epoch, "tasks", 0, "the tasks are not those of the terms")]
    return manifest, [task for task in tasks if isinstance(task, Task)], []


def _check_tasks(tasks: Sequence[Task], where: str) -> None:
    if not 0 < len(tasks) <= MAX_TASKS:
        raise BadInput(f"{where}: a job has 1 to {MAX_TASKS} tasks, not {len(tasks)}")
    seen: dict[str, int] = {}
    for position, task in enumerate(tasks):
        if not task.id or len(task.id.encode()) > MAX_ID:
            raise BadInput(f"{where}: task {position + 1}: an id has 1 to {MAX_ID} bytes")
        if (first := seen.setdefault(task.id, position)) != position:
            raise BadInput(f"{where}: task {position + 1} has the id of task {first + 1}, {task.id!r}")
        if len(encode(task.record())) > MAX_LEAF:
            raise BadInput(f"{where}: task {position + 1} ({task.id!r}): its payload exceeds {MAX_LEAF} bytes")


def _units(amount: str, unit: int, where: str, field: str) -> int:
    units, rest = divmod(int(amount), unit)
    if rest:
        raise BadInput(f"{where}: {field} is {amount}, no multiple of the unit {unit}")
    return units


def _with_defaults(part: dict[str, Any], value: Any) -> Any:
    if part.get("type") != "object":
        return value
    filled = dict(value)
    for name, inner in part["properties"].items():
        if name in filled:
            filled[name] = _with_defaults(inner, filled[name])
        elif "default" in inner:
            filled[name] = inner["default"]
        elif inner.get("type") == "object" and "required" not in inner:
            filled[name] = _with_defaults(inner, {})
    return filled


def _field(path: Any) -> str:
    return ".".join(str(part) for part in path) or "the document"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, _ in pairs if [n for n, _ in pairs].count(name) > 1)
        raise ValueError(f"the field {twice[:80]!r} stands twice")
    return found


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """JSON as dag-cbor takes it: numbers that are whole become integers, so one manifest has one encoding."""
    plain: dict[str, Any] = json.loads(
        json.dumps(document), parse_float=lambda t: int(float(t)) if float(t) % 1 == 0 else float(t)
    )
    return plain
