"""Epochs in the store: packed and read again, over several epochs, with any byte of any block damaged (threat 16)."""

import random
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.protocol import epoch as ep
from oracle.protocol import leaves, pages, trees
from oracle.protocol import ledger as lg
from oracle.protocol.cids import Cid, Codec, Link, cid_of, decode, digest_of, encode, from_digest
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import BadInput, ChainUnavailable, ContentMismatch, ContentMissing, CrowdproofError
from oracle.protocol.faults import Fault
from oracle.protocol.hashing import ZERO
from oracle.protocol.heads import Debit, debits_hash
from oracle.protocol.leaves import Status
from oracle.protocol.ledger import Ledger
from oracle.protocol.pages import Source
from tests.support.epochs import Said, World, everybody, fill, tiny, with_verdict

DATA, PAGE, ROOT = "data", "page", "root"


def mixed(world: World) -> list[Said]:
    """Everybody's answers, one of them unopened and one rejected."""
    fates = {(0, 2): Status.UNOPENED, (1, 3): Status.REJECTED}
    return [replace(said, status=fates.get((said.task, said.worker), said.status)) for said in everybody(world)]


@dataclass(frozen=True)
class Kept:
    """A packed epoch and what each of its blocks is."""

    world: World
    epoch: Epoch
    content: bytes
    blocks: dict[Cid, tuple[str, str, int, list[int]]]  # kind, tree, first leaf, ends of its records

    def load(self, damage: dict[Cid, bytes]) -> tuple[Epoch | None, list[Fault]]:
        found: tuple[Epoch | None, list[Fault]] = self.world.load(self.epoch, self.content, damage)
        return found

    def root(self) -> Any:
        return decode(self.world.blocks[from_digest(Codec.DAG_CBOR, self.content)])


def keep(world: World, epoch: Epoch) -> Kept:
    """Reads the structure from the blocks by itself, as docs/protocol.md describes them."""
    packed = world.pack(epoch)
    root = from_digest(Codec.DAG_CBOR, packed.header.content)
    found: dict[Cid, tuple[str, str, int, list[int]]] = {root: (ROOT, "epoch", 0, [])}
    node: Any = decode(world.blocks[root])
    for tree, below in node["trees"].items():
        for first, link in below["pages"]:
            page: Any = decode(world.blocks[link.cid])
            found[link.cid] = (PAGE, tree, first, [])
            found[page["data"].cid] = (DATA, tree, first, page["ends"])
    assert set(found) == {cid_of(*block) for block in packed.blocks}
    return Kept(world, epoch, packed.header.content, found)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """An epoch whose every tree has several pages."""
    monkeypatch.setattr(pages, "MOST", 3)
    monkeypatch.setattr(pages, "TARGET", 900)
    world = tiny(workers=4, tasks=4)
    return keep(world, world.epoch(mixed(world)))


# ------------------------------------------------------------------------------------------------------- there and back


def test_load__what_pack_stored__is_the_epoch_and_the_header(small: Kept) -> None:
    found, faults = small.load({})
    assert (found, faults) == (small.epoch, [])
    assert found is not None
    header = small.world.pack(small.epoch).header
    assert ep.header_of(found, small.content, ep.roots_of(found)) == header
    assert min(sum(1 for kind, t, _, _ in small.blocks.values() if (kind, t) == (PAGE, tree)) for tree in ep.TREES) > 1
    assert small.world.check(found) == []


def test_header_of__an_epoch__says_what_its_data_says(small: Kept) -> None:
    header, epoch = small.world.pack(small.epoch).header, small.epoch
    assert header.verdicts == trees.root([v.leaf() for v in epoch.verdicts])
    assert header.assignments == trees.root([leaves.assignment_leaf(a) for a in epoch.assignments])
    assert (header.balances_size, header.weights_size) == (len(epoch.balances), len(epoch.weights))
    assert (header.verdicts_size, header.assignments_size) == (len(epoch.verdicts), len(epoch.assignments))
    assert (header.debits, header.total) == (debits_hash(epoch.debits), epoch.total)
    assert (header.epoch, header.previous, header.valid_until) == (epoch.epoch, epoch.previous, epoch.valid_until)
    assert (header.configuration, header.model) == (epoch.configuration, epoch.model)


def test_pack__twice__gives_the_same_blocks(small: Kept) -> None:
    assert small.world.pack(small.epoch) == small.world.pack(small.epoch)


