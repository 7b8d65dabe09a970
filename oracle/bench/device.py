"""`crowdproof bench device`: what one of torch's devices costs and saves beside this processor, and how far their results part.

Wall-clock medians, the two by turns, each having run once before: the engine and Dawid-Skene on crowds of `bench truth-speed`, the
auction with the gap 0.001 on markets of `bench match`, in one thread of this processor. Arrays to arrays: what travels to
the device and back counts.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from oracle.bench import match
from oracle.bench.compute import crowd_of, from_where
from oracle.compute import CPU, device_of
from oracle.matching.certify import certify
from oracle.matching.solve import solve, warm_up
from oracle.verification import engine
from oracle.verification.infer import dawid_skene

Work = Callable[[str], tuple[Any, ...]]  # by which device -> arrays
Compare = Callable[[tuple[Any, ...], tuple[Any, ...]], dict[str, Any]]


def device(sizes: Sequence[int], rounds: int, name: str) -> dict[str, Any]:
    """`pays_from`: the size from which on the device is quicker, or null. Raises BadInput where there is no such device."""
    import torch  # noqa: PLC0415 - loads for seconds

    device_of(name)
    works = {
        kind: {str(size): _compared(kind, size, *make(size), name, rounds) for size in sizes}
        for kind, make in WORKS.items()
    }
    return {
        "device": torch.cuda.get_device_name(name) if name.startswith("cuda") else name,
        "torch": torch.__version__,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "rounds": rounds,
        "works": works,
        "pays_from": {kind: pays_from(rows) for kind, rows in works.items()},
    }


def pays_from(rows: dict[str, dict[str, Any]]) -> int | None:
    """The smallest size such that there and at every larger one the device is quicker; None where at none."""
    return from_where({int(size): row["times_faster"] > 1 for size, row in rows.items()})


def _compared(kind: str, size: int, work: Work, compare: Compare, name: str, rounds: int) -> dict[str, Any]:
    sides = {"cpu_seconds": CPU, "device_seconds": name}
    here, there = (work(by) for by in sides.values())
    taken: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, by in sides.items():
            began = time.perf_counter()
            again = work(by)
            taken[side].append(time.perf_counter() - began)
    found: dict[str, Any] = {side: statistics.median(seconds) for side, seconds in taken.items()}
    found["times_faster"] = found["cpu_seconds"] / found["device_seconds"]
    found["same_bits_again"] = all(np.array_equal(one, other) for one, other in zip(there, again, strict=True))
    found |= compare(here, there)
    print(_row(kind, size, found), file=sys.stderr, flush=True)
    return found


# ---------------------------------------------------------------------- works


def _engine(answers: int) -> tuple[Work, Compare]:
    given = crowd_of(answers)

    def work(by: str) -> tuple[Any, ...]:
        found = engine.infer(*given, device=by)
        return found.posterior, found.state.tables, found.weights

    return work, _posteriors


def _dawid_skene(answers: int) -> tuple[Work, Compare]:
    given = crowd_of(answers)

    def work(by: str) -> tuple[Any, ...]:
        found = dawid_skene(*given, device=by)
        return found.posterior, found.pair_count, found.trace

    return work, _posteriors


def _posteriors(here: tuple[Any, ...], there: tuple[Any, ...]) -> dict[str, Any]:
    return {
        "largest_difference": float(np.abs(here[0] - there[0]).max()),
        "tasks_parted": int((here[0].argmax(1) != there[0].argmax(1)).sum()),
        "tasks": len(here[0]),
    }


def _match(kind: str, edges: int) -> tuple[Work, Compare]:
    given = match.market(kind, edges // match.CANDIDATES, 0)
    warm_up(given[2])

    def work(by: str) -> tuple[Any, ...]:
        found = solve(*given, gap=match.GAP, device=by)
        return np.flatnonzero(found.chosen), found.price, np.array([found.value, found.bound])

    def gaps(here: tuple[Any, ...], there: tuple[Any, ...]) -> dict[str, Any]:
        proved = [certify(*given, chosen, price, *claimed) for chosen, price, claimed in (here, there)]
        return dict(zip(("cpu_gap", "device_gap"), ((bound - value) / bound for value, bound in proved), strict=True))

    return work, gaps


WORKS: dict[str, Callable[[int], tuple[Work, Compare]]] = {
    "engine": _engine,
    "dawid-skene": _dawid_skene,
    "match loose": partial(_match, "loose"),
    "match tight": partial(_match, "tight"),
}


# ---------------------------------------------------------------------- telling


def text(document: dict[str, Any]) -> str:
    """The document for people."""
    head = f"{document['device']}, torch {document['torch']}, beside one of {document['cores']} cores, load {document['load']:.1f}"
    rows = [_row(kind, int(size), row) for kind, sizes in document["works"].items() for size, row in sizes.items()]
    pays = [
        f"{kind:>12} {'never pays at these sizes' if size is None else f'pays from {size:,}'}"
        for kind, size in document["pays_from"].items()
    ]
    return "\n".join([head, *rows, *pays])


def _row(kind: str, size: int, row: dict[str, Any]) -> str:
    same = "the same bits again" if row["same_bits_again"] else "OTHER BITS EACH TIME"
    if "tasks" in row:
        parted = f"{row['tasks_parted']} of {row['tasks']:,} tasks part, by at most {row['largest_difference']:.1e}"
    else:
        parted = f"gaps {row['cpu_gap']:.4%} and {row['device_gap']:.4%}"
    return (
        f"{kind:>12} {size:>12,}: processor {row['cpu_seconds']:.3f} s, device {row['device_seconds']:.3f} s, "
        f"{row['times_faster']:.2f} times faster; {parted}; {same}"
    )
