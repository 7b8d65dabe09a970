"""`crowdproof bench attack`: recorded crowds with attackers among them, what the engine then decides, and what it notices.

Attackers are added, no recorded answer is touched: an attack of share s adds N s / (1 - s) answers to N, so that s is
their share of all. Their accounts answer as many tasks as recorded workers do (tiny ones: three), tasks drawn evenly.
Every crowd is attacked anew for each seed. Known tasks (gold) are given to the engine and left out of its score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle import labels as lb
from oracle.bench.crowds import recorded
from oracle.verification import judge as judging
from oracle.verification.rings import Ring, gold_questions, gold_sentence

SETS = ("rte", "dog", "weather_amt", "sentiment_polarity_amt")
SEEDS = 5
TINY = 3

Int32 = NDArray[np.int32]
Luck = np.random.Generator


@dataclass(frozen=True, slots=True)
class Crowd:
    """A recorded crowd, or one with attackers: workers from `honest` on are they."""

    task: Int32
    worker: Int32
    label: Int32
    tasks: int
    workers: int
    classes: int
    truth: Int32  # [T], negative where unknown
    honest: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What an engine says of a crowd."""

    verdict: Int32  # [T]
    certified: NDArray[np.bool_]  # [T]
    rings: tuple[Ring, ...]


Engine = Callable[[Crowd, Int32 | None, bool], Judged]
"""The answers (the truth of the crowd is blank), the known classes [T] or None, whether rings are looked for."""


# ---------------------------------------------------------------- the engine


def judge(crowd: Crowd, known: Int32 | None, merging: bool) -> Judged:
    """What the product decides. Without merging: as if there were no rings."""
    answers = judging.crowd(crowd.task, crowd.worker, crowd.label, crowd.tasks, crowd.workers, crowd.classes)
    belief = judging.believe(answers, gold=known, merging=merging)
    decision = judging.decide(belief)
    return Judged(belief.posterior.argmax(1).astype(np.int32), decision.certified, belief.rings)


# ---------------------------------------------------------------- attacks


@dataclass(frozen=True, slots=True)
class Attack:
    """`says` gives the labels of answers: (crowd, tasks of the answers, luck) -> labels."""

    name: str
    share: float  # of all answers, attackers' included
    says: Callable[[Crowd, Int32, Luck], Int32]
    gold: float = 0.0  # share of the tasks whose class is known
    rings: int = 1  # that many, each with its own `says`
    tiny: bool = False


def _key(noise: float) -> Callable[[Crowd, Int32, Luck], Int32]:
    """One random label a task, shared by all; a part of the answers is noise."""

    def says(crowd: Crowd, task: Int32, luck: Luck) -> Int32:
        key = luck.integers(0, crowd.classes, crowd.tasks)
        return _noisy(key[task], noise, crowd.classes, luck)

    return says


def _random(crowd: Crowd, task: Int32, luck: Luck) -> Int32:
    return luck.integers(0, crowd.classes, len(task)).astype(np.int32)


def _constant(crowd: Crowd, task: Int32, luck: Luck) -> Int32:
    """All say the same label on every task."""
    return np.full(len(task), luck.integers(crowd.classes), np.int32)


def _same_wrong(crowd: Crowd, task: Int32, luck: Luck) -> Int32:
    """The truth, shifted by one class: wrong on every task, together."""
    truth = _believed(crowd, luck)
    return ((truth + 1) % crowd.classes)[task].astype(np.int32)


def _disguised_tasks(crowd: Crowd, task: Int32, luck: Luck) -> Int32:
    """Right but for a fifth of the tasks, where all say the same wrong label; 10 % noise."""
    says = _believed(crowd, luck)
    target = luck.random(crowd.tasks) < 0.2
    says = np.where(target, (says + luck.integers(1, max(crowd.classes, 2), crowd.tasks)) % crowd.classes, says)
    return _noisy(says[task], 0.1, crowd.classes, luck)


def _disguised_class(crowd: Crowd, task: Int32, luck: Luck) -> Int32:
    """Right but for the tasks of one class, which all call by the next one; 10 % noise."""
    says = _believed(crowd, luck)
    target = luck.integers(crowd.classes)
    says = np.where(says == target, (target + 1) % crowd.classes, says)
    return _noisy(says[task], 0.1, crowd.classes, luck)


def _believed(crowd: Crowd, luck: Luck) -> Int32:
    """The truth; a guess where it is not recorded."""
    guess = luck.integers(0, crowd.classes, crowd.tasks)
    return np.where(crowd.truth >= 0, crowd.truth, guess).astype(np.int32)


