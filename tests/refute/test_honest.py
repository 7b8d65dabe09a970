"""A correct epoch stands: no evidence of any kind, at any place, true or changed at random, moves the real Referee."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import httpx
import pytest

from oracle.adapters.rpc import to_hex
from oracle.ports import Call
from oracle.protocol import refutations
from oracle.protocol.evidence import TREE, AnswerFields, Evidence, Prover, VerdictLeaf
from oracle.protocol.faults import Fault, Kind
from oracle.protocol.messages import Answer, values
from oracle.protocol.refutations import Case, Drop, Refutation
from tests.support.epochs import with_verdict
from tests.support.plants import PLANTS, prepare
from tests.support.stage import INTERFACES, WINDOW, Stage

pytestmark = pytest.mark.sockets
REFUSALS = {
    "RefereeUnfounded",
    "RefereeEvidenceMissing",
    "RefereeLeafElsewhere",
    "RefereePositionBeyond",
    "RefereeTermsMismatch",
    "RefereeRowsUnproven",
    "RefereeRowsLength",
    "RefereeOpeningMismatch",
}
RULES = {rule: [kind for kind in PLANTS if kind.rule == rule] for rule in ("R1", "R2", "R3", "R4")}
BATCH = 100  # calls in a request
FUZZ = 2_000  # attempts a rule


@pytest.fixture(scope="module")
def honest(stages: Callable[[], Stage]) -> tuple[Stage, Case]:
    """The correct third epoch, pending."""
    world, epoch = prepare(stages())
    world.put(epoch)
    return world, world.case(epoch)


def tried(world: Stage, calls: Sequence[Call]) -> list[str]:
    """How the contracts refuse each call; "" where they take it."""
    by, found = to_hex(world.sender.address), []
    for start in range(0, len(calls), BATCH):
        asked = [
            {
                "jsonrpc": "2.0",
                "id": i,
                "method": "eth_call",
                "params": [{"from": by, "to": to_hex(c.to or b""), "data": to_hex(c.data)}, "latest"],
            }
            for i, c in enumerate(calls[start : start + BATCH])
        ]
        replies = httpx.post(world.url, json=asked, timeout=60).json()
        for reply in sorted(replies, key=lambda r: r["id"]):
            data = reply.get("error", {}).get("data")
            found.append("" if "result" in reply else INTERFACES.refusal(bytes.fromhex((data or "0x")[2:]))[0])
    return found


def attempts(case: Case, kind: Kind) -> Iterator[Evidence]:
    """That kind's evidence at each place where a liar might claim the fault to be."""
    sizes = {tree: len(getattr(case.epoch, tree)) for tree in TREE} | {"debits": len(case.epoch.debits)}
    for index in range(max(sizes.values())):
        for position in range(4):
            try:
                yield refutations.evidence(case, kind, Fault(3, "?", index, "?", kind, position, position))
            except LookupError:
                continue
    if kind is Kind.TaskDecided:
        old = Prover(case.data_of(2)).stub(0)
        yield Evidence(stubs=(case.prover.stub(0), old), older=(refutations._older(case, 2),))
    if kind in (Kind.DebitMismatch, Kind.DebitNotLast):
        for index in range(sizes["debits"]):
            for at in range(sizes["verdicts"]):
                yield Evidence(index, stubs=(case.prover.stub(at),))


def calls(world: Stage, kind: Kind, shown: Sequence[Evidence]) -> list[Call]:
    posted, by = world.accused(), world.sender.address
    return [world.referee.refute(posted, Refutation(Fault(3, "?", 0, "?"), kind, one), by) for one in shown]


@pytest.mark.parametrize("kind", PLANTS, ids=lambda kind: kind.name)
def test_refute__a_correct_epoch__is_refused_in_each_kind(honest: tuple[Stage, Case], kind: Kind) -> None:
    world, case = honest
    reasons = set(tried(world, calls(world, kind, list(dict.fromkeys(attempts(case, kind))))))
    assert "RefereeUnfounded" in reasons
    assert reasons <= REFUSALS


def test_tried__evidence_of_a_planted_fault__is_taken(stages: Callable[[], Stage]) -> None:
    """The test above can fail: where there is a fault, one of its attempts proves it."""
    world, epoch = prepare(stages())
    planted = with_verdict(epoch, 2, label=(epoch.verdicts[2].label + 1) % 3)
    world.put(planted)
    assert "" in tried(world, calls(world, Kind.WrongLabel, list(attempts(world.case(planted), Kind.WrongLabel))))


# ------------------------------------------------------------------------------------------------------------------- fuzz


def bent(draw: random.Random, value: Any) -> Any:
    """The value with one thing in it changed."""
    if is_dataclass(value) and not isinstance(value, type):
        field = draw.choice(fields(value))
        changes: Any = {field.name: bent(draw, getattr(value, field.name))}
        return replace(value, **changes)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw.choice([0, 1, value + 1, max(value - 1, 0), value ^ (1 << draw.randrange(8)), 255])
    if isinstance(value, bytes):
        return _bent_bytes(draw, value)
    items = list(value)
    if items and draw.random() < 0.7:
        at = draw.randrange(len(items))
        items[at] = bent(draw, items[at])
    elif items:
        draw.choice([items.pop, items.reverse, lambda: items.append(items[0])])()
    return tuple(items)


