"""`python -m tests.simulator --size 4 --seeds 0:10000 --steps 200`: a campaign, one line of JSON. Exits 1 when an invariant broke.

`--trace` adds a hash over every step of every run: the same seeds give the same, on every machine.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import blake2b
from time import perf_counter
from typing import Any

from tests.simulator.cast import cast
from tests.simulator.liars import KINDS
from tests.simulator.world import Outcome, simulate

CHUNK = 50  # seeds that a process takes at once


def campaign(
    size: int, seeds: range, steps: int = 200, kind: str = "", liars: int | None = None, processes: int = 1
) -> dict[str, Any]:
    """Runs every seed and counts. `kind`: of all liars, by default the seed draws; `liars`: how many, by default f."""
    started = perf_counter()
    count = (size - 1) // 3 if liars is None else liars
    parts = [(size, seeds[at : at + CHUNK], steps, kind, count) for at in range(0, len(seeds), CHUNK)]
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            outcomes = [outcome for part in pool.map(_run, parts) for outcome in part]
    else:
        outcomes = [outcome for part in parts for outcome in _run(part)]
    return {"size": size, **_summary(outcomes), "seconds": round(perf_counter() - started, 1)}


def _run(part: tuple[int, range, int, str, int]) -> list[Outcome]:
    size, seeds, steps, kind, count = part
    found = []
    for seed in seeds:
        outcome = simulate(cast(size), seed, steps, [kind] * count if kind else None)
        outcome.details = ()
        found.append(outcome)
    return found


def _summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    did: Counter[str] = Counter()
    liars: Counter[str] = Counter()
    trace = blake2b(digest_size=16)
    for outcome in outcomes:
        did += outcome.did
        liars += outcome.liars
        trace.update(outcome.trace.encode())
    return {
        "seeds": len(outcomes),
        "steps": sum(outcome.steps for outcome in outcomes),
        "broken": {str(outcome.seed): outcome.broken for outcome in outcomes if outcome.broken},
        "most_ticks": max((outcome.ticks for outcome in outcomes), default=0),
        "did": dict(sorted(did.items())),
        "liars": dict(sorted(liars.items())),
        "trace": trace.hexdigest(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--size", type=int, default=4, help="members of the committee, 4 to 31")
    parser.add_argument("--seeds", default="0:100", help="FIRST:LAST, the last one not included, or one seed")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--liars", default="", choices=["", *KINDS], help="the kind of all liars")
    parser.add_argument("--count", type=int, default=None, help="how many liars (with --liars)")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    first, _, last = given.seeds.partition(":")
    seeds = range(int(first), int(last or int(first) + 1))
    found = campaign(given.size, seeds, given.steps, given.liars, given.count, given.processes)
    print(json.dumps(found))
    return 1 if found["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
