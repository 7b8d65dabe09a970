"""What a release gives, what it refuses, and that it reveals no more than it says."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.bench import release as bench
from oracle.privacy import budget as money
from oracle.privacy import release
from oracle.privacy.budget import NANO, Budget, Cost, read_budget
from oracle.privacy.release import Row, bounded, read_query, run
from oracle.protocol.errors import BadInput, Refused

pytest.importorskip("opendp")
ROWS = [
    Row(f"w{w}", f"t{t}", str((w * t) % 3), (w + t) % 4 > 0, t % 2, "ab"[w % 2]) for w in range(80) for t in range(10)
]
SURE = {"epsilon": 20, "most": 10}  # so little noise that the exact answer shows


def ask(**query: Any) -> dict[str, Any]:
    return run(read_query(query), ROWS, ["0", "1", "2"], [0, 1])


def test_run__histogram__counts_of_every_class_near_the_truth() -> None:
    exact = {c: sum(row.label == c for row in ROWS) for c in "012"}
    found = ask(of="histogram", **SURE)["counts"]
    assert found.keys() == exact.keys()
    assert all(abs(found[c] - exact[c]) < 15 for c in exact)


def test_run__by_epoch__every_epoch_and_class() -> None:
    found = ask(of="histogram", by="epoch", **SURE)["epochs"]
    assert [one["epoch"] for one in found] == [0, 1]
    exact = sum(row.label == "1" and row.epoch == 1 for row in ROWS)
    assert abs(found[1]["counts"]["1"] - exact) < 15


def test_run__mean_and_quantile__near_the_truth_and_within_the_bounds() -> None:
    exact = sum(float(row.label) for row in ROWS) / len(ROWS)
    assert abs(ask(of="mean", bounds=[0, 2], **SURE)["mean"] - exact) < 0.1
    assert 0 <= ask(of="quantile", bounds=[0, 2], **SURE)["value"] <= 2
    lonely = [replace(row, label="1.5") for row in ROWS]
    value = run(read_query({"of": "quantile", "bounds": [0, 2], **SURE}), lonely, [])["value"]
    assert abs(value - 1.5) < 0.05


def test_run__agreement_and_quality__shares_and_groups_that_are_too_small() -> None:
    exact = sum(bool(row.agrees) for row in ROWS) / len(ROWS)
    assert abs(ask(of="agreement", **SURE)["agreement"] - exact) < 0.05
    found = ask(of="quality", groups=["a", "b", "nobody"], **SURE)
    assert found["groups"].keys() == {"a", "b"}
    assert found["too_small"] == ["nobody"]


def test_run__labels_that_are_no_numbers__stay_within_the_bounds() -> None:
    rows = [replace(row, label=("nan", "inf", "-1e999", "x")[i % 4]) for i, row in enumerate(ROWS)]
    assert 0 <= run(read_query({"of": "mean", "bounds": [0, 2], **SURE}), rows, [])["mean"] <= 2


def test_run__too_few_workers__is_refused() -> None:
    with pytest.raises(Refused, match="fewer than 10 workers") as refusal:
        run(read_query({"of": "histogram", "epsilon": 1}), [row for row in ROWS if row.worker < "w17"], ["0"])
    assert refusal.value.code == "too-few-workers"


def test_run__classes_that_nobody_names__are_refused() -> None:
    with pytest.raises(BadInput, match=r"query\.classes"):
        run(read_query({"of": "histogram", "epsilon": 1}), ROWS, [])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 30), st.sampled_from("01")), max_size=60),
    st.integers(1, 4),
)
def test_bounded__one_worker_leaves__moves_at_most_so_many_rows_and_nobody_elses(
    given_rows: list[tuple[str, int, str]], most: int
) -> None:
    rows = [Row(w, str(t), c) for w, t, c in given_rows]
    query = read_query({"of": "histogram", "epsilon": 1, "most": most})
    every, without = bounded(query, rows), bounded(query, [row for row in rows if row.worker != "a"])
    assert [row for row in every if row.worker != "a"] == without
    assert sum(row.worker == "a" for row in every) <= most
    assert bounded(query, rows[::-1]) is not None


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"of": "histogram"}, "no epsilon"),
        ({"of": "histogram", "epsilon": 0}, "0 is no epsilon"),
        ({"of": "histogram", "epsilon": -1}, "-1 is no epsilon"),
        ({"of": "histogram", "epsilon": math.nan}, "nan is no epsilon"),
        ({"of": "histogram", "epsilon": math.inf}, "inf is no epsilon"),
        ({"of": "histogram", "epsilon": True}, "no epsilon"),
        ({"of": "histogram", "epsilon": "1"}, "no epsilon"),
        ({"of": "histogram", "epsilon": 21}, "at most 20"),
        ({"of": "histogram", "epsilon": 1e-17}, "smallest step"),
        ({"of": "histogram", "epsilon": 1, "delta": 0.1}, "no delta"),
        ({"of": "histogram", "epsilon": 1, "most": 0}, r"query\.most"),
        ({"of": "variance", "epsilon": 1}, r"query\.of"),
        ({"of": "mean", "epsilon": 1}, r"query\.bounds"),
        ({"of": "mean", "epsilon": 1, "bounds": [1, 1]}, r"query\.bounds"),
        ({"of": "mean", "epsilon": 1, "bounds": [0, math.nan]}, r"query\.bounds"),
        ({"of": "quantile", "epsilon": 1, "bounds": [0, 1], "quantile": 2}, r"query\.quantile"),
        ({"of": "quantile", "epsilon": 1, "bounds": [0, 1], "delta": 1e-6}, "needs none"),
        ({"of": "quality", "epsilon": 1}, r"query\.groups"),
        ({"of": "quality", "epsilon": 1, "groups": ["a", "a"]}, "stands twice"),
        ({"of": "mean", "epsilon": 1, "bounds": [0, 1], "by": "epoch"}, r"query\.by"),
        ({"of": "histogram", "epsilon": 1, "epochs": [1]}, r"query\.epochs"),
        ({"of": "histogram", "epsilon": 1, "where": "x"}, "where"),
        ([], "no object"),
    ],
)
def test_read_query__what_protects_nobody_or_is_unknown__is_refused_by_field(query: Any, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read_query(query)


# -------------------------------------------------------------------------------------------------------------- claims


def test_counting__less_noise_than_is_claimed__is_refused_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    dp = release.opendp()
    make = dp.m.make_laplace
    release.counting.cache_clear()
    monkeypatch.setattr(dp.m, "make_laplace", lambda *space, scale: make(*space, scale=scale / 2))
    with pytest.raises(Refused, match="more than the 1"):
        ask(of="histogram", epsilon=1)
    release.counting.cache_clear()


@pytest.mark.parametrize("delta", [0.0, 1e-6])
def test_noisy_counts__many__have_the_error_that_theory_gives(delta: float) -> None:
    found = bench._error(read_query({"of": "histogram", "epsilon": 1, "most": 3, "delta": delta}), 20_000)
    assert abs(found["measured"] / found["theory"] - 1) < 0.06


def test_lower_bound__claimed_and_half_the_noise__the_first_holds_and_the_second_is_found() -> None:
    query = read_query({"of": "histogram", "epsilon": 1, "most": bench.MOST})
    assert bench.lower_bound(query, 2_000) <= 1
    assert bench.lower_bound(replace(query, epsilon=2 * NANO), 2_000) > 1


@pytest.mark.deep
def test_audited__every_mechanism__reveals_no_more_than_it_says() -> None:
    found = bench.audited(10_000, 32)
    assert found["ok"], found


# -------------------------------------------------------------------------------------------------------------- budget


def test_require__basic__exactly_a_hundred_hundredths() -> None:
    budget, one = read_budget("d", {"epsilon": 1}), release.cost(read_query({"of": "histogram", "epsilon": 0.01}))
    money.require(budget, [one] * 99, one)
    with pytest.raises(Refused, match=r"has revealed 1, 0: epsilon 0\.01"):
        money.require(budget, [one] * 100, one)


def test_require__delta_spent__is_refused() -> None:
    budget = read_budget("d", {"epsilon": 10, "delta": 1e-6, "composition": "basic"})
    one = release.cost(read_query({"of": "histogram", "epsilon": 1, "delta": 6e-7}))
    money.require(budget, [], one)
    with pytest.raises(Refused):
        money.require(budget, [one], one)


def test_spent__renyi__below_the_sum_for_many_and_never_below_what_gaussians_reveal() -> None:
    budget = read_budget("d", {"epsilon": 2, "delta": 1e-6, "composition": "renyi"})
    one = release.cost(read_query({"of": "histogram", "epsilon": 0.05}))
    many = money.spent(budget, [one] * 50)[0]
    assert many < 2 < 50 * 0.05
    rho = 50 * one.rho
    exact = min(
        rho * a + math.log(1 / 1e-6) / (a - 1) + math.log1p(-1 / a) - math.log(a) / (a - 1)
        for a in (1 + i / 100 for i in range(1, 9_000))
    )
    assert many >= exact - 1e-6  # one order, fixed beforehand, is never better than the best


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.001, 1), max_size=20), st.floats(0.1, 5), st.sampled_from(["basic", "renyi"]))
def test_require__any_releases__never_over_the_budget(epsilons: list[float], limit: float, composition: str) -> None:
    budget = read_budget("d", {"epsilon": limit, "delta": 1e-6, "composition": composition})
    granted: list[Cost] = []
    for epsilon in epsilons:
        one = release.cost(read_query({"of": "histogram", "epsilon": epsilon}))
        try:
            money.require(budget, granted, one)
        except Refused:
            continue
        granted.append(one)
    assert money.spent(budget, granted)[0] <= budget.epsilon / NANO


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "an object with epsilon"),
        ({"epsilon": 0}, "no epsilon"),
        ({"epsilon": 1, "delta": 1}, "no delta"),
        ({"epsilon": 1, "composition": "magic"}, "one of basic, renyi"),
        ({"epsilon": 1, "composition": "renyi"}, "needs one above 0"),
        ({"epsilon": 1, "weeks": 2}, "an object with epsilon"),
    ],
)
def test_read_budget__what_is_none__is_refused(document: Any, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read_budget("d", document)


def test_cost__of_a_mean__is_that_of_its_two_halves() -> None:
    query = read_query({"of": "mean", "epsilon": 1, "bounds": [0, 1]})
    assert release.cost(query) == Cost(NANO, 0.0, 0.25)
    gaussian = release.cost(read_query({"of": "mean", "epsilon": 1, "bounds": [0, 1], "delta": 1e-6}))
    assert gaussian.rho == 2 * release.rho(0.5, 5e-7)


def test_budget__order__is_where_one_gaussian_of_the_whole_budget_just_fits() -> None:
    budget = Budget("d", 2 * NANO, 1e-6, "renyi")
    whole = release.rho(2.0, 1e-6)
    money.require(budget, [], Cost(2 * NANO, 1e-6, whole))
    with pytest.raises(Refused):
        money.require(budget, [], Cost(2 * NANO, 1e-6, 1.5 * whole))
