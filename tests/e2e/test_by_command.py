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


TASKS = 10  # with which a record reaches the first band


def written(folder: Path, **changes: Any) -> tuple[Path, Path]:
    manifest, tasks = folder / "manifest.json", folder / "tasks.csv"
    document = {
        "version": 1,
        "title": "Ripe or not",
        "instructions": "Is the fruit ripe?",
        "answer": {"type": "choice", "classes": ["no", "yes"]},
        "redundancy": {"most": 2},
        "reward": {"base": str(PAY), "bonus": str(BONUS)},
        "feeBps": 0,
        "deadline": int(time.time()) + 3_600,
        **changes,
    }
    manifest.write_text(json.dumps(document))
    tasks.write_text("task,fruit\n" + "".join(f"pear{n},a green pear {n}\n" for n in range(TASKS)))
    return manifest, tasks


def test_commands__a_job_from_escrow_to_pay_and_one_under_a_fresh_wallet__every_step_by_its_command(
    tmp_path: Path, inside: Run
) -> None:
    def do(*words: object) -> dict[str, Any]:
        found = inside(*words, "--json")
        assert found.code == 0, found.err
        return found.document

    home = tmp_path / "home"
    labels = tmp_path / "labels.csv"
    labels.write_text("task,label\n" + "".join(f"pear{n},no\n" for n in range(TASKS)))

    def worked(name: str, job: int) -> None:
        """All its tasks are offered and answered."""
        done: set[str] = set()
        while len(done) < TASKS:
            sent = until(lambda: do("work", "--key", name, "--job", job, "--labels", labels, "--home", home)["tasks"])
            assert {one["state"] for one in sent} == {"SUBMITTED"}
            done |= {one["task"] for one in sent}

    with running(home):
        here = ("--home", home)
        wallets = {name: do("key", "new", name, *here)["address"] for name in ("asks", "ann", "ben")}
        do("faucet", wallets["asks"], "--coin", 1, "--tokens", 10, *here)
        numbers = [do("register", "--key", name, *here)["worker"] for name in ("ann", "ben")]
        assert do("register", "--key", "ann", *here) == {"worker": numbers[0], "wallet": wallets["ann"], "new": False}
        manifest, tasks = written(tmp_path)
        job = do("job", "create", manifest, "--tasks", tasks, "--key", "asks", *here)["job"]
        for name in ("ann", "ben"):
            worked(name, job)
        do("job", "close", job, "--key", "asks", *here)
        earned = TASKS * (PAY + BONUS)
        until(lambda: do("balance", numbers[0], *here)["claimable"] == earned)
        assert do("claim", "--key", "ann", *here)["paid"] == earned
        assert do("claim", "--key", "ann", *here)["paid"] == 0
        after = do("balance", wallets["ann"], *here)
        assert (after["cumulative"], after["claimed"], after["claimable"]) == (earned, earned, 0)
        out = tmp_path / "out.csv"
        assert do("job", "export", job, "--format", "csv", "--out", out, *here)["bytes"] == out.stat().st_size
        assert {"pear0", "pear9"} <= set(out.read_text().replace("\n", ",").split(","))
        assert do("audit", *here)["ok"]

        # ann works on as somebody whose work is known to be good, and whose name is not
        manifest, tasks = written(tmp_path, qualifications=[f"answers>={TASKS}"], title="Ripe again")
        job = do("job", "create", manifest, "--tasks", tasks, "--key", "asks", *here)["job"]
        file = tmp_path / "credential.json"
        ask = ("credential", "ask", job, "--key", "ann", "--band", 1, "--name", "mia", "--out", file, *here)
        asked = do(*ask)
        assert do(*ask) == asked
        assert (asked["signers"], asked["registered"]) == (4, False)
        assert file.stat().st_mode & 0o777 == 0o600
        assert do("credential", "use", file, *here)["worker"] == 3
        for name in ("ben", "mia"):
            worked(name, job)
        assert do("work", "--key", "ann", "--job", job, "--labels", labels, *here)["tasks"] == []
        do("job", "close", job, "--key", "asks", *here)
        until(lambda: do("balance", 3, *here)["claimable"] == earned)
        assert do("audit", *here)["ok"]
