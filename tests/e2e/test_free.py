"""The demo with free answers: texts and numbers of a made crowd, from wallets to paid verdicts, audited from outside."""

import random
from pathlib import Path
from typing import Any

import pytest

from oracle.config import Home
from oracle.demo.play import Options, play
from oracle.protocol.errors import BadInput
from tests.support.commands import Run, inside

__all__ = ["inside"]
pytestmark = pytest.mark.sockets
SENTENCES = ["the train was late again today", "where is the nearest pharmacy", "she read the book in one evening"]
MISHEARD = {"late": "great", "nearest": "dearest", "book": "brook", "evening": "evening or two"}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Five workers write down nine sentences; each mishears a word now and then, another one each."""
    rng, folder = random.Random(3), tmp_path_factory.mktemp("crowd")
    labels, gold = folder / "labels.csv", folder / "gold.csv"
    rows, truth = [], []
    for task in range(9):
        right = f"{SENTENCES[task % 3]} {('one', 'two', 'three')[task // 3]}"
        truth.append(f"t{task},{right}")
        for worker in range(5):
            heard = " ".join(MISHEARD.get(w, w) if rng.random() < 0.3 else w for w in right.split())
            rows.append(f"t{task},w{worker},{heard}")
    labels.write_text("task,worker,label\n" + "\n".join(rows) + "\n")
    gold.write_text("task,label\n" + "\n".join(truth) + "\n")
    return labels, gold


@pytest.fixture(scope="module")
def finished(crowd: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    home = tmp_path_factory.mktemp("free") / "home"
    return home, play(Home(home), Options(*crowd, type="text"))


def test_demo__free_texts__are_decided_paid_and_audited(finished: tuple[Path, dict[str, Any]]) -> None:
    _, found = finished
    assert found["audit"]["ok"] and found["audit"]["answers"] == 45
    assert found["score"]["tasks"] == 9 and found["score"]["wer"] < 0.1
    assert found["claimable"] == 0 and found["escrowed"] == found["debited"] + found["refunded"]


def test_audit__free_texts__from_the_home_alone(finished: tuple[Path, dict[str, Any]], inside: Run) -> None:
    home, found = finished
    ended = inside("audit", "--home", home, "--json")
    assert (ended.code, ended.document["ok"]) == (0, True)
    assert ended.document["verdicts"] == found["tasks"]


@pytest.mark.parametrize(
    ("labels", "kind", "what"),
    [
        ("t,w,about nine\n", "number", "'about nine'"),
        ("t,w,9\nt,x,8\n", "number", "answer.asked"),
        ("t,w,9\nt,x,8\n", "shoe", "'shoe' is no type"),
        ("t,w,a\nt,x,b\n", "choice", "answer.asked.type"),
    ],
)
def test_demo__what_is_no_free_answer__is_refused_before_anything_starts(
    tmp_path: Path, labels: str, kind: str, what: str
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("task,worker,label\n" + labels)
    with pytest.raises(BadInput, match=what):
        play(Home(tmp_path / "home"), Options(file, type=kind))
    assert not (tmp_path / "home").exists()
