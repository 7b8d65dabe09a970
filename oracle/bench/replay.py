"""`crowdproof bench replay`: what each policy buys before its verdicts are as good as with all answers, and controls.

Arrival: answers a task at which the mean accuracy over the seeds first reaches the full one less 0.5 points. Pool: accuracy at
three answers a task. Policies differ in nothing but what they ask: the seeds, the recording and the aggregator are the same.
Controls: with worker ids shuffled, knowing workers must win nothing (`ours` against itself blind to them); with labels shuffled,
nothing may beat chance. Gold only scores.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.bench.crowds import recorded
from oracle.commands.replaying import BELOW, scored, to_target
from oracle.matching import adaptive
from oracle.matching import replay as replaying

ARRIVAL = ("random", "round_robin", "entropy", "qasca", "eig", "ours_asking", "ours")
POOL = ("random", "entropy", "qasca", "eig", "ours_blind", "ours")
EACH = 3  # answers a task in pool mode
RESAMPLES = 1_000
Float = NDArray[np.float64]


def replays(data: Path, sets: Sequence[str], seeds: int) -> dict[str, Any]:
    """Every policy on every set of a folder: SET/labels.csv[.gz] and SET/truth.csv."""
    found = {name: _set(data / name, seeds) for name in sets}
    return {"seeds": seeds, "below": BELOW, "sets": found, "mean": _mean(found)}


def _set(folder: Path, seeds: int) -> dict[str, Any]:
    answers, truth = recorded(folder)
    sizes = len(answers.tasks), len(answers.workers), len(answers.classes)
    luck = np.random.default_rng(0)
    as_it_is = replaying.recording(answers.task, answers.worker, answers.label, *sizes)
    labels_shuffled = as_it_is._replace(label=luck.permutation(as_it_is.label))
    began = time.process_time()
    found = {
        "arrival": _arrival(as_it_is, sizes, truth, seeds),
        "pool": _pool(as_it_is, sizes, truth, seeds, POOL),
        "workers_shuffled": _pool(workers_shuffled(as_it_is, luck), sizes, truth, seeds, ("ours_blind", "ours")),
        "labels_shuffled": _pool(labels_shuffled, sizes, truth, seeds, POOL),
    }
    print(f"{folder.name}: {time.process_time() - began:.0f} CPU s", file=sys.stderr, flush=True)
    return found


def workers_shuffled(of: adaptive.Recording, luck: np.random.Generator) -> adaptive.Recording:
    """The answers of each task among the same workers, but whose is whose left to chance."""
    label = np.empty_like(of.label)
    label[of.by_task] = of.label[np.lexsort((luck.random(len(of.task)), of.task))]
    return of._replace(label=label)


def _arrival(
    of: adaptive.Recording, sizes: tuple[int, int, int], truth: NDArray[np.int32], seeds: int
) -> dict[str, Any]:
    full = float(scored(replaying.all_answers(of, sizes[2]), truth)[0, -1])
    rights: dict[str, Float] = {}
    policies: dict[str, Any] = {}
    for policy in ARRIVAL:
        run = replaying.replay(of, sizes[2], policy, seeds=seeds)
        each, rights[policy] = run.asked / sizes[0], scored(run, truth)
        policies[policy] = {
            **to_target(each, rights[policy], full - BELOW),
            "mean_accuracy": float(rights[policy].mean()),
            "let_go": float(run.let_go.mean()),
        }
    for one in policies.values():
        for rival in ("random", "round_robin"):
            one[f"of_{rival}"] = one["answers_to_target"] / policies[rival]["answers_to_target"]
    against = {rival: _apart(each, rights["ours"], rights[rival], full - BELOW) for rival in ("qasca", "eig")}
    return {"full_accuracy": full, "policies": policies, "ours_less": against}


def _apart(each: Float, ours: Float, other: Float, target: float) -> dict[str, float]:
    """Answers a task to the target, ours less the other's: 95 % interval over resampled seeds, the same for both."""
    luck = np.random.default_rng(0)
    drawn = luck.integers(0, len(ours), (RESAMPLES, len(ours)))
    found = [
        to_target(each, ours[d], target)["answers_to_target"] - to_target(each, other[d], target)["answers_to_target"]
        for d in drawn
    ]
    low, high = np.quantile(found, (0.025, 0.975))
    return {"low": float(low), "high": float(high)}


def _pool(
    of: adaptive.Recording, sizes: tuple[int, int, int], truth: NDArray[np.int32], seeds: int, policies: Sequence[str]
) -> dict[str, Any]:
    """Accuracy at EACH answers a task, and ours less each other's, with two standard errors over the seeds."""
    budget = EACH * sizes[0]
    last = {
        policy: scored(replaying.replay(of, sizes[2], policy, mode="pool", budget=budget, seeds=seeds), truth)[:, -1]
        for policy in policies
    }
    less = {policy: last["ours"] - right for policy, right in last.items() if policy != "ours"}
    return {
        "accuracy": {policy: float(right.mean()) for policy, right in last.items()},
        "ours_less": {
            policy: {"mean": float(gap.mean()), "error": float(gap.std() / np.sqrt(max(seeds - 1, 1)))}
            for policy, gap in less.items()
        },
    }


def _mean(sets: Mapping[str, Any]) -> dict[str, Any]:
    """Over the sets: answers to the target as a share of random's and of round robin's."""
    return {
        policy: {
            f"of_{rival}": float(np.mean([one["arrival"]["policies"][policy][f"of_{rival}"] for one in sets.values()]))
            for rival in ("random", "round_robin")
        }
        for policy in ARRIVAL
    }


# ---------------------------------------------------------------------- for people


def text(d: dict[str, Any]) -> str:
    lines = [
        f"  answers a task to the accuracy of all answers less {d['below']:.3f} ({d['seeds']} seeds), workers arriving"
    ]
    lines.append(f"  {'':16}" + "".join(f"{policy:>13}" for policy in ARRIVAL))
    for name, one in d["sets"].items():
        policies = one["arrival"]["policies"]
        cells = (f"{p['answers_to_target']:12.2f}{' ' if p['reached'] else '+'}" for p in policies.values())
        lines.append(f"  {name:16}" + "".join(cells))
    lines += [
        f"  of {rival:13}" + "".join(f"{d['mean'][policy][f'of_{rival}']:13.3f}" for policy in ARRIVAL)
        for rival in ("random", "round_robin")
    ]
    for name, one in d["sets"].items():
        spans = (
            f"{rival} {span['low']:+.2f} to {span['high']:+.2f}" for rival, span in one["arrival"]["ours_less"].items()
        )
        lines.append(f"  {name}: ours less {', '.join(spans)} answers a task (95 %)")
    for what in ("pool", "workers_shuffled", "labels_shuffled"):
        lines.append(f"  {what}: accuracy at {EACH} answers a task, any pair")
        for name, one in d["sets"].items():
            gaps = (
                f"{p} {100 * gap['mean']:+.1f} ({100 * gap['error']:.1f})" for p, gap in one[what]["ours_less"].items()
            )
            lines.append(f"    {name:14} ours {one[what]['accuracy']['ours']:.4f}, points over {', '.join(gaps)}")
    return "\n".join(lines)
