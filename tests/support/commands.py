"""The command `crowdproof` in tests: in a process of its own, or in this one where only words are looked at."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 240


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    def is_clear(self) -> bool:
        """Bad input: a line for a person, no traceback, nothing on stdout."""
        return self.code == 2 and self.err.startswith("crowdproof: ") and "Traceback" not in self.err and not self.out


Run = Callable[..., Ended]


def start(*words: object) -> "subprocess.Popen[str]":
    """`crowdproof WORDS` in a process of its own."""
    return subprocess.Popen(  # noqa: S603 (our words)
        [sys.executable, "-m", "oracle.cli", *map(str, words)],
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CROWDPROOF_PASSWORD": "secret"},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def begin(said: Path, *words: object) -> "subprocess.Popen[bytes]":
    """The same, for a command that runs on: what it says goes to the end of a file."""
    with said.open("ab") as out:
        return subprocess.Popen(  # noqa: S603 (our words)
            [sys.executable, "-m", "oracle.cli", *map(str, words)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )


def finish(process: "subprocess.Popen[str]") -> Ended:
    out, err = process.communicate(timeout=TIMEOUT_S)
    return Ended(process.returncode, out, err)


def run(*words: object) -> Ended:
    return finish(start(*words))


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The same in this process, with its exit code and its output: quick, since everything is loaded."""
    from oracle import cli

    monkeypatch.setenv("CROWDPROOF_PASSWORD", "secret")

    def called(*words: object) -> Ended:
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        monkeypatch.setattr(sys, "argv", ["crowdproof", *map(str, words)])
        monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
        capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                cli.main()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        out, err = capsys.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    return called
