"""Krippendorff's alpha: the published example, the definition word by word, and where it is not defined."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from oracle.verification.types import agreement
from oracle.verification.types.answer import Given

# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, example C: four observers, twelve units, "." for none
EXAMPLE = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def reliability_data() -> tuple[list[int], list[int]]:
    cells = [(u, int(value)) for row in EXAMPLE for u, value in enumerate(row) if value != "."]
    return [u for u, _ in cells], [v for _, v in cells]


def naive(unit: list[int], value: list[float], squared: Callable[[float, float], float]) -> float | None:
    """The definition: over ordered pairs."""
    units = [[v for u, v in zip(unit, value, strict=True) if u == one] for one in sorted(set(unit))]
    units = [values for values in units if len(values) > 1]
    everything = [v for values in units for v in values]
    if not everything:
        return None
    n = len(everything)
    observed = sum(sum(squared(a, b) for a, b in permutations(v, 2)) / (len(v) - 1) for v in units) / n
    expected = sum(squared(a, b) for a, b in permutations(everything, 2)) / (n * (n - 1))
    return 1 - observed / expected if expected else None


@pytest.mark.parametrize(
    ("alpha", "published"), [(agreement.nominal, 0.743), (agreement.ordinal, 0.815), (agreement.interval, 0.849)]
)
def test_alpha__published_example__published_value(alpha: Callable[..., float], published: float) -> None:
    assert alpha(*reliability_data()) == pytest.approx(published, abs=6e-4)


@settings(max_examples=60, deadline=None)
@drawn(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=25))
def test_alpha__any_answers__as_the_definition_says(cells: list[tuple[int, int]]) -> None:
    unit, value = [u for u, _ in cells], [v for _, v in cells]
    pairable = [v for u, v in cells if unit.count(u) > 1]

    def between(a: float, b: float) -> float:
        low, high = sorted((a, b))
        inside = sum(low <= v <= high for v in pairable) - (pairable.count(int(a)) + pairable.count(int(b))) / 2
        return inside**2 if a != b else 0.0

    distances: list[tuple[Callable[..., float | None], Callable[[float, float], float]]] = [
        (agreement.nominal, lambda a, b: float(a != b)),
        (agreement.interval, lambda a, b: (a - b) ** 2),
        (agreement.ordinal, between),
    ]
    for alpha, squared in distances:
        expected = naive(unit, value, squared)  # type: ignore[arg-type]
        assert alpha(np.array(unit, int), np.array(value, int)) == (
            None if expected is None else pytest.approx(expected)
        )


def test_by_distance__zero_one_distance__the_nominal_alpha() -> None:
    luck = np.random.default_rng(0)
    unit, value = np.repeat(np.arange(100), 5).astype(np.int32), luck.integers(0, 3, 500)
    value[: 5 * 60] = unit[: 5 * 60] % 3
    given = Given(unit, np.tile(np.arange(5, dtype=np.int32), 100), value.tolist(), 100, 5)
    found = agreement.by_distance(given, lambda a, b: float(a != b))
    assert found == pytest.approx(agreement.nominal(unit, value), abs=0.02)
    assert found == agreement.by_distance(given, lambda a, b: float(a != b))


@pytest.mark.parametrize(("unit", "value"), [([], []), ([0, 1, 2], [1, 2, 3]), ([0, 0, 1, 1], [2, 2, 2, 2])])
def test_alpha__nothing_to_compare_or_all_alike__undefined(unit: list[int], value: list[int]) -> None:
    for alpha in (agreement.nominal, agreement.ordinal, agreement.interval):
        assert alpha(np.array(unit, int), np.array(value, int)) is None
    given = Given(np.array(unit, np.int32), np.arange(len(unit), dtype=np.int32), value, 3, max(len(unit), 1))
    assert agreement.by_distance(given, lambda a, b: float(a != b)) is None
