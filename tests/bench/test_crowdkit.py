"""crowd-kit's environment: made once, asked once for the same jobs; where it stands, it gives the published figures."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracle.bench import crowdkit, truth
from oracle.labels import example_answers
from oracle.protocol.errors import Fatal
from tests.conftest import CROWD


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_environment__asked_twice__is_made_once_for_each_lock(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    monkeypatch.setattr(crowdkit, "_make", lambda place: made.append(place) or place.mkdir())
    assert crowdkit.environment() == crowdkit.environment() == made[0]
    lock = cache / "other.lock"
    lock.write_text("x")
    monkeypatch.setattr(crowdkit, "LOCK", lock)
    assert crowdkit.environment() != made[0]
    assert len(made) == 2
    assert hashlib.sha256(b"x").hexdigest()[:12] in made[1].name


def test_environment__it_cannot_be_made__is_tried_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(place: Path) -> None:
        raise Fatal("no registry")

    monkeypatch.setattr(crowdkit, "_make", fails)
    for _ in range(2):
        with pytest.raises(Fatal, match="no registry"):
            crowdkit.environment()


def test_fit__the_same_jobs__are_kept_and_others_are_not(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def run(command: str, given: str, out: str) -> str:
        asked.append(command)
        with np.load(given) as jobs:
            found = {"0/crowdkit_ds": np.full((int(jobs["0/size"][0]), 4), 0.25)}
        about = json.dumps({"failed": {0: {"crowdkit_onecoin": "ValueError: x"}}, "crowd-kit": "1"})
        np.savez(out, about=about, **found)  # type: ignore[arg-type]
        return ""

    monkeypatch.setattr(crowdkit, "_make", lambda place: place.mkdir())
    monkeypatch.setattr(crowdkit, "run", run)
    answers = example_answers()
    first, about = crowdkit.fit([answers])
    again, kept = crowdkit.fit([answers])
    assert (about, kept) == ({"crowd-kit": "1", "kept": False}, {"crowd-kit": "1", "kept": True})
    for found in (first[0], again[0]):
        assert found.posteriors["crowdkit_ds"].shape == (45, 4)
        assert found.failed == {"crowdkit_onecoin": "ValueError: x"}
    other = truth.halved(truth.Crowd("x", answers, np.zeros(45, np.int32))).answers
    crowdkit.fit([other])
    assert len(asked) == 2


def stands() -> bool:
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(crowdkit, "_make", _not_now)
            crowdkit.environment()
    except Fatal:
        return False
    return True


def _not_now(place: Path) -> None:
    raise Fatal("not in a test")


@pytest.mark.skipif(not stands(), reason="crowd-kit's environment is not made (`crowdproof bench truth` makes it)")
@pytest.mark.skipif(not CROWD.is_dir(), reason="the recorded crowds are not beside the checkout")
def test_fit__bluebird__gives_the_published_figures() -> None:
    crowd: Any = truth.read_crowds(CROWD, ["bluebird"])[0][0]
    found, about = crowdkit.fit([crowd.answers])
    assert about["crowd-kit"] == "1.4.2"
    for method, accuracy, loss in (("crowdkit_ds", 0.8889, 1.141), ("crowdkit_onecoin", 0.5833, None)):
        measures = truth.judge(crowd, found[0].posteriors[method], split_ties=False).measures()
        assert measures["accuracy"] == pytest.approx(accuracy, abs=1e-4)
        assert loss is None or measures["log_loss"] == pytest.approx(loss, abs=1e-3)
