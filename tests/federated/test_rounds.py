"""Rounds: the sum is right, the record shows nobody's update, drop-outs and liars are borne, bad messages change nothing."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracle.adapters.signer import KeySigner
from oracle.federated import masks, rounds, simulate, train
from oracle.federated.member import Member
from oracle.federated.rounds import Message
from oracle.federated.server import ATTEMPTS, Server, read_journal
from oracle.protocol.cids import Link, decode, encode
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.keys import BadSignature
from tests.support.federation import Federation, a_plan, federation, fixed, made, signers


def spoken(found: Federation) -> list[Message]:
    records = [record for _, record in read_journal(found.journal)]
    return [rounds.read_message(record[1]) for record in records if record[0] == "said"]


def upto(found: Federation, phase: str) -> None:
    """Runs until the round wants this phase."""
    while found.server.round.phase != phase:
        view = found.server.view()
        message = found.members[view["waits"][0]].answer(view)
        assert message is not None
        found.server.take(message.block())


@pytest.mark.parametrize("settings", [{}, {"groups": 5}, {"epsilon": 8.0, "groups": 3, "rule": "mean"}])
def test_secure__the_same_luck__is_the_plain_sum_bit_for_bit(tmp_path: Path, settings: dict[str, Any]) -> None:
    if settings.get("epsilon"):
        pytest.importorskip("opacus")
    plan = a_plan(10, **settings)
    found = federation(plan, tmp_path)
    simulate.secure(found.server, found.members)
    assert not found.server.failed
    assert np.abs(found.server.model).max() > 0.1
    assert (found.server.model == simulate.plain(plan, made(10))).all()


@pytest.mark.parametrize("groups", [1, 5])
def test_record__read_by_the_server__shows_no_single_update(tmp_path: Path, groups: int) -> None:
    """The server's whole record, and all that can be worked out of it as the protocol lets it: b_u of everybody who came."""
    plan = a_plan(10, groups=groups)
    found = federation(plan, tmp_path)
    lost = next(group for group in found.server.round.groups if len(group) > 1)[0] if groups == 1 else -1
    simulate.secure(found.server, found.members, lambda _, phase, m: phase == rounds.VECTORS and m == lost)
    secret = [masks.quantise(update) for update in found.updates() if len(update)]
    everything = found.journal.read_bytes()
    assert not any(masks.pack(words) in everything for words in secret)
    said = {(m.phase, m.member): m.body for m in spoken(found)}
    plain = {m: masks.quantise(update) for m, update in enumerate(found.updates()) if len(update)}
    for member, words in plain.items():
        masked = masks.unpack(said[rounds.VECTORS, member]["sum"], plan.numbers + 1)
        shares = {m: dict(said[rounds.REVEALS, m]["own"])[member] for m in range(10) if (rounds.REVEALS, m) in said}
        own = masks.find(shares, plan.quorum, said[rounds.KEYS, member]["own"], masks.commit)
        assert own is not None  # the server learns it, and must: the sum needs it
        for seen in (masked, masked - masks.stream(own, len(masked))):
            off = (seen - words).view(np.int64).astype(np.float64)
            assert np.abs(off).min() > 2**40  # a mask of 64 random bits in every number
            assert abs(np.corrcoef(seen.astype(np.float64), words.view(np.int64))[0, 1]) < 0.9


def test_secure__members_fall_silent__is_the_sum_of_who_is_left(tmp_path: Path) -> None:
    plan = a_plan(10)
    found = federation(plan, tmp_path)
    gone = {rounds.KEYS: 0, rounds.VECTORS: 4, rounds.REVEALS: 7}
    simulate.secure(found.server, found.members, lambda _, phase, m: gone.get(phase) == m)
    left = [masks.quantise(fixed(m)(plan, train.begin(plan), made(10)[m], 0.0)) for m in range(10) if m not in (0, 4)]
    whole = masks.restore(np.sum(left, axis=0, dtype=np.uint64))
    assert (found.server.model == (whole[:-1] / whole[-1]).astype(np.float32)).all()


def test_secure__one_of_a_group_is_left__its_update_is_never_restored(tmp_path: Path) -> None:
    plan = a_plan(10, groups=5)
    found = federation(plan, tmp_path)
    group = found.server.round.groups[2]
    simulate.secure(found.server, found.members, lambda _, phase, m: phase == rounds.VECTORS and m == group[0])
    block: Any = decode(found.store.get(found.server.ended[0]))
    assert block["groups"][2]["sum"] is None and "one member's update" in block["groups"][2]["why"]
    reveals = [m.body for m in spoken(found) if m.phase == rounds.REVEALS]
    assert len(reveals) >= plan.quorum
    assert not any(member in group for body in reveals for member, _ in body["own"] + body["lost"])


def test_secure__too_few_are_left__fails_and_the_model_is_unchanged(tmp_path: Path) -> None:
    found = federation(a_plan(10), tmp_path)
    simulate.secure(found.server, found.members, lambda _, phase, m: phase == rounds.VECTORS and m < 4)
    assert found.server.failed == f"round 1 failed {ATTEMPTS} times, at last: 6 members in phase vectors, 7 are needed"
    assert not found.server.model.any() and not found.server.ended


