"""`crowdproof models` from end to end: two federations learn, the better model is promoted, what drifts alarms."""

import csv
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracle.adapters.content import FolderStore
from oracle.adapters.signer import KeySigner
from oracle.commands import backups, federating
from oracle.config import Home
from oracle.federated import simulate, train
from oracle.federated.member import Member
from oracle.federated.server import Server
from oracle.models import measure
from oracle.protocol.cids import Codec, cid_of, digest_of
from oracle.verification import embed
from tests.support.commands import Ended, Run

CLASSES = ("no", "yes")
STEADY = {"epsilon": 0, "sample": 1, "momentum": 0, "patience": 600}  # nothing is drawn: the same model every time
TRAINED, HELD, NEW = range(200), range(200, 400), range(400, 640)


def label_of(task: int) -> str:
    return CLASSES[task * 7 % 11 % 2]


def text_of(task: int, clear: float = 0.4) -> str:
    """Twelve words, each of the label's own vocabulary with this chance."""
    luck = np.random.default_rng(task)
    return " ".join(
        f"{label_of(task) if luck.random() < clear else CLASSES[luck.integers(2)]}{luck.integers(9)}" for _ in range(12)
    )


def bags(texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """In place of the sentence model: a random direction for each word, their mean."""
    found = np.zeros((len(texts), embed.WIDTH), np.float32)
    for row, text in enumerate(texts):
        for word in text.split():
            found[row] += np.random.default_rng(list(word.encode())).normal(size=embed.WIDTH).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def table(file: Path, header: str, rows: Iterable[Sequence[object]]) -> Path:
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([header.split(","), *rows])
    return file


def votes(tasks: Iterable[int], workers: int) -> Iterable[tuple[str, str, str]]:
    """Right seven times in ten."""
    for task in tasks:
        luck = np.random.default_rng(10_000 + task)
        for worker in luck.permutation(9)[:workers]:
            right = luck.random() < 0.7
            yield f"t{task}", f"w{worker}", label_of(task) if right else CLASSES[1 - CLASSES.index(label_of(task))]


def federation(files: Path, name: str, plan: dict[str, Any]) -> Path:
    """All rounds of three owners, in this process."""
    home = files / name
    federating.split(files / "labels.csv", files / "texts.csv", 3, home, 0, json.dumps(plan))
    agreed, classes = federating._plan_of(home / "plan.json")
    members = []
    for place in sorted((home / "owners").iterdir()):
        records = federating.load(place / "labels.csv", place / "tasks.csv", classes, agreed.width, home / "vectors")
        members.append(Member(agreed, KeySigner(federating.owner_key(place)), records, place / "memory"))
    members.sort(key=lambda member: member.number)
    simulate.secure(Server(agreed, FolderStore(home / "store"), home / "journal"), members)
    return home


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterable[Path]:
    """Files, two federations, and a registry with a record of each."""
    files = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed, "_run", bags)
        everything = [*TRAINED, *HELD]
        table(files / "texts.csv", "task,text", ((f"t{task}", text_of(task)) for task in everything))
        table(files / "labels.csv", "task,worker,label", votes(TRAINED, 3))
        held = ((f"t{task}", task % 4, label_of(task), "ab"[task % 2]) for task in HELD)
        table(files / "held.csv", "task,fold,label,group", held)
        table(files / "crowd.csv", "task,worker,label", votes(HELD, 1))
        (files / "about.json").write_text('{"intended_use": "a test", "limits": "made texts"}')
        federation(files, "early", {**STEADY, "rounds": 5})
        federation(files, "late", {**STEADY, "rounds": 12})
        yield files


