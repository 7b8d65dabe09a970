"""Work on the processes of torchrun: what one process says, what a part raises, and commands that write once."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracle.adapters.cluster import computing
from oracle.compute import LOCAL, Compute
from oracle.protocol.errors import BadInput
from oracle.verification.infer import dawid_skene
from oracle.verification.learn import learn
from tests.support.commands import ROOT, Run, inside
from tests.verification.test_apart import arrays

pytestmark = pytest.mark.sockets
__all__ = ["inside"]


def torchrun(*words: object) -> subprocess.CompletedProcess[str]:
    launched = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1", "-m"]
    return subprocess.run(  # noqa: S603 (our words)
        [sys.executable, *launched, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def refuses(number: int) -> int:
    if number == 3:
        raise BadInput("three is not accepted")
    return number


def compared(by: Compute) -> dict[str, Any]:
    """In the first process: works of several kinds beside one process."""
    given = arrays(400)
    fit = dawid_skene(*given)
    found = {
        "learn": [learn(*given[:3], fit, compute=way) for way in (LOCAL, by)],
        "dawid-skene": [dawid_skene(*given, compute=way) for way in (LOCAL, by)],
    }
    kept = by.keep(5)
    return {
        "workers": by.workers,
        "learn": all(
            np.array_equal(*(getattr(one, name) for one in found["learn"]))
            for name in ("correction", "right", "difficulty", "spam")
        ),
        "dawid-skene": np.array_equal(*(one.posterior for one in found["dawid-skene"])),
        "order": by.map(pow, [(n,) for n in range(7)], kept) == [5**n for n in range(7)],
        "none": by.map(refuses, []) == [],
        "refused": refused(by),
    }


def refused(by: Compute) -> str:
    try:
        by.map(refuses, [(n,) for n in range(5)])
    except BadInput as problem:
        return str(problem)
    return ""


def dies_once(mark: str, number: int) -> int:
    """Its process with it, where `mark` names a file that is not there yet."""
    if mark and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


if __name__ == "__main__":
    with computing("torch") as first:
        assert first.map(dies_once, [("", 0), (sys.argv[1], 1)]) == [0, 1]
        print(compared(first))


def test_map__two_processes_one_of_which_dies__give_the_bits_of_one_and_raise_what_a_part_raises(
    tmp_path: Path,
) -> None:
    done = torchrun("tests.adapters.test_ranks", tmp_path / "mark")
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "mark").exists()
    assert done.stdout.splitlines() == [
        "{'workers': 2, 'learn': True, 'dawid-skene': True, 'order': True, 'none': True, 'refused': 'three is not accepted'}"
    ]


def test_infer__under_torchrun__writes_what_one_process_writes(tmp_path: Path, inside: Run) -> None:
    labels = tmp_path / "labels.csv"
    with labels.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["task", "worker", "label"])
        rows.writerows(zip(*arrays(300)[:3], strict=True))
    ask = ("infer", "--labels", labels, "--proba", "--json")
    alone = inside(*ask, "--out", tmp_path / "one.csv")
    assert alone.code == 0
    done = torchrun("oracle.cli", *ask, "--out", tmp_path / "two.csv", "--compute", "torch")
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
    assert len(done.stdout.splitlines()) == 1


def test_computing__torch_outside_of_torchrun__says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(BadInput, match="torchrun"), computing("torch"):
        pass