def test_load__an_epoch_without_work__comes_back() -> None:
    world = tiny()
    epoch = world.epoch([])
    packed = world.pack(epoch)
    assert world.load(epoch, packed.header.content) == (epoch, [])
    assert (packed.header.verdicts, packed.header.weights, packed.header.assignments) == (ZERO, ZERO, ZERO)
    assert packed.header.balances_size == 5
    assert world.check(epoch) == []


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_pack__more_records_than_a_page_holds__are_cut_and_read_again(count: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(pages, "MOST", 3)
    tasks = [leaves.Task(i, f"t{i}", None) for i in range(count)]
    node, blocks = pages.pack(tasks)
    assert [first for first, _ in node["pages"]] == list(range(0, count, 3))
    world = World()
    world.store(blocks)
    assert pages.read(world.source(), 1, "tasks", node) == pages.Reading(tuple(tasks), [])


def test_pack__records_larger_than_a_block__have_a_block_each(monkeypatch: Any) -> None:
    monkeypatch.setattr(pages, "TARGET", 10)
    node, blocks = pages.pack([leaves.Task(i, "t" * 50, None) for i in range(3)])
    assert len(blocks) == 6
    assert [first for first, _ in node["pages"]] == [0, 1, 2]


# ------------------------------------------------------------------------------------------------------- several epochs


def test_build__several_jobs_and_epochs_and_strikes__point_to_where_assignments_stand() -> None:
    world = tiny(workers=4, jobs=2, tasks=2)
    said = everybody(world)
    first = world.epoch([a for a in said if a.job == 1])
    world.post(first, struck=True)
    second = world.epoch([a for a in said if (a.job, a.task) != (2, 1)])
    assert world.check(second) == []
    assert {(v.job, core.epoch) for v in second.verdicts for core in v.cores} == {(1, 2), (2, 2)}
    assert [o.job for o in second.assignments] == [1] * 8 + [2] * 4
    assert second.total == sum(b.cumulative for b in second.balances)
    world.post(second)
    third = world.epoch([a for a in said if (a.job, a.task) == (2, 1)])
    assert world.check(third) == []
    assert third.balances[1].cumulative > second.balances[1].cumulative
    assert third.total == world.ledger.total + sum(d.pay + world.state.jobs[2].terms.fee(d.pay) for d in third.debits)
    for epoch in (first, second, third):
        content = world.pack(epoch).header.content
        assert world.load(epoch, content) == (epoch, [])


def test_build__an_offer_committed_twice__is_pointed_to_where_it_first_stood() -> None:
    world = tiny()
    said = everybody(world)
    world.post(world.epoch([], more_offers=[world.offer(a) for a in said]))
    again = world.epoch(said, more_offers=[world.offer(said[0])])
    assert (len(again.assignments), again.verdicts[0].cores[0].epoch) == (1, 1)
    assert world.check(again) == []


def test_apply__epochs__keep_what_was_earned_decided_and_committed() -> None:
    world = tiny()
    epoch, ledger = world.epoch(everybody(world)), Ledger()
    lg.apply(ledger, epoch)
    assert ledger.offer((1, 0)) == epoch.assignments[0]
    assert [ledger.offer(at) for at in ((1, len(epoch.assignments)), (2, 0))] == [None, None]
    assert ledger.pointers[1, 2, 4] == (1, len(epoch.assignments) - 1)
    lg.apply(ledger, replace(epoch, epoch=2))
    assert ledger.pointers[1, 2, 4] == (1, len(epoch.assignments) - 1)  # the first stands
    assert (ledger.total, len(ledger.decided)) == (epoch.total, 3)


def test_check__the_ledger_of_a_struck_epoch_taken_for_good__finds_the_next_one_wrong() -> None:
    world = tiny()
    epoch = world.epoch(everybody(world))
    world.post(epoch, struck=True)
    again = world.epoch(everybody(world))
    assert world.check(again) == []
    lg.apply(world.ledger, epoch)  # what forgetting the strike would do
    assert {f.tree for f in world.check(again)} == {"verdicts"}
    assert all("already has a verdict" in f.what for f in world.check(again))


# --------------------------------------------------------------------------------------------------------------- damage


def torn(data: bytes, at: int, mask: int) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def hit(ends: list[int], at: int) -> int:
    return next(i for i, end in enumerate(ends) if at < end)


def test_load__any_byte_flipped__is_named_by_tree_and_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every seventh position of every block, one random bit of it."""
    monkeypatch.setattr(pages, "MOST", 2)
    world = tiny(workers=3, tasks=2)
    kept = keep(world, world.epoch(mixed(world)))
    chance = random.Random(1)
    flips = 0
    for cid, (kind, tree, first, ends) in kept.blocks.items():
        data = world.blocks[cid]
        for at in range(chance.randrange(7), len(data), 7):
            found, faults = kept.load({cid: torn(data, at, 1 << chance.randrange(8))})
            index = first + hit(ends, at) if kind == DATA else first
            assert found is None
            assert {(f.epoch, f.tree, f.index) for f in faults} == {(1, tree, index)}, (kind, tree, at)
            flips += 1
    assert flips > 500


def test_load__a_flip_that_leaves_the_record_readable__is_named_by_its_leaf(small: Kept) -> None:
    """Not only where decoding breaks: the value itself is compared with the committed leaf."""
    readable = 0
    for cid, (kind, tree, first, ends) in small.blocks.items():
        if kind != DATA:
            continue
        data = small.world.blocks[cid]
        for index, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            for at in range(start, end, 29):
                record = torn(data, at, 1)[start:end]
                try:
                    leaves.parse(tree, decode(record))
                except (CrowdproofError, ValueError, TypeError):
                    continue
                readable += 1
                faults = small.load({cid: torn(data, at, 1)})[1]
                assert [(f.tree, f.index) for f in faults] == [(tree, first + index)]
    assert readable > 50


def test_load__the_envelope_of_an_unopened_answer_damaged__is_named(small: Kept) -> None:
    envelope = next(o.envelope for v in small.epoch.verdicts for o in v.openings if o.envelope)
    cid, (_, tree, first, ends) = next(
        (c, b) for c, b in small.blocks.items() if b[0] == DATA and envelope in small.world.blocks[c]
    )
    at = small.world.blocks[cid].index(envelope)
    faults = small.load({cid: torn(small.world.blocks[cid], at, 1)})[1]
    assert [(f.tree, f.index) for f in faults] == [(tree, first + hit(ends, at))]


def test_load__two_damaged_records__are_both_named(small: Kept) -> None:
    for cid, (kind, tree, first, ends) in small.blocks.items():
        if kind == DATA and len(ends) > 1:
            data = torn(torn(small.world.blocks[cid], ends[0] - 1, 1), ends[-1] - 1, 1)
            faults = small.load({cid: data})[1]
            assert [(f.tree, f.index) for f in faults] == [(tree, first), (tree, first + len(ends) - 1)]


def test_load__damage_in_two_trees_and_pages__is_all_named(small: Kept) -> None:
    chosen = [(cid, b) for cid, b in small.blocks.items() if b[0] == DATA]
    faults = small.load({cid: torn(small.world.blocks[cid], 5, 2) for cid, _ in chosen})[1]
    expected = sorted((tree, first + hit(ends, 5)) for _, (_, tree, first, ends) in chosen)
    assert sorted((f.tree, f.index) for f in faults) == expected


@pytest.mark.parametrize("kind", [DATA, PAGE, ROOT])
@pytest.mark.parametrize("damage", ["cut", "empty", "longer", "swapped", "missing"])
def test_load__a_block_cut_longer_swapped_or_missing__is_a_fault_in_its_tree(
    small: Kept, kind: str, damage: str
) -> None:
    for cid, (what, tree, first, ends) in small.blocks.items():
        if what != kind:
            continue
        data = small.world.blocks[cid]
        other = (
            next(v for c, v in small.world.blocks.items() if c != cid and small.blocks.get(c, "")[:1] == (kind,))
            if kind != ROOT
            else b"\xa0"
        )
        there = {"cut": data[:-1], "empty": b"", "longer": data + b"\0", "swapped": other, "missing": None}[damage]
        if there is None:
            blocks = {c: d for c, d in small.world.blocks.items() if c != cid}
            found, faults = ep.load(replace_blocks(small.world, blocks), 1, small.content)
        else:
            found, faults = small.load({cid: there})
        assert found is None
        assert {(f.epoch, f.tree) for f in faults} == {(1, tree)}
        if damage in ("cut", "longer") and kind == DATA:
            assert [f.index for f in faults] == [first + len(ends) - 1]
        if damage == "missing":
            assert [f.index for f in faults] == [first]


def replace_blocks(world: World, blocks: dict[Cid, bytes]) -> Source:
    bare = World()
    bare.blocks = blocks
    return bare.source()


@pytest.mark.parametrize("error", [ContentMissing, ChainUnavailable, BadInput])
def test_load__a_store_that_fails__is_a_fault_and_never_raises(small: Kept, error: type[CrowdproofError]) -> None:
    for broken in small.blocks:
        good = small.world.source()

        def read(cid: Cid, broken: Cid = broken, good: Source = good) -> bytes:
            if cid == broken:
                raise error("the store is down")
            return good.read(cid)

        found, faults = ep.load(Source(read, lambda _: None), 1, small.content)
        assert found is None
        assert len(faults) == 1
        assert "the store is down" in faults[0].what


def test_load__a_store_that_is_believed__would_let_damage_through(small: Kept) -> None:
    """Threat 16 without its defence: bytes that are not held against their CID."""
    root = from_digest(Codec.DAG_CBOR, small.content)
    block: Any = decode(small.world.blocks[root])
    forged = encode(block | {"validUntil": block["validUntil"] + 1})
    believed = small.world.blocks | {root: forged}
    found, faults = ep.load(Source(believed.__getitem__, lambda _: None), 1, small.content)
    assert faults == []
    assert found is not None
    assert found.valid_until == small.epoch.valid_until + 1
    assert small.load({root: forged})[0] is None


# ----------------------------------------------------------------------------------- blocks made by a hostile committee


def hostile(kept: Kept, node: Any) -> tuple[Epoch | None, list[Fault]]:
    """Loads an epoch's block of any form; every CID is right."""
    block = encode(node)
    kept.world.store([(block, Codec.DAG_CBOR)])
    return ep.load(kept.world.source(), 1, digest_of(cid_of(block, Codec.DAG_CBOR)))


WRONG: list[Any] = [None, True, -1, 1 << 63, 0.5, "text", b"", b"x" * 31, [], [1], [[1, 2]], {}, {"a": 1}]
WRONG += [Link(cid_of(b"", Codec.RAW)), Link(cid_of(b"", Codec.DAG_CBOR)), [[0, None]], [[1, 2, 3, 4]], [[True, 1, 1]]]


@pytest.mark.parametrize("field", sorted(ep.FIELDS))
def test_load__a_field_of_the_epochs_block_of_another_kind__is_a_fault(small: Kept, field: str) -> None:
    node = small.root()
    assert hostile(small, node)[1] == []
    assert hostile(small, {k: v for k, v in node.items() if k != field})[0] is None
    for wrong in WRONG:
        if field in ("jobs", "debits") and wrong in ([], {}, b"", ""):
            continue
        if field in ("validUntil", "total") and wrong == 1 << 63:
            continue
        if field == "model" and wrong == WRONG[-4]:
            continue
        found, faults = hostile(small, node | {field: wrong})
        assert found is None, (field, wrong)
        assert [(f.epoch, f.tree) for f in faults] == [(1, "epoch")]


@pytest.mark.parametrize("node", [None, 0, "text", [], {}, b"bytes", [1, 2, 3]])
def test_load__an_epochs_block_that_is_no_map__is_a_fault(small: Kept, node: Any) -> None:
    found, faults = hostile(small, node)
    assert found is None
    assert [(f.epoch, f.tree, f.index) for f in faults] == [(1, "epoch", 0)]


def test_load__another_epochs_number_version_or_one_field_more__is_a_fault(small: Kept) -> None:
    node = small.root()
    for wrong in ({"epoch": 2}, {"version": 1}, {"version": False}, {"epoch": True}, {"more": 1}):
        assert hostile(small, node | wrong)[0] is None, wrong
    assert ep.load(small.world.source(), 2, small.content)[0] is None


def test_load__a_tree_missing_or_of_another_form__is_a_fault_in_it(small: Kept) -> None:
    node = small.root()
    for tree in ep.TREES:
        assert hostile(small, node | {"trees": {k: v for k, v in node["trees"].items() if k != tree}})[0] is None
        for wrong in WRONG:
            found, faults = hostile(small, node | {"trees": node["trees"] | {tree: wrong}})
            assert found is None
            assert [(f.tree, f.index) for f in faults] == [(tree, None)]


@pytest.mark.parametrize("field", ["root", "size", "pages"])
@pytest.mark.parametrize("tree", ep.TREES)
def test_load__a_tree_that_describes_itself_wrongly__is_a_fault_in_it(small: Kept, tree: str, field: str) -> None:
    node = small.root()
    below = node["trees"][tree]
    (first, link), *rest = below["pages"]
    wrongs = list(WRONG)
    if field == "size":
        wrongs += [below["size"] - 1, below["size"] + 1, 0, 1 << 24, 1 << 40]
    if field == "pages":
        wrongs += [rest, below["pages"][:-1], below["pages"][::-1], [*below["pages"], [below["size"], link]]]
        wrongs += [[[first, link], [first, link], *rest], [[-1, link], *rest], [[False, link], *rest]]
        wrongs += [[[0.0, link], *rest], [[first, rest[0][1]], *rest], [[first, link, 1], *rest]]
    for wrong in wrongs:
        found, faults = hostile(small, node | {"trees": node["trees"] | {tree: below | {field: wrong}}})
        assert found is None, wrong
        assert {f.tree for f in faults} == {tree}


def with_page(kept: Kept, tree: str, change: Any) -> tuple[Epoch | None, list[Fault]]:
    """Loads the epoch with its first page of a tree changed, every CID above it right."""
    node = kept.root()
    below = node["trees"][tree]
    (first, link), *rest = below["pages"]
    block = encode(change(decode(kept.world.blocks[link.cid])))
    kept.world.store([(block, Codec.DAG_CBOR)])
    linked = [[first, Link(cid_of(block, Codec.DAG_CBOR))], *rest]
    return hostile(kept, node | {"trees": node["trees"] | {tree: below | {"pages": linked}}})


@pytest.mark.parametrize("tree", ep.TREES)
def test_load__a_page_of_another_form__is_a_fault_at_its_first_leaf(small: Kept, tree: str) -> None:
    assert with_page(small, tree, lambda page: page)[1] == []
    for wrong in WRONG:
        assert places(with_page(small, tree, lambda _, wrong=wrong: wrong)) == {(tree, 0)}
        for field in ("leaves", "ends", "data"):
            found = places(with_page(small, tree, lambda page, f=field, wrong=wrong: page | {f: wrong}))
            assert found == {(tree, 0)}, (field, wrong)


def places(loaded: tuple[Epoch | None, list[Fault]]) -> set[tuple[str, int | None]]:
    assert loaded[0] is None
    return {(f.tree, f.index) for f in loaded[1]}


def test_load__ends_that_do_not_cut_the_records__are_a_fault(small: Kept) -> None:
    for change in (
        lambda ends: [-1, *ends[1:]],
        lambda ends: [0, *ends[1:]],
        lambda ends: ends[::-1],
        lambda ends: [True, *ends[1:]],
        lambda ends: [*ends[:-1], float(ends[-1])],
        lambda ends: ends[:-1],
        lambda ends: [*ends, ends[-1] + 1],
    ):
        assert places(with_page(small, "weights", lambda p, c=change: p | {"ends": c(p["ends"])})) == {("weights", 0)}
    last = places(with_page(small, "weights", lambda p: p | {"ends": [*p["ends"][:-1], p["ends"][-1] + 1]}))
    assert last == {("weights", 2)}


def test_load__a_listed_leaf_that_is_not_its_records__is_named(small: Kept) -> None:
    for tree in ep.TREES:
        found = with_page(small, tree, lambda p: p | {"leaves": fill("x") + p["leaves"][32:]})
        assert places(found) == {(tree, 0)}


def test_load__records_and_leaves_exchanged_together__do_not_give_the_root(small: Kept) -> None:
    other = replace(small.epoch.balances[0], cumulative=10**9)
    node, blocks = pages.pack([other, *small.epoch.balances[1:]])
    small.world.store(blocks)
    root = small.root()
    lying = node | {"root": root["trees"]["balances"]["root"]}
    found = hostile(small, root | {"trees": root["trees"] | {"balances": lying}})
    assert places(found) == {("balances", None)}


def test_load__pages_that_begin_after_the_first_leaf__are_a_fault_also_with_the_root_of_what_is_there(
    small: Kept,
) -> None:
    node, blocks = pages.pack(small.epoch.balances[3:])
    small.world.store(blocks)
    root = small.root()
    late = node | {"size": len(small.epoch.balances), "pages": [[3, node["pages"][0][1]]]}
    assert places(hostile(small, root | {"trees": root["trees"] | {"balances": late}})) == {("balances", None)}


def test_load__a_page_of_no_leaves_between_the_others__is_a_fault(small: Kept) -> None:
    empty = encode({"leaves": b"", "ends": [], "data": Link(cid_of(b"", Codec.RAW))})
    small.world.store([(empty, Codec.DAG_CBOR), (b"", Codec.RAW)])
    root = small.root()
    below = root["trees"]["balances"]
    padded = below | {"pages": [[0, Link(cid_of(empty, Codec.DAG_CBOR))], *below["pages"]]}
    assert places(hostile(small, root | {"trees": root["trees"] | {"balances": padded}})) == {("balances", None)}


def test_load__a_block_refused_though_its_bytes_look_right__is_a_fault(small: Kept) -> None:
    chosen = next(cid for cid, block in small.blocks.items() if block[0] == DATA)
    good = small.world.source()

    def read(cid: Cid) -> bytes:
        if cid == chosen:
            raise ContentMismatch("it was other bytes a moment ago")
        return good.read(cid)

    found, faults = ep.load(Source(read, good.damaged), 1, small.content)
    assert found is None
    assert [f.tree for f in faults] == [small.blocks[chosen][1]]


def test_load__bytes_after_the_last_record__are_a_fault_at_the_last_leaf(small: Kept) -> None:
    def padded(page: Any) -> Any:
        data = small.world.blocks[page["data"].cid] + b"smuggled"
        small.world.store([(data, Codec.RAW)])
        return page | {"data": Link(cid_of(data, Codec.RAW))}

    assert places(with_page(small, "balances", padded)) == {("balances", 2)}


def test_load__a_record_of_another_tree_under_its_own_leaf__is_named(small: Kept) -> None:
    offer = small.epoch.assignments[0]
    node, blocks = pages.pack([offer])
    small.world.store(blocks)
    root = small.root()
    assert places(hostile(small, root | {"trees": root["trees"] | {"weights": node}})) == {("weights", 0)}


def test_load__a_size_that_no_page_holds__takes_no_memory(small: Kept) -> None:
    root = small.root()
    lying = root["trees"]["balances"] | {"size": 1 << 24}
    assert {t for t, _ in places(hostile(small, root | {"trees": root["trees"] | {"balances": lying}}))} == {"balances"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 1 << 40) | st.text(max_size=3) | st.binary(max_size=33),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(spot for key, item in inside for spot in spots(item, (*path, key)))]


