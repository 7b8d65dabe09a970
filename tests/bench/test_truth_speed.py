"""The benchmark of speed: the crowds that it makes, what it counts, and that each figure is there."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracle.bench import crowdkit, truth_speed
from oracle.labels import read_answers
from oracle.protocol.errors import BadInput, Fatal


def test_made__a_crowd__has_the_promised_shape() -> None:
    crowd = truth_speed.made(10_000)
    assert (len(crowd.tasks), len(crowd.workers), len(crowd.classes)) == (2_000, 100, 4)
    assert np.bincount(crowd.task).tolist() == [5] * 2_000
    assert len({*zip(crowd.task.tolist(), crowd.worker.tolist(), strict=True)}) == 10_000  # nobody twice
    again = truth_speed.made(10_000)
    assert all((getattr(crowd, name) == getattr(again, name)).all() for name in ("task", "worker", "label"))
    agree = crowd.label.reshape(-1, 5)
    pairs = np.mean([agree[:, a] == agree[:, b] for a in range(5) for b in range(a)])
    assert pairs == pytest.approx(0.775**2 + 3 * 0.075**2, abs=0.02)  # right with 0.7 + 0.3 / 4


def test_write__a_crowd__is_read_back(tmp_path: Path) -> None:
    truth_speed._write(tmp_path / "a.csv", 2_000)
    found, warnings = read_answers(tmp_path / "a.csv")
    assert warnings == []
    assert found.label.tolist() == truth_speed.made(2_000).label.tolist()


def test_bound__a_size__counts_bytes_by_hand() -> None:
    """1,000 answers, 40 pairs, 4 classes: an int32 an answer; 2 x 40 rows of 4 float32, written and read."""
    found = truth_speed.bound(1_000, 10.0)
    assert found["bytes_an_answer"] == pytest.approx((1_000 * 4 + 80 * 4 * 4 * 2) / 1_000)
    assert found["ns_an_answer"] == pytest.approx(found["bytes_an_answer"] / 10)


def test_timed__a_process__tells_its_own_cpu_and_memory() -> None:
    busy = "import time\nx = b'1' * 200_000_000\nwhile time.process_time() < 0.5: pass"
    found = truth_speed._timed([sys.executable, "-c", busy])
    idle = truth_speed._timed([sys.executable, "-c", "import time; time.sleep(0.5)"])
    assert found["cpu_seconds"] >= 0.5
    assert idle["cpu_seconds"] < 0.5
    assert found["peak_mb"] > idle["peak_mb"] + 100
    with pytest.raises(Fatal, match="ended with code 3"):
        truth_speed._timed([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.parametrize("text", ["", "0", "999", "1e9", "1.5e3x", "1000.5", "nan", "inf", "1e5,,"])
def test_read_sizes__no_sizes__are_refused(text: str) -> None:
    with pytest.raises(BadInput, match="--sizes"):
        truth_speed.read_sizes(text)


def test_read_sizes__numbers__come_in_order() -> None:
    assert truth_speed.read_sizes("1e6, 1000,1e5,100000") == [1_000, 100_000, 1_000_000]


def test_truth_speed__small__has_every_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {"cpu_seconds": 2.0, "iterations": 20}
    monkeypatch.setattr(crowdkit, "run", lambda *arguments: json.dumps(theirs))
    monkeypatch.setattr(truth_speed, "THEIR_MOST", 2_000)
    monkeypatch.setattr(truth_speed, "STREAM", 1 << 20)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    found: dict[str, Any] = json.loads(json.dumps(truth_speed.truth_speed([1_000, 2_000, 4_000]), allow_nan=False))
    one = found["iterations"]["2000"]
    assert one["crowd_kit"]["ns_an_answer"] == pytest.approx(2.0 / 20 / 2_000 * 1e9)
    assert one["times_faster"] == pytest.approx(one["crowd_kit"]["ns_an_answer"] / one["ours"]["ns_an_answer"])
    assert "crowd_kit" not in found["iterations"]["4000"]
    assert found["whole"]["answers"] == 2_000
    for ran in found["whole"]["methods"].values():
        assert ran["share_of_crowd_kit"] == pytest.approx(ran["cpu_seconds"] / 2.0)
    assert found["growth"]["ratio"] == pytest.approx(
        found["iterations"]["4000"]["ours"]["ns_an_answer"] / found["iterations"]["1000"]["ours"]["ns_an_answer"]
    )
    assert "times ours" in truth_speed.text(found)
