"""The figures of `bench device`, and that results which differ are told."""

from typing import Any

import numpy as np
import pytest

from oracle.bench import device as bench
from oracle.compute import device_of
from oracle.protocol.errors import BadInput


def test_device__torch_on_this_processor__is_compared_and_told() -> None:
    found = bench.device([5_000], 1, "cpu:0")
    assert set(found["works"]) == set(found["pays_from"]) == {"engine", "dawid-skene", "match loose", "match tight"}
    rows = {name: sizes["5000"] for name, sizes in found["works"].items()}
    assert all(row["same_bits_again"] for row in rows.values())
    assert rows["engine"]["tasks_parted"] == rows["dawid-skene"]["tasks_parted"] == 0
    assert max(rows["match loose"]["device_gap"], rows["match tight"]["device_gap"]) <= 1e-3
    assert "the same bits again" in bench.text(found)


def test_device__other_results__are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    luck = np.random.default_rng(0)

    def odd(_: int) -> tuple[Any, Any]:
        return lambda by: (np.eye(2)[[int(by != "cpu")]] + luck.random(1) / 9,), bench._posteriors

    monkeypatch.setattr(bench, "WORKS", {"odd": odd})
    row = bench.device([1], 2, "cpu:0")["works"]["odd"]["1"]
    assert row["same_bits_again"] is False
    assert row["tasks_parted"] == 1


@pytest.mark.parametrize(
    ("faster", "wanted"),
    [({1: 0.5, 10: 2.0, 100: 3.0}, 10), ({1: 2.0, 10: 0.9}, None), ({1: 2.0, 10: 0.9, 100: 1.1}, 100)],
)
def test_pays_from__sizes__the_smallest_with_all_larger_ones(faster: dict[int, float], wanted: int | None) -> None:
    assert bench.pays_from({str(size): {"times_faster": times} for size, times in faster.items()}) == wanted


@pytest.mark.parametrize("name", ["cuda:99", "nonsense", ""])
def test_device_of__none_here__is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=r"torch .* has none here .* cpu is always here"):
        device_of(name)


@pytest.mark.parametrize("name", ["cpu", "cpu:0"])
def test_device_of__here__is_its_name(name: str) -> None:
    assert device_of(name) == name
