"""Leaves and their records: what is written is read back, and nothing else is read."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.protocol import leaves
from oracle.protocol.cids import decode, encode
from oracle.protocol.hashing import ZERO, keccak, leaf, pack_int32, tagged, unpack_int32, word, words
from oracle.protocol.leaves import Balance, Core, Opening, Status, Task, Verdict, WeightRow
from oracle.protocol.messages import Assignment
from tests.support.epochs import fill

u8, u16, u32, u64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
int32s = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=8).map(tuple)
hashes = st.binary(min_size=32, max_size=32)
short = st.binary(max_size=40)

balances = st.builds(Balance, u32, st.binary(min_size=20, max_size=20), u64, short)
weights = st.builds(WeightRow, u32, u32, u8, int32s)
cores = st.builds(Core, u32, u16, u8, st.sampled_from(Status), u32, u32, u32)
plain_openings = st.builds(Opening, hashes, hashes, short, hashes, hashes, short)
sealed_openings = st.builds(
    lambda bound, envelope, signature: leaves.unopened(bound, keccak(envelope), signature, envelope),
    hashes,
    st.binary(min_size=1, max_size=40),
    short,
)
openings = plain_openings | sealed_openings
lists = st.lists(st.tuples(cores, openings), max_size=3)
verdicts = st.builds(
    lambda job, task, label, prior, pay, listed: Verdict(
        job, task, label, prior, pay, tuple(c for c, _ in listed), tuple(o for _, o in listed)
    ),
    u32, u32, u8, int32s, u64, lists,
)  # fmt: skip
assignments = st.builds(Assignment, u32, hashes, u32, u32, u64)
payloads = st.none() | st.text(max_size=5) | st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2)
tasks = st.builds(Task, u32, st.text(max_size=9), payloads)
KINDS: dict[str, Any] = {
    "balances": balances,
    "weights": weights,
    "verdicts": verdicts,
    "assignments": assignments,
    "tasks": tasks,
}
SAMPLES: dict[str, leaves.Leaf] = {
    "balances": Balance(7, fill("wallet")[12:], 25_000, leaves.pack_earnings([(0, 5)])),
    "weights": WeightRow(1, 7, 2, (-1, -1, 2)),
    "verdicts": Verdict(
        1, 4, 2, (0, 1, 2), 5, (Core(7, 0, 2, Status.COUNTED, 0, 1, 0), leaves.uncounted(8, 0, Status.UNOPENED, 1, 1)),
        (Opening(fill("a"), fill("b"), b"\2", fill("c"), ZERO, b"s" * 65),
         leaves.unopened(fill("d"), keccak(b"envelope"), b"t" * 65, b"envelope")),
    ),
    "assignments": Assignment(1, fill("terms"), 4, 7, 99),
    "tasks": Task(3, "three", {"text": "?"}),
}  # fmt: skip


@pytest.mark.parametrize("tree", KINDS)
@settings(max_examples=60)
@given(data=st.data())
def test_parse__what_record_of_gives__is_the_value_again(tree: str, data: st.DataObject) -> None:
    value = data.draw(KINDS[tree])
    read = leaves.parse(tree, decode(encode(leaves.record_of(value))))
    assert read == value
    assert leaves.leaf_of(read) == leaves.leaf_of(value)


@settings(max_examples=300)
@given(cores)
def test_unpack__a_packed_core__is_the_core_in_20_bytes(core: Core) -> None:
    assert len(core.pack()) == 20
    assert Core.unpack(core.pack()) == core


@pytest.mark.parametrize("status", [3, 4, 255])
def test_unpack__an_unknown_status__is_carried_as_it_is(status: int) -> None:
    data = bytearray(Core(1, 0, 0, Status.COUNTED, 0, 0, 0).pack())
    data[7] = status
    core = Core.unpack(bytes(data))
    assert core.status == status
    assert core.pack() == data


@pytest.mark.parametrize("at", [3, 5])
def test_parse__odd_bytes_in_a_verdict__are_carried_into_its_leaf(at: int) -> None:
    record = leaves.record_of(SAMPLES["verdicts"])
    record[at] += b"\xff\xee\xdd"
    verdict = leaves.parse("verdicts", record)
    assert leaves.record_of(verdict) == record
    assert leaves.leaf_of(verdict) != leaves.leaf_of(SAMPLES["verdicts"])


def test_parse__odd_bytes_in_a_row__are_carried_into_its_leaf() -> None:
    record = leaves.record_of(SAMPLES["weights"])
    record[3] += b"\xff"
    row = leaves.parse("weights", record)
    assert leaves.record_of(row) == record
    assert leaves.leaf_of(row) == leaf("weight", record[0], record[1], record[2], keccak(record[3]))


@given(st.lists(st.tuples(u32, u64), max_size=5))
def test_unpack_earnings__packed_ones__come_back(earnings: list[tuple[int, int]]) -> None:
    packed = leaves.pack_earnings(earnings)
    assert len(packed) == 12 * len(earnings)
    assert leaves.unpack_earnings(packed) == earnings


@given(int32s)
def test_unpack_int32__packed_ones__come_back(row: tuple[int, ...]) -> None:
    assert tuple(unpack_int32(pack_int32(row))) == row


def test_unpack__other_lengths__raise() -> None:
    for size in (1, 11, 13):
        with pytest.raises(ValueError, match=str(size)):
            leaves.unpack_earnings(bytes(size))
    for size in (1, 2, 3, 5):
        with pytest.raises(ValueError, match=str(size)):
            unpack_int32(bytes(size))
    for value in (1 << 31, -(1 << 31) - 1):
        with pytest.raises(OverflowError):
            pack_int32([value])


def test_words__integers_addresses_and_digests__are_32_bytes_each() -> None:
    assert words(1, b"\1" * 20, b"\2" * 32) == bytes(31) + b"\1" + bytes(12) + b"\1" * 20 + b"\2" * 32
    for length in (0, 1, 19, 21, 31, 33, 64):
        with pytest.raises(ValueError, match="a word is"):
            word(bytes(length))
    for number in (-1, 1 << 256):
        with pytest.raises(OverflowError):
            word(number)


# ----------------------------------------------------------------------------------------------------------- hostility

WRONG: list[Any] = [
    None,
    True,
    False,
    -1,
    1 << 64,
    1.5,
    "text",
    b"",
    b"x",
    b"x" * 31,
    b"x" * 33,
    [],
    {},
    [[]],
    [None] * 7,
]


@pytest.mark.parametrize("tree", KINDS)
def test_parse__one_field_of_another_kind__raises_value_or_type_error(tree: str) -> None:
    record = leaves.record_of(SAMPLES[tree])
    good = {str(leaves.record_of(SAMPLES[tree]))}
    for index in range(len(record)):
        for wrong in WRONG:
            changed = [*record[:index], wrong, *record[index + 1 :]]
            try:
                read = leaves.parse(tree, changed)
            except (ValueError, TypeError):
                continue
            # what is taken is taken as it is: nothing is rounded, cut or padded
            assert str(leaves.record_of(read)) == str(changed)
            assert type(leaves.record_of(read)[index]) is type(wrong)
            good.add(str(changed))
    assert len(good) < len(record) * len(WRONG) / 2


@pytest.mark.parametrize("tree", KINDS)
@pytest.mark.parametrize("bad", [True, -1, 1 << 64, 1.0, "1"])
def test_parse__numbers_that_are_no_uint__raise(tree: str, bad: object) -> None:
    record = leaves.record_of(SAMPLES[tree])
    numbers = [i for i, field in enumerate(record) if type(field) is int]
    assert numbers
    for index in numbers:
        with pytest.raises(ValueError, match="is not a uint"):
            leaves.parse(tree, [*record[:index], bad, *record[index + 1 :]])


@pytest.mark.parametrize("tree", KINDS)
def test_parse__another_arity_or_no_list__raises(tree: str) -> None:
    record = leaves.record_of(SAMPLES[tree])
    for wrong in ([], record[:-1], [*record, 0], None, 5, "abcdefg", bytes(7), b"abc", {}, {"a": 1, "b": 2, "c": 3}):
        with pytest.raises((ValueError, TypeError)):
            leaves.parse(tree, wrong)


@pytest.mark.parametrize("bits", [(0, 32), (1, 32), (2, 8), (4, 64)])
def test_parse__a_verdict_one_beyond_a_width__raises(bits: tuple[int, int]) -> None:
    index, width = bits
    record = leaves.record_of(SAMPLES["verdicts"])
    record[index] = (1 << width) - 1
    leaves.parse("verdicts", record)
    record[index] = 1 << width
    with pytest.raises(ValueError, match=f"uint{width}"):
        leaves.parse("verdicts", record)


nested = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats()
    | st.text(max_size=4)
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=3), inner, max_size=8),
    max_leaves=12,
)


@pytest.mark.parametrize("tree", KINDS)
@settings(max_examples=150)
@given(record=nested)
def test_parse__anything__raises_nothing_else(tree: str, record: Any) -> None:
    with suppress(ValueError, TypeError):
        leaves.parse(tree, record)


OPENING = SAMPLES["verdicts"].openings[1].record()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "tail",
    [[b""], [b"other"], [b"envelope", b""], [b"envel", b"ope"], [None], [["envelope"]]],
    ids=["empty", "other bytes", "and one more", "in two parts", "none", "a list"],
)
def test_opening_from__another_envelope_than_was_sealed__raises(tail: list[Any]) -> None:
    assert leaves.opening_from(OPENING).envelope == b"envelope"
    with pytest.raises(ValueError, match="expected"):
        leaves.opening_from([*OPENING[:6], *tail])


def test_opening_from__an_empty_envelope_with_its_own_hash__raises() -> None:
    with pytest.raises(ValueError, match="envelope"):
        leaves.opening_from([OPENING[0], keccak(b""), *OPENING[2:6], b""])


@pytest.mark.parametrize("cores_", [b"x", bytes(19), bytes(21), bytes(39)])
def test_parse__cores_of_another_length__are_carried_as_they_are(cores_: bytes) -> None:
    record = leaves.record_of(SAMPLES["verdicts"])
    record[5] = cores_
    verdict = leaves.parse("verdicts", record)
    assert isinstance(verdict, Verdict)
    assert verdict.packed_cores() == cores_
    assert len(verdict.cores_tail) == len(cores_) % 20


# ------------------------------------------------------------------------------------------------------- what is bound


def test_leaf__any_field_changed__differs() -> None:
    for tree, value in SAMPLES.items():
        record = leaves.record_of(value)
        found = [leaves.leaf_of(value)]
        for index, field in enumerate(record):
            if tree == "verdicts" and index == 6:
                continue  # below, part by part
            other: Any = {"text": "!"}
            if isinstance(field, int):
                other = field + 1
            elif isinstance(field, str):
                other = field + "x"
            elif isinstance(field, bytes):
                other = bytes([*field[:-1], field[-1] ^ 1])
            found.append(leaves.leaf_of(leaves.parse(tree, [*record[:index], other, *record[index + 1 :]])))
        assert len(set(found)) == len(found)


def test_opening_hash__any_part_changed__differs_but_for_the_envelope() -> None:
    opening = SAMPLES["verdicts"].openings[0]  # type: ignore[union-attr]
    found = [opening.hash()]
    for name in ("commitment", "seal_hash", "payload", "salt", "reason", "signature"):
        part: bytes = getattr(opening, name)
        changes: Any = {name: bytes([*part[:-1], part[-1] ^ 1])}
        found.append(replace(opening, **changes).hash())
    assert len(set(found)) == 7
    assert replace(opening, envelope=b"bound by the seal hash").hash() == opening.hash()


def test_list_hash__answers_in_another_order__differs() -> None:
    v: Any = SAMPLES["verdicts"]
    assert leaves.list_hash(v.cores, v.openings) != leaves.list_hash(v.cores[::-1], v.openings)
    assert leaves.list_hash(v.cores, v.openings) != leaves.list_hash(v.cores, v.openings[::-1])
    assert leaves.list_hash((), ()) == tagged("list", keccak(b""), keccak(b""))


def test_leaf__the_same_words_under_two_tags__differ() -> None:
    assert leaf("weight", 1, 2, 3, ZERO) != leaf("balance", 1, 2, 3, ZERO)
    assert leaf("receipt", ZERO) == keccak(tagged("receipt", ZERO)) == leaves.receipt_leaf(ZERO)
