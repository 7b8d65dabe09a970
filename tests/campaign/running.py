"""A campaign: an undisturbed run to measure by, then runs with several kills each, judged one by one.

seed, number of kills -> runs -> summary. The same seed deals the same kills; runs differ where threads and clocks decide.
"""

import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

from tests.campaign.judging import Judgement, judge
from tests.campaign.playing import Dealer, Kill, Played, passings, play

A_RUN = (3, 7)  # kills: at least, at most
PAUSES = (0.0, 0.0, 0.5, 2.0)  # seconds between the demo's death and its resuming
NAIVE = "oracle.services.outbox=tests.campaign.naive:install"
Say = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class Calm:
    """The undisturbed run: what the others are held against."""

    digest: str
    seconds: float
    passings: dict[str, dict[str, int]]


@dataclass
class Campaign:
    """Runs in FOLDER/<number>; `say` is told a line for each."""

    folder: Path
    seed: int = 1
    naive: bool = False
    say: Say = lambda _: None
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._turn = Lock()
        self._began = time.monotonic()

    def calm(self) -> Calm:
        """Raises ValueError if even the undisturbed run is not right."""
        folder = self.folder / "calm"
        played = play(folder)
        digest = (played.document or {}).get("verdicts_digest", "")
        found = judge(folder, played.document, digest)
        if played.codes != [0] or played.left or not found.ok:
            raise ValueError(f"the undisturbed run in {folder} is not right: {played.codes} {played.left} {found}")
        return Calm(digest, played.seconds, passings(folder))

    def run(self, kills: int, jobs: int = 1, until_fault: bool = False) -> dict[str, Any]:
        """Until so many kills have struck; with `until_fault` a fault ends it too."""
        calm = self.calm()
        dealer, chance = Dealer(self.seed, calm.passings, calm.seconds), random.Random(f"runs {self.seed}")
        with ThreadPoolExecutor(jobs) as threads:
            list(threads.map(lambda _: self._work(calm, dealer, chance, kills, until_fault), range(jobs)))
        return self.summary()

    def one(self, name: str, calm: Calm, kills: list[Kill], pause: float) -> dict[str, Any]:
        """Plays and judges a run; its line."""
        folder = self.folder / name
        try:
            played = play(folder, kills, [NAIVE] if self.naive else [], pause)
            found = judge(folder, played.document, calm.digest)
        except Exception as problem:  # a run must not end the campaign, and its line says what it was
            played, found = Played([], [], None, 0.0), Judgement(faults=[f"{type(problem).__name__}: {problem}"])
        self._complete(found, played, folder)
        line = _line(name, played, found)
        if found.ok:
            shutil.rmtree(folder)
        else:
            line["again"] = f"python -m tests.campaign --replay {folder / 'kills.json'}"
        with self._turn:
            self.lines.append(line)
        self.say(line)
        return line

    def summary(self) -> dict[str, Any]:
        points = Counter(kill for line in self.lines for kill in line["kills"])
        bad = [line for line in self.lines if not line["ok"]]
        return {
            "ok": not bad and bool(self.lines),
            "runs": len(self.lines),
            "kills": points.total(),
            "starts": sum(len(line["codes"]) for line in self.lines),
            **{name: sum(line[name] for line in self.lines) for name in ("lost", "double", "unpaid")},
            "digest_ok": sum(line["digest_ok"] for line in self.lines),
            "bad_runs": [line["run"] for line in bad],
            "by_point": dict(sorted(points.items())),
            "seconds": round(time.monotonic() - self._began, 1),
        }

    def _work(self, calm: Calm, dealer: Dealer, chance: random.Random, kills: int, until_fault: bool) -> None:
        while True:
            with self._turn:
                struck = sum(len(line["kills"]) for line in self.lines)
                if struck >= kills or (until_fault and any(not line["ok"] for line in self.lines)):
                    return
                name = f"{next(self._names):04}"
                dealt, pause = dealer.deal(chance.randint(*A_RUN)), chance.choice(PAUSES)
            self.one(name, calm, dealt, pause)

    def _complete(self, found: Judgement, played: Played, folder: Path) -> None:
        if played.left:
            found.faults.append(f"processes are left: {played.left}")
        if played.codes and played.codes[-1]:
            found.faults.append(f"it ended with {played.codes}: {_last_words(folder / 'err.txt')}")

    _names: Iterator[int] = field(default_factory=lambda: count(1))


def replay(campaign: Campaign, file: Path) -> dict[str, Any]:
    """The same kills again, after an undisturbed run."""
    kills = [Kill(**kill) for kill in json.loads(file.read_text())]
    campaign.one("again", campaign.calm(), kills, 0.0)
    return campaign.summary()


def _line(name: str, played: Played, found: Judgement) -> dict[str, Any]:
    return {
        "run": name,
        "ok": found.ok,
        "kills": played.kills,
        "codes": played.codes,
        "digest_ok": bool(played.document) and not any("other verdicts" in fault for fault in found.faults),
        "lost": found.lost,
        "double": found.double,
        "unpaid": found.unpaid,
        "faults": found.faults,
        "seconds": played.seconds,
    }


def _last_words(file: Path) -> str:
    return file.read_text(errors="replace")[-600:].strip() if file.exists() else ""
