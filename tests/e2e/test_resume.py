"""A demo whose processes are killed: a member, the chain and the demo itself, each at a moment when something hangs in the air."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.judging import judge
from tests.campaign.playing import Kill, Played, play
from tests.support.commands import Run, run

pytestmark = [
    pytest.mark.sockets,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]
DIGEST = "79e08bde0404a47f549bbc53f4d0b3c310135f589f60fb261219cb8d0f4e99e1"  # of the campaign's crowd, undisturbed
KILLS = (
    Kill("member.answers.after", "member-2", 3),  # answers stored, nobody has its signature
    Kill("anvil.sent.post", "demo"),  # the epoch is posted, and the chain may forget it
    Kill("demo.outbox.claim.write.after", "demo"),  # the claims are written down, and not sent
)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Played]:
    folder = tmp_path_factory.mktemp("killed")
    return folder, play(folder, KILLS)


def document(found: Played) -> dict[str, Any]:
    assert found.document is not None
    return found.document


def test_demo__three_kills_and_a_resume__ends_as_if_undisturbed(killed: tuple[Path, Played]) -> None:
    folder, found = killed
    assert found.kills == sorted(kill.name for kill in KILLS)
    assert found.codes == [-9, 0]
    assert found.left == []
    assert judge(folder, found.document, DIGEST).faults == []
    assert judge(folder, found.document, DIGEST).ok


def test_judge__of_other_verdicts_or_receipts__sees_what_is_wrong(killed: tuple[Path, Played], tmp_path: Path) -> None:
    folder, found = killed
    assert "other verdicts" in judge(folder, found.document, "00" * 32).faults[0]
    dearer = {**document(found), "refunded": document(found)["refunded"] + 1}
    assert judge(folder, dearer, DIGEST).unpaid == 1
    with (folder / "receipts").open("a") as receipts:
        receipts.write("11" * 32 + "\n")
    assert judge(folder, found.document, DIGEST).lost == 1


def test_demo__resume_of_what_has_ended__the_same_again_and_nothing_sent(killed: tuple[Path, Played]) -> None:
    folder, found = killed
    ended = run("demo", "--home", folder / "home", "--resume", "--json")
    assert ended.code == 0
    for name in ("verdicts_digest", "transactions", "paid", "refunded", "gas"):
        assert ended.document[name] == document(found)[name]


def test_demo__resume_with_other_labels__exit_2_and_nothing_touched(killed: tuple[Path, Played], inside: Run) -> None:
    folder, _ = killed
    other = folder / "other.csv"
    other.write_text("task,worker,label\nt1,w1,0\nt1,w2,1\n")
    before = json.loads((folder / "home" / "demo.json").read_text())
    ended = inside("demo", "--home", folder / "home", "--labels", other, "--resume")
    assert ended.is_clear()
    assert "--labels" in ended.err
    assert json.loads((folder / "home" / "demo.json").read_text()) == before


def test_demo__resume_without_a_home__exit_2(inside: Run) -> None:
    ended = inside("demo", "--resume")
    assert ended.is_clear()
    assert "--home" in ended.err
