"""The measures and tests of a benchmark, each beside a naive reference."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.verification.scores import bootstrap, calibration_error, holm, losses, right, sign_flip, without_one

Rows = list[tuple[list[float], int]]


@st.composite
def verdicts(draw: st.DrawFn) -> Rows:
    """Posteriors from few values, so that ties are common, with a gold that may be no class."""
    classes = draw(st.integers(1, 4))
    weights = st.lists(st.integers(0, 3), min_size=classes, max_size=classes).filter(any)
    rows = draw(st.lists(st.tuples(weights, st.integers(-2, classes - 1)), min_size=1, max_size=20))
    return [([w / sum(weight) for w in weight], gold) for weight, gold in rows]


def arrays(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    return np.array([row for row, _ in rows], float), np.array([gold for _, gold in rows], np.int32)


@given(verdicts())
def test_right__ties_split_or_not__equals_the_naive(rows: Rows) -> None:
    posterior, gold = arrays(rows)
    first, split = [], []
    for row, g in rows:
        best = [c for c, p in enumerate(row) if p == max(row)]
        first.append(float(best[0] == g))
        split.append((g in best) / len(best))
    assert right(posterior, gold).tolist() == first
    assert right(posterior, gold, split_ties=True) == pytest.approx(split)


@given(verdicts())
def test_losses__zeros_and_truth_outside__equal_the_naive(rows: Rows) -> None:
    posterior, gold = arrays(rows)
    assert losses(posterior, gold) == pytest.approx([-math.log(max(row[g] if g >= 0 else 0, 1e-6)) for row, g in rows])


@given(st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=60))
def test_calibration_error__any_verdicts__equals_the_naive(pairs: list[tuple[float, float]]) -> None:
    bins: dict[int, list[tuple[float, float]]] = {}
    for confidence, correct in pairs:
        bins.setdefault(max(0, math.ceil(confidence * 15) - 1), []).append((confidence, correct))
    naive = sum(
        len(inside)
        / len(pairs)
        * abs(sum(c for c, _ in inside) / len(inside) - sum(r for _, r in inside) / len(inside))
        for inside in bins.values()
    )
    assert calibration_error(*map(np.array, zip(*pairs, strict=True))) == pytest.approx(naive)


@pytest.mark.parametrize("hits", [True, False])
def test_bootstrap__two_sets__agrees_with_drawing_one_by_one(hits: bool) -> None:
    luck = np.random.default_rng(3)
    sets = [luck.normal(0.3, 1, 40), luck.normal(-0.1, 1, 90)]
    sets = [np.clip(np.rint(one), -1, 1) for one in sets] if hits else sets
    found = bootstrap(sets, draws=4_000)
    draws = [np.mean([np.mean([one[luck.integers(len(one))] for _ in one]) for one in sets]) for _ in range(1_000)]
    assert found.mean == pytest.approx((sets[0].mean() + sets[1].mean()) / 2)
    assert [found.low, found.high] == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.03)
    assert found == bootstrap(sets, draws=4_000)


@pytest.mark.parametrize("differences", [[1, 1, 1, 1, 1, -1], [1] * 9 + [0] * 5, [0.5, 0.5, 1, -1, 1, 1, 0.5], [0, 0]])
def test_sign_flip__small__agrees_with_all_signs(differences: list[float]) -> None:
    nonzero = [Fraction(d) for d in differences if d]
    seen = abs(sum(nonzero))
    signs = list(product((1, -1), repeat=len(nonzero)))
    exact = sum(abs(sum(s * d for s, d in zip(sign, nonzero, strict=True))) >= seen for sign in signs) / len(signs)
    assert sign_flip(np.array(differences, float)) == pytest.approx(exact, abs=0.01)


def test_sign_flip__hits_and_misses__is_mcnemars_exact_test() -> None:
    stats = pytest.importorskip("scipy.stats")
    difference = np.array([1.0] * 30 + [-1.0] * 14 + [0.0] * 500)
    assert sign_flip(difference) == pytest.approx(stats.binomtest(14, 44).pvalue, abs=0.003)


def test_holm__a_worked_case__steps_down_and_never_falls() -> None:
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(found) == ["a", "b", "c", "d"]
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


def test_without_one__some_values__is_the_range_of_the_rest() -> None:
    assert without_one([1.0, 2.0, 6.0]) == (1.5, 4.0)
    assert without_one([0.5]) == (0.5, 0.5)
