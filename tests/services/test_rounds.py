"""Rounds of matching: order of tasks, conflicts, shares, qualifications, places that ran out, and one answer at a time."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from oracle.matching import schedule
from oracle.ports import Kept
from oracle.protocol.errors import ContentMissing, Refused
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import check_manifest, make_job
from oracle.services import rounds, settle
from oracle.services.books import Books
from oracle.services.records import Record, qualified, records_of
from tests.support.committee import LIFE, Town
from tests.support.epochs import manifest_document


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    town.register(6)
    yield town
    town.close()


def job_of(town: Town, tasks: int, answers: int, kept: bool = True, **changes: Any) -> int:
    """Tasks named a, b, c, ...; where the content is not `kept`, nobody has it."""
    document = manifest_document(**{"redundancy": {"most": answers, "least": 1}, **changes})
    terms, blocks = make_job(check_manifest(document), [Task(i, "abcdefgh"[i], None) for i in range(tasks)], 1)
    for content in (town.content, *(node.content for node in town.nodes)) if kept else ():
        content.put_many(blocks)
    town.chain.mine(*town.market.run(town.market.open_job(terms, town.chain.now + LIFE).data))
    return len(town.market.state().jobs)


def offer(town: Town, job: int) -> set[tuple[int, int]]:
    books = Books(town.content)
    view = town.all[0].view()
    town.index.advance()
    return {(o.task, o.worker) for o in rounds.offer(town.matcher(), books, view, job)}


def answer(town: Town, job: int, pairs: set[tuple[int, int]], label: int = 0) -> None:
    known = [o for o in town.database.assignments(job) if (o.task, o.worker) in pairs]
    town.give([town.answer(o, label) for o in known])


def finalise(town: Town) -> None:
    assert settle.post_next(town.settler(), town.state)
    town.chain.mine_until(town.state.pending().posted_at + town.deployment.window)  # type: ignore[union-attr]
    assert settle.finalise_pending(town.settler(), town.state, town.chain.now)


def test_offer__task_that_waits__comes_after_the_verdict_of_the_one_before(town: Town) -> None:
    job = job_of(town, 3, 2, dependencies=[["a", "b"]])
    first = offer(town, job)
    assert {t for t, _ in first} == {0, 2}
    answer(town, job, first)
    assert offer(town, job) == set()
    finalise(town)
    assert {t for t, _ in offer(town, job)} == {1}


def test_assign__task_that_waits__is_refused_by_the_member_too(town: Town) -> None:
    job = job_of(town, 2, 2, dependencies=[["a", "b"]])
    with pytest.raises(Refused) as refused:
        town.all[0].assign([(job, 1, 1)])
    assert refused.value.code == "task-waits"


def test_offer__verdict_not_as_sure_as_asked__holds_what_waits_for_it(town: Town) -> None:
    job = job_of(town, 2, 2, dependencies=[["a", "b"]], releaseConfidence=1.0)
    answer(town, job, offer(town, job))
    finalise(town)
    assert offer(town, job) == set()


def test_offer__tasks_that_conflict__never_go_to_the_same_worker(town: Town) -> None:
    job = job_of(town, 4, 6, conflicts=[["a", "b"], ["c", "d"]])
    for _ in range(3):
        offer(town, job)
        town.chain.mine()
    of: dict[int, set[int]] = {}
    for o in town.database.assignments(job):
        of.setdefault(o.worker, set()).add(o.task)
    assert len(of) == 6
    assert all(len(tasks & {0, 1}) == 1 and len(tasks & {2, 3}) == 1 for tasks in of.values())


def test_offer__share_of_a_worker__is_kept(town: Town) -> None:
    job = job_of(town, 5, 6, workerTasks=2)
    first = offer(town, job)
    answer(town, job, first)
    offer(town, job)
    held = Counter(o.worker for o in town.database.assignments(job))
    assert len(held) == 6
    assert set(held.values()) == {2}


def test_offer__deadline_of_a_task_is_over__it_is_not_offered(town: Town) -> None:
    now = town.chain.now
    job = job_of(town, 2, 2, taskDeadlines=[["a", now - 1], ["b", now + 1_000]], deadline=now + 10_000)
    assert {t for t, _ in offer(town, job)} == {1}


def test_offer__place_that_ran_out__goes_to_somebody_and_answered_ones_do_not(town: Town) -> None:
    job = job_of(town, 2, 2, assignmentSeconds=60)
    first = offer(town, job)
    assert len(first) == 4
    answered = set(sorted(first)[:1])
    answer(town, job, answered)
    town.chain.mine(seconds=61)
    again = offer(town, job)
    assert again.isdisjoint(answered)
    assert Counter(t for t, _ in again) == Counter({0: 1, 1: 2})


def test_offer__place_given_back__goes_to_anybody_else_at_once_and_never_to_who_gave_it_back(town: Town) -> None:
    job = job_of(town, 2, 2)
    first = offer(town, job)
    assert len(first) == 4
    back = town.database.assignments(job)[0]
    town.database.give_back(back)
    ((task, worker),) = offer(town, job)
    assert task == back.task
    assert worker not in {w for t, w in first if t == task}
    assert offer(town, job) == set()
    answer(town, job, {(task, worker)} | first - {(task, back.worker)})
    finalise(town)
    assert len(town.state.posts) == 1
    for given in town.database.assignments(job):
        town.database.give_back(given)  # of a decided task it changes nothing
    assert offer(town, job) == set()


def test_offer_all__job_that_is_paused__is_offered_again_when_it_is_not(town: Town) -> None:
    held, other = job_of(town, 1, 1, title="held"), job_of(town, 1, 1)
    town.database.put(Kept(rounds.PAUSED, str(held), "", {}, 1e11))
    offered = set()
    for _ in range(2):
        town.index.advance()
        offers, problems = rounds.offer_all(town.matcher(), Books(town.content), town.all[0].view())
        offered |= {o.job for o in offers}
    assert (offered, problems) == ({other}, [])
    town.database.take(rounds.PAUSED, str(held))
    assert {o.job for o in rounds.offer_all(town.matcher(), Books(town.content), town.all[0].view())[0]} == {held}


def test_offer_all__job_whose_content_nobody_has__holds_up_no_other(town: Town) -> None:
    lost, job = job_of(town, 1, 1, kept=False, title="lost"), job_of(town, 1, 1)
    town.index.advance()
    offers, problems = rounds.offer_all(town.matcher(), Books(town.content), town.all[0].view())
    assert {o.job for o in offers} == {job} and lost < job
    assert [type(problem) for problem in problems] == [ContentMissing]


def test_offer_all__job_whose_content_the_members_lack__holds_up_no_other(town: Town) -> None:
    lost = job_of(town, 1, 1, kept=False, title="lost")
    document = manifest_document(redundancy={"most": 1, "least": 1}, title="lost")
    town.content.put_many(make_job(check_manifest(document), [Task(0, "a", None)], 1)[1])
    job = job_of(town, 1, 1)
    town.index.advance()
    offers, problems = rounds.offer_all(town.matcher(), Books(town.content), town.all[0].view())
    assert {o.job for o in offers} == {job} and lost < job
    assert "no quorum" in str(problems[0])


def test_offer__with_a_confidence__two_places_first_then_one_at_a_time(town: Town) -> None:
    job = job_of(town, 3, 5, redundancy={"most": 5, "least": 1, "confidence": 0.999999})
    assert Counter(t for t, _ in offer(town, job)) == {0: 2, 1: 2, 2: 2}
    assert offer(town, job) == set()
    answer(town, job, {(o.task, o.worker) for o in town.database.assignments(job)})
    town.chain.mine()
    assert Counter(t for t, _ in offer(town, job)) == {0: 1, 1: 1, 2: 1}


@pytest.mark.parametrize(
    ("record", "wanted", "is_"),
    [
        (Record(), [], True),
        (Record(), ["answers>=1"], False),
        (Record(20, 18), ["answers >= 20", "agreement>=0.9"], True),
        (Record(20, 17), ["agreement>=0.9"], False),
        (Record(), ["speaks German"], True),
    ],
)
def test_qualified__only_what_can_be_measured_counts(record: Record, wanted: list[str], is_: bool) -> None:
    assert qualified(record, wanted) is is_


def test_records__of_decided_epochs__count_who_agreed(town: Town) -> None:
    job = job_of(town, 1, 3)
    town.fill_job(job, {(0, 1): 0, (0, 2): 0, (0, 3): 1})
    finalise(town)
    assert records_of(Books(town.nodes[0].content), town.state) == {
        1: Record(1, 1),
        2: Record(1, 1),
        3: Record(1, 0),
    }


@pytest.mark.parametrize(
    ("finished", "forgotten", "places"),
    [(0, 0, 8), (0, 1, 8), (0, 2, 4), (0, 3, 2), (0, 99, 1), (8, 3, 8), (400, 50, 8)],
)
def test_allowance__claim_and_abandon__costs_places_and_work_wins_them_back(
    finished: int, forgotten: int, places: int
) -> None:
    assert schedule.allowance(8, finished, forgotten) == places
