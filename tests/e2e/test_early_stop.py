"""The demo with early stop: fewer answers bought, each where it is worth most, every round proven; cut off, it ends the same."""

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters import anvil
from oracle.config import Home
from oracle.demo.play import Options, play
from oracle.services import assign
from tests.support.commands import Run, inside

__all__ = ["inside"]
pytestmark = pytest.mark.sockets
TASKS, WORKERS, ANSWERS = 30, 10, 9


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Nine of ten workers give nine answers to each task; two answer at random, the rest are nearly always right."""
    rng, folder = random.Random(5), tmp_path_factory.mktemp("crowd")
    rows = []
    for task in range(TASKS):
        for worker in rng.sample(range(WORKERS), ANSWERS):
            right = rng.random() < (0.5 if worker < 2 else 0.95)
            rows.append(f"t{task},w{worker},{task % 2 if right else 1 - task % 2}")
    labels, gold = folder / "labels.csv", folder / "gold.csv"
    labels.write_text("task,worker,label\n" + "\n".join(rows) + "\n")
    gold.write_text("task,label\n" + "".join(f"t{t},{t % 2}\n" for t in range(TASKS)))
    return labels, gold


@pytest.fixture(scope="module")
def finished(crowd: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    home = tmp_path_factory.mktemp("early") / "home"
    return home, play(Home(home), Options(*crowd, early_stop=True))


def test_demo__early_stop__buys_fewer_answers_and_is_as_right(finished: tuple[Path, dict[str, Any]]) -> None:
    _, found = finished
    assert found["answers_recorded"] == TASKS * ANSWERS
    assert found["answers"] == found["answers_bought"] == found["audit"]["answers"]
    assert 2 * TASKS <= found["answers_bought"] <= 0.75 * found["answers_recorded"]
    assert found["accuracy"] >= 28 / 30
    assert found["epochs"] == 1


def test_demo__early_stop__every_assignment_is_in_a_match_that_the_audit_proves_best(
    finished: tuple[Path, dict[str, Any]], inside: Run
) -> None:
    home, found = finished
    assert found["audit"]["ok"]
    assert found["audit"]["matched"] == found["answers_bought"]
    assert found["audit"]["matches"] >= 2
    assert found["audit"]["gap"] <= 1e-6
    ended = inside("audit", "--home", home, "--json")
    assert ended.code == 0
    assert ended.document["matched"] == ended.document["assignments"] == found["answers_bought"]


def test_demo__early_stop__who_answers_at_random_is_asked_less(finished: tuple[Path, dict[str, Any]]) -> None:
    """What is known of the workers decides whom the later rounds ask."""
    from contextlib import closing

    from oracle.bootstrap import open_database

    with closing(open_database(Home(finished[0]))) as database:
        offers = database.assignments(1)
    asked = [sum(o.worker == worker for o in offers) for worker in range(1, WORKERS + 1)]
    assert sum(sorted(asked)[-4:]) > 1.3 * sum(sorted(asked)[:4])


def test_demo__chain_killed_and_a_round_cut_off__same_verdicts_and_same_answers(
    crowd: tuple[Path, Path], finished: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third round is offered, and the stage dies before anybody answers it."""
    from oracle.protocol.errors import Retryable

    rounds = 0
    whole = assign.assign

    def cut_off(*arguments: Any, **named: Any) -> Any:
        nonlocal rounds
        rounds += 1
        found = whole(*arguments, **named)
        if rounds == 3:
            raise Retryable("a planted fault, after the offers are stored")
        return found

    def kill(stage: str) -> None:
        running = anvil.status(tmp_path / "home" / "chain")
        if stage == "answer" and running:
            os.kill(running.pid, signal.SIGKILL)

    monkeypatch.setattr(assign, "assign", cut_off)
    found = play(Home(tmp_path / "home"), Options(*crowd, early_stop=True), between=kill)
    assert rounds > 3
    same = ("verdicts_digest", "answers_bought", "paid", "refunded")
    assert {name: found[name] for name in same} == {name: finished[1][name] for name in same}
    assert found["audit"]["ok"]
