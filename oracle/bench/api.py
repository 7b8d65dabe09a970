"""`crowdproof bench api`: the real server under an open-loop load, and whether a receipt outlives everything.

One deployment: a local chain, four members and the API with SQLite, each a process, and the load from another. Single answers, then
batches beside the bare recovery of their signatures, then kill -9 of every process and a look for each receipt; reads
with proof of an epoch; a thousand listeners. Needs a machine with nothing else to do: `machine.load` says what it had.
"""

import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from oracle.bench import accept, load
from oracle.bench.crowds import EACH, TASK, crowd
from oracle.bench.pipeline import machine
from oracle.bootstrap import Oracle, open_database
from oracle.config import Home
from oracle.demo.play import STAGES, Options
from oracle.demo.run import REQUESTER, Demo
from oracle.ports import Call, OfferedAssignment, StoredAnswer
from oracle.protocol.errors import Fatal
from oracle.services import outbox

READS, SINGLES = 400, 150  # a second
READ_MS, SINGLE_MS, RATIO = 60.0, 150.0, 0.25  # the targets
ROUND, ROUNDS = 2_000, 4  # answers in batches; the first round warms up
LISTENERS = 1_000
WARM = 100  # requests that are not counted
STEP = EACH * TASK


def api(seconds: int, listeners: int = LISTENERS) -> dict[str, Any]:
    """Every figure, and whether the targets are met."""
    size = -(-(SINGLES * seconds + ROUND * ROUNDS) // STEP) * STEP
    with (
        tempfile.TemporaryDirectory(prefix="crowdproof-bench-") as folder,
        Demo(Home(Path(folder) / "home"), Options(), crowd(size)) as demo,
    ):
        _play(demo, STAGES[: STAGES.index("assign") + 1])
        oracle = demo.oracle
        if oracle is None:
            raise Fatal("the demo has no oracle after its stage `assign`")
        offers = oracle.database.assignments(demo.job)
        url = httpx.URL(demo.home.settings().api)
        singles, receipts = _singles(demo, oracle, url, offers[: SINGLES * seconds])
        batches = _batches(demo, oracle, url, offers[SINGLES * seconds :])
        kept = _killed(demo, oracle, receipts)
        _play(demo, ("close", "settle"))
        reads = _reads(demo, url, seconds)
        heard = _listeners(demo, oracle, url, seconds, listeners)
    found = {"answers": singles, "batches": batches, "kept": kept, "reads": reads, "listeners": heard}
    return {"ok": _is_met(found), **found, "seconds": seconds, "machine": machine()}


def text(d: dict[str, Any]) -> str:
    batches, kept, heard = (d[name] for name in ("batches", "kept", "listeners"))
    speed = f"{batches['answers_per_second']:,.0f} answers/s, {batches['ratio_to_recovery']:.3f} of bare recovery"
    return "\n".join(
        (
            *(_loaded(what, d[name]) for what, name in (("reads with proof", "reads"), ("single answers", "answers"))),
            f"batches: {speed}",
            f"after kill -9 of {kept['killed']} processes: {kept['receipts']:,} receipts, {kept['lost']} lost",
            f"listeners: {heard['held']} of {heard['listeners']} held, {heard['heard']} heard, {heard['spread_ms']} ms apart",
        )
    )


def _loaded(what: str, found: dict[str, Any]) -> str:
    times = f"p50 {found['p50_ms']} ms, p99 {found['p99_ms']} ms"
    return f"{what}, {found['rate']}/s offered: {times}, {found['failed']} of {found['requests']:,} failed"


def _is_met(found: dict[str, Any]) -> bool:
    reads, answers, heard = found["reads"], found["answers"], found["listeners"]
    return bool(
        reads["p99_ms"] <= READ_MS
        and answers["p99_ms"] <= SINGLE_MS
        and not reads["failed"] + answers["failed"] + found["kept"]["lost"]
        and found["batches"]["ratio_to_recovery"] >= RATIO
        and heard["held"] == heard["heard"] == heard["listeners"]
    )


# ------------------------------------------------------------------------------------------------------------- answers


def _singles(
    demo: Demo, oracle: Oracle, url: httpx.URL, offers: Sequence[OfferedAssignment]
) -> tuple[dict[str, Any], list[tuple[StoredAnswer, bytes]]]:
    """Figures, and each answer that has a receipt with its digest."""
    mixed = list(offers)
    random.Random(1).shuffle(mixed)
    keys = accept.wallets(demo.numbers)
    made = [accept.answer(oracle.deployment, keys[offer.worker], offer) for offer in mixed]
    asked = [load.request("POST", "/answers", url.netloc.decode(), body([answer])) for answer, _ in made]
    spent = _spent(demo)
    result = load.offered(url.host, url.port or 80, asked, SINGLES)
    receipted = [pair for pair, status in zip(made, result.statuses, strict=True) if status == 201]
    found = _figures(result, SINGLES, 201) | {"cpu_ms_each": _each(demo, spent, len(asked))}
    _say(f"single answers: {found}")
    return found, receipted


def _batches(demo: Demo, oracle: Oracle, url: httpx.URL, offers: Sequence[OfferedAssignment]) -> dict[str, Any]:
    batches = accept.prepare(oracle.deployment, offers, accept.wallets(demo.numbers), body)
    size = ROUND // accept.BATCH
    rounds = [batches[at : at + size] for at in range(0, len(batches), size)]
    accepted, recovered = [], []
    for part in rounds:
        many = sum(len(batch.digests) for batch in part)
        recovered.append(many / accept.timed(lambda: accept.recover_all(part)))  # noqa: B023 - called at once
        accepted.append(many / accept.timed(lambda: accept.send_all(url, "", part)))  # noqa: B023
    ratios = [one / other for one, other in zip(accepted, recovered, strict=True)][1:ROUNDS]
    found = {
        "answers_per_second": round(median(accepted[1:ROUNDS]), 1),
        "recoveries_per_second": round(median(recovered[1:ROUNDS]), 1),
        "ratio_to_recovery": round(median(ratios), 4),
        "ratios": [round(ratio, 4) for ratio in ratios],
    }
    _say(f"batches: {found}")
    return found


def body(answers: Sequence[StoredAnswer]) -> bytes:
    """As a worker sends them."""
    names = (
        "job",
        "task",
        "worker",
        "key",
        "commitment",
        "seal_hash",
        "signature",
        "envelope",
        "expiry",
        "assigned_by",
    )
    rows = [{name: _plain(getattr(answer, name)) for name in names} for answer in answers]
    return json.dumps({"answers": rows}).encode()


def _plain(value: int | bytes) -> int | str:
    return "0x" + value.hex() if isinstance(value, bytes) else value


def _killed(demo: Demo, oracle: Oracle, receipted: Sequence[tuple[StoredAnswer, bytes]]) -> dict[str, Any]:
    """Every serving process ends at once; started again, each receipt is there, and its answer at a quorum."""
    pids = demo.crew.pids()
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 120
    while time.monotonic() < end and (set(demo.crew.pids().values()) & set(pids.values()) or demo.crew.waits()):
        time.sleep(0.5)
    held = []
    for number in range(1, len(oracle.peers) + 1):
        with closing(open_database(demo.home, number)) as database:
            held.append({(a.task, a.worker): a.commitment for a in database.answers(demo.job)})
    quorum, lost = oracle.deployment.committee.quorum, 0
    for answer, digest in receipted:
        at = (answer.task, answer.worker)
        copies = sum(of.get(at) == answer.commitment for of in held)
        lost += copies < quorum or oracle.database.receipt_of(digest) is None
    found = {"killed": len(pids), "receipts": len(receipted), "lost": lost}
    _say(f"kill -9: {found}")
    return found


# --------------------------------------------------------------------------------------------------------------- reads


def _reads(demo: Demo, url: httpx.URL, seconds: int) -> dict[str, Any]:
    """Verdicts, balances and evidence at random: each with its proof."""
    luck, tasks = random.Random(2), len(demo.recording.answers.tasks)

    def path() -> str:
        kind, task = luck.random(), luck.randrange(tasks)
        if kind < 0.7:
            return f"/jobs/{demo.job}/verdicts/{task}"
        if kind < 0.9:
            return f"/workers/{luck.choice(demo.numbers)}/balance"
        return f"/jobs/{demo.job}/verdicts/{task}/evidence"

    asked = [load.request("GET", path(), url.netloc.decode()) for _ in range(READS * seconds)]
    load.offered(url.host, url.port or 80, asked[:WARM], WARM / 10)  # the process is new
    spent = _spent(demo)
    result = load.offered(url.host, url.port or 80, asked, READS)
    found = _figures(result, READS, 200) | {"cpu_ms_each": _each(demo, spent, len(asked))}
    _say(f"reads: {found}")
    return found


def _listeners(demo: Demo, oracle: Oracle, url: httpx.URL, seconds: int, listeners: int) -> dict[str, Any]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * listeners)), hard))

    def happen() -> None:
        """Something for all of them to hear: the requester becomes a worker."""
        interfaces, workers = oracle.chain.interfaces, oracle.deployment.workers
        call = Call("register the requester", workers, interfaces.encode("Workers", "register"))
        outbox.run(oracle.database, oracle.chain, demo.key(REQUESTER), call, "bench")

    found = load.listened(url.host, url.port or 80, "/events", listeners, float(seconds), happen)
    _say(f"listeners: {found}")
    return found


def _figures(result: load.Result, rate: int, good: int) -> dict[str, Any]:
    ordered = sorted(result.seconds)
    at = {
        name: round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1_000, 1)
        for name, share in SHARES.items()
    }
    return {
        "rate": rate,
        "requests": len(ordered),
        **at,
        "failed": sum(status != good for status in result.statuses),
        "statuses": {str(status): result.statuses.count(status) for status in sorted(set(result.statuses))},
        "generator_late_ms": round(result.late * 1_000, 1),
    }


def _spent(demo: Demo) -> dict[str, float]:
    """Seconds of processor time of each serving process, where the system tells."""
    found = {}
    for name, pid in demo.crew.pids().items():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        found[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def _each(demo: Demo, before: dict[str, float], requests: int) -> dict[str, float]:
    """Milliseconds of processor time that a request cost: of the API, and of all members together."""
    now = _spent(demo)
    spent = {name: (now[name] - before.get(name, 0.0)) * 1_000 / requests for name in now}
    api = spent.pop("api", 0.0)
    return {"api": round(api, 3), "members": round(sum(spent.values()), 3)}


SHARES = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "max_ms": 1.0}


def _play(demo: Demo, stages: Sequence[str]) -> None:
    for stage in stages:
        demo.play(stage)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
