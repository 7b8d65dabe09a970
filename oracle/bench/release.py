"""Does a release reveal no more than it says? Each mechanism is attacked, its error is measured, and its ledger is raced for.

Audit: thousands of releases on two data sets of which one lacks a worker. Where the answers of the two differ most is chosen on
one half of them; on the other half, exact binomial bounds (Clopper and Pearson 1934) on how often each data set answers so give a
lower bound of epsilon that holds with the stated confidence: log((p - delta) / q) for Laplace and permute-and-flip; for a Gaussian
the same by its shape, mu >= z(p) - z(q), rho = mu^2 / 2 (Nasr et al. 2023, https://arxiv.org/abs/2302.07956). A control with half
the noise must be found out.
"""

import math
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from oracle.adapters.database import SqlDatabase
from oracle.adapters.signer import KeySigner, new_key
from oracle.privacy import release
from oracle.privacy.budget import NANO, Budget, verify
from oracle.privacy.release import Query, Row, read_query
from oracle.protocol.errors import Refused
from oracle.services import releases

CONFIDENCE = 0.999
WORKERS, MOST = 12, 3
Float = NDArray[np.float64]

_QUERIES: dict[str, dict[str, Any]] = {
    "histogram, Laplace": {"of": "histogram", "epsilon": 1, "most": MOST},
    "histogram, Gaussian": {"of": "histogram", "epsilon": 1, "delta": 1e-6, "most": MOST},
    "agreement": {"of": "agreement", "epsilon": 1, "most": MOST},
    "quality by group": {"of": "quality", "epsilon": 1, "most": MOST, "groups": ["a", "b"]},
    "mean": {"of": "mean", "epsilon": 1, "most": MOST, "bounds": [0, 1]},
    "quantile": {"of": "quantile", "epsilon": 1, "most": MOST, "bounds": [0, 1], "quantile": 0.5},
}


def audited(runs: int, racers: int) -> dict[str, Any]:
    """`runs` on each of the two inputs, for each mechanism and its control."""
    before = time.process_time()
    audits = [_audit(name, read_query(query), runs) for name, query in _QUERIES.items()]
    errors = [_error(read_query(_QUERIES[name]), runs) for name in ("histogram, Laplace", "histogram, Gaussian")]
    race = _race(racers)
    document = {
        "runs": runs,
        "confidence": CONFIDENCE,
        "audits": audits,
        "errors": errors,
        "race": race,
        "cpu_s": time.process_time() - before,
    }
    fine = all(one["lower_bound"] <= one["claimed"] < one["control_lower_bound"] for one in audits)
    close = all(abs(one["measured"] / one["theory"] - 1) < 0.1 for one in errors)
    return document | {"ok": fine and close and race["granted"] == race["room"] and race["whole"]}


def text(d: dict[str, Any]) -> str:
    rows = [f"  {d['runs']:,} releases on each of two neighbouring inputs, bounds at {d['confidence']:.1%}", ""]
    rows += [f"  {'':22}{'claimed':>9}{'found':>9}{'half the noise':>16}"]
    rows += [
        f"  {one['mechanism']:22}{one['claimed']:9.3f}{one['lower_bound']:9.3f}{one['control_lower_bound']:16.3f}"
        for one in d["audits"]
    ]
    rows += [
        "",
        *(
            f"  mean error of a count, {e['noise']}: {e['measured']:.3f} (theory {e['theory']:.3f})"
            for e in d["errors"]
        ),
    ]
    race, state = d["race"], "is" if d["race"]["whole"] else "IS NOT"
    rows += [
        f"  {race['asked']:,} at once, room for {race['room']}: {race['granted']} granted; the ledger {state} whole"
    ]
    return "\n".join(
        [*rows, f"  {'all as it must be' if d['ok'] else 'SOMETHING IS WRONG'} ({d['cpu_s']:.0f} s of CPU)"]
    )


# --------------------------------------------------------------------------------------------------------------- audit


def rows(of: str) -> list[Row]:
    """Small, so that noise is all; the last worker gives what moves every statistic the most."""
    low, high = ("0.5", "0.5") if of == release.QUANTILE else ("0", "1")
    count = WORKERS if of != release.QUALITY else 5 * WORKERS  # else its groups would be too small to be shown
    made = [Row(f"w{w}", "t", (low, high)[w % 2], w % 2 == 0, 1, "ab"[w % 2]) for w in range(count)]
    return made + [Row("last", f"t{t}", "1", True, 1, "a") for t in range(MOST)]


def statistic(query: Query, result: dict[str, Any]) -> float:
    """The number of a release that tells most of the last worker."""
    if query.of == release.HISTOGRAM:
        return float(result["counts"]["1"])
    if query.of == release.QUALITY:
        found = result["groups"].get("a")
        return -1.0 if found is None or found["agreement"] is None else round(found["agreement"] * found["answers"])
    if query.of == release.AGREEMENT:
        return -1.0 if result["agreement"] is None else round(result["agreement"] * result["answers"])
    return float(result["value"] if query.of == release.QUANTILE else result["mean"] * max(result["answers"], 1))


