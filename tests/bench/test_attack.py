"""The benchmark of attacks: what an attack adds, what the engine is told, and the promised figures on recorded crowds."""

from pathlib import Path

import numpy as np
import pytest

from oracle.bench import attack as bench
from oracle.bench.attack import ATTACKS, Attack, Crowd, Judged, attacked, judge
from oracle.protocol.errors import BadInput

DATA = Path(__file__).parents[3] / "shared" / "data" / "crowd"
LEAST = {"ring_35": 0.885, "ring_50_gold_5": 0.88, "random_50": 0.885, "constant_50": 0.885}
recorded = pytest.mark.skipif(not DATA.is_dir(), reason="the recorded crowds are not beside the checkout")


def a_crowd() -> Crowd:
    luck = np.random.default_rng(0)
    truth = luck.integers(0, 3, 200).astype(np.int32)
    task = np.repeat(np.arange(200), 5).astype(np.int32)
    worker = np.concatenate([luck.choice(20, 5, replace=False) for _ in range(200)]).astype(np.int32)
    label = np.where(luck.random(1000) < 0.8, truth[task], luck.integers(0, 3, 1000)).astype(np.int32)
    return Crowd(task, worker, label, 200, 20, 3, truth, 20)


def written(folder: Path, crowd: Crowd) -> None:
    folder.mkdir()
    rows = zip(crowd.task.tolist(), crowd.worker.tolist(), crowd.label.tolist(), strict=True)
    (folder / "labels.csv").write_text("task,worker,label\n" + "".join(f"{t},{w},{c}\n" for t, w, c in rows))
    (folder / "truth.csv").write_text(
        "task,label\n" + "".join(f"{t},{c}\n" for t, c in enumerate(crowd.truth.tolist()))
    )
    (folder / "SOURCE.md").write_text("| field | value |\n| --- | --- |\n| kind | categorical |\n")


@pytest.mark.parametrize("one", ATTACKS, ids=lambda one: one.name)
def test_attacked__every_attack__adds_its_share_and_touches_no_answer(one: Attack) -> None:
    crowd = a_crowd()
    now = attacked(crowd, one, np.random.default_rng(1))
    np.testing.assert_array_equal(now.task[:1000], crowd.task)
    np.testing.assert_array_equal(now.label[:1000], crowd.label)
    assert (now.worker[1000:] >= now.honest).all()
    assert np.unique(now.worker).tolist() == list(range(now.workers))
    assert (len(now.task) - 1000) / len(now.task) == pytest.approx(one.share, abs=0.002)
    pairs = now.task.astype(np.int64) * now.workers + now.worker
    assert len(np.unique(pairs)) == len(pairs)


def test_attacked__rings__each_speaks_with_one_voice() -> None:
    crowd = a_crowd()
    by_name = {one.name: one for one in ATTACKS}
    now = attacked(crowd, by_name["ring_35"], np.random.default_rng(1))
    said = {(t, c) for t, c in zip(now.task[1000:].tolist(), now.label[1000:].tolist(), strict=True)}
    assert len(said) == len({t for t, _ in said})
    wrong = attacked(crowd, by_name["same_wrong_35"], np.random.default_rng(1))
    assert (wrong.label[1000:] != crowd.truth[wrong.task[1000:]]).all()


def test_attack__a_folder_of_small_crowds__finds_the_rings_and_hides_the_truth_from_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "SETS", ("one", "two"))
    for name in ("one", "two"):
        written(tmp_path / name, a_crowd())
    told: list[int] = []
    blank: list[bool] = []

    def engine(crowd: Crowd, known: np.ndarray | None, merging: bool) -> Judged:
        blank.append(bool((crowd.truth < 0).all()))
        told.append(0 if known is None else int((known >= 0).sum()))
        return judge(crowd, known, merging)

    found = bench.attack(tmp_path, seeds=1, engine=engine)
    assert all(blank)
    assert set(told) == {0, 10}  # 5 % of 200 where the attack says so, else none
    ring = found["attacks"]["ring_50"]["mean"]
    assert ring["accuracy"] > ring["accuracy_unmerged"] + 0.05
    assert ring["recall"] == 1.0
    assert found["clean"]["one"]["tasks_lost"] == found["clean"]["one"]["rings"] == 0
    assert "ring_35" in bench.text(found)


def test_attack__no_such_folder__says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no labels\.csv"):
        bench.attack(tmp_path)


@recorded
def test_attack__recorded_crowds__holds_what_was_promised() -> None:
    crowds = {name: bench.read(DATA / name) for name in bench.SETS}
    for one in ATTACKS:
        found = bench._under(one, crowds, 1, judge)["mean"]
        assert found["accuracy"] >= LEAST.get(one.name, 0.88), one.name
        assert found["lost_but_certified"] <= 0.01, one.name
        assert found["false_positives"] <= 0.03, one.name
        assert found["rings"] >= one.rings - (1 if one.rings == 1 else 0.25), one.name


@recorded
@pytest.mark.deep
def test_clean__recorded_crowds__no_merge_costs_more_than_two_tasks() -> None:
    found = bench.clean(DATA)
    assert len(found) >= 18
    assert {name: row["tasks_lost"] for name, row in found.items() if row["tasks_lost"] > 2} == {}