def changed_at(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    if isinstance(value, dict):
        return value | {path[0]: changed_at(value[path[0]], path[1:], new)}
    return [*value[: path[0]], changed_at(value[path[0]], path[1:], new), *value[path[0] + 1 :]]


KEPT: list[Kept] = []


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_load__any_part_of_the_epochs_block_replaced__never_raises(data: st.DataObject) -> None:
    if not KEPT:
        world = tiny()
        KEPT.append(keep(world, world.epoch(mixed(world))))
    kept = KEPT[0]
    node = kept.root()
    path = data.draw(st.sampled_from(spots(node)))
    found, faults = hostile(kept, changed_at(node, path, data.draw(anything)))
    assert (found is None) == bool(faults)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(ep.TREES))
def test_read__any_bytes_as_a_page__is_faults_of_the_tree(block: bytes, tree: str) -> None:
    world = World()
    world.store([(block, Codec.DAG_CBOR)])
    node = {"root": ZERO, "size": 1, "pages": [[0, Link(cid_of(block, Codec.DAG_CBOR))]]}
    reading = pages.read(world.source(), 9, tree, node)
    assert reading.values == ()
    assert {(f.epoch, f.tree, f.index) for f in reading.faults} == {(9, tree, 0)}


def test_linked__a_link_of_another_codec_or_none__raises() -> None:
    raw, cbor = (Link(cid_of(b"", codec)) for codec in (Codec.RAW, Codec.DAG_CBOR))
    assert pages.linked(raw, Codec.RAW) == raw.cid
    for wrong in (cbor, raw.cid, None, 5):
        with pytest.raises(ValueError, match="raw"):
            pages.linked(wrong, Codec.RAW)


def test_fault__as_text__says_epoch_tree_and_index() -> None:
    assert str(Fault(3, "weights", 7, "is wrong")) == "epoch 3, weights, index 7: is wrong"
    assert str(Fault(3, "weights", None, "is wrong")) == "epoch 3, weights: is wrong"


def test_roots_of__a_verdict_changed__moves_only_its_tree(small: Kept) -> None:
    before = ep.roots_of(small.epoch)
    after = ep.roots_of(with_verdict(small.epoch, 0, pay=1))
    assert {name for name in before if before[name] != after[name]} == {"verdicts"}
    assert debits_hash([Debit(1, 2, 3)]) != debits_hash([Debit(1, 3, 2)])
