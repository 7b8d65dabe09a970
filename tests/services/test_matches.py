"""Matches: packed, read, checked; what is changed in one is found by the checker, refused by members and named by the audit."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from oracle.ports import Evidence
from oracle.protocol.cids import Codec, decode, encode, from_digest
from oracle.protocol.errors import BadInput, Refused
from oracle.services import assign, audit, matches, settle
from oracle.services.books import source
from oracle.services.matches import Match
from tests.support.committee import Town

EDGES = [(worker, task, 100 * worker + 7 * task + 1) for worker in (1, 2, 3, 4) for task in range(4)]


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    town.register(4)
    town.open_job(tasks=4, answers=2)
    yield town
    town.close()


def a_match() -> Match:
    """Tight: eight places, each worker may take two."""
    return assign.make(1, EDGES, dict.fromkeys((1, 2, 3, 4), 2), dict.fromkeys(range(4), 2), 4)


def test_make__prices__prove_the_optimum(town: Town) -> None:
    checked = matches.check(a_match(), town.state)
    assert checked.value == checked.bound > 0
    assert checked.gap == 0


def test_pack__then_load__is_the_same_match(town: Town) -> None:
    match = a_match()
    digest, blocks = matches.pack(match)
    town.content.put_many(blocks)
    back = matches.load(source(town.content), digest)
    for name in matches.COLUMNS:
        assert np.array_equal(getattr(back, name), getattr(match, name)), name
    assert back.pairs == match.pairs
    assert matches.pack(back)[0] == digest


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"job": 9}, "no job 9"),
        ({"chosen": np.arange(16)}, "exceeded"),
        ({"chosen": np.array([0, 0])}, "ascending"),
        ({"chosen": np.array([99])}, "no edge"),
        ({"redundancy": np.array([3, 2, 2, 2])}, "fewer answers"),
        ({"capacity": np.array([5, 2, 2, 2])}, "larger than the worker's edges"),
        ({"price": np.array([-1, 0, 0, 0])}, "negative"),
        ({"price": np.array([0, 0, 0])}, "length"),
        ({"workers": np.array([1, 2, 3, 9])}, "no limit"),
        ({"tasks": np.array([0, 1, 2, 4])}, "no limit"),
    ],
)
def test_check__what_breaks_a_limit__is_refused(town: Town, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        matches.check(replace(a_match(), **changes), town.state)


@pytest.mark.parametrize(
    ("edge", "words"), [((9, 0, 5), "not registered"), ((0, 0, 5), "not registered"), ((1, 4, 5), "other tasks")]
)
def test_check__who_or_what_is_not_there__is_refused(town: Town, edge: assign.Edge, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        matches.check(assign.make(1, [edge], {}, {edge[1]: 1}, 4), town.state)


def test_check__worse_assignment__shows_in_the_gap(town: Town) -> None:
    match = a_match()
    checked = matches.check(replace(match, chosen=match.chosen[:-1]), town.state)
    assert checked.gap > 0.05


@pytest.mark.parametrize(
    "node", [[], {}, {"version": 1, "job": 1, "columns": {}}, {"version": 0, "job": 1, "columns": 3}]
)
def test_load__what_is_no_match__is_refused(town: Town, node: Any) -> None:
    block = encode(node)
    cid = town.content.put(block, Codec.DAG_CBOR)
    from oracle.protocol.cids import digest_of

    with pytest.raises(BadInput, match="cannot be read"):
        matches.load(source(town.content), digest_of(cid))


def settled(town: Town, offers: list[Any]) -> None:
    town.give([town.answer(offer) for offer in offers])
    assert settle.post_next(town.settler(), town.state)


def test_epoch__names_the_matches_behind_its_assignments__once(town: Town) -> None:
    settled(town, assign.assign(town.matcher(), town.state, 1, EDGES))
    state = town.state
    named = town.settler().books.matches(state)
    assert named == {digest for _, digest in town.database.matches()}
    assert len(named) == 1
    assert settle._matches(town.settler(), state) == ()
    for node in town.nodes:  # every member that signed holds it
        match = matches.load(source(node.content), next(iter(named)))
        assert {(t, w) for t, w in match.pairs} == {(o.task, o.worker) for o in town.database.assignments(1)}


def test_audit__epoch_whose_quorum_names_a_wrong_match__is_a_fault_of_it(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the right one, which is counted."""
    offers = assign.assign(town.matcher(), town.state, 1, EDGES)
    wrong, blocks = matches.pack(replace(a_match(), chosen=np.arange(16)))
    for content in (town.content, *(node.content for node in town.nodes)):
        content.put_many(blocks)
    town.database.add_match(1, wrong)
    with monkeypatch.context() as lying:
        lying.setattr(matches, "check", lambda match, _: matches.Checked(0, 0))
        settled(town, offers)
    report = audit.run(town.chain, town.content, town.deployment, town.market.decode_post)
    assert [(f.epoch, f.tree, f.index) for f in report.faults] == [(1, "matches", 1)]
    assert "exceeded" in report.faults[0].what
    assert (report.matches, report.matched, report.assignments) == (1, 8, 8)
    assert report.gap == 0


def test_propose__match_that_does_not_hold__is_left_out(town: Town) -> None:
    offers = assign.assign(town.matcher(), town.state, 1, EDGES)
    town.give([town.answer(offer) for offer in offers])
    match = a_match()
    digest, blocks = matches.pack(replace(match, chosen=np.arange(16)))
    town.nodes[0].content.put_many(blocks)
    proposal = town.all[0].propose(Evidence(matches=(digest, bytes(32))))
    assert proposal
    epoch_card = decode(town.nodes[0].content.get(from_digest(Codec.DAG_CBOR, proposal.header.model)))
    assert "matches" not in epoch_card


def test_review__card_that_names_a_wrong_match__is_refused(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    offers = assign.assign(town.matcher(), town.state, 1, EDGES)
    town.give([town.answer(offer) for offer in offers])
    digest, blocks = matches.pack(replace(a_match(), chosen=np.arange(16)))
    for node in town.nodes:
        node.content.put_many(blocks)
    liar, honest = town.nodes[0], town.nodes[1]
    monkeypatch.setattr(liar.member, "_named", lambda *_: {"matches": matches.links([digest])})
    proposal = liar.member.propose(Evidence())
    assert proposal
    town.peers[1].store(town.peers[0].blocks(from_digest(Codec.DAG_CBOR, proposal.header.content)))
    with pytest.raises(Refused) as refused:
        honest.member.review(proposal.header)
    assert refused.value.code == "wrong-match"
