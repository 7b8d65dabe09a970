"""One demo under kills: started, struck at the planned points and moments, resumed until it ends.

deal -> play -> Played. Children that die must be replaced by the demo itself; when the demo dies, `demo --resume` goes on. Every
process of a run carries the plan's file in its environment: so they are found, and so it is known that none is left.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.campaign.points import ANVIL, POINTS, RANDOM, Point

ROOT = Path(__file__).parents[2]
INJECT = Path(__file__).parent / "inject"
PLAN = "CROWDPROOF_TEST_PLAN"
PATIENCE_S = 480.0  # for one start of the demo
MOST_STARTS = 12
LOOK_S = 0.03


@dataclass(frozen=True, slots=True)
class Kill:
    """At the `nth` passing of a named point by `role`, or `seconds` after the beginning (then `point` is empty)."""

    point: str
    role: str
    nth: int = 1
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return self.point or f"random.{self.role}"


@dataclass(slots=True)
class Played:
    """`kills`: names of those that struck; `codes`: how each start of the demo ended; `document`: of the last."""

    kills: list[str]
    codes: list[int]
    document: dict[str, Any] | None
    seconds: float
    left: list[str] = field(default_factory=list)  # processes that outlived the demo


def crowd(file: Path) -> Path:
    """Twelve tasks, six workers, two classes: the smallest crowd with some disagreement."""
    rng = random.Random(7)
    rows = [
        f"t{task},w{worker},{(task % 2) if rng.random() < 0.8 else 1 - task % 2}"
        for task in range(12)
        for worker in rng.sample(range(6), 4)
    ]
    file.write_text("task,worker,label\n" + "\n".join(rows) + "\n")
    return file


class Dealer:
    """Deals kills from a shuffled deck of all points, so that each comes up before any comes again; a third is random moments."""

    def __init__(self, seed: int, passings: dict[str, dict[str, int]], seconds: float) -> None:
        """`passings`: how often each role passes each point in an undisturbed run of `seconds`."""
        self._random = random.Random(seed)
        self._passings, self._seconds = passings, seconds
        self._points: list[str] = []
        self._victims: list[str] = []

    def deal(self, kills: int) -> list[Kill]:
        return [self._moment() if self._random.random() < 1 / 3 else self._named() for _ in range(kills)]

    def _named(self) -> Kill:
        self._points = self._points or self._random.sample(sorted(self._passings), len(self._passings))
        name = self._points.pop()
        role, times = self._random.choice(sorted(self._passings[name].items()))
        return Kill(name, role, self._random.randint(1, times))

    def _moment(self) -> Kill:
        self._victims = self._victims or self._random.sample(RANDOM, len(RANDOM))
        return Kill("", self._victims.pop(), seconds=round(self._random.uniform(0.0, self._seconds), 2))


def play(folder: Path, kills: Sequence[Kill] = (), patches: Sequence[str] = (), pause: float = 0.0) -> Played:
    """A whole demo in FOLDER/home; `patches` are planted faults, `pause` the seconds between a death and the resuming."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = crowd(folder / "labels.csv")
    _write_plan(folder, kills, patches)
    began, codes = time.monotonic(), []
    moments = [kill for kill in kills if not kill.point]
    struck: list[str] = []
    home = folder / "home"
    while len(codes) < MOST_STARTS:
        again = ["--resume"] if codes and home.exists() else []
        out = folder / f"out.{len(codes)}.json"
        code = _run(["--labels", labels, "--home", home, "--json", *again], folder, out, began, moments, struck)
        codes.append(code)
        if code >= 0:
            break
        time.sleep(pause)
    document = json.loads(out.read_text()) if codes[-1] in (0, 1) and out.read_text() else None
    fired = folder / "fired"
    names = {f"{i}": kill.name for i, kill in enumerate(kills)}
    struck += [names[file.name] for file in fired.iterdir()] if fired.exists() else []
    return Played(sorted(struck), codes, document, round(time.monotonic() - began, 2), _left(folder))


