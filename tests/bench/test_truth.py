"""The benchmark of truth: which sets it takes, what it hides, what it counts; recorded crowds give the known figures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracle.bench import crowdkit, truth
from oracle.bench.truth import Crowd, compare, engine, halved, kind_of, read_crowds, shares
from oracle.labels import NO_TRUTH, Answers
from oracle.protocol.errors import BadInput
from tests.conftest import CROWD


def save(folder: Path, labels: str, gold: str | None, source: str = "") -> None:
    folder.mkdir(parents=True)
    (folder / "labels.csv").write_text("task,worker,label\n" + labels)
    if gold is not None:
        (folder / "truth.csv").write_text("task,label\n" + gold)
    if source:
        (folder / "SOURCE.md").write_text(f"# x\n\n| field | value |\n| --- | --- |\n| kind | {source} |\n")


def made(seed: int, tasks: int = 40, each: int = 5, workers: int = 12, classes: int = 3) -> Crowd:
    luck = np.random.default_rng(seed)
    gold = luck.integers(0, classes, tasks)
    task = np.repeat(np.arange(tasks), each)
    worker = np.concatenate([luck.permutation(workers)[:each] for _ in range(tasks)])
    label = np.where(luck.random(len(task)) < 0.7, gold[task], luck.integers(0, classes, len(task)))
    names = [tuple(f"{kind}{i}" for i in range(size)) for kind, size in (("t", tasks), ("w", workers), ("c", classes))]
    arrays = (array.astype(np.int32) for array in (task, worker, label))
    return Crowd(f"set{seed}", Answers(names[0], names[1], names[2], *arrays), gold.astype(np.int32))


def peers(jobs: Sequence[Answers]) -> tuple[list[crowdkit.Found], dict[str, Any]]:
    """In place of crowd-kit: Dawid-Skene is the vote, one-coin fails on the first job."""
    found = [crowdkit.Found({"crowdkit_ds": shares(job), "crowdkit_onecoin": shares(job)}, {}) for job in jobs]
    found[0] = crowdkit.Found({"crowdkit_ds": shares(jobs[0])}, {"crowdkit_onecoin": "ValueError: x"})
    return found, {"crowd-kit": "0"}


# ---------------------------------------------------------------------- the sets


def test_read_crowds__a_mixed_folder__takes_what_is_categorical(tmp_path: Path) -> None:
    few = "".join(f"{i},w{w},{i % 3}\n" for i in range(6) for w in range(3))
    many = "".join(f"{i},w,{i / 8}\n" for i in range(70))
    texts = "".join(f"{i},w,text {i}\n" for i in range(70))
    save(tmp_path / "plain", few, "0,0\n1,1\n")
    save(tmp_path / "stated", many, "0,0.0\n", "categorical")
    save(tmp_path / "numeric", few, "0,0\n", "numeric")
    save(tmp_path / "numbers", many, "0,0.0\n")
    save(tmp_path / "texts", texts, "0,text 0\n", "free form")
    save(tmp_path / "no_gold", few, None)
    save(tmp_path / "other_gold", few, "99,0\n")
    (tmp_path / "file.txt").write_text("x")
    crowds, skipped = read_crowds(tmp_path)
    assert [crowd.name for crowd in crowds] == ["plain", "stated"]
    assert crowds[0].gold.tolist() == [0, 1] + [NO_TRUTH] * 4
    assert skipped == {
        "no_gold": "no labels.csv with a truth.csv",
        "numbers": "numeric answers",
        "numeric": "numeric answers",
        "other_gold": "no answered task has gold",
        "texts": "text answers",
    }
    assert [crowd.name for crowd in read_crowds(tmp_path, ["stated"])[0]] == ["stated"]


def test_read_crowds__nothing_fit__says_what_and_where(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no folder"):
        read_crowds(tmp_path / "none")
    with pytest.raises(BadInput, match="it is empty"):
        read_crowds(tmp_path)
    save(tmp_path / "a", "t,w,1\n", None)
    with pytest.raises(BadInput, match=r"a: no labels.csv with a truth.csv"):
        read_crowds(tmp_path)
    with pytest.raises(BadInput, match=r"no set 'b'; it has a"):
        read_crowds(tmp_path, ["b"])
    save(tmp_path / "c", "t,w\n", "t,1\n")
    with pytest.raises(BadInput, match=r"c/labels.csv, line 2: 2 fields"):
        read_crowds(tmp_path)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([str(i) for i in range(64)], "categorical"),
        ([str(i) for i in range(65)], "numeric"),
        ([f"-{i}.5e3" for i in range(65)], "numeric"),
        ([f"{i} x" for i in range(65)], "text"),
        ([*(str(i) for i in range(65)), "."], "text"),
    ],
)
def test_kind_of__labels__looks_at_their_values(labels: list[str], kind: str) -> None:
    assert kind_of(labels) == kind


def test_halved__a_crowd__keeps_a_random_half_as_it_was() -> None:
    crowd = made(1)
    half = halved(crowd)
    assert len(half.answers.label) == 100 == len(crowd.answers.label) // 2
    assert rows(half) < rows(crowd)
    assert {*half.answers.task.tolist()} == {*range(len(half.answers.tasks))}
    assert {*half.answers.worker.tolist()} == {*range(len(half.answers.workers))}
    whole = dict(zip(crowd.answers.tasks, crowd.gold.tolist(), strict=True))
    assert [whole[name] for name in half.answers.tasks] == half.gold.tolist()
    assert rows(halved(crowd)) == rows(half) != rows(halved(crowd, seed=1))


def rows(crowd: Crowd) -> set[tuple[str, str, int]]:
    found = crowd.answers
    triples = zip(found.task.tolist(), found.worker.tolist(), found.label.tolist(), strict=True)
    return {(found.tasks[t], found.workers[w], c) for t, w, c in triples}


# ---------------------------------------------------------------------- the comparison


def test_shares__some_answers__are_the_counts() -> None:
    answers = Answers(
        ("a", "b"), ("w", "x"), ("0", "1"), *(np.array(column, np.int32) for column in ([0, 0], [0, 1], [1, 1]))
    )
    assert shares(answers).tolist() == [[0, 1], [0.5, 0.5]]


def test_compare__known_posteriors__gives_the_figures_counted_by_hand() -> None:
    """Ours is sure and right on all but the first task of each set; the rivals are the vote."""
    crowds = [made(1), made(2, tasks=60)]

    def ours(task: Any, worker: Any, label: Any, tasks: int, workers: int, classes: int, known: Any) -> Any:
        gold = crowds[0].gold if tasks == 40 else crowds[1].gold
        sure = np.eye(classes)[gold] * 0.97 + 0.01
        sure[0] = np.roll(sure[0], 1)
        record = sure.copy()
        record[1] = np.roll(record[1], 1)
        return {"ours": sure, "of_record": record, "of_record_unfitted": sure}

    found = compare(crowds, ours, peers)
    first = found["sets"]["set1"]
    assert first["methods"]["ours"]["accuracy"] == pytest.approx(39 / 40)
    assert first["methods"]["ours"]["log_loss"] == pytest.approx((39 * -np.log(0.98) - np.log(0.01)) / 40)
    assert first["methods"]["ours"]["ece"] == pytest.approx(0.98 - 39 / 40)
    assert first["parted"] == {"tasks": 1, "share": 1 / 40, "first": ["t1"]}
    assert first["parted_unfitted"]["tasks"] == 0
    assert first["failed"] == {"crowdkit_onecoin": "ValueError: x"}
    assert first["answers"] == 200
    means = found["all"]["methods"]
    assert means["ours"]["accuracy"] == pytest.approx((39 / 40 + 59 / 60) / 2)
    assert means["ours"]["without_one"]["accuracy"] == pytest.approx((39 / 40, 59 / 60))
    assert means["crowdkit_onecoin"]["sets"] == 1
    vote = [np.mean(truth.judge(c, shares(c.answers), True).right) for c in crowds]
    difference = found["differences"]["vote"]
    assert difference["accuracy"]["mean"] == pytest.approx((39 / 40 + 59 / 60 - sum(vote)) / 2)
    assert difference["accuracy"]["low"] < difference["accuracy"]["mean"] < difference["accuracy"]["high"]
    assert list(found["differences"]["crowdkit_onecoin"]["tests"]) == ["set2"]
    assert found["log_loss_lower"] == {"vote": 2, "crowdkit_ds": 2, "both": 2}
    assert found["parted"] == pytest.approx({"mean_share": (1 / 40 + 1 / 60) / 2, "highest_share": 1 / 40})


def test_compare__sets_with_machines_and_large_ones__stand_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "SMALL", 250)
    crowds = [made(1), made(2, tasks=60)]
    crowds.append(Crowd("llm_human_x", crowds[0].answers, crowds[0].gold))
    found = compare(crowds, engine, peers)
    assert found["all"]["sets"] == 2
    assert found["small"]["sets"] == 1
    assert found["small"]["methods"]["ours"]["log_loss"] == found["sets"]["set1"]["methods"]["ours"]["log_loss"]


def test_truth__a_folder__is_one_json_document_with_both_halves(tmp_path: Path) -> None:
    for crowd in (made(1), made(2)):
        known = zip(crowd.answers.tasks, crowd.gold.tolist(), strict=True)
        save(
            tmp_path / crowd.name,
            "".join(f"{t},{w},c{c}\n" for t, w, c in rows(crowd)),
            "".join(f"{t},c{c}\n" for t, c in known),
        )
    found = truth.truth(tmp_path, [], half=True, peers=peers)
    assert json.loads(json.dumps(found, allow_nan=False)) is not None
    assert found["half"]["sets"]["set1"]["answers"] == 100
    shown = truth.text(found)
    assert "mean of 2" in shown
    assert "half of each set's answers hidden" in shown


# ---------------------------------------------------------------------- recorded crowds

ANCHORS = {  # vote's accuracy and log-loss, anchors of the field
    "bluebird": (0.7593, 0.505),
    "rte": (0.8969, 0.353),
    "weather_cf": (0.8822, 0.619),
    "temp": (0.9361, 0.365),
    "web": (0.7307, 0.869),
}


@pytest.mark.skipif(not CROWD.is_dir(), reason="the recorded crowds are not beside the checkout")
@pytest.mark.parametrize("name", ANCHORS)
def test_judge__votes_of_recorded_crowds__equal_the_published_figures(name: str) -> None:
    crowd = read_crowds(CROWD, [name])[0][0]
    judged = truth.judge(crowd, shares(crowd.answers), split_ties=True).measures()
    assert (judged["accuracy"], judged["log_loss"]) == pytest.approx(ANCHORS[name], abs=6e-4)