def _noisy(label: NDArray[np.integer[Any]], noise: float, classes: int, luck: Luck) -> Int32:
    other = luck.integers(0, classes, len(label))
    return np.where(luck.random(len(label)) < noise, other, label).astype(np.int32)


ATTACKS = (
    Attack("ring_35", 0.35, _key(0.0)),
    Attack("ring_50_gold_5", 0.50, _key(0.0), gold=0.05),
    Attack("ring_50", 0.50, _key(0.0)),
    Attack("random_50", 0.50, _random),
    Attack("constant_50", 0.50, _constant),
    Attack("three_rings_40", 0.40, _key(0.0), rings=3),
    Attack("noisy_key_10", 0.35, _key(0.1)),
    Attack("noisy_key_20", 0.35, _key(0.2)),
    Attack("tiny_accounts_35", 0.35, _key(0.0), tiny=True),
    Attack("same_wrong_35", 0.35, _same_wrong),
    Attack("disguised_tasks_35", 0.35, _disguised_tasks),
    Attack("disguised_class_35", 0.35, _disguised_class),
    Attack("disguised_tasks_35_gold_5", 0.35, _disguised_tasks, gold=0.05),
)


def attacked(crowd: Crowd, attack: Attack, luck: Luck) -> Crowd:
    """The crowd with the attackers' answers behind its own."""
    wanted = round(len(crowd.task) * attack.share / (1 - attack.share))
    activity = np.bincount(crowd.worker, minlength=crowd.workers)
    activity = np.full(1, min(TINY, crowd.tasks)) if attack.tiny else activity[activity > 0]
    task, worker, label = [crowd.task], [crowd.worker], [crowd.label]
    account = crowd.workers
    for part in _parts(wanted, attack.rings):
        mine, accounts = _accounts(part, activity, crowd.tasks, luck)
        task.append(mine)
        worker.append((accounts + account).astype(np.int32))
        label.append(attack.says(crowd, mine, luck))
        account += 1 + int(accounts.max(initial=-1))
    tasks, workers, labels = (np.concatenate(column).astype(np.int32) for column in (task, worker, label))
    return Crowd(tasks, workers, labels, crowd.tasks, account, crowd.classes, crowd.truth, crowd.workers)