def _write_plan(folder: Path, kills: Sequence[Kill], patches: Sequence[str]) -> None:
    points = {point.name: point for point in POINTS}
    anvil = str(folder / "home" / "chain" / "anvil.pid")

    def rule(number: int | str, point: Point, role: str, nth: int) -> dict[str, Any]:
        victim = anvil if point.victim == ANVIL else ""
        words = {"at": point.at, "when": point.when, "match": point.match}
        return {"id": f"{number}", "role": role, "nth": nth, "victim": victim, **words}

    document = {
        "folder": str(folder),
        "kills": [rule(i, points[k.point], k.role, k.nth) for i, k in enumerate(kills) if k.point],
        "count": [] if kills else [rule(name, point, point.role, 1) for name, point in points.items()],
        "witness": True,
        "patches": list(patches),
    }
    (folder / "plan.json").write_text(json.dumps(document))
    (folder / "kills.json").write_text(json.dumps([asdict(kill) for kill in kills], indent=1))


def passings(folder: Path) -> dict[str, dict[str, int]]:
    """point -> role -> how often, of a run without kills; points that nobody passed are absent."""
    found: dict[str, dict[str, int]] = {}
    for file in folder.glob("passed.*"):
        roles = file.read_text().split()
        found[file.name.removeprefix("passed.")] = {role: roles.count(role) for role in set(roles)}
    return found


def _run(words: Sequence[object], folder: Path, out: Path, began: float, moments: list[Kill], struck: list[str]) -> int:
    """One start of the demo; strikes `moments` when they are due, moving them to `struck`. Its exit code, negative for a signal."""
    with out.open("w") as stdout, (folder / "err.txt").open("a") as stderr:
        process = subprocess.Popen(  # noqa: S603 (our words)
            [sys.executable, "-m", "oracle.cli", "demo", *map(str, words)],
            env={**os.environ, "PYTHONPATH": f"{INJECT}:{ROOT}", PLAN: str(folder / "plan.json")},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    end = time.monotonic() + PATIENCE_S
    try:
        while process.poll() is None and time.monotonic() < end:
            for kill in [kill for kill in moments if time.monotonic() - began >= kill.seconds]:
                if _strike(kill.role, process.pid, folder):
                    moments.remove(kill)
                    struck.append(kill.name)
            time.sleep(LOOK_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
            process.returncode = 124
    return int(process.returncode)


def _strike(role: str, demo: int, folder: Path) -> bool:
    """Kills the process of that role if it is there."""
    pid = demo if role == "demo" else next((pid for pid in processes_of(folder) if _is(role, pid, folder)), None)
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _is(role: str, pid: int, folder: Path) -> bool:
    """A child is known by the log that it writes to, the others by their words."""
    words = _words(pid)
    match role:
        case "anvil":
            return Path(words[0]).name == "anvil"
        case "keeper":
            return any(word.endswith("keeper.py") for word in words)
        case "forkserver":
            return any("forkserver" in word for word in words) and not _output(pid).startswith(
                str(folder / "home" / "logs")
            )
        case _:
            return _output(pid) == str(folder / "home" / "logs" / f"{role}.log")


def processes_of(folder: Path) -> Iterator[int]:
    """All that carry the plan of this run, but zombies."""
    mark = f"{PLAN}={folder / 'plan.json'}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0") and _words(int(entry.name)):
                    yield int(entry.name)
            except OSError:
                continue


def _words(pid: int) -> list[str]:
    """Empty for a process that is gone (or a zombie)."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0")
    except OSError:
        return []
    return text.split("\0") if text else []


def _parent(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]
    except OSError:
        return "nobody"


def _output(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/fd/1").readlink())
    except OSError:
        return ""


def _left(folder: Path, seconds: float = 60.0) -> list[str]:
    """What still runs after a while; it is ended, so that it disturbs nobody."""
    end = time.monotonic() + seconds
    while (alive := list(processes_of(folder))) and time.monotonic() < end:
        time.sleep(0.1)
    left = [f"{pid} below {_parent(pid)}: {' '.join(_words(pid))[:100]} > {_output(pid)}" for pid in alive]
    for pid in alive:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return left
