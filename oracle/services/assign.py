"""Who is asked what: open places and suitable workers -> an optimal b-matching -> signed assignments.

The matching engine proposes; a member binds each assignment by its signature and refuses what the rules do not allow.
"""

from collections.abc import Sequence

import numpy as np

from oracle.matching.solve import solve
from oracle.ports import Database, OfferedAssignment, Peer
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import CrowdproofError, Fatal, Refused, Retryable
from oracle.protocol.messages import Assignment, digest
from oracle.protocol.state import State
from oracle.services.receive import signer_of

BATCH = 5_000
Place = tuple[int, int, int]  # job, task, worker


def assign(
    deployment: Deployment,
    state: State,
    peers: Sequence[Peer],
    database: Database,
    job: int,
    edges: Sequence[tuple[int, int, float]],
    now: int = 0,
) -> list[OfferedAssignment]:
    """Offers the best open places of `job` among `edges` (worker, task, value). Durable when it returns.

    `now`: block time, by which a place that ran out is open again; a worker is never offered the same task twice.

    What a member refuses is not offered, and keeps no other place from being offered.
    """
    terms = state.jobs[job].terms
    taken = {(offer.worker, offer.task) for offer in database.assignments(job)}
    filled = [offer.task for offer in standing(database, job, now)]
    free = terms.answers - np.bincount(np.array(filled, np.int64), minlength=terms.tasks)
    fresh = [edge for edge in edges if edge[:2] not in taken]
    if not fresh:
        return []
    worker, task, value = (np.array(column) for column in zip(*fresh, strict=True))
    capacity = np.full(len(state.workers), terms.tasks, np.int64)
    chosen = solve(worker, task, value, capacity, free).chosen
    # by task, so that the places of a task stand in one batch: a member looks at them once
    pairs = sorted((job, int(t), int(w)) for w, t in zip(worker[chosen], task[chosen], strict=True))
    offers: list[OfferedAssignment] = []
    for start in range(0, len(pairs), BATCH):
        offers += _bind(deployment, peers, pairs[start : start + BATCH], terms.hash())
    database.add_assignments(offers)
    return offers


def standing(database: Database, job: int, now: int) -> list[OfferedAssignment]:
    """The job's offers that hold a place: answered, or neither run out nor given back."""
    answered, returned = database.submitted(job), database.given_back(job)

    def stands(o: OfferedAssignment) -> bool:
        place = (o.job, o.task, o.worker)
        return place in answered or (o.expiry >= now and (*place, o.expiry) not in returned)

    return [offer for offer in database.assignments(job) if stands(offer)]


def _bind(deployment: Deployment, peers: Sequence[Peer], places: list[Place], terms: bytes) -> list[OfferedAssignment]:
    """The first member that answers binds the offers; a refused batch is halved until only what is refused is left."""
    try:
        return _ask(deployment, peers, places, terms)
    except Refused:
        half = len(places) // 2
        return (
            [o for part in (places[:half], places[half:]) for o in _bind(deployment, peers, part, terms)]
            if half
            else []
        )


def _ask(deployment: Deployment, peers: Sequence[Peer], places: list[Place], terms: bytes) -> list[OfferedAssignment]:
    """Raises Refused when more say no than can be dishonest, Retryable when nobody offers for other reasons."""
    problems: list[CrowdproofError] = []
    for peer in peers:
        try:
            offers = peer.assign(places)
            if [(o.job, o.task, o.worker) for o in offers] != places:
                raise Fatal("a member offers what it was not asked for")
            for offer in offers:
                _check(deployment, offer, terms)
            return offers
        except CrowdproofError as problem:
            problems.append(problem)
            refusals = [p for p in problems if isinstance(p, Refused)]
            if len(refusals) > len(deployment.committee.members) - deployment.committee.quorum:
                raise refusals[0] from None
    raise Retryable("no member offers assignments: " + "; ".join(dict.fromkeys(map(str, problems))))


def _check(deployment: Deployment, offer: OfferedAssignment, terms: bytes) -> None:
    """That it binds: else the worker's answer would be refused. Raises Fatal."""
    if offer.terms != terms:
        raise Fatal("a member offers a task of other terms")
    bound = Assignment(offer.job, terms, offer.task, offer.worker, offer.expiry)
    signer_of(deployment, digest(deployment.domain(), bound), offer.signature)