def _parts(total: int, parts: int) -> list[int]:
    return [total // parts + (i < total % parts) for i in range(parts)]


def _accounts(total: int, activity: NDArray[np.int64], tasks: int, luck: Luck) -> tuple[Int32, Int32]:
    """Tasks and account numbers of `total` answers, each account as busy as a recorded worker drawn at random."""
    chosen: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    left = total
    while left > 0:
        chosen.append(luck.choice(tasks, int(min(luck.choice(activity), left, tasks)), replace=False))
        left -= len(chosen[-1])
    account = np.repeat(np.arange(len(chosen) - 1), [len(tasks) for tasks in chosen[1:]])
    return np.concatenate(chosen).astype(np.int32), account.astype(np.int32)


# ---------------------------------------------------------------- the benchmark


def attack(data: Path, seeds: int = SEEDS, engine: Engine = judge) -> dict[str, Any]:
    """Accuracy under every attack on `SETS` of the folder, and what merging costs on every categorical crowd in it."""
    crowds = {name: read(data / name) for name in SETS}
    found = {one.name: _under(one, crowds, seeds, engine) for one in ATTACKS}
    return {"seeds": seeds, "attacks": found, "clean": clean(data, engine), "gold_questions": _gold_questions()}


def read(folder: Path) -> Crowd:
    """A set of the folder: labels.csv or labels.csv.gz, truth.csv."""
    answers, truth = recorded(folder)
    sizes = len(answers.tasks), len(answers.workers), len(answers.classes)
    return Crowd(answers.task, answers.worker, answers.label, *sizes, truth, len(answers.workers))


def _under(one: Attack, crowds: dict[str, Crowd], seeds: int, engine: Engine) -> dict[str, Any]:
    rows = {name: [_trial(one, crowd, seed, engine) for seed in range(seeds)] for name, crowd in crowds.items()}
    means = {name: {key: _mean([row[key] for row in trials]) for key in trials[0]} for name, trials in rows.items()}
    keys = next(iter(means.values()))
    return {"mean": {key: _mean([row[key] for row in means.values()]) for key in keys}, "sets": means}


def _trial(one: Attack, crowd: Crowd, seed: int, engine: Engine) -> dict[str, float | None]:
    luck = np.random.default_rng([seed, ATTACKS.index(one)])
    now = attacked(crowd, one, luck)
    known = _known(crowd, one.gold, luck)
    scored = (crowd.truth != lb.NO_TRUTH) if known is None else (crowd.truth != lb.NO_TRUTH) & (known < 0)
    blank = np.full_like(crowd.truth, lb.NO_TRUTH)
    judged, naive = (engine(replace(now, truth=blank), known, merging) for merging in (True, False))
    before = engine(replace(crowd, truth=blank), known, False)
    right = judged.verdict == crowd.truth
    lost = scored & ~right & (before.verdict == crowd.truth)  # tasks that the attackers won
    ringed = np.zeros(now.workers, bool)
    for ring in judged.rings:
        ringed[list(ring.workers)] |= ring.merges
    merged = [ring for ring in judged.rings if ring.merges]
    return {
        "accuracy": float(right[scored].mean()),
        "accuracy_unmerged": float((naive.verdict == crowd.truth)[scored].mean()),
        "accuracy_clean": float((before.verdict == crowd.truth)[scored].mean()),
        "recall": float(ringed[now.honest :].mean()),
        "false_positives": float(ringed[: now.honest].mean()),
        "rings": float(len(merged)),
        "certified": float(judged.certified[scored].mean()),
        "lost": float(lost[scored].mean()),
        "lost_but_certified": float((judged.certified & lost)[scored].mean()),
    }


def _known(crowd: Crowd, share: float, luck: Luck) -> Int32 | None:
    if not share:
        return None
    with_truth = np.flatnonzero(crowd.truth >= 0)
    known = np.full(crowd.tasks, -1, np.int32)
    chosen = luck.choice(with_truth, max(1, round(share * len(with_truth))), replace=False)
    known[chosen] = crowd.truth[chosen]
    return known


def _mean(values: list[Any]) -> float:
    return float(np.mean(values))


def clean(data: Path, engine: Engine = judge) -> dict[str, dict[str, Any]]:
    """What merging does to every categorical crowd of the folder as it was recorded."""
    sets = {}
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        if _categorical(folder):
            crowd = read(folder)
            scored, blank = crowd.truth != lb.NO_TRUTH, np.full_like(crowd.truth, lb.NO_TRUTH)
            with_, without = (engine(replace(crowd, truth=blank), None, merging) for merging in (True, False))
            hits = [int((judged.verdict == crowd.truth)[scored].sum()) for judged in (without, with_)]
            merged = [ring for ring in with_.rings if ring.merges]
            sets[folder.name] = {
                "tasks": int(scored.sum()),
                "accuracy_unmerged": hits[0] / int(scored.sum()),
                "accuracy": hits[1] / int(scored.sum()),
                "tasks_lost": hits[0] - hits[1],
                "rings": len(merged),
                "workers_in_rings": sum(len(ring.workers) for ring in merged),
                "workers": crowd.workers,
                "suspected": sum(len(ring.workers) for ring in with_.rings if not ring.merges),
                "certified": float(with_.certified.mean()),
            }
    return sets


def _categorical(folder: Path) -> bool:
    """Whether SOURCE.md says so."""
    source = folder / "SOURCE.md"
    return source.is_file() and "| kind | categorical |" in source.read_text("utf-8")


def _gold_questions() -> dict[str, dict[str, Any]]:
    """For a crowd of an ordinary kind: four classes, five answers a task, honest workers wrong on a fifth."""
    kind: dict[str, Any] = {"delta": 0.01, "redundancy": 5, "classes": 4, "error": 0.2}
    return {
        f"{share:.0%}": {"needed": gold_questions(share, **kind), "sentence": gold_sentence(share, **kind)}
        for share in (0.05, 0.1, 0.2, 0.35)
    }


def text(d: dict[str, Any]) -> str:
    lines = [
        f"  {'attack':<28}{'accuracy':>9}{'unmerged':>9}{'clean':>7}{'recall':>8}{'false':>7}{'lost':>7}{'certified':>10}"
    ]
    for name, found in d["attacks"].items():
        m = found["mean"]
        lines.append(
            f"  {name:<28}{m['accuracy']:>9.3f}{m['accuracy_unmerged']:>9.3f}{m['accuracy_clean']:>7.3f}{m['recall']:>8.3f}"
            f"{m['false_positives']:>7.3f}{m['lost']:>7.3f}{m['lost_but_certified']:>10.3f}"
        )
    lines.append(
        f"  {'clean set':<28}{'accuracy':>9}{'unmerged':>9}{'lost':>7}{'rings':>7}{'in them':>8}{'workers':>9}"
    )
    for name, m in d["clean"].items():
        lines.append(
            f"  {name:<28}{m['accuracy']:>9.4f}{m['accuracy_unmerged']:>9.4f}{m['tasks_lost']:>7}{m['rings']:>7}"
            f"{m['workers_in_rings']:>8}{m['workers']:>9}"
        )
    lines += [f"  {one['sentence']}" for one in d["gold_questions"].values()]
    return "\n".join(lines)