# ---------------------------------------------------------------- what is refused


def signed(found: Federation, member: int, phase: str, body: Any, key: KeySigner | None = None) -> bytes:
    message = Message(found.server.round.start.id, phase, member, body)
    return replace(message, signature=(key or signers(10)[member]).sign(message.digest())).block()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"sum": b"\0" * 8}, "an update of this model is 120 bytes"),
        ({"sum": [1.0] * 15}, "plain numbers are no secret"),
        ({"sum": "text"}, "bytes is needed, not str"),
        ({"vector": b""}, "holds sum, and nothing else"),
        ({}, "holds sum, and nothing else"),
    ],
)
def test_take__a_vector_of_another_shape__says_why_and_changes_nothing(tmp_path: Path, body: Any, why: str) -> None:
    found = federation(a_plan(10), tmp_path)
    upto(found, rounds.VECTORS)
    before, written = found.server.view(), found.journal.read_bytes()
    with pytest.raises(Refused, match=why):
        found.server.take(signed(found, 3, rounds.VECTORS, body))
    assert found.server.view() == before and found.journal.read_bytes() == written
    assert why in found.server.refusals[-1]["why"]
    simulate.secure(found.server, found.members)  # and the round goes on
    assert len(found.server.ended) == 1


def test_take__nan_in_the_message__is_no_message(tmp_path: Path) -> None:
    found = federation(a_plan(10), tmp_path)
    block = encode([found.server.round.start.id, "vectors", 0, {"sum": [1.5]}, b"x" * 65])
    nan = block.replace(encode(1.5), b"\xfb\x7f\xf8" + bytes(6))
    assert nan != block
    with pytest.raises(BadInput):
        found.server.take(nan)
    assert not found.journal.exists()


def test_member__training_gives_nan__sends_nothing(tmp_path: Path) -> None:
    broken = lambda plan, *_: np.full(plan.numbers + 1, np.nan)  # noqa: E731
    found = federation(a_plan(10), tmp_path, [*(fixed(m) for m in range(9)), broken])
    with pytest.raises(BadInput, match="number 0 of the update is nan"):
        simulate.secure(found.server, found.members)
    assert not any(m.phase == rounds.VECTORS and m.member == 9 for m in spoken(found))


def test_take__hostile_messages__are_refused(tmp_path: Path) -> None:
    found = federation(a_plan(10), tmp_path)
    keys = {"cipher": b"c" * 32, "mask": b"m" * 32, "own": b"o" * 32}
    with pytest.raises(BadSignature):
        found.server.take(signed(found, 3, rounds.KEYS, keys, signers(10)[4]))
    with pytest.raises(Refused, match="member 10 is not in the plan"):
        found.server.take(signed(found, 10, rounds.KEYS, keys, signers(1)[0]))
    with pytest.raises(Refused, match="in phase keys, not reveals"):
        found.server.take(signed(found, 3, rounds.REVEALS, {"own": [], "lost": []}))
    found.server.take(signed(found, 3, rounds.KEYS, keys))
    found.server.take(signed(found, 3, rounds.KEYS, keys))  # again is no error
    with pytest.raises(Refused, match="said something else"):
        found.server.take(signed(found, 3, rounds.KEYS, keys | {"own": b"p" * 32}))
    assert len(spoken(found)) == 1


def test_answer__a_server_that_cheats__is_told_nothing(tmp_path: Path) -> None:
    found = federation(a_plan(10, groups=5), tmp_path)
    upto(found, rounds.SHARES)
    view, member = found.server.view(), found.members[0]
    forged = [[m, {**body, "mask": b"e" * 32} if m == 1 else body, s] for m, body, s in view["keys"]]
    with pytest.raises(BadSignature):
        member.answer(view | {"keys": forged})
    with pytest.raises(Refused, match="7 are needed"):
        member.answer(view | {"keys": view["keys"][:6]})
    upto(found, rounds.CONSENTS)
    view = found.server.view()
    with pytest.raises(Refused, match="the server names 6"):
        member.answer(view | {"came": view["came"][:6]})
    upto(found, rounds.REVEALS)
    view = found.server.view()
    with pytest.raises(Refused, match="6 members agree"):
        member.answer(view | {"consents": view["consents"][:6]})


# ---------------------------------------------------------------- liars


def lying(plan: Any, *_: Any) -> Any:
    return np.append(np.full(plan.numbers, 1e5), 1.0)


def test_secure__a_liar_sends_too_much__its_group_alone_is_left_out(tmp_path: Path) -> None:
    plan = a_plan(10, groups=5)
    found = federation(plan, tmp_path, [lying, *(fixed(m) for m in range(1, 10))])
    group = next(i for i, members in enumerate(found.server.round.groups) if 0 in members)
    simulate.secure(found.server, found.members)
    block: Any = decode(found.store.get(found.server.ended[0]))
    assert ["long" in one["why"] for one in block["groups"]] == [i == group for i in range(5)]
    assert np.linalg.norm(found.server.model) < plan.bound


