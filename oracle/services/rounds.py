"""One round of matching for one open job: free places and free workers -> what asking each is worth -> assignments.

A place is free when it was never offered, or its offer ran out without an answer: then anybody may have it; or was given back:
then anybody else may. What the manifest says is kept: what waits for other tasks is not offered; nobody has more tasks than
allowed, or two that conflict, or is asked who is not admitted or lacks a qualification. A member looks at admission and order
again when it binds an offer.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from oracle.matching import schedule
from oracle.ports import Kept, OfferedAssignment
from oracle.protocol.errors import Refused, Retryable
from oracle.protocol.manifest import Manifest
from oracle.protocol.state import Job
from oracle.services import assign, rules
from oracle.services.appraise import HELD, LEAST
from oracle.services.assign import Edge, Matcher, Pair
from oracle.services.books import Books
from oracle.services.index import View
from oracle.services.records import BANDS, QUALIFICATION, Record, qualified, records_of
from oracle.services.standing import CREDENTIAL, GIVEN_UP, name_of

WIDER = 4  # times HELD: the candidates of which members choose HELD, where a job has gold
PAUSED = "paused"  # kind of what is kept, by number, for jobs whose requester wants no more offers for now


def offer_all(matcher: Matcher, books: Books, view: View) -> tuple[list[OfferedAssignment], list[Retryable]]:
    """A round in every open job that is not paused, and why there was none in some: missing content of one holds up no other."""
    offers: list[OfferedAssignment] = []
    problems: list[Retryable] = []
    paused = {int(one.name) for one in matcher.database.kept_of(PAUSED)}
    for number, job in view.state.jobs.items():
        if number not in paused and job.deadline > view.now and not rules.waits(view, job):
            try:
                offers += offer(matcher, books, view, number)
            except Retryable as problem:
                problems.append(problem)
    return offers, problems


def offer(matcher: Matcher, books: Books, view: View, number: int) -> list[OfferedAssignment]:
    """Up to HELD open tasks for every worker who may have them."""
    job = view.state.jobs[number]
    manifest, _ = books.job(job.terms)
    offers = matcher.database.assignments(number)
    given_back = {(task, worker, expiry) for _, task, worker, expiry in matcher.database.given_back(number)}
    returned = {(o.task, o.worker) for o in offers if (o.task, o.worker, o.expiry) in given_back}
    live = {(o.task, o.worker) for o in offers if o.expiry >= view.now} - returned
    past = {(o.task, o.worker) for o in offers} - live - returned
    places = Counter(task for task, _ in live)
    tasks = [t for t in _open(books, view, number, job) if places[t] < job.terms.answers]
    people = _people(matcher, books, view, number, manifest)
    draw = random.Random(view.block)  # a fair draw, no secret
    against = books.conflicts(job.terms)
    many = HELD * (WIDER if manifest.gold else 1)
    drawn = ((t, w) for w in people for t in _drawn(draw, tasks, against, many))
    pairs = [pair for pair in drawn if pair not in live | returned]
    if not pairs:
        return []
    found = assign.appraised(matcher, [(number, *pair) for pair in pairs])
    answered = {(task, worker) for _, task, worker in found.answered}
    conflicts = _conflicts(against, live | answered)
    edges: list[Edge] = [
        (worker, task, worth)
        for (task, worker), worth in zip(pairs, found.worth, strict=True)
        if worth and task not in conflicts[worker]
    ]
    given_up = past - answered
    capacity = _capacity(manifest, people, live, answered, given_up)
    room = _room(job, manifest, tasks, live, answered)
    return assign.assign(matcher, view.state, number, edges, capacity, room, given_up, returned - answered)


def _open(books: Books, view: View, number: int, job: Job) -> list[int]:
    """Tasks that are undecided, wait for none that is, and are not past a deadline of their own."""
    decided = books.ledger(view.state).decided
    due = books.task_deadlines(job.terms)
    return [
        task
        for task in range(job.terms.tasks)
        if (number, task) not in decided
        and due.get(task, view.now) >= view.now
        and books.is_released(view.state, number, task)
    ]


def _people(matcher: Matcher, books: Books, view: View, number: int, manifest: Manifest) -> list[int]:
    """Who is admitted and qualified, by its own record or by a credential; none who works here under another wallet."""
    wanted = manifest.document["qualifications"]
    records = records_of(books, view.state) if any(map(QUALIFICATION.fullmatch, wanted)) else {}
    bands = {one.owner: BANDS[one.value["band"]] for one in _kept(matcher, CREDENTIAL, number)}
    away = {one.name for one in _kept(matcher, GIVEN_UP, number)}
    return [
        worker
        for worker in range(1, len(view.state.workers))
        if name_of(number, worker) not in away
        and _admitted(view, manifest, number, worker)
        and (
            qualified(records.get(worker, Record()), wanted)
            or qualified(bands.get(view.state.workers[worker].wallet.hex(), Record()), wanted)
        )
    ]


def _kept(matcher: Matcher, kind: str, number: int) -> list[Kept]:
    """Of the job."""
    return [one for one in matcher.database.kept_of(kind) if one.name.startswith(name_of(number, ""))]


def _admitted(view: View, manifest: Manifest, number: int, worker: int) -> bool:
    try:
        rules.check_admitted(view.state, manifest, number, worker)
    except Refused:
        return False
    return True


def _drawn(draw: random.Random, tasks: list[int], against: Mapping[int, set[int]], many: int) -> list[int]:
    """Up to so many of the tasks, no two of which conflict."""
    found: list[int] = []
    for task in draw.sample(tasks, min(len(tasks), many)):
        if against.get(task, set()).isdisjoint(found):
            found.append(task)
    return found


def _conflicts(against: Mapping[int, set[int]], taken: set[Pair]) -> dict[int, set[int]]:
    """worker -> tasks that conflict with one that it has."""
    found: dict[int, set[int]] = defaultdict(set)
    for task, worker in taken:
        found[worker] |= against.get(task, set())
    return found


def _capacity(
    manifest: Manifest, people: Iterable[int], live: set[Pair], answered: set[Pair], given_up: set[Pair]
) -> dict[int, int]:
    """How many places each may take now: what it may hold, less what it holds, within its share of the job."""
    most = manifest.document.get("workerTasks")
    open_, done, left = (Counter(w for _, w in pairs) for pairs in (live - answered, answered, given_up))
    return {
        w: max(
            0,
            min(
                schedule.allowance(HELD, done[w], left[w]) - open_[w],
                HELD if most is None else most - open_[w] - done[w],
            ),
        )
        for w in people
    }


def _room(job: Job, manifest: Manifest, tasks: Iterable[int], live: set[Pair], answered: set[Pair]) -> dict[int, int]:
    """Places of each task to be offered now: all that are open; one after the other, where a task may be sure before the last."""
    waiting, done = (Counter(t for t, _ in pairs) for pairs in (live - answered, answered))
    most = {t: job.terms.answers - waiting[t] - done[t] for t in tasks}
    if manifest.confidence is None:
        return most
    return {t: min(left, max(LEAST - done[t], 1) - waiting[t]) for t, left in most.items()}
