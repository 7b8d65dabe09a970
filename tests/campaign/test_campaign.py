"""The campaign of kills: at least 300, at every named point and at random moments; and the naive sender, which must fail it."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.judging import judge
from tests.campaign.playing import Kill, passings, play
from tests.campaign.points import POINTS
from tests.campaign.running import NAIVE, Campaign

KILLS = 300
NAIVE_KILLS = 60
CONTROL = Kill("demo.outbox.setup.write.before", "demo", 3)  # the naive sender has sent the requester's tokens by then
pytestmark = [
    pytest.mark.sockets,
    pytest.mark.deep,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]


def say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def test_campaign__300_kills__nothing_lost_nothing_twice_nothing_unpaid(tmp_path: Path) -> None:
    found = Campaign(tmp_path, seed=1, say=say).run(KILLS)
    say(found)
    assert found["ok"], found["bad_runs"]
    assert found["kills"] >= KILLS
    assert (found["lost"], found["double"], found["unpaid"]) == (0, 0, 0)
    assert found["digest_ok"] == found["runs"]
    assert len(found["by_point"]) >= 100


def test_campaign__naive_sender__fails_it(tmp_path: Path) -> None:
    found = Campaign(tmp_path, seed=1, naive=True, say=say).run(NAIVE_KILLS, until_fault=True)
    assert not found["ok"]


def test_points__undisturbed_run__every_one_is_passed(tmp_path: Path) -> None:
    assert play(tmp_path).codes == [0]
    assert passings(tmp_path).keys() == {point.name for point in POINTS}


@pytest.mark.parametrize("patches", [(), (NAIVE,)])
def test_transfer__killed_between_sending_and_writing__only_the_naive_sender_pays_twice(
    tmp_path: Path, patches: tuple[str, ...]
) -> None:
    found = play(tmp_path, [CONTROL], patches)
    assert found.kills == [CONTROL.name]
    judged = judge(tmp_path, found.document, (found.document or {}).get("verdicts_digest", ""))
    assert judged.double == bool(patches)
    assert judged.ok is not bool(patches)
