"""Jobs of free answers: which answers are read, which are rejected for their content, and the candidate for which each stands.

listed answers of one job -> Judgement, as `verify.judge` gives it of choices. All of it is judgement: every member finds it by
itself, from the answers alone, and signs only what is (nearly) its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from oracle.protocol import free
from oracle.protocol.epoch import Epoch, Listed
from oracle.protocol.errors import BadInput
from oracle.protocol.leaves import Status, Task, Verdict, is_sealed
from oracle.protocol.manifest import Manifest
from oracle.protocol.state import Job
from oracle.protocol.terms import Terms
from oracle.services.verify import Judgement, Pair

if TYPE_CHECKING:
    from oracle.verification.types.answer import AnswerType, Given
    from oracle.verification.types.candidates import Candidates, OfRecord
KNOWN = 5_000  # answers to decided tasks that are looked at beside those to be judged


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer that can be read."""

    task: int
    worker: int
    value: Any


def kind_of(asked: Mapping[str, Any]) -> "AnswerType":
    """The type of free answers that a manifest's `answer.asked` describes."""
    return _kind(tuple(sorted((name, _plain(value)) for name, value in asked.items())))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((name, tuple(labels)) for name, labels in value.items())
    return tuple(value) if isinstance(value, list) else value


@cache
def _kind(asked: tuple[tuple[str, Any], ...]) -> "AnswerType":
    from oracle.verification.types.catalogue import type_of  # noqa: PLC0415 - loads scipy, for jobs that have free answers only

    given = dict(asked)
    name = given["type"]
    words: dict[str, Any] = {"type": name}
    if name == "number":  # a manifest writes 1e100 as an integer
        words |= {end: float(given[end]) for end in ("low", "high")}
    if name == "text" and "unit" in given:
        words["unit"] = given["unit"]
    if name in ("multi", "spans", "boxes"):
        words["classes" if name == "multi" else "labels"] = list(given["labels"])
    if name == "form":
        words["fields"] = {field: {"type": "choice", "classes": list(labels)} for field, labels in given["fields"]}
    return type_of(words, "answer.asked")


def value_of(kind: "AnswerType", payload: bytes) -> Any:
    """What an answer says; None for what is no answer of its type."""
    from oracle.verification.types.answer import Unreadable  # noqa: PLC0415 - as above

    text = free.text_of(payload)
    try:
        return None if text is None else kind.read(text)
    except Unreadable:
        return None


def judge(
    job: int,
    terms: Terms,
    manifest: Manifest,
    asked: Sequence[Task],
    tasks: Mapping[int, Sequence[Listed]],
    before: Mapping[int, Sequence[Listed]],
) -> Judgement:
    """`asked`: the job's tasks; `before`: of tasks that are decided: they tell what workers are worth, and are not judged again."""
    kind = kind_of(manifest.document["answer"]["asked"])
    said = {task: _read(kind, task, listed) for task, listed in tasks.items()}
    known = _known(kind, before)
    reasons = _rejected(job, manifest, asked, said, known)
    left = [a for some in said.values() for a in some if (a.task, a.worker) not in reasons]
    order = [*sorted(tasks), *sorted(known)]
    given, people = _given(order, [*left, *(a for some in known.values() for a in some)])
    card = {"job": job, "tasks": len(tasks), "answers": len(left), "known_tasks": len(known), "method": kind.name}
    card |= {"weight_cap": terms.weight_cap, "prior_cap": terms.prior_cap, "rejected": len(reasons)}
    if not given.value:
        zero, none = (0,) * terms.classes, dict.fromkeys(tasks, ())
        return Judgement({}, dict.fromkeys(tasks, zero), dict.fromkeys(tasks, 0), card, {}, dict(none), reasons)
    options, decided = _decide(kind, manifest, terms, given)
    stands: dict[int, dict[int, int]] = {task: {} for task in tasks}
    for a, label in zip(
        left, options.label.tolist(), strict=False
    ):  # those to tasks that are decided stand behind them
        stands[a.task][a.worker] = label
    used = {pair for places in stands.values() for pair in places.items()}
    pairs = zip(people[decided.row_worker].tolist(), decided.row_label.tolist(), strict=True)
    return Judgement(
        rows={pair: tuple(row) for pair, row in zip(pairs, decided.row_weight.tolist(), strict=True) if pair in used},
        priors={task: tuple(prior) for task, prior in zip(sorted(tasks), decided.priors.tolist(), strict=False)},
        labels=dict(zip(sorted(tasks), decided.label.tolist(), strict=False)),
        card=card,
        stands=stands,
        candidates={t: tuple(map(kind.write, some)) for t, some in zip(sorted(tasks), options.value, strict=False)},
        reasons=reasons,
    )


