"""`crowdproof bench gas`: what each transaction of the protocol costs, whole, on a local chain, as the adapters send it.

A town (oracle.bench.town) -> figures by name. All are in the steady state (slots, wallets and jobs used before) unless
the name says otherwise; those of claims are for one worker. `fresh_slots_...`: how many slots such a transaction filled
that were zero before. Refutations have a file of their own.
"""

import random
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from oracle.adapters import anvil
from oracle.bench.refuting import refutations
from oracle.bench.town import PEOPLE, TERMS, Town

BATCH = 50
JOB_WORKERS, JOBS, JOB_ANSWERS = 100, 30, 1_000  # of S1 and S4


def gas() -> dict[str, int]:
    """The figures by name."""
    found: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="crowdproof-bench-") as folder:
        local = anvil.start(Path(folder))
        try:
            town = Town(local)
            with closing(town.chain):
                for measure in MEASURES:
                    found |= measure(town)
        finally:
            anvil.stop(Path(folder))
    return found


def _jobs(town: Town) -> dict[str, int]:
    """Of a requester with an allowance, and of one who never gave any, nor ever signed a permit."""
    town.open()
    opened = town.open()
    fresh = town.fresh_slots()  # an account and an identity: that fresh slots are seen
    return {"open": opened, "fresh_slots_open": fresh, "open_with_permit": town.open(permitted=True)}


def _epochs(town: Town) -> dict[str, int]:
    while town.jobs < 12:
        town.open()
    _, header = town.post([1], 0)
    town.finalise(header)
    one, header = town.post([1], 10)
    fresh = town.fresh_slots()
    finalised = town.finalise(header)
    many, header = town.post(range(1, 12), 10)
    town.finalise(header)
    figures = {"post_3_signatures": one, "post_extra_job": (many - one) // 10, "finalise": finalised}
    return figures | {"fresh_slots_steady_post": fresh}


def _batches(town: Town) -> dict[str, int]:
    """50 neighbours of 128: `existing` hold the token, but never claimed; `new` have neither; `steady` have both."""
    existing, new = range(12, 12 + BATCH), range(64, 64 + BATCH)
    for worker in existing:
        town.give(town.balances[worker].wallet, 1)
    town.settled([*existing, *new], 128)
    found = {"existing": town.claim(existing, 128), "new": town.claim(new, 128)}
    town.settled(new, 128)
    found["steady"] = town.claim(new, 128)
    fresh = {"fresh_slots_steady_claim": town.fresh_slots()}
    return {f"claim_many_50_{name}": found[name] // BATCH for name in ("steady", "existing", "new")} | fresh


def _strangers(town: Town) -> dict[str, int]:
    some = sorted(random.Random(1).sample(range(1, PEOPLE), BATCH))
    for _ in range(2):
        town.settled(some, PEOPLE)
        used = town.claim(some, PEOPLE)
    return {"claim_many_50_random_4096": used // BATCH}


def _single(town: Town) -> dict[str, int]:
    for _ in range(2):
        town.settled([300], 1_024)
        used = town.claim([300], 1_024)
    return {"claim_single_1024": used}


def _whole_jobs(town: Town) -> dict[str, int]:
    """S1: a job of 100 workers with an answer each. S4: 30 jobs of 1,000 answers, an epoch each, by 100 workers who claim once.

    An answer costs its share of opening, posting, finalising and claiming; the workers have claimed before.
    """
    people, size = range(1, 1 + JOB_WORKERS), 128
    town.settled(people, size)
    town.claim(people, size)
    one = _job(town, people, 1, size) + town.claim(people, size)
    many = sum(_job(town, people, JOB_ANSWERS // JOB_WORKERS, size) for _ in range(JOBS))
    many += town.claim(people, size)
    return {"S1": one // JOB_WORKERS, "S4": many // (JOBS * JOB_ANSWERS)}


def _job(town: Town, people: Sequence[int], answers: int, size: int) -> int:
    """A job in which each worker gives so many answers, opened and settled."""
    opened, pay = town.open(), answers * TERMS.base
    town.earn(people, pay)
    posted, header = town.post([town.jobs], pay * len(people), size)
    return opened + posted + town.finalise(header)


MEASURES: list[Callable[[Town], dict[str, int]]] = [
    _jobs,
    _epochs,
    _batches,
    _strangers,
    _single,
    _whole_jobs,
    refutations,
]


def text(document: dict[str, int]) -> str:
    """The document for people."""
    return "\n".join(f"{name:<27}{used:>9,}" for name, used in document.items())
