"""Gold in real jobs: sealed, mixed into everybody's work, held in judgement, opened with the verdicts, refused where it does not fit."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from oracle.ports import Evidence, Incomplete, Proposal
from oracle.protocol import gold
from oracle.protocol.cids import Codec, decode, from_digest
from oracle.protocol.errors import Refused
from oracle.protocol.gold import Opening, Part
from oracle.services import audit, rounds, settle
from oracle.services.books import Books
from tests.support.committee import WINDOW, Town, car_of
from tests.support.market import REQUESTER

TWO = {"type": "choice", "classes": ["no", "yes"]}
NOTHING = Evidence()


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    yield town
    town.close()


def propose(town: Town, at: int = 0, evidence: Evidence = NOTHING) -> Proposal:
    """A member's proposal, its blocks at all members."""
    proposal = town.all[at].propose(evidence)
    assert proposal
    for peer in town.peers:
        peer.store(car_of(town.nodes[at].content, from_digest(Codec.DAG_CBOR, proposal.header.content)))
    return proposal


def card_of(town: Town, proposal: Proposal, at: int = 0) -> Any:
    books = Books(town.nodes[at].content)
    model = books.epoch(proposal.header.epoch, proposal.header.content).model
    return decode(town.nodes[at].content.get(from_digest(Codec.DAG_CBOR, model)))


def opened(town: Town, proposal: Proposal, at: int = 0) -> dict[int, int]:
    books = Books(town.nodes[at].content)
    found = books.openings(books.epoch(proposal.header.epoch, proposal.header.content).model)
    return {one.task: one.label for one in found}


def finish(town: Town) -> None:
    assert settle.post_next(town.settler(), town.state)
    town.chain.mine(seconds=WINDOW)
    assert settle.finalise_pending(town.settler(), town.state, town.index.view().now)


def audited(town: Town) -> audit.Report:
    return audit.run(town.chain, town.content, town.deployment, town.market.decode_post)


def ready(town: Town, known: Mapping[int, int], tasks: int = 6) -> int:
    """A job with all its answers: all three workers say task % 2."""
    job = town.golden_job(tasks, 3, known, answer=TWO)
    town.register(3)
    town.fill_job(job, {(t, w): t % 2 for t in range(tasks) for w in (1, 2, 3)})
    return job


def test_settle__job_with_gold__opens_it_with_the_verdicts_and_the_audit_agrees(town: Town) -> None:
    job = ready(town, {1: 1, 4: 0})
    finish(town)
    assert Books(town.content).gold(town.state, job) == {1: 1, 4: 0}
    report = audited(town)
    assert report.ok, report.faults
    assert report.gold == 2


def test_settle__job_without_gold__names_none_in_its_card(town: Town) -> None:
    town.ready_job()
    card = card_of(town, propose(town))
    assert card.keys() == {"version", "code", "seed", "jobs"}
    assert "gold" not in card["jobs"][0]