def _decide(kind: "AnswerType", manifest: Manifest, terms: Terms, given: "Given") -> tuple["Candidates", "OfRecord"]:
    from oracle.verification.types import candidates as cd  # noqa: PLC0415 - loads the engine

    found = kind.aggregate(given, _engine)
    if kind.name == "number":
        asked = manifest.document["answer"]["asked"]
        options = cd.bins(given, found, terms.classes, (float(asked["low"]), float(asked["high"])))
    else:
        options = cd.clusters(given, found, kind, terms.classes)
    return options, cd.of_record(given, found, options, terms.weight_cap, terms.prior_cap, terms.classes)


def _read(kind: "AnswerType", task: int, listed: Sequence[Listed]) -> list[_Said]:
    opened = [(a.worker, value_of(kind, a.opening.payload)) for a in listed if a.status is not Status.UNOPENED]
    return [_Said(task, worker, value) for worker, value in opened if value is not None]


def _known(kind: "AnswerType", before: Mapping[int, Sequence[Listed]]) -> dict[int, list[_Said]]:
    """Of as many tasks as KNOWN allows, in their order."""
    found: dict[int, list[_Said]] = {}
    size = 0
    for task, listed in before.items():
        counted = _read(kind, task, [a for a in listed if a.status is Status.COUNTED])
        if size + len(counted) > KNOWN:
            break
        found[task] = counted
        size += len(counted)
    return found


def _given(order: Sequence[int], said: Sequence[_Said]) -> tuple["Given", np.ndarray]:
    from oracle.verification.types.answer import Given  # noqa: PLC0415 - as above

    at = {task: row for row, task in enumerate(order)}
    people, worker = np.unique(np.array([a.worker for a in said], np.int32), return_inverse=True)
    task = np.array([at[a.task] for a in said], np.int32)
    return Given(task, worker.astype(np.int32), [a.value for a in said], len(order), max(len(people), 1)), people


def _engine(task: Any, worker: Any, label: Any, tasks: int, workers: int, classes: int) -> Any:
    from oracle.verification.engine import infer  # noqa: PLC0415 - loads for most of a second

    return infer(task, worker, label, tasks, workers, classes).posterior


def _rejected(
    job: int,
    manifest: Manifest,
    asked: Sequence[Task],
    said: Mapping[int, Sequence[_Said]],
    known: Mapping[int, Sequence[_Said]],
) -> dict[Pair, bytes]:
    """(task, worker) -> the block that says why, of the answers that the job's policy rejects."""
    policy = manifest.document["answer"].get("content")
    if policy is None:
        return {}
    from oracle.verification.content.check import check_texts  # noqa: PLC0415 - as above
    from oracle.verification.content.corpus import Text  # noqa: PLC0415
    from oracle.verification.content.findings import read_policy, reason_block  # noqa: PLC0415

    rules = read_policy(policy | {"check": policy["reject"]})
    looked = [a for some in (said, known) for task in sorted(some) for a in some[task]]
    texts = [
        Text(f"{a.task}/{a.worker}", a.value, str(a.task), str(a.worker), _prompt(asked[a.task].payload))
        for a in looked
    ]
    found = zip(looked, check_texts(texts, rules), strict=True)
    return {
        (a.task, a.worker): reason_block(job, a.task, a.worker, rules, report)
        for a, report in found
        if report.rejected and a.task in said
    }


