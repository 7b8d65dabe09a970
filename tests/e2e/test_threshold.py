"""The demo, sealed and with split keys: no member alone opens an answer before its task is closed, nobody else reads what is

decided, and all ends as if each could.
"""

from pathlib import Path

import pytest

from oracle import bootstrap
from oracle.commands import auditing
from oracle.config import Home
from oracle.demo.play import Options, play
from oracle.protocol import sealing
from tests.e2e.test_demo import DIGEST
from tests.support.commands import Run, inside

__all__ = ["inside"]
pytestmark = pytest.mark.sockets


def test_demo__sealed_with_split_keys__hides_every_answer_and_ends_the_same(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    seen: list[tuple[bool, bool]] = []

    def look(stage: str) -> None:
        if stage == "close":
            seen.extend(tried(home))

    found = play(home, Options(seal="threshold", visibility="sealed"), between=look)
    assert seen == [(False, True)] * 315
    assert found["verdicts_digest"] == DIGEST
    assert (found["audit"]["ok"], found["audit"]["answers"]) == (True, 315)
    stranger = auditing.audit(home.path, None, None, None)
    assert (stranger["ok"], stranger["answers"], stranger["sealed"]) == (True, 0, {"1": 45})


def tried(home: Home) -> list[tuple[bool, bool]]:
    """Of every answer: whether a member opens it with its own key, and whether two that break the rules together do."""
    found = []
    members = [bootstrap.open_member(home, number)[0] for number in (1, 2)]
    openers = [member._opener for member in members]
    for answer in members[0]._database.answers(1):
        bound = (answer.commitment, answer.envelope)
        place = (answer.job, answer.task, answer.worker)
        alone = any(opener.open(place, *bound) or opener.unseal(*bound) for opener in openers)
        shares = dict(opener._share(answer) for opener in openers)
        found.append((alone, sealing.joined(shares, 4, *bound) is not None))
    return found


def test_demo__early_stop_with_split_keys__is_refused_before_anything_happens(tmp_path: Path, inside: Run) -> None:
    ended = inside("demo", "--early-stop", "--seal", "threshold", "--home", tmp_path / "home")
    assert ended.code == 2
    assert "--seal threshold hides them" in ended.err
    assert not (tmp_path / "home").exists()
