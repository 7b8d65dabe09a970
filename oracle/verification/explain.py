"""Why: what moved a verdict, what makes a job hard, what a worker's quality rests on.

Pure readings of a `Belief` and a `Decision` (oracle.verification.judge): nothing is fitted here. Numbers are nats of the decision
of record unless a name says otherwise; classes, tasks and workers are their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oracle.verification.judge import Belief, Crowd, Decision
from oracle.verification.layout import Float, Int32
from oracle.verification.record import ONE
from oracle.verification.types.agreement import nominal


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: what it added for the verdict over its rival, and how sure the worker's labels make one."""

    worker: int
    label: int
    moved: float  # its row at the verdict less its row at the rival
    part: float  # of a voice; below 1 in a ring


@dataclass(frozen=True, slots=True)
class WhyVerdict:
    """scores = prior + sum of rows; the verdict leads the rival by `lead` = prior_moved + sum of what each answer moved."""

    task: int
    verdict: int
    rival: int  # the class with the second highest score; the verdict itself where there is but one
    scores: tuple[float, ...]  # [C]
    lead: float
    prior_moved: float
    answers: tuple[Said, ...]  # the strongest first
    confidence: float  # of the engine
    independent: float  # how many independent answers these are worth
    dissent: tuple[str, ...]  # models that say another class
    certified: bool
    reason: str  # what would flip it, or that nothing within the bound does


@dataclass(frozen=True, slots=True)
class WhyWorker:
    """A worker's quality: the expected share of right answers, with a 95 % interval, and what it rests on."""

    worker: int
    answers: int
    quality: float
    low: float
    high: float
    right_by_class: tuple[float, ...]  # [C] expected share of right answers on tasks of each class; nan where none
    overused: int  # the label given most beyond what the truth calls for
    overuse: float  # how many answers beyond it, as a share of all
    ring: int  # number of the ring that the worker is in, or -1


@dataclass(frozen=True, slots=True)
class WhyJob:
    """What a whole job shows."""

    agreement: float | None  # Krippendorff's alpha, nominal; None where it is not defined
    confidence: float  # mean
    certified: float  # share of the verdicts
    hardest: tuple[int, ...]  # tasks of least confidence, first the least
    confused: tuple[
        tuple[int, int, float], ...
    ]  # (truth, label, share of that truth's answers), the most common errors
    experience: float  # rank correlation of a worker's number of answers and quality; nan where either is constant
    spread: float  # standard deviation of quality between workers, sampling noise taken out


def why_verdict(belief: Belief, decision: Decision, task: int) -> WhyVerdict:
    """The decision of record on one task, answer by answer."""
    crowd, found = belief.crowd, decision.record
    scores = found.scores[task] / ONE  # [C]
    verdict = int(found.labels[task])
    others = np.delete(np.arange(len(scores)), verdict)
    rival = int(others[scores[others].argmax()]) if len(others) else verdict
    mine = np.flatnonzero(crowd.task == task)
    rows = found.row_weight[found.row[mine]] / ONE  # [n, C]
    said = [
        Said(
            int(crowd.worker[n]), int(crowd.label[n]), float(row[verdict] - row[rival]), float(belief.merged.weight[n])
        )
        for n, row in zip(mine, rows, strict=True)
    ]
    inference = belief.inference
    return WhyVerdict(
        task=task,
        verdict=verdict,
        rival=rival,
        scores=tuple(scores.tolist()),
        lead=float(scores[verdict] - scores[rival]),
        prior_moved=float(found.priors[task, verdict] - found.priors[task, rival]) / ONE,
        answers=tuple(sorted(said, key=lambda one: (-abs(one.moved), one.worker))),
        confidence=float(belief.posterior[task].max()),
        independent=float(inference.independent[task]),
        dissent=tuple(
            name for name, label in zip(inference.voices, inference.labels[:, task], strict=True) if label != verdict
        ),
        certified=bool(decision.certified[task]),
        reason=decision.reason(task),
    )