def _prompt(payload: Any) -> str:
    """What a task says in words."""
    if isinstance(payload, dict):
        return " ".join(part for part in map(_prompt, payload.values()) if part)
    return payload if isinstance(payload, str) else ""


def agrees(shown: bytes, own: bytes) -> bool:
    """Whether two reasons say the same; scores may differ in their last digits. Raises BadInput for what is none."""
    from oracle.verification.content.findings import read_reason  # noqa: PLC0415 - as above

    said = [(policy, {finding.reason for finding in found}) for policy, found in map(read_reason, (shown, own))]
    return said[0] == said[1]


def agreement(asked: Mapping[str, Any], answers: Sequence[tuple[int, int, bytes]]) -> float | None:
    """Krippendorff's alpha of (task, worker, payload), as the type of what is `asked` defines it; None where it does not."""
    kind = kind_of(asked)
    read = [_Said(task, worker, value_of(kind, payload)) for task, worker, payload in answers]
    said = [one for one in read if one.value is not None]
    return kind.agreement(_given(sorted({one.task for one in said}), said)[0]) if said else None


def words_of(reason: bytes) -> str:
    """What a reason says to the worker. Raises BadInput for what is none."""
    from oracle.verification.content.findings import read_reason  # noqa: PLC0415 - as above

    return "; ".join(finding.words for finding in read_reason(reason)[1])


# ----------------------------------------------------------------------------------------------- in somebody's epoch


def check_named(epoch: Epoch, jobs: Mapping[int, Job], named: free.Candidates) -> None:
    """That the candidates of each task of free answers that is decided here, and no others, are named. Raises BadInput."""
    decided = {(v.job, v.task): v for v in epoch.verdicts if v.job in jobs and jobs[v.job].terms.free}
    if odd := decided.keys() ^ named.keys():
        job, task = min(odd)
        what = "are not named" if (job, task) in decided else "are named, and are not decided here"
        raise BadInput(f"the candidates of task {task} of job {job} {what}")
    for (job, task), verdict in decided.items():
        texts = named[job, task]
        if texts is None and not is_sealed(verdict):
            raise BadInput(f"the candidates of task {task} of job {job} are sealed, and its verdict is not")
        counted = () if texts is None else [c.label for c in verdict.cores if c.status is Status.COUNTED]
        if counted and max(verdict.label, *counted) >= len(texts or ()):
            raise BadInput(f"task {task} of job {job} has a label without a candidate")


def parts(own: Judgement, verdict: Verdict, named: free.Candidates) -> bool:
    """Whether a member would decide the task otherwise: another label, or, of free answers, other candidates or places."""
    if own.labels[verdict.task] != verdict.label:
        return True
    if (verdict.job, verdict.task) not in named:
        return False
    stands = {c.worker: c.label for c in verdict.cores if c.status is Status.COUNTED}
    texts = named[verdict.job, verdict.task]
    return stands != own.stands.get(verdict.task, {}) or own.candidates[verdict.task] != texts


def check_reasons(own: Judgement, verdict: Verdict, block: Callable[[bytes], bytes]) -> None:
    """That every rejection is one that this member would give too. `block`: by digest. Raises BadInput, and what `block` raises."""
    for core, opening in zip(verdict.cores, verdict.openings, strict=True):
        if core.status is Status.REJECTED:
            mine = own.reasons.get((verdict.task, core.worker))
            if mine is None or not agrees(block(opening.reason), mine):
                what = f"the answer of worker {core.worker} to task {verdict.task} of job {verdict.job}"
                raise BadInput(f"{what} is rejected for another reason than there is")
