"""`crowdproof bench pipeline`: what one member accepts in a second, and the whole pipeline by stage as it grows.

Both run on the demo's deployment: a local chain, four members and the API, each a process of its own. Every line of progress goes
to standard error; the document that is returned holds all of it.
"""

import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oracle.bench import accept
from oracle.bench.crowds import EACH, TASK, crowd
from oracle.config import Home
from oracle.demo.play import STAGES, Options
from oracle.demo.run import Demo
from oracle.protocol.errors import BadInput, Fatal

ROUND = 2_000  # answers
STEP = EACH * TASK
BINDER, OTHER = 0, 1  # the member that bound the assignments, and one that did not


def read_sizes(text: str) -> list[int]:
    """Numbers between commas. Raises BadInput for a size that no crowd here has."""
    words = [word.strip().replace("_", "") for word in text.split(",")]
    if wrong := [
        word for word in words if not (word.isascii() and word.isdecimal()) or int(word) % STEP or not int(word)
    ]:
        raise BadInput(f"--sizes: {wrong[0][:20]!r} is no multiple of {STEP} answers")
    return sorted({int(word) for word in words})


def pipeline(sizes: Sequence[int], rounds: int) -> dict[str, Any]:
    """Answers accepted in a second by one member, and the seconds of each stage by the number of answers."""
    speed = _speed(rounds + 1)  # the first warms up
    growth = {str(size): _grown(size) for size in sizes}
    return {**speed, "growth": growth, **_ratio(growth), "machine": machine()}


def _speed(rounds: int) -> dict[str, Any]:
    """Of the member that bound the assignments, which knows its own signatures; `bound_by_another`: of one that recovers

    a second signer for each answer, the binder's.
    """
    with tempfile.TemporaryDirectory(prefix="crowdproof-bench-") as folder:
        home = Home(Path(folder) / "home")
        with Demo(home, Options(), crowd(rounds * ROUND)) as demo:
            _play(demo, "assign")
            oracle = demo.oracle
            if oracle is None:
                raise Fatal("the demo has no oracle after its stage `assign`")
            offers = oracle.database.assignments(demo.job)
            batches = accept.prepare(oracle.deployment, offers, accept.wallets(demo.numbers))
            size = ROUND // accept.BATCH
            parts = [batches[at : at + size] for at in range(0, len(batches), size)]
            urls, token = home.settings().members, home.secret("token")
            own, other = (accept.measure(urls[at], token, oracle.deployment, parts) for at in (BINDER, OTHER))
    found = {**own, "bound_by_another": other}
    _say(_speed_text(found))
    return found


def _grown(size: int) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory(prefix="crowdproof-bench-") as folder,
        Demo(Home(Path(folder) / "home"), Options(), crowd(size)) as demo,
    ):
        _play(demo, STAGES[-1])
    stages = {name: demo.seconds[name] for name in STAGES}
    seconds = round(sum(stages[name] for name in STAGES[STAGES.index("register") :]), 3)
    _say(f"{size:>9,} answers: {seconds:,.1f} s; " + ", ".join(f"{name} {took:.1f}" for name, took in stages.items()))
    return {"stages": stages, "seconds": seconds}


def _play(demo: Demo, last: str) -> None:
    for stage in STAGES[: STAGES.index(last) + 1]:
        demo.play(stage)


def _ratio(growth: dict[str, dict[str, Any]]) -> dict[str, float]:
    if not {"10000", "100000"} <= growth.keys():
        return {}
    return {"ratio_1e5_to_1e4": round(growth["100000"]["seconds"] / growth["10000"]["seconds"], 2)}


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _speed_text(found: dict[str, Any]) -> str:
    other = found["bound_by_another"]
    return (
        f"one member accepts {found['answers_per_second']:,.0f} answers/s, {found['ratio_to_recovery']:.3f} of bare recovery; "
        f"assigned by another member {other['answers_per_second']:,.0f}, {other['ratio_to_recovery']:.3f}"
    )


def text(document: dict[str, Any]) -> str:
    """The document for people."""
    rows = [
        _speed_text(document),
        *(f"{int(size):>9,} answers in {found['seconds']:,.1f} s" for size, found in document["growth"].items()),
    ]
    if "ratio_1e5_to_1e4" in document:
        rows.append(f"100,000 answers take {document['ratio_1e5_to_1e4']} times as long as 10,000")
    return "\n".join(rows)
