"""Who is asked what: what each pair is worth -> an optimal b-matching -> signed assignments, and the proof that it is optimal.

The members say what pairs are worth, since they alone may open answers of open tasks; the matching engine proposes; a member binds
each assignment by its signature and refuses what the rules do not allow. The match is stored here and at a quorum of members
before anybody is offered anything, for the epoch that decides its tasks to name.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from oracle.ports import Appraisal, ContentStore, Database, OfferedAssignment, Peer
from oracle.protocol.cids import Cid, Codec, from_digest
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import CrowdproofError, Fatal, Refused, Retryable
from oracle.protocol.messages import Assignment, digest
from oracle.protocol.state import State
from oracle.services import matches
from oracle.services.matches import Match
from oracle.services.panel import Panel
from oracle.services.receive import signer_of

BATCH = 5_000
GRACE_S = 2.0  # for members beyond the quorum
PATIENCE_S = 120.0
Place = tuple[int, int, int]  # job, task, worker
Pair = tuple[int, int]  # task, worker
Edge = tuple[int, int, int]  # worker, task, value


@dataclass(frozen=True, slots=True)
class Matcher:
    """What matching needs of the outside world; it holds no key. `car`: the blocks below a root, as one stream."""

    deployment: Deployment
    database: Database
    content: ContentStore
    peers: tuple[Peer, ...]
    car: Callable[[Cid], bytes]


def appraised(matcher: Matcher, pairs: Sequence[Place]) -> Appraisal:
    """The median of what a quorum of members says of each pair: no minority of liars moves it out of what honest ones say.

    A place counts as answered when more members say so than can be dishonest. Raises Retryable without a quorum.
    """
    committee = matcher.deployment.committee
    worth: list[int] = []
    answered: dict[Place, None] = {}
    for start in range(0, len(pairs), BATCH):
        found = _appraisals(matcher, pairs[start : start + BATCH])
        rows = np.sort([one.worth for one in found], axis=0)  # [members, pairs]
        worth += rows[(len(found) - 1) // 2].tolist()
        faults = len(committee.members) - committee.quorum
        said = Counter(place for one in found for place in set(one.answered))
        answered |= dict.fromkeys(sorted(place for place, members in said.items() if members > faults))
    return Appraisal(tuple(worth), tuple(answered))


def _appraisals(matcher: Matcher, pairs: Sequence[Place]) -> list[Appraisal]:
    def ask(peer: Peer) -> tuple[int, Appraisal]:
        found = peer.appraise(pairs)
        if len(found.worth) != len(pairs):
            raise Retryable("a member appraises other pairs than it was asked about")
        return id(peer), found

    quorum = matcher.deployment.committee.quorum
    replies = Panel(matcher.peers).ask(ask, quorum, GRACE_S, PATIENCE_S)
    if len(replies.found) < quorum:
        raise Retryable("no quorum of members appraises: " + "; ".join(dict.fromkeys(map(str, replies.problems))))
    return list(replies.found.values())


def assign(
    matcher: Matcher,
    state: State,
    job: int,
    edges: Sequence[Edge],
    capacity: Mapping[int, int] | None = None,
    room: Mapping[int, int] | None = None,
    free_again: Collection[Pair] = (),
    returned: Collection[Pair] = (),
) -> list[OfferedAssignment]:
    """Offers the best open places of `job` among `edges`. Durable when it returns.

    capacity: places that a worker may still take, all where it is not named. room: places of a task that are to be offered now,
    all that are open where it is not named. `free_again`: (task, worker) whose offers ran out without an answer;
    `returned`: those that were given back, whose places are open to all others. What a member refuses is not offered, and keeps no
    other place from being offered.
    """
    terms = state.jobs[job].terms
    taken = {(offer.task, offer.worker) for offer in matcher.database.assignments(job)} - set(free_again)
    filled = Counter(task for task, _ in taken - set(returned))
    free = {task: terms.answers - filled[task] for _, task, _ in edges}
    free |= {task: min(places, free.get(task, 0)) for task, places in (room or {}).items()}
    fresh = [edge for edge in edges if (edge[1], edge[0]) not in taken and free[edge[1]] > 0]
    if not fresh:
        return []
    match = make(job, fresh, capacity or {}, free, terms.tasks)
    _keep(matcher, match)
    # by task, so that the places of a task stand in one batch: a member looks at them once
    places = [(job, task, worker) for task, worker in match.pairs]
    offers: list[OfferedAssignment] = []
    for start in range(0, len(places), BATCH):
        offers += _bind(matcher.deployment, matcher.peers, places[start : start + BATCH], terms.hash())
    matcher.database.add_assignments(offers)
    return offers


def make(
    job: int, edges: Sequence[Edge], capacity: Mapping[int, int], redundancy: Mapping[int, int], most: int
) -> Match:
    """The best assignment with its prices. capacity: of a worker, `most` where it is not named; redundancy: of each task."""
    from oracle.matching.solve import solve  # noqa: PLC0415 - numba loads for a second, and only matching needs it

    worker, task, value = np.array(sorted(edges, key=lambda e: (e[1], e[0])), np.int64).T
    workers, tasks = np.unique(worker), np.unique(task)
    capacities = np.minimum([capacity.get(int(w), most) for w in workers], np.unique(worker, return_counts=True)[1])
    wanted = np.array([redundancy[int(t)] for t in tasks])
    # the solver breaks ties by place: every round has an order of the workers of its own, so that nobody loses them all
    drawn = np.random.default_rng(crc32(worker.tobytes() + task.tobytes())).permutation(len(workers))
    k, t = drawn[np.searchsorted(workers, worker)], np.searchsorted(tasks, task)
    order = np.lexsort((k, t))
    found = solve(k[order], t[order], value[order], capacities[np.argsort(drawn)], wanted)
    prices = np.rint(found.price).astype(np.int64)[drawn]
    chosen = np.sort(order[found.chosen])
    return Match(job, worker, task, value, workers, capacities, prices, tasks, wanted, chosen)


def _keep(matcher: Matcher, match: Match) -> None:
    """Stored here, and at the members that are there: the one that proposes names it."""
    packed, blocks = matches.pack(match)
    matcher.content.put_many(blocks)
    car = matcher.car(from_digest(Codec.DAG_CBOR, packed))

    def keep(peer: Peer) -> tuple[int, None]:
        peer.store(car)
        return id(peer), None

    Panel(matcher.peers).ask(keep, matcher.deployment.committee.quorum, GRACE_S, PATIENCE_S)
    matcher.database.add_match(match.job, packed)


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
