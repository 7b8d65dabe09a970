"""A requester, two workers and an auditor, by commands alone, on a deployment that runs by itself."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_up import running
from tests.support.commands import Run

pytestmark = pytest.mark.sockets
PAY, BONUS = 10_000, 2_500  # of an answer


def until(look: Any, seconds: float = 90) -> Any:
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.5)
    return found


def written(folder: Path, deadline: int) -> tuple[Path, Path]:
    manifest, tasks = folder / "manifest.json", folder / "tasks.csv"
    document = {
        "version": 1,
        "title": "Ripe or not",
        "instructions": "Is the fruit ripe?",
        "answer": {"type": "choice", "classes": ["no", "yes"]},
        "redundancy": {"most": 2},
        "reward": {"base": str(PAY), "bonus": str(BONUS)},
        "feeBps": 0,
        "deadline": deadline,
    }
    manifest.write_text(json.dumps(document))
    tasks.write_text("task,fruit\npear,a green pear\nplum,a soft plum\n")
    return manifest, tasks


def test_commands__a_job_from_escrow_to_pay__every_step_by_its_command(tmp_path: Path, inside: Run) -> None:
    def do(*words: object) -> dict[str, Any]:
        found = inside(*words, "--json")
        assert found.code == 0, found.err
        return found.document

    home = tmp_path / "home"
    labels = tmp_path / "labels.csv"
    labels.write_text("task,label\npear,no\nplum,yes\n")
    with running(home):
        here = ("--home", home)
        wallets = {name: do("key", "new", name, *here)["address"] for name in ("asks", "ann", "ben")}
        do("faucet", wallets["asks"], "--coin", 1, "--tokens", 10, *here)
        numbers = [do("register", "--key", name, *here)["worker"] for name in ("ann", "ben")]
        assert do("register", "--key", "ann", *here) == {"worker": numbers[0], "wallet": wallets["ann"], "new": False}
        manifest, tasks = written(tmp_path, int(time.time()) + 3_600)
        job = do("job", "create", manifest, "--tasks", tasks, "--key", "asks", *here)["job"]
        for name in ("ann", "ben"):
            # once both tasks are offered
            sent = until(lambda name=name: do("work", "--key", name, "--labels", labels, *here)["tasks"])
            assert {one["state"] for one in sent} == {"SUBMITTED"}
        do("job", "close", job, "--key", "asks", *here)
        earned = 2 * (PAY + BONUS)
        until(lambda: do("balance", numbers[0], *here)["claimable"] == earned)
        assert do("claim", "--key", "ann", *here)["paid"] == earned
        assert do("claim", "--key", "ann", *here)["paid"] == 0
        after = do("balance", wallets["ann"], *here)
        assert (after["cumulative"], after["claimed"], after["claimable"]) == (earned, earned, 0)
        out = tmp_path / "out.csv"
        assert do("job", "export", job, "--format", "csv", "--out", out, *here)["bytes"] == out.stat().st_size
        assert {"pear", "plum"} <= set(out.read_text().replace("\n", ",").split(","))
        assert do("audit", *here)["ok"]
