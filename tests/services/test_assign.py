"""Assignments: what a member binds, and what the service makes of refusing, silent and lying members."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from oracle.ports import OfferedAssignment
from oracle.protocol.errors import Refused, Retryable
from oracle.protocol.keys import address_of, recover
from oracle.protocol.messages import Assignment, digest
from oracle.services import assign as service
from oracle.services import rules
from oracle.services.assign import assign
from oracle.services.member import MOST_OFFERS
from tests.support.committee import LocalPeer, Town
from tests.support.epochs import person

Place = tuple[int, int, int]


def wallet(worker: int) -> str:
    return "0x" + address_of(person(f"worker {worker}")).hex()


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    town.register(4)
    town.open_job(tasks=4, answers=2)
    yield town
    town.close()


def refusal(town: Town, *places: Place) -> str:
    before = town.nodes[0].database.assignments()
    with pytest.raises(Refused) as refused:
        town.all[0].assign(places)
    assert town.nodes[0].database.assignments() == before
    return refused.value.code


# ------------------------------------------------------------------------------------------------------------ the member


def test_assign__open_places__are_bound_by_the_member_and_durable(town: Town) -> None:
    offers = town.all[0].assign([(1, 0, 1), (1, 3, 2)])
    assert [(o.job, o.task, o.worker) for o in offers] == [(1, 0, 1), (1, 3, 2)]
    for o in offers:
        message = digest(town.deployment.domain(), Assignment(o.job, o.terms, o.task, o.worker, o.expiry))
        assert recover(message, o.signature) == town.nodes[0].signer.address
    assert town.nodes[0].database.assignments(1) == offers


def test_assign__job_whose_parent_is_open__waits_until_that_is_over(town: Town) -> None:
    child = town.open_job(tasks=1, answers=1, parent=1)
    assert refusal(town, (child, 0, 1)) == "parent-open"
    town.close_job(1)
    assert town.all[0].assign([(child, 0, 1)])


def test_assign__expiry__is_what_the_manifest_gives_and_never_beyond_the_deadline(town: Town) -> None:
    long = town.open_job(tasks=1, answers=1, assignmentSeconds=31_536_000)
    short = town.open_job(tasks=1, answers=1, assignmentSeconds=60)
    now = town.chain.now
    one, two = town.all[0].assign([(long, 0, 1), (short, 0, 1)])
    assert (one.expiry, two.expiry) == (town.state.jobs[long].deadline, now + 60)


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ((9, 0, 1), "no-such-job"),
        ((0, 0, 1), "no-such-job"),
        ((1, 4, 1), "no-such-task"),
        ((1, (1 << 64) - 1, 1), "no-such-task"),
        ((1, 0, 5), "no-such-worker"),
        ((1, 0, 0), "no-such-worker"),
    ],
)
def test_assign__what_is_not_there__is_refused(town: Town, place: Place, code: str) -> None:
    assert refusal(town, place) == code
    assert refusal(town, (1, 0, 1), place) == code  # all or none


def test_assign__more_than_the_redundancy__is_refused(town: Town) -> None:
    assert refusal(town, (1, 0, 1), (1, 0, 2), (1, 0, 3)) == "task-full"
    town.all[0].assign([(1, 0, 1), (1, 0, 2)])
    assert refusal(town, (1, 0, 3)) == "task-full"
    town.all[0].assign([(1, 0, 1)])  # the same again renews it


def test_hazard__claim_and_abandon_of_assignments__the_place_is_free_again(town: Town) -> None:
    job = town.open_job(tasks=1, answers=2, assignmentSeconds=60)
    answered, _ = town.all[0].assign([(job, 0, 1), (job, 0, 2)])
    town.all[0].accept([town.answer(answered)])
    town.chain.mine_until(answered.expiry)
    assert refusal(town, (job, 0, 3)) == "task-full"
    town.chain.mine(seconds=1)
    town.all[0].assign([(job, 0, 3)])  # in place of worker 2, who never answered
    assert refusal(town, (job, 0, 4)) == "task-full"  # worker 1 did


def test_assign__allow_and_deny_lists__decide_whatever_the_letters_case(town: Town) -> None:
    allowed = town.open_job(allow=[wallet(1).upper().replace("0X", "0x"), wallet(2)], deny=[wallet(2)])
    town.all[0].assign([(allowed, 0, 1)])
    assert refusal(town, (allowed, 0, 2)) == "not-allowed"
    assert refusal(town, (allowed, 0, 3)) == "not-allowed"
    denied = town.open_job(deny=[wallet(3)])
    town.all[0].assign([(denied, 0, 4)])
    assert refusal(town, (denied, 0, 3)) == "not-allowed"


def test_assign__closed_job__is_refused_at_the_deadline(town: Town) -> None:
    town.chain.mine_until(town.state.jobs[1].deadline - 1)
    town.all[0].assign([(1, 0, 1)])
    town.chain.mine(seconds=1)
    assert refusal(town, (1, 0, 2)) == "job-closed"


def test_assign__task_in_a_signed_header__is_refused(town: Town) -> None:
    from oracle.ports import Evidence

    town.fill_job(1, {(0, 1): 0, (0, 2): 0})
    proposal = town.all[0].propose(Evidence())
    assert proposal
    town.all[0].approve(proposal.header)
    assert refusal(town, (1, 0, 1)) == "task-closed"
    town.all[1].assign([(1, 1, 1)])


def test_assign__none_or_too_many__is_refused(town: Town) -> None:
    assert refusal(town) == "batch-size"
    assert refusal(town, *[(1, 0, 1)] * (MOST_OFFERS + 1)) == "batch-size"


def test_assign__manifest_not_in_the_store__is_retryable(town: Town) -> None:
    job = town.open_job(everywhere=False, title="kept from everybody")
    with pytest.raises(Retryable, match="not in the store"):
        town.all[0].assign([(job, 0, 1)])


def test_assign__without_the_room_rule__binds_more_than_is_wanted(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "check_room", lambda *_: None)
    assert len(town.all[0].assign([(1, 0, w) for w in (1, 2, 3)])) == 3


# ----------------------------------------------------------------------------------------------------------- the service


@dataclass
class Liar:
    """Offers something else than was asked for."""

    honest: LocalPeer
    lie: dict[str, Any]
    asked: list[int] = field(default_factory=list)

    def assign(self, pairs: Sequence[Place]) -> list[OfferedAssignment]:
        self.asked.append(len(pairs))
        return [replace(offer, **self.lie) for offer in self.honest.assign(pairs)]

    def store(self, car: bytes) -> None:
        self.honest.store(car)


EDGES = [(worker, task, 1) for worker in (1, 2, 3) for task in range(4)]


def test_service__more_edges_than_places__fills_every_place_once(town: Town) -> None:
    offers = assign(town.matcher(), town.state, 1, EDGES)
    assert len(offers) == 8
    assert all(sum(o.task == task for o in offers) == 2 for task in range(4))
    assert town.database.assignments(1) == sorted(offers, key=lambda o: (o.task, o.worker))


def test_service__again__offers_nothing_twice(town: Town) -> None:
    assign(town.matcher(), town.state, 1, EDGES[:5])
    before = town.database.assignments(1)
    more = assign(town.matcher(), town.state, 1, EDGES)
    assert len(before) + len(more) == 8
    assert assign(town.matcher(), town.state, 1, EDGES) == []


def test_service__best_edges__are_taken(town: Town) -> None:
    values = [(1, 0, 1), (2, 0, 9), (3, 0, 5)]
    offers = assign(town.matcher(), town.state, 1, values)
    assert {o.worker for o in offers} == {2, 3}


def test_make__equal_values_and_too_few_places__takes_no_worker_for_its_number() -> None:
    luck, won = Random(0), Counter[int]()
    for _ in range(200):
        edges = [(worker, task, 5) for worker in range(1, 13) for task in luck.sample(range(60), 10)]
        match = service.make(1, edges, dict.fromkeys(range(1, 13), 10), dict.fromkeys(range(60), 2), 60)
        won.update(match.worker[match.chosen].tolist())
    assert won.keys() == set(range(1, 13))
    assert max(won.values()) <= 1.15 * min(won.values())


def test_service__no_edges__asks_nobody(town: Town) -> None:
    assert assign(town.matcher([]), town.state, 1, []) == []


def test_service__first_members_away__the_next_binds(town: Town) -> None:
    town.peers[0].away = town.peers[1].away = True
    offers = assign(town.matcher(), town.state, 1, EDGES[:1])
    assert town.nodes[2].database.assignments(1) == offers


def test_service__all_away__is_retryable_and_says_why(town: Town) -> None:
    for peer in town.peers:
        peer.away = True
    with pytest.raises(Retryable, match="connection refused"):
        assign(town.matcher(), town.state, 1, EDGES)
    assert town.database.assignments() == []


def test_service__one_place_refused__the_others_are_offered(town: Town) -> None:
    job = town.open_job(tasks=4, answers=2, deny=[wallet(2)])
    offers = assign(town.matcher(), town.state, job, EDGES)
    assert {o.worker for o in offers} <= {1, 3}
    assert len(offers) >= 4
    assert town.database.assignments(job) == sorted(offers, key=lambda o: (o.task, o.worker))


@pytest.mark.parametrize(
    "lie", [{"worker": 4}, {"task": 2}, {"terms": bytes(32)}, {"signature": bytes(65)}, {"expiry": 1 << 40}]
)
def test_service__member_that_offers_something_else__is_passed_over(town: Town, lie: dict[str, Any]) -> None:
    liar = Liar(town.peers[0], lie)
    offers = assign(town.matcher([liar, town.peers[1]]), town.state, 1, EDGES[:1])  # type: ignore[list-item]
    assert liar.asked == [1]
    assert town.nodes[1].database.assignments(1) == offers == town.database.assignments(1)


def test_service__one_member_refuses_everything__the_next_binds(town: Town) -> None:
    class Refuser:
        def assign(self, _: Sequence[Place]) -> list[OfferedAssignment]:
            raise Refused("task-full", "a lie")

        def store(self, _: bytes) -> None:
            raise Refused("no-room", "a lie")

    offers = assign(town.matcher([Refuser(), *town.peers[1:]]), town.state, 1, EDGES)  # type: ignore[list-item]
    assert len(offers) == 8


def test_service__many_places__go_in_batches(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BATCH", 3)
    assert len(assign(town.matcher(), town.state, 1, EDGES)) == 8
