"""The kills themselves: at the named passing, in the named role, once, in forked children too; and nothing without a plan."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.points import POINTS

ROOT = Path(__file__).parents[2]
INJECT = Path(__file__).parent / "inject"
PRODUCT = """
from multiprocessing import get_context
from pathlib import Path
def write(folder, what):
    with (Path(folder) / "written").open("a") as out:
        out.write(what)
class Outbox:
    def send(self, folder, what):
        write(folder, what)
def child(folder):
    Outbox().send(folder, "c")
    Outbox().send(folder, "d")
def fork(folder, name):
    context = get_context("forkserver")
    context.set_forkserver_preload(["product"])
    process = context.Process(target=child, args=(folder,), name=name)
    process.start()
    process.join()
    return process.exitcode
"""


def play(tmp_path: Path, program: str, *kills: dict[str, Any], **more: Any) -> "subprocess.CompletedProcess[str]":
    (tmp_path / "product.py").write_text(PRODUCT)
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"folder": str(tmp_path), "kills": list(kills), **more}))
    main = tmp_path / "main.py"
    main.write_text(f"import sys\nimport product\nif __name__ == '__main__':\n    {program}\n")
    environment = {
        "PYTHONPATH": f"{INJECT}:{tmp_path}:{ROOT}",
        "CROWDPROOF_TEST_PLAN": str(plan),
        "PATH": os.environ["PATH"],
    }
    words = [sys.executable, "main.py"]
    return subprocess.run(words, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)  # noqa: S603


def written(tmp_path: Path) -> str:
    file = tmp_path / "written"
    return file.read_text() if file.exists() else ""


SEND = {"id": "k", "at": "product:Outbox.send"}
SENDING = "[product.Outbox().send('.', c) for c in 'abc']"


@pytest.mark.parametrize(("when", "left"), [("before", "a"), ("after", "ab")])
def test_kill__second_passing__dies_there_with_what_was_written(tmp_path: Path, when: str, left: str) -> None:
    ended = play(tmp_path, SENDING, {**SEND, "when": when, "nth": 2})
    assert ended.returncode == -signal.SIGKILL
    assert written(tmp_path) == left
    assert (tmp_path / "fired" / "k").read_text().startswith("demo ")


def test_kill__fired_before__does_not_strike_again(tmp_path: Path) -> None:
    kill = {**SEND, "when": "before"}
    assert play(tmp_path, SENDING, kill).returncode == -signal.SIGKILL
    assert play(tmp_path, SENDING, kill).returncode == 0
    assert written(tmp_path) == "abc"


@pytest.mark.parametrize(("role", "code", "left"), [("member-*", -9, "c"), ("member-3", 0, "cd"), ("demo", 0, "cd")])
def test_kill__in_a_forked_child__only_in_the_named_role(tmp_path: Path, role: str, code: int, left: str) -> None:
    program = "sys.exit(product.fork('.', 'member-2') & 0xff)"
    ended = play(tmp_path, program, {**SEND, "when": "after", "role": role})
    assert ended.returncode == code & 0xFF, ended.stderr
    assert written(tmp_path) == left


def test_kill__arguments_must_match__waits_for_them(tmp_path: Path) -> None:
    ended = play(tmp_path, SENDING, {**SEND, "when": "after", "match": "'c'"})
    assert ended.returncode == -signal.SIGKILL
    assert written(tmp_path) == "abc"


def test_kill__of_another_process__that_one_dies(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    (tmp_path / "pid").write_text(str(other.pid))
    assert play(tmp_path, SENDING, {**SEND, "when": "before", "victim": str(tmp_path / "pid")}).returncode == 0
    assert other.wait(10) == -signal.SIGKILL
    assert written(tmp_path) == "abc"


def test_count__no_kill__says_who_passed(tmp_path: Path) -> None:
    assert play(tmp_path, SENDING, count=[{**SEND, "when": "after"}]).returncode == 0
    assert (tmp_path / "passed.k").read_text() == "demo\n" * 3


def test_points__names__each_once_and_all_of_the_product() -> None:
    import importlib

    assert len({point.name for point in POINTS}) == len(POINTS) >= 120
    for place in {point.at for point in POINTS}:
        module, name = place.split(":")
        owner: Any = importlib.import_module(module)
        for part in name.split("."):
            owner = getattr(owner, part)
        assert callable(owner)
