"""A job's manifest: what the requester asks for, checked against manifest.schema.json, and the terms that follow.

JSON -> Manifest; Manifest, tasks, unit -> blocks and Terms. Everything is refused before anything is funded.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.resources import files
from typing import Any

import jsonschema

from oracle.protocol import gold as gd
from oracle.protocol import jobkey, pages
from oracle.protocol.cids import DEPTH_LIMIT, Codec, cid_of, decode, digest_of, encode, from_digest
from oracle.protocol.errors import BadInput
from oracle.protocol.faults import Fault
from oracle.protocol.jobkey import Wrapped
from oracle.protocol.leaves import Task
from oracle.protocol.pages import Block, Source
from oracle.protocol.terms import MAX_LEAF, MAX_TASKS, NAT, Terms, check_terms

MAX_BYTES = 4_000_000
MAX_ID = 1024
BINS = 20  # of a scale of free numbers
UNLISTED = ("text", "spans", "boxes")  # are always free
VISIBILITIES = ("public", "assigned", "sealed")
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A checked manifest with every default filled in; `document` is its JSON, whole numbers as integers.

    Beside it stand in the job's root: `gold`, the commitments to what the requester knows; `key`, the job's key, if it is sealed.
    """

    document: dict[str, Any]
    gold: tuple[gd.Part, ...] = ()
    key: Wrapped | None = None

    @property
    def is_free(self) -> bool:
        """Whether answers are free: what they say makes each task's classes, its candidates."""
        return bool(self.document["answer"]["type"] == "free")

    @property
    def classes(self) -> list[str]:
        """In the order of their labels; of free answers as many as a task has candidates at most, by their numbers."""
        answer = self.document["answer"]
        if not self.is_free:
            return list(answer["classes"])
        usual = BINS if answer["asked"]["type"] == "number" else max(2, self.document["redundancy"]["most"])
        return [str(number) for number in range(answer.get("candidates", usual))]

    @property
    def offered(self) -> list[str]:
        """The classes that a worker chooses among; none where answers are free."""
        return [] if self.is_free else self.classes

    @property
    def least(self) -> int:
        return int(self.document["redundancy"]["least"])

    @property
    def deadline(self) -> int:
        return int(self.document["deadline"])

    @property
    def confidence(self) -> float | None:
        """At which a task is sure; None where every answer is asked for."""
        found = self.document["redundancy"].get("confidence")
        return None if found is None else float(found)

    @property
    def assignment_seconds(self) -> int:
        return int(self.document["assignmentSeconds"])

    @property
    def seal(self) -> str:
        """Who opens an answer: `members`, each alone, or a `threshold` of them together."""
        return str(self.document.get("seal", "members"))

    @property
    def is_public(self) -> bool:
        """Whether everybody may read the payloads of its tasks."""
        return bool(self.document["visibility"] == "public")

    @property
    def is_sealed(self) -> bool:
        """Whether what epochs say of it is sealed too, under the job's key."""
        return bool(self.document["visibility"] == "sealed")


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
        text = text if isinstance(text, str) else text.decode("utf-8-sig")
        if _depth(text) > DEPTH_LIMIT:
            raise BadInput(f"{where}: lists and objects nest over {DEPTH_LIMIT} deep")
        document = json.loads(text, object_pairs_hook=_unique, parse_int=_integer)
    except json.JSONDecodeError as problem:
        raise BadInput(f"{where}, line {problem.lineno}, column {problem.colno}: not JSON: {problem.msg}") from None
    except ValueError as problem:  # not UTF-8, or a field twice
        raise BadInput(f"{where}: not a JSON document: {problem}") from None
    return check_manifest(document, where)


