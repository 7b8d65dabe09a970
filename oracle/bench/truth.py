"""`crowdproof bench truth`: our verdicts beside the vote and crowd-kit on every recorded crowd of a folder, in one run.

A set is a folder with labels.csv[.gz] and truth.csv. The gold only scores, nothing here lets a method see it. Everything is judged
on the tasks that have gold and an answer. Where half of the answers is hidden, all methods see the same half.
"""

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle import labels as lb
from oracle.bench import crowdkit
from oracle.bench.crowds import FILES
from oracle.protocol.errors import BadInput
from oracle.verification.scores import LEVEL, bootstrap, calibration_error, holm, losses, right, sign_flip, without_one

Float = NDArray[np.float64]
Int32 = NDArray[np.int32]
Ours = Callable[[Int32, Int32, Int32, int, int, int, Int32 | None], dict[str, Float]]
Peers = Callable[[Sequence[lb.Answers]], tuple[list[crowdkit.Found], dict[str, Any]]]

OURS = ("ours", "of_record")
UNFITTED = "of_record_unfitted"
METHODS = (*OURS, "vote", *crowdkit.METHODS)
SHORT = {"ours": "ours", "of_record": "record", "vote": "vote", "crowdkit_ds": "ck DS", "crowdkit_onecoin": "ck 1coin"}
RIVALS = ("vote", *crowdkit.METHODS)
MEASURES = ("accuracy", "log_loss", "ece")
SMALL = 30_000  # answers
MOST_CLASSES = 64
MACHINES = "llm_human_"  # sets in which language models answer too: told apart
SEED = 0
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*\Z")
_KIND = re.compile(r"^\|\s*kind\s*\|\s*(\w+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Crowd:
    """A recorded crowd with gold [T]: a class, or negative (see oracle.labels) where none is known or none fits."""

    name: str
    answers: lb.Answers
    gold: Int32


@dataclass(frozen=True, slots=True)
class Judged:
    """What a method says of the G tasks with gold, scored."""

    right: Float  # [G] 1, 0, or the share of a split tie
    loss: Float  # [G]
    confidence: Float  # [G]

    def measures(self) -> dict[str, float]:
        ece = calibration_error(self.confidence, self.right)
        return {"accuracy": float(self.right.mean()), "log_loss": float(self.loss.mean()), "ece": ece}


def engine(
    task: Int32, worker: Int32, label: Int32, tasks: int, workers: int, classes: int, known: Int32 | None = None
) -> dict[str, Float]:
    """What the product says, posteriors [T, C]: the engine's, the decision's of record that goes on chain, the same unfitted."""
    from oracle.verification import judge  # noqa: PLC0415 - loads for most of a second
    from oracle.verification.record import proba  # noqa: PLC0415

    belief = judge.believe(judge.crowd(task, worker, label, tasks, workers, classes), gold=known)
    fitted, plain = (proba(judge.decide(belief, fitted=fit).record.scores) for fit in (True, False))
    return {"ours": belief.posterior, "of_record": fitted, "of_record_unfitted": plain}


def truth(
    data: Path, names: Sequence[str], half: bool, ours: Ours = engine, peers: Peers = crowdkit.fit
) -> dict[str, Any]:
    """Every figure, over whole sets and, with `half`, over a random half of each set's answers. Raises BadInput."""
    crowds, skipped = read_crowds(data, names)
    document = compare(crowds, ours, peers)
    if half:
        document["half"] = compare([halved(crowd) for crowd in crowds], ours, peers)
    return {**document, "skipped": skipped, "seed": SEED, "data": str(data)}


# ---------------------------------------------------------------------- the sets


def read_crowds(data: Path, names: Sequence[str] = ()) -> tuple[list[Crowd], dict[str, str]]:
    """The categorical sets of a folder, by name (or only those named), and why others were left out."""
    if not data.is_dir():
        raise BadInput(f"--data {data}: is no folder; give one with a folder for each set (labels.csv, truth.csv)")
    folders = {place.name: place for place in sorted(data.iterdir()) if place.is_dir()}
    if unknown := [name for name in names if name not in folders]:
        raise BadInput(f"--sets: {data} has no set {unknown[0]!r}; it has {', '.join(folders) or 'none'}")
    crowds, skipped = [], {}
    for name in names or folders:
        found = _read(folders[name])
        if isinstance(found, str):
            skipped[name] = found
        else:
            crowds.append(found)
    if not crowds:
        why = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise BadInput(f"--data {data}: no categorical set with gold in it ({why or 'it is empty'})")
    return crowds, skipped


def _read(folder: Path) -> Crowd | str:
    """The crowd, or why it is none for this benchmark."""
    files = [folder / name for name in FILES if (folder / name).exists()]
    if not files or not (folder / "truth.csv").exists():
        return "no labels.csv with a truth.csv"
    stated = _stated_kind(folder / "SOURCE.md")
    if stated in ("numeric", "text"):
        return f"{stated} answers"
    answers, _ = lb.read_answers(files[0])
    if stated != "categorical" and (kind := kind_of(answers.classes)) != "categorical":
        return f"{kind} answers"
    known, _ = lb.read_truth(folder / "truth.csv")
    gold, _ = lb.align_truth(answers, known)
    if not (gold != lb.NO_TRUTH).any():
        return "no answered task has gold"
    return Crowd(folder.name, answers, gold)


def _stated_kind(file: Path) -> str | None:
    """The row `| kind | ... |` of the set's table, if it has one."""
    try:
        with file.open("rb") as source:
            found = _KIND.search(source.read(1 << 16).decode("utf-8", "replace"))
    except OSError:
        return None
    return found[1].lower() if found else None


def kind_of(labels: Sequence[str]) -> str:
    """What distinct labels look like: up to 64 are classes, more are numbers or texts."""
    if len(labels) <= MOST_CLASSES:
        return "categorical"
    return "numeric" if all(_NUMBER.match(label) for label in labels) else "text"


def halved(crowd: Crowd, seed: int = SEED) -> Crowd:
    """The same crowd with a random half of its answers hidden; tasks and workers without any are gone."""
    answers = crowd.answers
    size = len(answers.label)
    keep = np.sort(np.random.default_rng(seed).permutation(size)[: (size + 1) // 2])
    tasks, task = np.unique(answers.task[keep], return_inverse=True)
    workers, worker = np.unique(answers.worker[keep], return_inverse=True)
    half = lb.Answers(
        tuple(answers.tasks[t] for t in tasks),
        tuple(answers.workers[w] for w in workers),
        answers.classes,
        task.astype(np.int32),
        worker.astype(np.int32),
        answers.label[keep],
    )
    return Crowd(crowd.name, half, crowd.gold[tasks])


# ---------------------------------------------------------------------- the methods


def shares(answers: lb.Answers) -> Float:
    """Plain vote shares [T, C]; the uniform where nobody answered."""
    tasks, classes = len(answers.tasks), len(answers.classes)
    counts = np.bincount(answers.task.astype(np.int64) * classes + answers.label, minlength=tasks * classes)
    counts = counts.reshape(tasks, classes).astype(np.float64)
    total = counts.sum(1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), 1 / classes)


def judge(crowd: Crowd, posterior: Float, split_ties: bool) -> Judged:
    scored = np.flatnonzero(crowd.gold != lb.NO_TRUTH)
    posterior, gold = posterior[scored], crowd.gold[scored]
    return Judged(right(posterior, gold, split_ties=split_ties), losses(posterior, gold), posterior.max(1))


def compare(crowds: Sequence[Crowd], ours: Ours, peers: Peers) -> dict[str, Any]:
    """Runs every method on every set, and says how they compare."""
    found, about = peers([crowd.answers for crowd in crowds])
    sets, judged = {}, {}
    for crowd, other in zip(crowds, found, strict=True):
        answers = crowd.answers
        began = time.process_time()
        said = ours(answers.task, answers.worker, answers.label, *_sizes(answers), None)
        seconds = time.process_time() - began
        _say(f"{crowd.name}: {seconds:.1f} CPU s")
        posteriors = {**{name: said[name] for name in OURS}, "vote": shares(answers), **other.posteriors}
        judged[crowd.name] = {name: judge(crowd, found, name == "vote") for name, found in posteriors.items()}
        sets[crowd.name] = {
            **_facts(crowd),
            "cpu_seconds": round(seconds, 3),
            "methods": {name: one.measures() for name, one in judged[crowd.name].items()},
            "failed": other.failed,
            "parted": parted(crowd, said, "of_record"),
            "parted_unfitted": parted(crowd, said, UNFITTED),
        }
    return {**_summary(sets, judged), "sets": sets, "crowd_kit": about}


def parted(crowd: Crowd, said: Mapping[str, Float], name: str) -> dict[str, Any]:
    """Where a decision of record gives another verdict than the engine: how often, and the first tasks."""
    engine, record = (said[one].argmax(1) for one in ("ours", name))
    places = np.flatnonzero(engine != record)
    first = [crowd.answers.tasks[t] for t in places[:5]]
    return {"tasks": len(places), "share": len(places) / len(engine), "first": first}


def _facts(crowd: Crowd) -> dict[str, int]:
    tasks, workers, classes = _sizes(crowd.answers)
    with_gold = int((crowd.gold != lb.NO_TRUTH).sum())
    return {
        "tasks": tasks,
        "tasks_with_gold": with_gold,
        "workers": workers,
        "answers": len(crowd.answers.label),
        "classes": classes,
    }


def _sizes(answers: lb.Answers) -> tuple[int, int, int]:
    return len(answers.tasks), len(answers.workers), len(answers.classes)


# ---------------------------------------------------------------------- what it comes to


Table = Mapping[str, Mapping[str, Judged]]  # set -> method -> scores


def _summary(sets: Mapping[str, Any], judged: Table) -> dict[str, Any]:
    """Over the crowd-only sets, and over the small ones of them."""
    crowd_only = {name: one for name, one in judged.items() if not name.startswith(MACHINES)}
    small = {name: one for name, one in crowd_only.items() if sets[name]["answers"] < SMALL}
    return {
        "all": means(crowd_only),
        "small": means(small),
        "differences": {rival: difference(crowd_only, small, rival) for rival in RIVALS},
        "log_loss_lower": lower(small),
        "parted": _parted_mean([sets[name]["parted"]["share"] for name in crowd_only]),
        "parted_unfitted": _parted_mean([sets[name]["parted_unfitted"]["share"] for name in crowd_only]),
    }


def means(judged: Table) -> dict[str, Any]:
    """The mean of each measure over the sets that a method ran on; `without_one`: its range when any one set is left out."""
    methods = {}
    for name in METHODS:
        ran = [one[name].measures() for one in judged.values() if name in one]
        if not ran:
            continue
        columns = {measure: [one[measure] for one in ran] for measure in MEASURES}
        methods[name] = {
            "sets": len(ran),
            **{measure: float(np.mean(values)) for measure, values in columns.items()},
            "without_one": {measure: without_one(values) for measure, values in columns.items()},
        }
    return {"sets": len(judged), "methods": methods}


def difference(judged: Table, small: Table, rival: str) -> dict[str, Any]:
    """Ours minus a rival's, on the sets that the rival ran on: accuracy over all of them, log-loss over the small ones."""
    right_by_set = {name: one["ours"].right - one[rival].right for name, one in judged.items() if rival in one}
    loss_by_set = {name: one["ours"].loss - one[rival].loss for name, one in small.items() if rival in one}
    p = {name: sign_flip(values, seed=SEED) for name, values in right_by_set.items()}
    adjusted = holm(p)
    tests = {
        name: {"difference": float(values.mean()), "p": p[name], "p_holm": adjusted[name]}
        for name, values in right_by_set.items()
    }
    sure = [name for name in tests if adjusted[name] < LEVEL]
    return {
        "accuracy": _interval(right_by_set),
        "log_loss": _interval(loss_by_set),
        "tests": tests,
        "above": [name for name in sure if tests[name]["difference"] > 0],
        "below": [name for name in sure if tests[name]["difference"] < 0],
    }


def lower(small: Table) -> dict[str, int]:
    """On how many of the small sets our log-loss is lower than the vote share's, than crowd-kit's Dawid-Skene's, and than both."""
    wins = {
        rival: {
            name for name, one in small.items() if rival in one and one["ours"].loss.mean() < one[rival].loss.mean()
        }
        for rival in RIVALS[:2]
    }
    return {**{rival: len(won) for rival, won in wins.items()}, "both": len(set.intersection(*wins.values()))}


def _interval(by_set: Mapping[str, Float]) -> dict[str, float] | None:
    return asdict(bootstrap(list(by_set.values()), seed=SEED)) if by_set else None


def _parted_mean(shares: Sequence[float]) -> dict[str, float] | None:
    return {"mean_share": float(np.mean(shares)), "highest_share": max(shares)} if shares else None


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# ---------------------------------------------------------------------- for people


def text(document: dict[str, Any]) -> str:
    parts = [_part(document, "whole sets")]
    if "half" in document:
        parts.append(_part(document["half"], "half of each set's answers hidden"))
    parts += [f"left out: {name} ({why})" for name, why in document["skipped"].items()]
    about = document["crowd_kit"]
    parts.append(f"crowd-kit {about.get('crowd-kit', '?')}, scikit-learn {about.get('scikit-learn', '?')}, seed {SEED}")
    return "\n".join(parts)


def _part(found: dict[str, Any], title: str) -> str:
    head = f"{title:<25}" + "".join(f"{measure:^{9 * len(METHODS)}}" for measure in MEASURES)
    names = " " * 25 + "".join(f"{SHORT[name]:>9}" for name in METHODS) * len(MEASURES)
    apart = [name for name in found["sets"] if name.startswith(MACHINES)]
    rows = [_row(name, one["methods"]) for name, one in found["sets"].items() if name not in apart]
    rows += [_row(f"mean of {found[which]['sets']}", found[which]["methods"]) for which in ("all", "small")]
    rows += [_row(f"{name[:18]} (apart)", found["sets"][name]["methods"]) for name in apart]
    return "\n".join([head, names, *rows, *_range_rows(found), *_difference_rows(found), ""])


def _row(name: str, methods: Mapping[str, Mapping[str, float]]) -> str:
    cells = [f"{methods[m][measure]:9.4f}" if m in methods else f"{'-':>9}" for measure in MEASURES for m in METHODS]
    return f"{name[:24]:<25}" + "".join(cells)


def _range_rows(found: dict[str, Any]) -> list[str]:
    rows = []
    for which, measures in (("all", MEASURES[:1]), ("small", MEASURES[1:])):
        ours = found[which]["methods"].get("ours")
        for measure in measures if ours else ():
            low, high = ours["without_one"][measure]
            rows.append(f"ours without any one of {found[which]['sets']}: {measure} {low:.4f} to {high:.4f}")
    return rows


def _difference_rows(found: dict[str, Any]) -> list[str]:
    rows = []
    for rival, one in found["differences"].items():
        spans = [
            f"{measure} {span['mean']:+.4f} [{span['low']:+.4f}, {span['high']:+.4f}]"
            for measure in MEASURES[:2]
            if (span := one[measure])
        ]
        sure = f"surely above on {len(one['above'])}, below on {', '.join(one['below']) or 'none'}"
        rows.append(f"ours - {SHORT[rival]}: {', '.join(spans)}; {sure}")
    won = found["log_loss_lower"]
    rows.append(
        f"log-loss lower than the vote's on {won['vote']}, crowd-kit DS's on {won['crowdkit_ds']}, both on {won['both']} "
        f"of {found['small']['sets']}"
    )
    for name, how in (("parted", "fitted"), ("parted_unfitted", "unfitted")):
        if share := found[name]:
            of = f"{share['mean_share']:.4%} of the tasks in the mean, {share['highest_share']:.4%} at most"
            rows.append(f"the decision of record, {how}, parts from the engine on {of}")
    return rows