def _audit(name: str, query: Query, runs: int) -> dict[str, Any]:
    half = replace(query, epsilon=2 * query.epsilon)  # what a mechanism with half the noise is
    if query.delta:
        half = replace(
            query, epsilon=math.ceil(_epsilon(4 * release.rho(query.epsilon / NANO, query.delta), query.delta) * NANO)
        )
    return {
        "mechanism": name,
        "claimed": query.epsilon / NANO,
        "lower_bound": lower_bound(query, runs),
        "control_lower_bound": lower_bound(half, runs, query.delta),
    }


def lower_bound(query: Query, runs: int, delta: float | None = None) -> float:
    """Of epsilon at `delta`, by what the query's mechanism was seen to answer."""
    every = rows(query.of)
    answers = [
        np.array([statistic(query, release.run(query, given, ["0", "1"])) for _ in range(runs)])
        for given in (every, [row for row in every if row.worker != "last"])
    ]
    delta = query.delta if delta is None else delta
    return max(_bound(a, b, delta) for a, b in (answers, answers[::-1]))


def _bound(given: Float, other: Float, delta: float) -> float:
    half = len(given) // 2
    score = _by_shape if delta else _by_ratio
    ends = np.unique(np.quantile(np.concatenate([given[:half], other[:half]]), np.linspace(0, 1, 401)))
    events: list[Callable[[Float], NDArray[np.bool_]]] = [
        event for end in ends.tolist() for event in (lambda x, e=end: x >= e, lambda x, e=end: x <= e)
    ]
    best = max(events, key=lambda event: score(_times(event, given[:half]), _times(event, other[:half]), half, delta))
    return max(0.0, score(_times(best, given[half:]), _times(best, other[half:]), len(given) - half, delta))


def _times(event: Callable[[Float], NDArray[np.bool_]], answers: Float) -> int:
    return int(event(answers).sum())


def _by_ratio(often: int, seldom: int, runs: int, delta: float) -> float:
    p, q = _ends(often, seldom, runs)
    return math.log(max(p - delta, 1e-12) / q)


def _by_shape(often: int, seldom: int, runs: int, delta: float) -> float:
    p, q = _ends(often, seldom, runs)
    mu = float(stats.norm.ppf(max(p, 1e-12)) - stats.norm.ppf(min(q, 1 - 1e-12)))
    return _epsilon(max(0.0, mu) ** 2 / 2, delta)


def _ends(often: int, seldom: int, runs: int) -> tuple[float, float]:
    """The least that the first rate may be and the most that the second may be, together at CONFIDENCE."""
    tail = (1 - CONFIDENCE) / 2
    low = float(stats.beta.ppf(tail, often, runs - often + 1)) if often else 0.0
    high = float(stats.beta.ppf(1 - tail, seldom + 1, runs - seldom)) if seldom < runs else 1.0
    return low, high


def _epsilon(rho: float, delta: float) -> float:
    return rho + 2 * math.sqrt(rho * math.log(1 / delta))


# --------------------------------------------------------------------------------------------------------------- error


def _error(query: Query, runs: int) -> dict[str, Any]:
    """Mean absolute error of one count. Laplace with scale s: 2q / (1 - q^2), q = exp(-1/s); Gaussian: sigma sqrt(2/pi)."""
    epsilon = query.epsilon / NANO
    noise = np.array(release.noisy_counts([0] * runs, query.most, epsilon, query.delta), np.float64)
    if query.delta:
        theory = query.most / math.sqrt(2 * release.rho(epsilon, query.delta)) * math.sqrt(2 / math.pi)
    else:
        q = math.exp(-epsilon / query.most)
        theory = 2 * q / (1 - q * q)
    return {
        "noise": "Gaussian" if query.delta else "Laplace",
        "measured": float(np.abs(noise).mean()),
        "theory": theory,
    }


# ---------------------------------------------------------------------------------------------------------------- race


def _race(racers: int, room: int = 100) -> dict[str, Any]:
    """So many releases at once, each another question, over a budget for `room`."""
    signer, every, asked = KeySigner(new_key()), rows("histogram"), 10 * room

    def ask(database: SqlDatabase, number: int) -> bool:
        query = read_query({"of": "histogram", "epsilon": 0.01, "name": str(number)})
        try:
            releases.publish(database, signer, "race", query, every, ["0", "1"], [], 0)
        except Refused as refusal:
            if refusal.code != "budget-spent":
                raise
            return False
        return True

    with (
        tempfile.TemporaryDirectory() as folder,
        closing(SqlDatabase(f"sqlite:///{Path(folder) / 'race.db'}")) as database,
    ):
        budget = Budget("race", room * NANO // 100, 0.0, "basic")
        database.set_budget(budget)
        with ThreadPoolExecutor(racers) as pool:
            granted = sum(pool.map(lambda number: ask(database, number), range(asked)))
        entries = database.entries("race")
        verify(budget, entries, signer.address)
        return {"asked": asked, "room": room, "granted": granted, "whole": len(entries) == granted}
