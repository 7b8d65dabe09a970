"""`crowdproof bench truth-speed`: what our inference costs on made crowds, beside crowd-kit's in the same run.

Every size runs in a process of its own, on one thread: CPU seconds and the peak of memory are that size's alone. An iteration costs
the difference between a long and a short fit: sorting and starting cost both the same. Of whole processes the system tells user and
system seconds: of `crowdproof infer`, from the first import to the last byte written.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from oracle import labels as lb
from oracle.bench import crowdkit
from oracle.protocol.errors import BadInput, Fatal

CLASSES = 4
TASK = 5  # answers of a task
EACH = 100  # answers of a worker, in the mean
RIGHT = 0.7
SHORT, LONG = 5, 15  # iterations of the two fits
PAIRS = 7  # of fits, of which the median counts
THEIRS = 20  # iterations of crowd-kit
THEIR_MOST = 1_000_000  # answers: beyond, crowd-kit takes minutes
FEW = 1 << 17  # answers, but as many as have the compiled code of more
METHODS = ("auto", "dawid-skene")
STREAM = 1 << 27  # bytes


def made(answers: int) -> lb.Answers:
    """A crowd of so many answers, the same every time: each right with probability 0.7, errors spread evenly."""
    luck = np.random.default_rng(answers)
    place, tasks = np.arange(answers, dtype=np.int32), -(-answers // TASK)
    task, workers = place // TASK, max(TASK, answers // EACH)
    first, step = (
        luck.integers(0, workers, tasks),
        luck.integers(1, workers // TASK + 1, tasks),
    )  # nobody answers a task twice
    worker = ((first[task] + step[task] * (place % TASK)) % workers).astype(np.int32)
    truth = luck.integers(0, CLASSES, tasks, dtype=np.int32)
    wrong = luck.integers(0, CLASSES, answers, dtype=np.int32)
    label = np.where(luck.random(answers, dtype=np.float32) < RIGHT, truth[task], wrong)
    ids = [tuple(map(str, range(size))) for size in (tasks, workers, CLASSES)]
    return lb.Answers(ids[0], ids[1], ids[2], task, worker, label)


def truth_speed(sizes: Sequence[int]) -> dict[str, Any]:
    """Iterations of Dawid-Skene at each size; whole processes at the largest that crowd-kit runs too."""
    with tempfile.TemporaryDirectory(prefix="crowdproof-speed-") as folder:
        place = Path(folder)
        iterations = {str(size): _iterations(size, place) for size in sizes}
        shared = max((size for size in sizes if size <= THEIR_MOST), default=0)
        theirs = iterations[str(shared)]["crowd_kit"]["cpu_seconds"] if shared else 0.0
        whole = _whole(shared, theirs, place) if shared else None
    first, last = (iterations[str(size)]["ours"]["ns_an_answer"] for size in (min(sizes), max(sizes)))
    gigabytes = stream()
    return {
        "iterations": iterations,
        "growth": {"from": min(sizes), "to": max(sizes), "ratio": last / first},
        "bandwidth": {"gb_per_second": gigabytes, **bound(max(sizes), gigabytes)},
        "whole": whole,
    }


# ---------------------------------------------------------------------- an iteration


def _iterations(size: int, folder: Path) -> dict[str, Any]:
    ours = json.loads(_alone("one", str(size)))
    found = {"ours": ours}
    if size <= THEIR_MOST:
        theirs = json.loads(
            crowdkit.run("speed", str(crowdkit.write_jobs(folder / f"{size}.npz", [made(size)])), str(THEIRS))
        )
        theirs["ns_an_answer"] = theirs["cpu_seconds"] / theirs["iterations"] / size * 1e9
        found |= {"crowd_kit": theirs, "times_faster": theirs["ns_an_answer"] / ours["ns_an_answer"]}
    _say(_iteration_text(size, found))
    return found


def one(size: int) -> dict[str, float]:
    """In a process of its own: CPU seconds of our Dawid-Skene, of an iteration and besides, and the peak of memory."""
    from oracle.verification.infer import dawid_skene  # noqa: PLC0415 - loads for most of a second

    crowd = made(size)
    sizes = (len(crowd.tasks), len(crowd.workers), CLASSES)
    dawid_skene(crowd.task, crowd.worker, crowd.label, *sizes, max_iterations=1)  # loads code, or compiles it

    def fitted(rounds: int) -> float:
        began = time.process_time()
        fit = dawid_skene(crowd.task, crowd.worker, crowd.label, *sizes, max_iterations=rounds, tolerance=-np.inf)
        if fit.iterations != rounds:
            raise Fatal(f"Dawid-Skene did not run {rounds} iterations")
        return time.process_time() - began

    pairs = [(fitted(SHORT), fitted(LONG)) for _ in range(PAIRS)]
    iteration = statistics.median((long - short) / (LONG - SHORT) for short, long in pairs)
    return {
        "iteration_seconds": iteration,
        "ns_an_answer": iteration / size * 1e9,
        "besides_seconds": statistics.median(short for short, _ in pairs) - SHORT * iteration,
        "peak_mb": _peak_mb(),
    }


def _alone(*arguments: str) -> str:
    environment = {**os.environ, **crowdkit.QUIET}
    command = [sys.executable, "-m", "oracle.bench.truth_speed", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)  # noqa: S603
    if done.returncode:
        raise Fatal(
            f"the process for {' '.join(arguments)} ended with code {done.returncode}; was there memory enough?"
        )
    return done.stdout


def _peak_mb() -> float:
    import resource  # noqa: PLC0415 - not on every system

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# ---------------------------------------------------------------------- whole processes


def _whole(size: int, theirs: float, folder: Path) -> dict[str, Any]:
    """CPU seconds of `crowdproof infer` from file to file, beside those of crowd-kit's 20 iterations alone, `theirs`.

    `first` is a run on `FEW` answers before it: on a machine where nothing was compiled yet, that one compiles and keeps the code.
    """
    few, labels = folder / "few.csv", folder / "labels.csv"
    _write(few, min(size, FEW))
    _write(labels, size)
    methods = {}
    for method in METHODS:
        first, ran = _inferred(few, method, folder), _inferred(labels, method, folder)
        methods[method] = {**ran, "share_of_crowd_kit": ran["cpu_seconds"] / theirs, "first": first}
        _say(f"infer --method {method}, {size:,} answers: {ran['cpu_seconds']:.1f} CPU s, {ran['peak_mb']:,.0f} MB")
    return {"answers": size, "crowd_kit_cpu_seconds": theirs, "methods": methods}


def _inferred(labels: Path, method: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "oracle.cli", "infer", "--labels", str(labels), "--method", method]
    return _timed([*command, "--out", str(folder / "verdicts.csv"), "--json"])


def _write(path: Path, size: int) -> None:
    crowd = made(size)
    with path.open("w") as file:
        file.write("task,worker,label\n")
        for begin in range(0, size, 100_000):
            columns = (column[begin : begin + 100_000].tolist() for column in (crowd.task, crowd.worker, crowd.label))
            file.writelines(map("t{},w{},{}\n".format, *columns))


_WATCH = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


def _timed(command: Sequence[str]) -> dict[str, float]:
    """User and system seconds of a process with all its threads, and the peak of its memory.

    A small process starts it: the system counts what a parent held at the fork as its child's.
    """
    watched = subprocess.run([sys.executable, "-I", "-c", _WATCH, *command], check=True, stdout=subprocess.PIPE)  # noqa: S603
    code, seconds, peak = json.loads(watched.stdout)
    if code:
        raise Fatal(f"{' '.join(command[1:4])} ended with code {code}; its last words stand above")
    return {"cpu_seconds": seconds, "peak_mb": peak}


# ---------------------------------------------------------------------- the bound


def stream() -> float:
    """GB a second that one thread copies, read and written bytes counted: the best of five."""
    source, target = np.ones(STREAM // 8), np.empty(STREAM // 8)
    best = np.inf
    for _ in range(5):
        began = time.process_time()
        np.copyto(target, source)
        best = min(best, time.process_time() - began)
    return 2 * STREAM / best / 1e9


def bound(answers: int, gigabytes: float) -> dict[str, float]:
    """What an iteration must move at least: each answer's int32 index once; each float32 table written once and read once.

    Tables are, by (worker, label) that occur, counts and logs [R, C], R <= K C; posteriors are not kept. Gathered rows are taken
    to lie in cache.
    """
    pairs = answers / EACH * CLASSES
    size = 4 + 2 * 4 * CLASSES * 2 * pairs / answers
    return {"bytes_an_answer": size, "ns_an_answer": size / gigabytes}


# ---------------------------------------------------------------------- asking and telling


def read_sizes(text: str) -> list[int]:
    """Numbers between commas, like 1e5 or 100000. Raises BadInput."""
    sizes = set()
    for word in text.split(","):
        try:
            size = float(word)
        except ValueError:
            size = 0.0
        if not (1_000 <= size <= 1e8 and size == int(size)):
            raise BadInput(f"--sizes: {word.strip()[:20]!r} is no number of answers from 1,000 to 100,000,000")
        sizes.add(int(size))
    return sorted(sizes)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _iteration_text(size: int, found: dict[str, Any]) -> str:
    ours = found["ours"]
    mine = f"{size:>12,} answers: ours {ours['ns_an_answer']:.1f} ns an answer"
    mine += f" (once {ours['besides_seconds']:.2f} s, peak {ours['peak_mb']:,.0f} MB)"
    if "crowd_kit" not in found:
        return mine
    theirs = found["crowd_kit"]["ns_an_answer"]
    return f"{mine}; crowd-kit {theirs:,.0f} ns, {found['times_faster']:.1f} times ours"


def text(document: dict[str, Any]) -> str:
    """The document for people."""
    growth, bandwidth, whole = document["growth"], document["bandwidth"], document["whole"]
    rows = ["an iteration of Dawid-Skene, CPU time of one thread:"]
    rows += [_iteration_text(int(size), found) for size, found in document["iterations"].items()]
    rows.append(f"an answer costs {growth['ratio']:.2f} times as much at {growth['to']:,} as at {growth['from']:,}")
    rows.append(
        f"memory gives {bandwidth['gb_per_second']:.1f} GB/s: at least {bandwidth['bytes_an_answer']:.0f} bytes, "
        f"{bandwidth['ns_an_answer']:.1f} ns an answer"
    )
    return "\n".join(rows + (_whole_rows(whole) if whole else []))


def _whole_rows(whole: dict[str, Any]) -> list[str]:
    theirs = whole["crowd_kit_cpu_seconds"]
    head = f"{whole['answers']:,} answers, whole process, file to file (crowd-kit's {THEIRS} iterations alone: {theirs:.1f} CPU s):"
    return [head, *(_method_text(method, ran) for method, ran in whole["methods"].items())]


def _method_text(method: str, ran: dict[str, float]) -> str:
    share = ran["share_of_crowd_kit"]
    return f"{method:>12}: {ran['cpu_seconds']:.1f} CPU s, {share:.2f} of that, peak {ran['peak_mb']:,.0f} MB"


if __name__ == "__main__":
    print(json.dumps(one(int(sys.argv[2]))))