def why_worker(belief: Belief, worker: int) -> WhyWorker:
    """What the posterior says of one worker. Quality counts each answer by the probability that it is right.

    The interval is Wilson's (https://doi.org/10.1080/01621459.1927.10502953), one pseudo-answer right and one wrong apart.
    """
    crowd, posterior = belief.crowd, belief.posterior
    mine = crowd.worker == worker
    truth, label = posterior[crowd.task[mine]], crowd.label[mine]  # [n, C], [n]
    right = np.take_along_axis(truth, label[:, None].astype(np.intp), 1)[:, 0]
    given = np.bincount(label, minlength=crowd.classes)
    hits, of_class = np.bincount(label, right, crowd.classes), truth.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        by_class = np.where(of_class > 0, hits / of_class, np.nan)
    low, high = wilson(float(right.sum()), len(right))
    beyond = given - of_class
    ring = next((number for number, one in enumerate(belief.rings) if worker in one.workers), -1)
    return WhyWorker(
        worker=worker,
        answers=len(right),
        quality=float((right.sum() + 1) / (len(right) + 2)),
        low=low,
        high=high,
        right_by_class=tuple(np.minimum(by_class, 1).tolist()),
        overused=int(beyond.argmax()),
        overuse=float(beyond.max() / max(len(right), 1)),
        ring=ring,
    )


def why_job(belief: Belief, decision: Decision, most: int = 10) -> WhyJob:
    """Agreement, the hardest tasks, the most common confusions and what quality goes with."""
    crowd, posterior = belief.crowd, belief.posterior
    answered = np.bincount(crowd.task, minlength=crowd.tasks) > 0
    confidence = posterior.max(1)
    order = np.argsort(np.where(answered, confidence, np.inf), kind="stable")
    answers, quality = qualities(crowd, posterior)
    active = answers > 0
    return WhyJob(
        agreement=nominal(crowd.task, crowd.label),
        confidence=float(confidence[answered].mean()) if answered.any() else float("nan"),
        certified=float(decision.certified[answered].mean()) if answered.any() else float("nan"),
        hardest=tuple(int(task) for task in order[:most] if answered[task]),
        confused=_confused(crowd, posterior, most),
        experience=_rank_correlation(answers[active], quality[active]),
        spread=_spread(answers[active], quality[active]),
    )


def qualities(crowd: Crowd, posterior: Float) -> tuple[Int32, Float]:
    """Answers and expected share of right ones of every worker: [K], [K]; one pseudo-answer right and one wrong."""
    right = posterior[crowd.task, crowd.label]
    answers = np.bincount(crowd.worker, minlength=crowd.workers).astype(np.int32)
    return answers, (np.bincount(crowd.worker, right, crowd.workers) + 1) / (answers + 2)


def wilson(right: float, of: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval for a share; 0 to 1 where nothing was seen."""
    if not of:
        return 0.0, 1.0
    share, scale = right / of, 1 + z * z / of
    middle = (share + z * z / (2 * of)) / scale
    half = z / scale * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def _confused(crowd: Crowd, posterior: Float, most: int) -> tuple[tuple[int, int, float], ...]:
    table = np.stack([np.bincount(crowd.label, posterior[crowd.task, c], crowd.classes) for c in range(crowd.classes)])
    share = table / np.maximum(table.sum(1, keepdims=True), 1e-12)  # [truth, label]
    np.fill_diagonal(table, -1)
    worst = np.argsort(-table, axis=None, kind="stable")[: min(most, crowd.classes * (crowd.classes - 1))]
    pairs = [divmod(int(place), crowd.classes) for place in worst]
    return tuple((truth, label, float(share[truth, label])) for truth, label in pairs if table[truth, label] > 0)


def _rank_correlation(first: Int32, second: Float) -> float:
    from scipy.stats import rankdata  # noqa: PLC0415 - loads for half a second, and only explanations need it

    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def _spread(answers: Int32, quality: Float) -> float:
    """sqrt of the variance of quality less the mean variance of its estimates, at least 0."""
    if not len(answers):
        return float("nan")
    noise = quality * (1 - quality) / (answers + 3)
    return float(np.sqrt(max(np.average((quality - quality.mean()) ** 2) - noise.mean(), 0.0)))