@pytest.fixture
def files(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(embed, "_run", bags)
    monkeypatch.setattr(measure, "DRAWS", 50)  # intervals are tried in tests/models/test_measure.py
    return Path(shutil.copytree(made, tmp_path / "files"))


def add(inside: Run, files: Path, name: str, *more: object) -> Ended:
    given = ("--held-out", files / "held.csv", "--about", files / "about.json", "--registry", files / "registry")
    return inside("models", "add", name, *given, *more, "--json")


def learned(inside: Run, files: Path, name: str) -> dict[str, Any]:
    ended = add(inside, files, name, "--federation", files / name, "--texts", files / "texts.csv")
    assert (ended.code, ended.err) == (0, "")
    return ended.document


def models(inside: Run, files: Path, *words: object) -> Ended:
    return inside("models", *words, "--registry", files / "registry", "--json")


def kept(files: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in (files / "registry").rglob("*") if file.is_file()}


def baseline(inside: Run, files: Path) -> Path:
    """The crowd alone."""
    out = files / "vote.csv"
    assert inside("infer", "--labels", files / "crowd.csv", "--method", "vote", "--proba", "--out", out).code == 0
    return out


def test_models__two_federations__the_better_is_promoted_and_rolled_back(inside: Run, files: Path) -> None:
    early, late = learned(inside, files, "early"), learned(inside, files, "late")
    result = federating.result(files / "late")
    assert late["model"] == cid_of(result.model, Codec.RAW) != early["model"] and late["privacy"] is None
    assert late["data_digest"] == digest_of(result.last).hex() and late["settings"]["rounds_done"] == 12

    assert "--baseline: the first model" in models(inside, files, "promote", "early").err
    ended = models(inside, files, "promote", "early", "--baseline", baseline(inside, files))
    assert ended.code == 0 and ended.document["against"] == "the baseline vote.csv", ended
    noted = models(inside, files, "list").document["head"]

    ended = models(inside, files, "promote", "late", "--margin", "1")
    assert ended.code == 0 and ended.document["gain"]["low"] > 0 and ended.document["tried"] == 2
    before = kept(files)
    ended = models(inside, files, "promote", "early", "--margin", "1")
    assert ended.code == 1 and not ended.document["promoted"] and ended.document["gain"]["high"] < 0
    assert ended.document["why"][0].startswith("not better than late on 200 held-out tasks: -0.")
    assert kept(files) == before

    assert models(inside, files, "rollback", "early", "--why", "a complaint").code == 0
    found = models(inside, files, "list", "--since", noted)
    assert (
        found.code == 0 and found.document["current"] == "early" and found.document["log"][-1]["why"] == "a complaint"
    )
    assert models(inside, files, "rollback", "early").code == 2
    assert models(inside, files, "list", "--since", "bafyother").code == 1
    card = inside("models", "show", "early", "--registry", files / "registry").out
    assert "## Ethical considerations\n\nTraining added no noise" in card and "3 owners hold" in card


def new_tasks(files: Path, clear: float, wrong: float) -> tuple[Path, Path]:
    """Texts of new tasks, and gold of half of them."""
    texts = table(files / "new.csv", "task,text", ((f"t{task}", text_of(task, clear)) for task in NEW))
    luck = np.random.default_rng(5)
    gold = (
        (f"t{t}", label_of(t) if luck.random() >= wrong else CLASSES[1 - CLASSES.index(label_of(t))]) for t in NEW[::2]
    )
    return texts, table(files / "gold.csv", "task,label", gold)


@pytest.mark.parametrize(
    ("clear", "wrong", "what"),
    [(0.4, 0.0, None), (0.0, 0.0, "P(class 2): stability index"), (0.4, 0.6, "accuracy: ")],
)
def test_check__the_model_in_use_on_new_tasks__alarms_where_they_drift(
    inside: Run, files: Path, clear: float, wrong: float, what: str | None
) -> None:
    learned(inside, files, "late")
    models(inside, files, "promote", "late", "--baseline", baseline(inside, files))
    texts, gold = new_tasks(files, clear, wrong)
    ended = models(inside, files, "predict", "--texts", texts, "--out", files / "said.csv")
    assert ended.document == {"name": "late", "tasks": len(NEW), "out": str(files / "said.csv")}
    ended = models(inside, files, "check", "--predictions", files / "said.csv", "--labels", gold)
    assert ended.code == (1 if what else 0), ended
    assert ended.document["drifts"] == bool(what) and any(
        why.startswith(what or "") for why in ended.document["why"]
    ) == bool(what)
    assert ended.document["tasks"] == 240 and ended.document["gold"] == 120


def test_models__bad_input__is_refused_and_nothing_is_written(inside: Run, files: Path) -> None:
    """NaN, another shape, unknown tasks, what belongs to nothing: exit 2, one line, the registry as it was."""
    learned(inside, files, "late")
    vote, before = baseline(inside, files), kept(files)
    rows = vote.read_text().splitlines()
    for number, (line, why) in enumerate(
        [
            ("x,yes,0.5,0.5,0.5", "line 202, column 'task': task 'x' is not in the held-out set"),
            (rows[1], "line 202, column 'task': task 't200' stood above"),
            ("x,yes,nan,nan,nan", "line 202, column 'p:no': 'nan' is no probability"),
        ]
    ):
        bad = files / f"bad{number}.csv"
        bad.write_text("\n".join([*rows, line]) + "\n")
        ended = models(inside, files, "promote", "late", "--baseline", bad)
        assert ended.is_clear() and why in ended.err
    short = table(files / "short.csv", "task,text", [("t200", "yes1")])
    for more, why in [
        ((), "either --federation and --texts, or --model"),
        (("--federation", files / "late"), "either --federation and --texts"),
        (("--federation", files / "late", "--texts", short), "no text of task 't201', and 198 more"),
        (("--federation", files / "late", "--texts", files / "texts.csv", "--model", vote), "either --federation"),
    ]:
        ended = add(inside, files, "another", *more)
        assert ended.is_clear() and why in ended.err
    for words, why in [
        (("promote", "none"), "no model 'none' in the registry; there are: late"),
        (("check", "--predictions", vote), "no model is promoted"),
        (("promote", "late", "--baseline", vote, "--margin", "nan"), "--margin nan"),
    ]:
        ended = models(inside, files, *words)
        assert ended.is_clear() and why in ended.err
    assert "no name of a model" in add(inside, files, "../x").err
    assert kept(files) == before


@pytest.mark.parametrize(("number", "length"), [(float("nan"), None), (float("inf"), None), (None, -4)])
def test_result__a_model_with_nan_or_of_another_shape__is_refused(
    inside: Run, files: Path, number: float | None, length: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a store would serve it whose blocks nobody else checks."""
    whole = federating.result(files / "late").model
    bad = (np.array([number], "<f4").tobytes() + whole[4:]) if number is not None else whole[:length]
    get = FolderStore.get
    monkeypatch.setattr(FolderStore, "get", lambda store, cid: bad if get(store, cid) == whole else get(store, cid))
    ended = add(inside, files, "late", "--federation", files / "late", "--texts", files / "texts.csv")
    assert ended.is_clear() and "is not the plan's 770 finite numbers" in ended.err
    assert not (files / "registry").exists()


def test_backup__of_a_home_with_models__holds_the_registry(inside: Run, files: Path) -> None:
    """The head before the blocks: what is written meanwhile is not missing below it."""
    learned(inside, files, "late")
    registry = (files / "registry").rename(files / "models")
    names = [name for name, _ in backups._parts(Home(files), files / "scratch", True)]
    blocks = [f"models/store/{block.name}" for block in (registry / "store").iterdir()]
    assert blocks and set(blocks) <= set(names) and names.index("models/head") < min(map(names.index, blocks))


def test_epsilon__of_a_federation__counts_a_round_that_nobody_finished(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "noise", lambda plan: plan.epsilon)
    monkeypatch.setattr(train, "spent", lambda plan, noise, steps: noise * steps)
    found = federating.result(files / "late")
    plan = replace(found.plan, epsilon=2.0, delta=1e-5, rounds=13)
    assert found.epsilon is None
    assert [replace(found, plan=plan, rounds=done).epsilon for done in (11, 12, 13)] == [120.0, 130.0, 130.0]


# ---------------------------------------------------------------- models of files


def filed(files: Path, **about: Any) -> tuple[object, ...]:
    """Options of a model that says 0.8 of every label."""
    words = {"intended_use": "a test", "limits": "none", "method": "a table", "data": "made", "settings": {"depth": 3}}
    (files / "about.json").write_text(json.dumps({**words, **about}))
    rows = [(f"t{task}", *(0.8 if label_of(task) == one else 0.2 for one in CLASSES)) for task in HELD]
    table(files / "said.csv", "task,p:no,p:yes", rows)
    np.save(files / "model.npy", np.ones(3))
    return ("--model", files / "model.npy", "--predictions", files / "said.csv", "--data", files / "labels.csv")


def test_add__a_model_of_files__is_recorded_with_what_was_said_of_it(inside: Run, files: Path) -> None:
    ended = add(inside, files, "table", *filed(files, privacy={"epsilon": 3, "delta": 1e-5}))
    found = ended.document
    assert found["privacy"] == {"epsilon": 3.0, "delta": 1e-5} and found["settings"] == {"depth": 3}
    assert found["measures"]["accuracy"]["mean"] == 1 and found["gap"] == 0 and len(found["code"]["source"]) == 64
    assert found["measures"]["ece"]["mean"] == pytest.approx(0.2)
    assert models(inside, files, "promote", "table", "--baseline", baseline(inside, files)).code == 0
    assert (
        "is of another kind (a table)"
        in models(inside, files, "predict", "--texts", files / "texts.csv", "--out", "x").err
    )


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"limits": ""}, "limits: a text is needed"),
        ({"more": 1}, "an object with intended_use, limits, method, data is needed, and settings, privacy if known"),
        ({"privacy": {"epsilon": 3}}, "privacy: null, or an object of epsilon and delta"),
        ({"privacy": {"epsilon": float("nan"), "delta": 0}}, "privacy.epsilon: nan is no epsilon"),
        ({"settings": {"rate": float("nan")}}, "no encoding of nan"),
        ({"method": "logistic regression on text vectors, federated"}, "comes with --federation"),
    ],
)
def test_add__what_is_said_of_a_model_is_wrong__is_refused(
    inside: Run, files: Path, about: dict[str, Any], why: str
) -> None:
    ended = add(inside, files, "table", *filed(files, **about))
    assert (ended.is_clear() and why in ended.err.lower()) or why in ended.err
    assert not (files / "registry").exists()


def test_add__an_array_with_nan_or_code__is_refused(inside: Run, files: Path) -> None:
    options = filed(files)
    for bad in (np.array([1, np.nan]), np.array([{}], object)):
        np.save(files / "model.npy", bad, allow_pickle=True)
        ended = add(inside, files, "table", *options)
        assert ended.is_clear() and "model.npy" in ended.err
    assert not (files / "registry").exists()


def test_promote__measured_on_another_held_out_set__is_not_compared(inside: Run, files: Path) -> None:
    learned(inside, files, "late")
    models(inside, files, "promote", "late", "--baseline", baseline(inside, files))
    whole = (files / "held.csv").read_text()
    (files / "held.csv").write_text(whole.replace(",no,", ",yes,", 1))  # one label
    add(inside, files, "table", *filed(files))
    ended = models(inside, files, "promote", "table")
    assert ended.is_clear() and "add the model of 'late' under another name with that held-out set" in ended.err
    (files / "about.json").write_text('{"intended_use": "a test", "limits": "made texts"}')
    again = ("--federation", files / "late", "--texts", files / "texts.csv")
    assert add(inside, files, "late-again", *again).code == 0
    ended = models(inside, files, "promote", "table")
    assert ended.code == 0 and ended.document["against"] == "late" and ended.document["tried"] == 2


def test_list__a_damaged_registry__exits_1_and_names_the_file(inside: Run, files: Path) -> None:
    found = learned(inside, files, "late")
    block = files / "registry" / "store" / found["predictions"]
    block.write_bytes(block.read_bytes()[:-8])
    for words in (("list",), ("show", "late"), ("promote", "late"), ("rollback", "late")):
        ended = models(inside, files, *words)
        assert (ended.code, ended.out) == (1, "") and str(block) in ended.err and "Traceback" not in ended.err
