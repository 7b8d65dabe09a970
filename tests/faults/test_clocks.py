"""Clocks that jump: what is decided follows block time, what is waited for follows a clock that cannot be set."""

import ast
import time
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

import oracle
from oracle.services import outbox, settle
from tests.support.committee import WINDOW, Town

ROOT = Path(oracle.__file__).parent
DECIDING = ("protocol", "services", "matching", "verification")
STEADY = {"monotonic", "perf_counter", "process_time", "sleep"}


def wall_clocks(source: str) -> set[str]:
    """What a module uses of `time` and `datetime` that somebody can set."""
    used = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module in ("time", "datetime"):
            used |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            used |= {alias.name for alias in node.names if alias.name == "datetime"}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "time":
            used.add(node.attr)
    return used - STEADY


def test_wall_clocks__modules_that_decide__have_none() -> None:
    files = [file for part in DECIDING for file in (ROOT / part).rglob("*.py")]
    assert len(files) > 30
    assert {file.name: found for file in files if (found := wall_clocks(file.read_text("utf-8")))} == {}
    assert wall_clocks((ROOT / "adapters" / "anvil.py").read_text("utf-8")) == {"time"}  # it would be seen


def test_settle__the_machine_s_clock_jumps_all_the_time__the_job_is_paid_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jumps = count()
    monkeypatch.setattr(time, "time", lambda: (-1) ** next(jumps) * 1e9 + 1.8e9)
    monkeypatch.setattr(outbox, "sleep", lambda _: None)
    with closing(Town()) as town:
        town.ready_job()
        settler = town.settler()
        town.database.add_claims([1, 2, 3])
        assert settle.post_next(settler, town.state)
        town.chain.mine(seconds=WINDOW)
        assert settle.finalise_pending(settler, town.state, town.index.now)
        assert settle.pay(settler, town.state) == 3
        final = town.state.final()
        assert final
        balances = settler.books.epoch(1, final.content).balances
        assert town.state.claimed == {b.worker: b.cumulative for b in balances if b.cumulative and b.worker}