def _bent_bytes(draw: random.Random, value: bytes) -> bytes:
    if len(value) in (0, 20, 32):  # a word keeps its size
        return draw.randbytes(len(value)) if draw.random() < 0.3 else _flipped(draw, value)
    return draw.choice([_flipped(draw, value), value[:-1], value + b"\0", value[: len(value) // 2], b""])


def _flipped(draw: random.Random, value: bytes) -> bytes:
    if not value:
        return value
    changed = bytearray(value)
    changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _bent_often(draw: random.Random, value: Any) -> Any:
    for _ in range(draw.choice([0, 1, 1, 1, 2, 5])):
        value = bent(draw, value)
    return value


def _made(make: Any) -> Call | None:
    """None for values that no transaction can hold."""
    try:
        call: Call = make()
    except Exception:  # the ABI's own refusals have many kinds
        return None
    return call


def _all_refused(world: Stage, made: Iterator[Call | None], count: int) -> None:
    wanted: list[Call] = []
    for call in made:
        wanted += [call] if call else []
        if len(wanted) == count:
            break
    reasons = tried(world, wanted)
    assert len(reasons) == count
    assert "" not in reasons, wanted[reasons.index("")]


@pytest.mark.deep
@pytest.mark.parametrize("rule", RULES)
def test_refute__random_evidence_against_a_correct_epoch__never_strikes(honest: tuple[Stage, Case], rule: str) -> None:
    world, case = honest
    draw, posted, referee, by = random.Random(rule), world.accused(), world.referee, world.sender.address
    known = {kind: list(dict.fromkeys(attempts(case, kind))) for kind in RULES[rule]}

    def made() -> Iterator[Call | None]:
        while True:
            kind = draw.choice(RULES[rule])
            proof = Refutation(Fault(3, "?", 0, "?"), kind, _bent_often(draw, draw.choice(known[kind])))
            shown = _bent_often(draw, posted) if draw.random() < 0.2 else posted
            yield _made(lambda shown=shown, proof=proof: referee.refute(shown, proof, by))

    _all_refused(world, made(), FUZZ)


def _drops(world: Stage, case: Case) -> list[Drop]:
    """Of every listed answer, with a receipt by all members."""
    found = []
    for index, verdict in enumerate(case.epoch.verdicts):
        leaf: VerdictLeaf = case.prover.verdict(index)
        terms = world.state.jobs[verdict.job].terms.hash()
        for core, opening in zip(verdict.cores, verdict.openings, strict=True):
            bound = (opening.commitment, opening.seal_hash)
            answer = Answer(verdict.job, terms, verdict.task, core.worker, *bound)
            found.append(Drop(AnswerFields(*values(answer)), world.receipt([answer], 0), leaf))
    return found


def test_drop__an_answer_that_is_listed__is_refused(honest: tuple[Stage, Case]) -> None:
    world, case = honest
    posted, by = world.accused(), world.sender.address
    reasons = tried(world, [world.referee.drop(posted, drop, by) for drop in _drops(world, case)])
    assert set(reasons) == {"RefereeUnfounded"}


@pytest.mark.deep
def test_drop__random_receipts_against_a_correct_epoch__never_strike(honest: tuple[Stage, Case]) -> None:
    world, case = honest
    draw, posted, referee, by = random.Random("R5"), world.accused(), world.referee, world.sender.address
    known = _drops(world, case)

    def made() -> Iterator[Call | None]:
        while True:
            drop = _bent_often(draw, draw.choice(known))
            shown = _bent_often(draw, posted) if draw.random() < 0.2 else posted
            yield _made(lambda shown=shown, drop=drop: referee.drop(shown, drop, by))

    _all_refused(world, made(), FUZZ)


@pytest.mark.deep
def test_withheld__random_leaves_of_an_epoch_that_answered__never_strike(honest: tuple[Stage, Case]) -> None:
    world, case = honest
    draw, posted, referee, by = random.Random("R6"), world.accused(), world.referee, world.sender.address
    taken = world.snapshot()
    try:
        for tree in TREE:
            world.send(referee.demand(posted, tree, 1, referee.price(world.state.head)))
            leaf, proof = getattr(case.epoch, tree)[1], case.prover.proof(tree, 1)
            world.send(referee.reply(posted, tree, 1, leaf, proof))
        world.warp(WINDOW * 2 // 3)

        def made() -> Iterator[Call | None]:
            while True:
                tree, index = draw.choice(list(TREE)), draw.choice([0, 1, 1, 2, draw.randrange(1 << 32)])
                shown = _bent_often(draw, posted) if draw.random() < 0.5 else posted
                yield _made(lambda s=shown, t=tree, i=index: referee.withheld(s, t, i, by))

        _all_refused(world, made(), FUZZ)
    finally:
        world.restore(taken)