def test_secure__a_liar_in_the_only_group__the_model_is_unchanged(tmp_path: Path) -> None:
    found = federation(a_plan(10), tmp_path, [lying, *(fixed(m) for m in range(1, 10))])
    simulate.secure(found.server, found.members)
    assert "its members may make it" in found.server.failed
    assert not found.server.model.any() and not found.server.ended


def test_plain__a_fifth_of_liars__the_median_bears_them_and_the_mean_does_not() -> None:
    records, test = made(10), made(1, seed=9, size=500)[0]
    plan = a_plan(10, groups=5, rounds=8)

    def opposite(update: Any, _: int) -> Any:
        return np.append(-update[:-1] / np.linalg.norm(update[:-1]) * plan.bound, 1.0)

    def right(model: Any) -> float:
        return float((train.proba(plan, model, test.text).argmax(1) == test.share.argmax(1)).mean())

    borne = right(simulate.plain(plan, records, liars=(2, 6), bend=opposite))
    fooled = right(simulate.plain(replace(plan, groups=1, rule="mean"), records, liars=(2, 6), bend=opposite))
    assert borne > 0.9 > fooled


# ---------------------------------------------------------------- cut off


def test_server__cut_off_behind_any_record__goes_on_to_the_same_end(tmp_path: Path) -> None:
    found = federation(a_plan(4, rounds=2), tmp_path)
    whole = []
    while not found.server.over:
        view = found.server.view()
        message = found.members[view["waits"][0]].answer(view)
        assert message is not None
        found.server.take(message.block())
        whole.append((found.journal.stat().st_size, found.server.view()))
    content = found.journal.read_bytes()
    for (start, view), (end, _) in pairwise(whole):
        for size in (start, (start + end) // 2):  # between two records, and within one
            found.journal.write_bytes(content[:size])
            assert found.reopened().view() == view
    found.journal.write_bytes(content)
    again = found.reopened()
    assert again.ended == found.server.ended and (again.model == found.server.model).all()


def test_server__a_damaged_or_foreign_journal__says_so(tmp_path: Path) -> None:
    found = federation(a_plan(4), tmp_path)
    simulate.secure(found.server, found.members)
    content = bytearray(found.journal.read_bytes())
    content[len(content) // 2] ^= 1
    found.journal.write_bytes(content)
    with pytest.raises(BadInput, match="damaged at byte"):
        found.reopened()
    content[len(content) // 2] ^= 1
    found.journal.write_bytes(content)
    with pytest.raises(BadInput, match="belongs to plan"):
        Server(a_plan(4, rounds=3), found.store, found.journal)


def test_member__killed_after_training__sends_the_same_update_and_spends_once(tmp_path: Path) -> None:
    luck = iter(range(100))
    trained = []

    def training(plan: Any, model: Any, records: Any, noise: float) -> Any:
        trained.append(next(luck))
        return train.update(plan, model, records, noise, trained[-1])

    found = federation(a_plan(4, rounds=2), tmp_path, [training, *(fixed(m) for m in range(1, 4))])
    upto(found, rounds.CONSENTS)
    first = found.updates()[0]
    found.members[0] = Member(found.plan, signers(4)[0], made(4)[0], tmp_path / "memory-0", training)
    assert found.members[0].answer(found.server.view()) is None  # what it masked with is gone: it sits this attempt out
    simulate.secure(found.server, found.members, lambda number, _, m: number == 1 and m == 0)
    assert trained == [0, 1] and (found.updates()[0] != first).any()


def test_member__an_attempt_fails__sends_the_update_that_it_has(tmp_path: Path) -> None:
    trained = []

    def training(plan: Any, model: Any, records: Any, noise: float) -> Any:
        trained.append(len(trained))
        return train.update(plan, model, records, noise, len(trained))

    found = federation(a_plan(4), tmp_path, [training, *(fixed(m) for m in range(1, 4))])

    def silent(_: int, phase: str, __: int) -> bool:
        return phase == rounds.REVEALS and found.server.round.start.attempt == 1

    simulate.secure(found.server, found.members, silent)
    assert found.server.ended and found.server.round.start.number == 2 and trained == [0]


def test_member__a_server_that_goes_back__is_sent_nothing(tmp_path: Path) -> None:
    found = federation(a_plan(4, rounds=3), tmp_path)
    simulate.secure(found.server, found.members)
    other = Server(found.plan, found.store, tmp_path / "another")  # begins again, with another model than it ended with
    with pytest.raises(Refused, match="going back to 1 would spend privacy twice"):
        simulate.secure(other, found.members)


def test_round__ended__names_both_models_and_the_round_before(tmp_path: Path) -> None:
    found = federation(a_plan(4, rounds=2), tmp_path)
    simulate.secure(found.server, found.members)
    one, two = (decode(found.store.get(cid)) for cid in found.server.ended)
    assert isinstance(one, dict) and isinstance(two, dict)
    assert one["previous"] is None and two["previous"] == Link(found.server.ended[0])
    assert two["before"] == one["after"]
    assert isinstance(two["after"], Link)
    assert found.store.get(two["after"].cid) == found.server.model.tobytes()
