"""The registry on disk: what is written stays, what is damaged is named, what was changed is seen."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from oracle.adapters.content import FolderStore
from oracle.models import measure, registry
from oracle.models.card import card
from oracle.models.registry import History, Privacy, Registry, compare, record_of
from oracle.models.tables import HeldOut, Predictions
from oracle.protocol.cids import Cid, Codec, Link, decode, encode
from oracle.protocol.errors import BadInput, Refused

TASKS = 200
ABOUT = {
    "method": "m",
    "settings": {"rate": 0.5},
    "data": "labels of a made crowd",
    "data_digest": "ab" * 32,
    "privacy": Privacy(3.0, 1e-5),
    "intended_use": "tests",
    "limits": "made data",
}


def held_out(seed: int = 0) -> HeldOut:
    luck = np.random.default_rng(seed)
    names = sorted(f"t{i}" for i in range(TASKS))
    labels = tuple("yes" if one else "no" for one in luck.random(TASKS) < 0.5)
    return HeldOut(
        tuple(names), tuple(str(i % 4) for i in range(TASKS)), labels, tuple("ab"[i % 2] for i in range(TASKS))
    )


def said(held: HeldOut, skill: float, seed: int = 1, lame: float = 0.0) -> Predictions:
    """Right with chance `skill`, and as sure as that; in group b less by `lame`."""
    luck = np.random.default_rng(seed)
    p = skill - lame * (np.array(held.group) == "b")
    gold = held.gold(("no", "yes"))
    yes = np.where((luck.random(TASKS) < p) == (gold == 1), skill, 1 - skill)
    return Predictions(held.task, ("no", "yes"), np.stack([1 - yes, yes], 1))


def add(place: Registry, name: str, skill: float, held: HeldOut | None = None) -> str:
    held = held or held_out()
    record, blocks = record_of(name, name.encode(), held, said(held, skill), ABOUT)
    with place.turn() as history:
        return place.add(history, record, blocks, 7)


def promote(place: Registry, cid: str) -> None:
    with place.turn() as history:
        record = history.records[cid]
        held, chance = place.table(record)
        other = np.full_like(chance, 0.5)
        place.promote(history, cid, compare(held, record.classes, chance, "chance", other, 0.02), other, 8)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals are tried in test_measure.py."""
    monkeypatch.setattr(measure, "DRAWS", 50)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, both promoted, then rolled back."""
    place = Registry(tmp_path_factory.mktemp("made") / "registry")
    one, two = add(place, "one", 0.7), add(place, "two", 0.8)
    promote(place, one)
    promote(place, two)
    with place.turn() as history:
        place.roll_back(history, one, "two was slow", 9)
    return place.folder


@pytest.fixture
def place(template: Path, tmp_path: Path) -> Registry:
    """A copy of it."""
    return Registry(shutil.copytree(template, tmp_path / "registry"))


def test_read__after_all_kinds_of_entries__says_what_is_in_use(place: Registry) -> None:
    found = Registry(place.folder).read()
    assert [entry.what for entry in found.entries.values()] == ["add", "add", "promote", "promote", "rollback"]
    assert found.current == found.find("one") and len(found.promoted) == 3
    last = list(found.entries.values())[-1]
    assert (last.number, last.why, last.at) == (5, "two was slow", 9)
    record = found.records[found.find("two")]
    assert record.privacy == Privacy(3.0, 1e-5) and [one.name for one in record.groups] == ["a", "b"]
    assert np.array_equal(place.table(record)[1], said(held_out(), 0.8).chance)
    with pytest.raises(BadInput, match="no model 'three' in the registry; there are: one, two"):
        found.find("three")


def test_registry__without_a_folder__is_empty(tmp_path: Path) -> None:
    assert Registry(tmp_path / "none").read() == History({}, {})
    assert not (tmp_path / "none").exists()


def test_read__any_block_is_cut_changed_or_missing__names_its_file(place: Registry) -> None:
    blocks = sorted((place.folder / "store").iterdir())
    assert len(blocks) == 5 + 2 + 2 + 1 + 2 + 1  # entries, records, models, a set, their predictions, and chance's
    for file in blocks:
        whole = file.read_bytes()
        for damaged in (whole[:-1], bytes([whole[0] ^ 1]) + whole[1:], b"", None):
            file.unlink() if damaged is None else file.write_bytes(damaged)
            with pytest.raises(Refused, match=f"store/{file.name}: .*nothing was read"):
                place.read()
            file.write_bytes(whole)
    place.read()


@pytest.mark.parametrize("head", [b"", b"bafyrei", b"none", b"\xff\n", b"../../etc/passwd\n", None])
def test_read__head_is_cut_changed_or_missing__names_it(place: Registry, head: bytes | None) -> None:
    file = place.folder / "head"
    file.unlink() if head is None else file.write_bytes(head)
    with pytest.raises(Refused, match=r"registry/head: .*nothing was read"):
        place.read()


def forged(place: Registry, change: Callable[[dict], None]) -> Cid:
    """A last entry that somebody wrote anew, with a right name, and a head that leads to it."""
    store = FolderStore(place.folder / "store")
    value = decode(store.get(Cid((place.folder / "head").read_text().strip())))
    change(value)
    cid = store.put(encode(value), Codec.DAG_CBOR)
    (place.folder / "head").write_text(cid + "\n")
    return cid


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"number": 7}, "entry 4 stands where entry 6 belongs"),
        ({"previous": None}, "the log begins in its middle"),
        ({"what": "demote"}, "entry 5 is none of add, promote, rollback"),
        ({"what": "promote"}, "entry 5 is none of"),
        ({"what": "add"}, "entry 5: add of a record that it cannot be of"),
        ({"record": "one"}, "record: a link is needed"),
        ({"at": "today"}, "expected an unsigned integer"),
        ({"more": 1}, "unknown field, .more|Entry.more: unknown field"),
    ],
)
def test_read__a_forged_entry__is_refused(place: Registry, change: dict, why: str) -> None:
    forged(place, lambda value: value.update(change))
    with pytest.raises(Refused, match=why):
        place.read()


def test_read__rollback_to_what_was_never_promoted__is_refused(tmp_path: Path) -> None:
    place = Registry(tmp_path / "registry")
    one, two = add(place, "one", 0.7), add(place, "two", 0.8)
    promote(place, one)
    with place.turn() as history, pytest.raises(BadInput, match="'two' was never promoted"):
        place.roll_back(history, two, "", 9)
    with place.turn() as history, pytest.raises(BadInput, match="'one' is in use already"):
        place.roll_back(history, one, "", 9)
    forged(place, lambda v: v.update(what="rollback", record=Link(Cid(two)), evidence=None, predictions=None))
    with pytest.raises(Refused, match="entry 3: rollback of a record that it cannot be of"):
        place.read()


def test_holds__a_log_that_was_written_anew__is_seen_by_who_noted_a_head(place: Registry) -> None:
    noted = place.read().head
    assert noted is not None and place.read().holds(noted)
    add(place, "three", 0.6)
    assert place.read().holds(noted)
    store = FolderStore(place.folder / "store")
    (place.folder / "head").write_text(decode(store.get(noted))["previous"].cid + "\n")  # type: ignore[index, call-overload]
    assert not place.read().holds(noted)  # whole, but it is another log


def test_add__a_name_that_is_taken__changes_nothing(place: Registry) -> None:
    before = {file: file.read_bytes() for file in place.folder.rglob("*") if file.is_file()}
    with pytest.raises(BadInput, match="'one' is in the registry: records never change"):
        add(place, "one", 0.9)
    assert {file: file.read_bytes() for file in place.folder.rglob("*") if file.is_file()} == before


def test_record_of__what_no_block_holds__is_refused() -> None:
    held = held_out()
    with pytest.raises(BadInput):
        record_of("x", b"", held, said(held, 0.7), ABOUT | {"settings": {"rate": float("nan")}})
    with pytest.raises(BadInput, match="over the limit"):
        record_of("x", bytes((1 << 20) + 1), held, said(held, 0.7), ABOUT)


def test_compare__better_worse_and_unfair__are_told_apart() -> None:
    held = held_out()
    classes = ("no", "yes")
    good, bad, lame = (said(held, 0.9).chance, said(held, 0.7).chance, said(held, 0.9, lame=0.15).chance)
    assert compare(held, classes, good, "it", bad, 0.02).faults == []
    (worse,) = compare(held, classes, bad, "it", good, 0.02).faults
    assert worse.startswith("not better than it on 200 held-out tasks: -0.") and "must lie above 0" in worse
    (unfair,) = compare(held, classes, lame, "it", bad, 0.02).faults
    assert unfair.startswith("the gap of accuracy between groups is 0.2") and "may grow by 0.02" in unfair
    assert compare(held, classes, lame, "it", bad, 0.5).faults == []
    luck = np.random.default_rng(0)
    yes = np.clip(bad[:, 1] + 0.02 * luck.normal(size=TASKS) + 0.001 * (2 * held.gold(classes) - 1), 0.01, 0.99)
    hardly = compare(held, classes, np.stack([1 - yes, yes], 1), "it", bad, 1)
    assert hardly.gain.mean > 0 > hardly.gain.low and len(hardly.faults) == 1  # better, but it may be luck
    (same,) = compare(held, classes, good, "it", good, 0.02).faults
    assert "+0.0000 nats" in same


@pytest.mark.parametrize("where", ["put_many", "write_atomically"])
def test_add__killed_while_it_writes__leaves_the_registry_as_it_was(place: Registry, where: str) -> None:
    before = place.read()
    pid = os.fork()
    if not pid:  # this process ends there
        setattr(
            registry if where == "write_atomically" else FolderStore,
            where,
            lambda *_: os.kill(os.getpid(), signal.SIGKILL),
        )
        add(place, "three", 0.9)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert place.read() == before
    add(place, "three", 0.9)
    assert len(place.read().records) == 3


def test_card__has_the_sections_and_the_figures(place: Registry) -> None:
    history = place.read()
    record = history.records[history.find("two")]
    text = card(record, place.table(record)[0])
    for section in (
        *("Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data"),
        *("Quantitative analyses", "Ethical considerations", "Caveats and recommendations"),
    ):
        assert f"\n## {section}\n" in text
    for words in ("tests", "made data", "epsilon 3 at delta 1e-05", '{"rate": 0.5}', "200 held-out tasks in 4 folds"):
        assert words in text
    assert f"| accuracy | {record.measures.accuracy.mean:.4f} |" in text and "| b | 100 |" in text
