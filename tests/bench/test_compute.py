"""The figures of `bench compute`: from which size workers pay, and that results which differ are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from oracle.bench import compute as bench
from oracle.matching.market import check
from oracle.matching.parts import cut
from tests.support.elsewhere import Elsewhere

CASES = [
    ({1: (1.0, 2.0), 10: (2.0, 1.0), 100: (9.0, 5.0)}, 0.0, 10),
    ({1: (1.0, 2.0), 10: (2.0, 1.0), 100: (9.0, 5.0)}, 3.0, 100),
    ({1: (2.0, 1.0), 10: (1.0, 2.0), 100: (9.0, 5.0)}, 0.0, 100),  # below it may be luck
    ({1: (2.0, 1.0), 10: (3.0, 1.0), 100: (5.0, 5.0)}, 0.0, None),
    ({1: (2.0, 1.0), 10: (3.0, 1.0), 100: (5.0, 4.0)}, 0.0, 1),
]


@contextmanager
def elsewhere(_: str) -> Iterator[Elsewhere]:
    yield Elsewhere(2)


@pytest.mark.parametrize(("seconds", "start_up", "wanted"), CASES)
def test_pays_from__sizes__the_smallest_with_all_larger_ones(seconds: Any, start_up: float, wanted: int | None) -> None:
    rows = {str(size): {"local_seconds": here, "workers_seconds": there} for size, (here, there) in seconds.items()}
    assert bench.pays_from(rows, start_up) == wanted


def test_towns__edges__as_many_as_asked_for_and_in_parts() -> None:
    given = bench.towns(100_000)
    assert len(given[0]) == 100_000
    assert len(cut(check(*given))) == 2


def test_compute__small__is_equal_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "computing", elsewhere)
    found = bench.compute([5_000], 1, "ray")
    assert found["equal"] is True
    assert set(found["works"]) == set(found["pays_from"]) == {"engine", "dawid-skene", "learn", "match", "optimum"}
    assert "the same bits" in bench.text(found)


def test_compute__another_result__is_not_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "computing", elsewhere)
    monkeypatch.setattr(bench, "WORKS", {"odd": lambda _: lambda by: (np.array([by.workers]),)})
    found = bench.compute([1], 1, "ray")
    assert found["equal"] is False
    assert "NOT THE SAME" in bench.text(found)