def check_manifest(document: Any, where: str = "manifest") -> Manifest:
    """The same for a document that is already parsed."""
    document = _tidy(document, where, ())
    if flaws := problems(document):
        raise BadInput(f"{where}: " + "; ".join(f"{field}: {what}" for field, what in flaws[:5]))
    filled = _with_defaults(schema(), document)
    redundancy = filled["redundancy"]
    if redundancy["least"] > redundancy["most"]:
        raise BadInput(
            f"{where}: redundancy.least is {redundancy['least']}, more than redundancy.most ({redundancy['most']})"
        )
    if filled.get("seal") == "threshold" and "confidence" in redundancy:
        raise BadInput(
            f"{where}: redundancy.confidence: nobody reads an answer under a threshold seal before its task is closed,"
            " so none is sure earlier; leave out the one or the other"
        )
    if found := next(_free_problems(filled), None):
        raise BadInput(f"{where}: {found[0]}: {found[1]}")
    return Manifest(filled)


def _free_problems(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(field, why it does not go with free answers, or not without them)."""
    answer = document["answer"]
    asked = answer.get("asked", {"type": "choice"})
    kind = asked["type"]
    for field in ("classes",) if answer["type"] == "free" else ("candidates", "content"):
        if field in answer:
            yield f"answer.{field}", f"leave it out, or say {'choice' if field == 'classes' else 'free'} as answer.type"
    if answer["type"] != "free":
        if kind in UNLISTED:
            yield "answer.type", f"{kind} cannot be listed as classes: say free, and leave out answer.classes"
        return
    yield from _asked_problems(asked)
    if "content" in answer and kind != "text":
        yield "answer.content", "only texts are checked"
    policy = answer.get("content", {})
    if policy.get("least", 0) > policy.get("most", policy.get("least", 0)):
        yield "answer.content.least", "is more than answer.content.most"
    if "language" in policy.get("reject", ()) and not policy.get("languages"):
        yield "answer.content.languages", "name those that are right, or do not reject by language"
    for field, is_asked in (
        ("redundancy.confidence", "confidence" in document["redundancy"]),
        ("goldShare", bool(document["goldShare"])),
        ("releases", "releases" in document),
    ):
        if is_asked:
            yield field, "there is none with free answers: it speaks of classes that all tasks share"
    if policy and document["visibility"] == "sealed":
        yield "answer.content", "a sealed job rejects nothing: everybody would read the reasons"


def _asked_problems(asked: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is missing, of what is asked freely."""
    kind, low, high = asked["type"], asked.get("low"), asked.get("high")
    if kind == "choice":
        yield "answer.asked.type", "a choice is not free: give answer.type choice, and its classes"
    if kind == "number" and (low is None or high is None or low >= high):
        yield "answer.asked", "free numbers need low and high, the ends of their scale, in this order"
    if kind in ("multi", "spans", "boxes") and not asked.get("labels"):
        yield "answer.asked.labels", f"{kind} needs the labels that there are"
    if kind == "form" and min(map(len, asked.get("fields", {"": ()}).values())) < 2:
        yield "answer.asked.fields", "a form needs fields, each with two answers or more"


def problems(document: Any) -> list[tuple[str, str]]:
    """(field, what is wrong) of everything in which a parsed document is no manifest."""
    validator = jsonschema.Draft202012Validator(schema())
    found = sorted(validator.iter_errors(document), key=lambda p: [str(part) for part in p.absolute_path])
    return [(_field(problem.absolute_path), problem.message[:200]) for problem in found]


def make_job(
    manifest: Manifest, tasks: Sequence[Task], unit: int, where: str = "manifest"
) -> tuple[Terms, list[Block]]:
    """The terms to escrow and the blocks to store (the manifest's own last). Raises BadInput naming the field."""
    _check_tasks(tasks, where)
    document = manifest.document
    _check_named(document, {task.id for task in tasks}, where)
    _check_dependencies(document["dependencies"], where)
    if what := _gold_problem(manifest, len(tasks)):
        raise BadInput(f"{where}: goldShare: {what}")
    base, bonus = (_units(document["reward"][name], unit, where, f"reward.{name}") for name in ("base", "bonus"))
    if base + bonus == 0:
        raise BadInput(f"{where}: reward.base and reward.bonus are both 0: an answer must earn something")
    tree, blocks = pages.pack(tasks)
    sealed, more = gd.pack(manifest.gold)
    if what := _sealed_gold(manifest):
        raise BadInput(f"{where}: visibility: {what}")
    node = {"manifest": document, "tasks": tree} | ({"gold": sealed} if sealed else {})
    block = encode(node | ({"key": manifest.key.record()} if manifest.key else {}))
    digest = digest_of(cid_of(block, Codec.DAG_CBOR))
    terms = Terms(tasks=len(tasks), base=base, bonus=bonus, task_root=tree["root"], manifest=digest, **_rules(manifest))
    if document["decision"]["rule"] == "weighted" and not terms.weight_cap:
        raise BadInput(f"{where}: decision.weightCap is below its smallest step, 1/{NAT}; for a plain vote say so")
    try:
        check_terms(terms)
    except BadInput as problem:
        raise BadInput(f"{where}: {problem}") from None
    need = terms.escrow() * unit
    if "budget" in document and int(document["budget"]) < need:
        raise BadInput(
            f"{where}: budget is {document['budget']}, but {terms.tasks} tasks x {terms.answers} answers"
            f" x (base + bonus) + fee need {need}; raise it or ask for less"
        )
    return terms, [*blocks, *more, (block, Codec.DAG_CBOR)]


def load_job(source: Source, epoch: int, terms: Terms) -> tuple[Manifest | None, list[Task], list[Fault]]:
    """Manifest and tasks under the digest that a job's terms name, with every fault (placed in `epoch`).

    Anyone may open a job: that its terms fit its manifest is checked here, but for the rewards, which need the unit.
    """
    try:
        node: Any = decode(source.read(from_digest(Codec.DAG_CBOR, terms.manifest)))
        manifest, tree = check_manifest(node["manifest"]), node["tasks"]
        given = (tree["root"], tree["size"])
        manifest = replace(manifest, gold=gd.load(source, node["gold"])) if "gold" in node else manifest
        manifest = replace(manifest, key=jobkey.read(node["key"])) if "key" in node else manifest
    except pages.UNREADABLE as problem:
        return None, [], [Fault(epoch, "manifest", 0, f"the manifest cannot be read: {problem}")]
    reading = pages.read(source, epoch, "tasks", tree)
    tasks = [task for task in reading.values if isinstance(task, Task)]
    faults = list(reading.faults)
    for name, value in _rules(manifest).items():
        if getattr(terms, name) != value:
            faults.append(Fault(epoch, "manifest", 0, f"{name} is {value}, in the terms {getattr(terms, name)}"))
    if what := _gold_problem(manifest, terms.tasks):
        faults.append(Fault(epoch, "manifest", 0, what))
    if what := _key_problem(manifest):
        faults.append(Fault(epoch, "manifest", 0, what))
    if given != (terms.task_root, terms.tasks):
        faults.append(Fault(epoch, "tasks", 0, "the tasks are not those of the terms"))
    elif not faults and (moved := [i for i, task in enumerate(tasks) if task.task != i]):
        faults.append(Fault(epoch, "tasks", moved[0], "the task is numbered otherwise than it stands"))
    return manifest, [] if faults else tasks, faults


def _gold_problem(manifest: Manifest, tasks: int) -> str:
    """A manifest that names a share, and commits to no gold, promises to nobody that there is some."""
    count = len(gd.leaves_of(manifest.gold))
    return gd.share_problem(count, tasks, manifest.document["goldShare"]) if count else ""


def _key_problem(manifest: Manifest) -> str:
    """A key without a sealed job, or a sealed job without a key."""
    if manifest.is_sealed != (manifest.key is not None):
        return "a job has a key in its root if it is sealed, and only then"
    return _sealed_gold(manifest)


def _sealed_gold(manifest: Manifest) -> str:
    gold = manifest.gold or manifest.document["goldShare"]
    return "a sealed job has no gold: epochs would open its labels to everybody" if manifest.is_sealed and gold else ""


def _rules(manifest: Manifest) -> dict[str, Any]:
    """The terms that a manifest fixes by itself, without its tasks and the unit of money."""
    document, decision = manifest.document, manifest.document["decision"]
    caps = (decision["weightCap"], decision["priorCap"]) if decision["rule"] == "weighted" else (0, 0)
    return {
        "classes": len(manifest.classes),
        "answers": document["redundancy"]["most"],
        "fee_bps": document["feeBps"],
        "weight_cap": round(caps[0] * NAT),
        "prior_cap": round(caps[1] * NAT),
        "free": manifest.is_free,
    }


def _check_named(document: dict[str, Any], known: set[str], where: str) -> None:
    """That every field which names tasks names some of the job's, and no deadline is after the job's."""
    pairs = [
        (field, i, pair) for field in ("dependencies", "conflicts") for i, pair in enumerate(document.get(field, []))
    ]
    moments = list(enumerate(document.get("taskDeadlines", [])))
    named = [*pairs, *(("taskDeadlines", i, [name]) for i, (name, _) in moments)]
    for field, position, names in named:
        if unknown := set(names) - known:
            raise BadInput(f"{where}: {field}.{position}: there is no task {min(unknown)[:80]!r}")
    for position, (_, moment) in moments:
        if moment > document["deadline"]:
            what = f"{moment} is after the job's deadline, {document['deadline']}"
            raise BadInput(f"{where}: taskDeadlines.{position}: {what}")


def _check_dependencies(pairs: Sequence[Sequence[str]], where: str) -> None:
    graph: TopologicalSorter[str] = TopologicalSorter()
    for before, after in pairs:
        graph.add(after, before)
    try:
        graph.prepare()
    except CycleError as problem:
        circle = " -> ".join(repr(name[:40]) for name in problem.args[1][:5])
        raise BadInput(f"{where}: dependencies: tasks wait for each other: {circle}") from None


def _check_tasks(tasks: Sequence[Task], where: str) -> None:
    if not 0 < len(tasks) <= MAX_TASKS:
        raise BadInput(f"{where}: a job has 1 to {MAX_TASKS} tasks, not {len(tasks)}")
    for position, what in task_problems(tasks):
        raise BadInput(f"{where}: task {position + 1}{what}")


def task_problems(tasks: Sequence[Task]) -> Iterator[tuple[int, str]]:
    """(position, what is wrong) of each task that no job may have; what follows the task's number in a sentence."""
    seen: dict[str, int] = {}
    for position, task in enumerate(tasks):
        if task.task != position:
            yield position, f" is numbered {task.task}, not {position}"
        elif not 0 < len(task.id.encode(errors="surrogatepass")) <= MAX_ID:
            yield position, f": an id has 1 to {MAX_ID} bytes"
        elif (first := seen.setdefault(task.id, position)) != position:
            yield position, f" has the id of task {first + 1}, {task.id!r}"
        elif what := _record_problem(task):
            yield position, f" ({task.id!r}): {what}"


def _record_problem(task: Task) -> str:
    try:
        size = len(encode(task.record()))
    except BadInput as problem:
        return str(problem)
    return f"its payload exceeds {MAX_LEAF} bytes" if size > MAX_LEAF else ""


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


def _depth(text: str) -> int:
    """How deep lists and objects open in a JSON text. The parser itself recurses, until the process's stack is gone."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _integer(text: str) -> int | float:
    """Beyond a double's range no limit of ours is met; the schema says so with the field's name."""
    return int(text) if len(text) <= 300 else math.inf


def _tidy(value: Any, where: str, path: tuple[str | int, ...]) -> Any:
    """The value with whole floats as integers, so that one manifest has one encoding.

    Raises BadInput naming the field of what a JSON Schema lets through or stumbles over.
    """
    if len(path) > DEPTH_LIMIT:
        raise BadInput(f"{where}: {_field(path[:3])}: lists and objects nest over {DEPTH_LIMIT} deep")
    if isinstance(value, dict):
        return {_text(k, where, path): _tidy(item, where, (*path, k)) for k, item in value.items()}
    if isinstance(value, list):
        return [_tidy(item, where, (*path, i)) for i, item in enumerate(value)]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadInput(f"{where}: {_field(path)}: {value} is not a number that JSON or any field here has")
        return int(value) if value.is_integer() else value
    return _text(value, where, path) if isinstance(value, str) else value


def _text(text: str, where: str, path: tuple[str | int, ...]) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadInput(f"{where}: {_field(path)}: half of a surrogate pair is not text")
    return text
