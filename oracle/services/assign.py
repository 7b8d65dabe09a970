"""Who is asked what: open places and suitable workers -> an optimal b-matching -> signed assignments.

The matching engine proposes; a member binds each assignment by its signature and refuses what the rules do not allow.
"""

from collections.abc import Sequence

import numpy as np

from oracle.matching.solve import solve
from oracle.ports import Database, OfferedAssignment, Peer
from oracle.protocol.errors import Refused, Retryable
from oracle.protocol.state import State

BATCH = 5_000
Place = tuple[int, int, int]  # job, task, worker


def assign(
    state: State, peers: Sequence[Peer], database: Database, job: int, edges: Sequence[tuple[int, int, float]]
) -> list[OfferedAssignment]:
    """Offers the best open places of `job` among `edges` (worker, task, value). Durable when it returns.

    What a member refuses is not offered, and keeps no other place from being offered.
    """
    terms = state.jobs[job].terms
    taken = {(offer.worker, offer.task) for offer in database.assignments(job)}
    filled = [at for _, at in taken]
    free = terms.answers - np.bincount(np.array(filled, np.int64), minlength=terms.tasks)
    fresh = [edge for edge in edges if edge[:2] not in taken]
    if not fresh:
        return []
    worker, task, value = (np.array(column) for column in zip(*fresh, strict=True))
    capacity = np.full(len(state.workers), terms.tasks, np.int64)
    chosen = solve(worker, task, value, capacity, free).chosen
    pairs = [(job, int(t), int(w)) for w, t in zip(worker[chosen], task[chosen], strict=True)]
    offers: list[OfferedAssignment] = []
    for start in range(0, len(pairs), BATCH):
        offers += _bind(peers, pairs[start : start + BATCH], terms.hash())
    database.add_assignments(offers)
    return offers


def _bind(peers: Sequence[Peer], places: list[Place], terms: bytes) -> list[OfferedAssignment]:
    """The first member that answers binds the offers; a refused batch is halved until only what is refused is left."""
    try:
        return _ask(peers, places, terms)
    except Refused:
        half = len(places) // 2
        return _bind(peers, places[:half], terms) + _bind(peers, places[half:], terms) if half else []


def _ask(peers: Sequence[Peer], places: list[Place], terms: bytes) -> list[OfferedAssignment]:
    silent = []
    for peer in peers:
        try:
            offers = peer.assign(places)
        except Retryable as problem:
            silent.append(str(problem))
            continue
        if [(o.job, o.task, o.worker) for o in offers] == places and all(o.terms == terms for o in offers):
            return offers
        silent.append("a member offers what it was not asked for")
    raise Retryable("no member offers assignments: " + "; ".join(dict.fromkeys(silent)))
