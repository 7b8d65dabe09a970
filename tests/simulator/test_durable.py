"""The simulated member's database does what the real one does, and its store what a MemoryStore does."""

from random import Random
from typing import Any

import pytest

from oracle.adapters.content import MemoryStore
from oracle.adapters.database import memory_database
from oracle.ports import OfferedAssignment, Proposal, SignedHeader, StoredAnswer
from oracle.protocol.cids import Codec, Link, cid_of, decode, encode
from oracle.protocol.errors import ContentMissing, Refused
from oracle.protocol.heads import Debit
from oracle.protocol.messages import Header
from tests.simulator import memo
from tests.simulator.durable import Blocks, Crashed, Memory, Store, links


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def header(epoch: int, number: int, until: int) -> SignedHeader:
    sizes = {f"{tree}_size": 1 for tree in ("balances", "weights", "verdicts", "assignments")}
    names = (
        "previous",
        "configuration",
        "balances",
        "weights",
        "verdicts",
        "assignments",
        "debits",
        "content",
        "model",
    )
    made = Header(epoch=epoch, valid_until=until, total=7, **sizes, **dict.fromkeys(names, word(1)))  # type: ignore[arg-type]
    return SignedHeader(
        word(10_000 * epoch + 100 * number + until), Proposal(made, (Debit(1, 2, 3),)), ((1, 2), (1, 3))
    )


def request(rng: Random) -> tuple[str, tuple[Any, ...]]:
    """A call of the port, with small numbers, so that calls meet."""
    job, task, worker, number = (rng.randrange(3) for _ in range(4))
    offers = [OfferedAssignment(job, rng.randrange(3), worker, number, word(1), bytes(65)) for _ in range(2)]
    answers = [
        StoredAnswer(job, rng.randrange(4), rng.randrange(9), 0, word(number), word(2), bytes(65), b"e", 9, bytes(65))
        for _ in range(2)
    ]
    return rng.choice(
        [
            ("add_assignments", (offers,)),
            ("assignments", ()),
            ("assignments", (job, None, [task])),
            ("assignments", (None, worker)),
            ("add_answers", (answers,)),
            ("answers", (job,)),
            ("answered", (job, [task, 1])),
            ("answered", (job, [task], [worker])),
            ("places", (job, [task, 2])),
            ("add_signed", (header(job, number, 10 + task), rng.choice([None, 9 + worker]))),
            ("signed", ()),
            ("signed", (10 + task,)),
        ]
    )


def answer_of(database: Any, what: str, arguments: tuple[Any, ...]) -> Any:
    try:
        return getattr(database, what)(*arguments)
    except Refused as refused:
        return refused.code


@pytest.mark.parametrize("seed", range(4))
def test_memory__any_calls__answers_as_the_real_database(seed: int) -> None:
    rng, memory, real = Random(seed), Memory(), memory_database()
    for _ in range(80):
        call = request(rng)
        assert answer_of(memory, *call) == answer_of(real, *call), call
    real.close()


@pytest.mark.parametrize(("moment", "kept"), [("before", []), ("after", [header(1, 2, 3)])])
def test_memory__crash_in_a_write__leaves_all_of_it_or_nothing(moment: str, kept: list[SignedHeader]) -> None:
    memory = Memory(fail=moment)
    with pytest.raises(Crashed):
        memory.add_signed(header(1, 2, 3))
    assert memory.signed() == kept
    memory.add_signed(header(1, 2, 3))


def test_store__blocks_of_another_store__are_missing_until_they_come() -> None:
    blocks = Blocks()
    mine, other, real = Store(blocks), Store(blocks), MemoryStore()
    leaf = mine.put(b"leaf", Codec.RAW)
    root = mine.put(encode({"a": [Link(leaf), 1], "b": Link(leaf)}), Codec.DAG_CBOR)
    assert real.put(b"leaf", Codec.RAW) == leaf
    assert links(root, mine.get(root)) == [leaf, leaf]
    assert mine.below(root) == {root, leaf}
    with pytest.raises(ContentMissing):
        other.get(root)
    other.held.add(root)
    assert not other.holds(root)
    other.held |= mine.below(root)
    assert other.holds(root)


@pytest.mark.parametrize(
    "value",
    [
        *(0, 23, 24, 255, 256, 65_536, 1 << 32, (1 << 64) - 1, -1, -25),
        *(True, None, b"", b"x" * 300, "ä", [], [[1], {}]),
        {"bb": 1, "a": Link(cid_of(b"x", Codec.RAW)), "c": [b"y", "z"]},
    ],
)
def test_encode__of_the_simulator__gives_the_same_bytes(value: Any) -> None:
    assert memo._encode(value) == encode(value)
    assert decode(memo._encode(value)) == value
