"""Rings: workers who copy one another or answer from one shared key, found without gold and merged into one voice.

In: answers as int arrays [N], the sizes T, K, C. Out: groups of workers, each with its evidence in numbers and words.
Honest workers agree with one another because they see the same truth, and therefore agree with everybody else who sees
it. A ring agrees inside on something that the rest does not see. Three steps say so:

seeds   eigenvectors of the degree-normalised agreement of workers beyond each task's mean answer, rotated by varimax so
        that each worker loads on few of them (Rohe & Zeng 2023, https://doi.org/10.1093/jrsssb/qkad029).
growth  a worker belongs to the group, to what stands against it, or to neither, by whose answers predict theirs best:
        log-likelihood ratios of Polya (Dirichlet-multinomial) predictives, each with its group's own agreement,

            sum_n log P(l_n | members - i) - log P(l_n | outsiders - i),    P(l | counts) = (n_l + a m_l) / (n + a),

        with a = (1 - kappa) / kappa, m the shares of the labels. A hard task, on which outsiders differ too, is so no
        evidence; a worker is never compared with themselves.
test    in a crowd that shares nothing but the truth, chance-corrected agreement has rank one, kappa_ij = r_i r_j, also
        when tasks differ in difficulty. So shared = kappa_SO / sqrt(kappa_SS kappa_OO) is 1 for honest groups and about
        0 for a ring with a random key. Agreement that chose a group is no evidence for it: members are chosen on one half
        of the tasks and judged on the other, both ways round. A group is merged when `shared` is surely below a limit and
        it predicts its members better than the others do. docs/rings.md has the equations and the limits.

A pair of groups that see two different worlds is found whichever of the two was seeded; which of them is the ring is
decided by `known` answers, else by near-total agreement (people err, copies do not), else the smaller one is it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from oracle.protocol.errors import BadInput
from oracle.verification.layout import check_size, indices, known_classes, same_length
from oracle.verification.machines import Machines

COPIES, NOISY, SUSPECTED = "copies", "noisy copies", "suspected"

FACTORS = 8  # eigenvectors a round: so many rings can be told apart in one round
PASSES = 10  # of subspace iteration
GROWTH = 10  # rounds of growth at most
STILL = 1e-3  # share of the workers whose role may still change when growth ends
SAMPLE = 1 << 18  # answers that seeds are looked for in
ROUNDS = 32  # searches, each without the rings that were found before: the most rings that are found
LEAST = 3  # members: fewer cannot be told from chance among all pairs of a crowd
SHARED = math.sqrt(0.5)  # above it, more than half of what a group agrees on is seen by outsiders too
TOTAL = 0.9  # chance-corrected agreement that people who err do not reach
SCHOOLS = 0.5  # `shared` that two schools of people may have: who agrees no more than people do is merged only below it
SURE = 3.0  # standard errors over tasks: 1 in 740
ALPHA = 1e-3 / (2 * FACTORS)  # chance of evidence by luck, for one of the groups of a round
EVEN = 20.0  # likelihood ratio from which known answers decide who is the ring

Int32 = NDArray[np.int32]
Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Roles = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ring:
    """A group of workers who share answers beyond the truth."""

    workers: tuple[int, ...]  # ascending
    kind: str  # COPIES and NOISY are to be merged; SUSPECTED may be experts, and only costs a task its certificate
    strength: float  # nats of evidence on answers that did not choose it, the number of groups tried paid for
    inside: float  # kappa_SS: chance-corrected agreement of two members
    outside: float  # kappa_OO: of two outsiders
    shared: float  # kappa_SO / sqrt(kappa_SS kappa_OO): 1 if only the truth is shared, 0 if nothing is
    answers: int  # given by the members
    explained: (
        float  # nats by which this ring and the rest, as two worlds, explain all answers better than label shares
    )
    reason: str

    @property
    def merges(self) -> bool:
        return self.kind != SUSPECTED


@dataclass(frozen=True, slots=True)
class Merged:
    """The answers with each ring, and all machines, as one voice. `task`, `worker`, `label` [M] are answers for any engine."""

    task: Int32  # [M]
    worker: Int32  # [M] a ring speaks as its lowest member
    label: Int32  # [M]
    voice: Int32  # [N] the merged answer that speaks for each original one
    weight: Float  # [N] its part of that voice: 1 / (answers of the ring on this task); 1 for who is in no ring
    agrees: Bool  # [N] whether the voice says what this answer said
    speaker: Int32  # [K] the worker who speaks for each worker: themselves, or the lowest member of their ring
    part: Float  # [K] mean of `weight` over a worker's answers: what a row that is the same for all tasks may carry


def rings(
    task: ArrayLike,
    worker: ArrayLike,
    label: ArrayLike,
    tasks: int,
    workers: int,
    classes: int,
    *,
    known: ArrayLike | None = None,
) -> tuple[Ring, ...]:
    """Groups of workers who copy one another or share a key, strongest first; no worker of a ring that merges is in another.

    `known` [T]: gold, -1 where unknown: it decides which of two worlds is the true one. Deterministic; the order of the
    answers does not matter. O(N) memory, about a hundred passes over the answers. Constant and random answers are no
    ring: agreement beyond a group's own label shares is nil, and a model of confusion silences them by itself.
    """
    task, worker = indices("task", task, tasks), indices("worker", worker, workers)
    label = indices("label", label, classes)
    same_length(task, worker, label)
    check_size(tasks, classes)
    gold = known_classes(known, tasks, classes)
    found: list[Ring] = []
    for _ in range(ROUNDS):
        ringed = np.zeros(workers, bool)
        for ring in found:
            ringed[list(ring.workers)] = True
        free = ~ringed[worker]
        fresh = _search(_crowd(task[free], worker[free], label[free], tasks, workers, classes), gold)
        found += fresh
        if not any(ring.merges for ring in fresh):
            break
    return tuple(sorted(found, key=_rank))


# ---------------------------------------------------------------- merging


def merge(
    task: ArrayLike,
    worker: ArrayLike,
    label: ArrayLike,
    found: tuple[Ring, ...] | list[Ring],
    workers: int,
    classes: int,
    machines: Machines | None = None,
) -> Merged:
    """Collapse each ring that `merges` into one voice: its majority on each task, ties to the lowest class; machines into theirs.

    Nothing else changes: without such rings the answers come back as they are, in their order. The decision of record has
    one row a (worker, label) for all tasks; there a member's row is the speaker's row times the member's `part`, so that
    on a task with the usual number of members the ring adds up to its one voice (exactly so where all of its members
    answer the same tasks).
    """
    task, worker, label = np.asarray(task, np.int32), np.asarray(worker, np.int32), np.asarray(label, np.int32)
    speaker = np.arange(workers, dtype=np.int32)
    for group in [*(ring.workers for ring in found if ring.merges), *([machines.workers] if machines else [])]:
        speaker[list(group)] = min(group)
    ringed = np.isin(speaker, speaker[np.arange(workers) != speaker])  # [K] members, the speakers included
    members = np.flatnonzero(ringed[worker])  # [G] answers of rings
    others = np.flatnonzero(~ringed[worker])
    block, among = np.unique(
        speaker[worker[members]].astype(np.int64) * (1 + task.max(initial=0)) + task[members], return_inverse=True
    )  # [B] (ring, task), [G]
    counts = np.bincount(among * classes + label[members], minlength=len(block) * classes).reshape(-1, classes)
    said = counts.argmax(1).astype(np.int32)  # [B]
    if machines:
        owner, at = np.divmod(block, 1 + task.max(initial=0))
        said = np.where(owner == min(machines.workers), machines.labels[at], said).astype(np.int32)
    first = np.zeros(len(block), np.int64)
    first[among[::-1]] = members[::-1]  # [B] the first answer of each block, in the order given
    voice, weight = np.empty(len(task), np.int32), np.ones(len(task))
    voice[others] = np.arange(len(others))
    voice[members] = len(others) + among
    weight[members] = 1 / counts.sum(1)[among]
    spoken = np.concatenate((label[others], said))
    answered = np.bincount(worker, minlength=workers)
    return Merged(
        task=np.concatenate((task[others], task[first])),
        worker=np.concatenate((worker[others], speaker[worker[first]])),
        label=spoken,
        voice=voice,
        weight=weight,
        agrees=spoken[voice] == label,
        speaker=speaker,
        part=np.bincount(worker, weight, workers) / np.maximum(answered, 1),
    )


# ---------------------------------------------------------------- the crowd as two sparse tables


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Who said what: cell = task x label."""

    given: sparse.csr_array  # [K, T C] answers
    cells: sparse.csr_array  # [T C, K] the same, by cell
    counts: Float  # [T, C]
    shares: Float  # [C] of the labels in all answers
    answers: Float  # [K]


def _crowd(task: Int32, worker: Int32, label: Int32, tasks: int, workers: int, classes: int) -> _Crowd:
    cell = task.astype(np.int64) * classes + label
    size = (workers, tasks * classes)
    given = sparse.coo_array((np.ones(len(cell)), (worker, cell)), shape=size).tocsr()
    given.sort_indices()
    counts = np.bincount(cell, minlength=tasks * classes).reshape(tasks, classes).astype(np.float64)
    return _Crowd(
        given=given,
        cells=given.T.tocsr(),
        counts=counts,
        shares=(counts.sum(0) + 1 / classes) / (len(cell) + 1),
        answers=np.bincount(worker, minlength=workers).astype(np.float64),
    )


def _said(crowd: _Crowd, members: Bool) -> Float:
    """Counts of the members' answers, [T, C]."""
    return (crowd.cells @ members.astype(np.float64)).reshape(crowd.counts.shape)


# ---------------------------------------------------------------- seeds


def _search(crowd: _Crowd, gold: Int32 | None) -> list[Ring]:
    """One ring that merges, copies before noisy ones, as two rings together look like a noisy one; or else all suspects.

    What else was found beside a ring was compared with a crowd that had it inside: the next round looks again without it.
    """
    found: list[Ring] = []
    for seed in _seeds(crowd):
        ring = _examined(crowd, seed, gold)
        if ring is not None and ring.kind == COPIES:
            return [ring]
        if ring is not None and ring not in found:
            found.append(ring)
    merging = [ring for ring in found if ring.merges]
    if merging:
        return [max(merging, key=lambda ring: (ring.explained, ring.workers))]
    return _distinct(sorted(found, key=_rank))


def _distinct(found: list[Ring]) -> list[Ring]:
    """Those of which a stronger one does not hold most of the members already."""
    kept: list[Ring] = []
    for ring in found:
        if all(2 * len(set(ring.workers) & set(other.workers)) <= len(ring.workers) for other in kept):
            kept.append(ring)
    return kept


def _rank(ring: Ring) -> tuple[bool, float, tuple[int, ...]]:
    return not ring.merges, -ring.strength, ring.workers


def _seeds(crowd: _Crowd) -> list[Bool]:
    """Groups of workers [K] to grow: both ends of each rotated eigenvector."""
    loading = _varimax(_eigenvectors(_sample(crowd)))  # [K, m]
    seeds = []
    for column in loading.T:
        for end in (column, -column):
            high = np.maximum(end, 0.0)
            typical = (high**3).sum() / max((high**2).sum(), 1e-300)  # the mean loading, weighted by its square
            members = high > typical / 2
            if members.sum() >= LEAST:
                seeds.append(members)
    return seeds


def _eigenvectors(crowd: _Crowd) -> Float:
    """The leading eigenvectors [K, m] of D^-1/2 A D^-1/2, by subspace iteration from a fixed start.

    A_ij = sum over common tasks of <e_{l_it} - q_t, e_{l_jt} - q_t> / n_t, with q_t the shares of the labels on task t:
    agreement beyond what the task makes everybody say. D_i = n_i + mean n, so that few answers cannot load high.
    """
    workers, (tasks, classes) = len(crowd.answers), crowd.counts.shape
    size = min(FACTORS, workers)
    scale = 1 / np.sqrt(crowd.answers + max(crowd.answers.mean(), 1e-9))[:, None]  # [K, 1]
    many = np.maximum(_total(crowd.counts), 1.0)[:, None]  # [T, 1]
    q = crowd.counts / many  # [T, C]
    basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((workers, size)) * (crowd.answers[:, None] > 0))
    for _ in range(PASSES):
        mean = (crowd.cells @ (scale * basis)).reshape(tasks, classes, size)  # [T, C, m]
        every = sum(mean[:, c] for c in range(classes)) / many  # [T, m]
        mean /= many[:, :, None]
        mean -= q[:, :, None] * every[:, None]
        mean -= sum(q[:, c, None] * mean[:, c] for c in range(classes))[:, None]
        basis, _ = np.linalg.qr(scale * (crowd.given @ mean.reshape(-1, size)))
    return np.asarray(basis)


def _sample(crowd: _Crowd) -> _Crowd:
    """Every so manieth task, so that at most `SAMPLE` answers seed the search; growth then sees all."""
    stride = math.ceil(crowd.answers.sum() / SAMPLE)
    if stride <= 1:
        return crowd
    tasks, classes = crowd.counts.shape
    rows = (np.arange(0, tasks, stride)[:, None] * classes + np.arange(classes)).ravel()
    cells = crowd.cells[rows]
    given = cells.T.tocsr()
    return replace(crowd, given=given, cells=cells, counts=crowd.counts[::stride], answers=np.diff(given.indptr) * 1.0)


def _total(counts: Float) -> Float:
    """Sums of the rows; numpy's own sum over a short axis is ten times slower."""
    return np.asarray(counts @ np.ones(counts.shape[1]))


def _varimax(loading: Float, passes: int = 30) -> Float:
    """Rotate [K, m] so that each row loads on few columns (Kaiser 1958, https://doi.org/10.1007/BF02289233)."""
    size = loading.shape[1]
    rotation, before = np.eye(size), 0.0
    for _ in range(passes):
        turned = loading @ rotation
        left, values, right = np.linalg.svd(loading.T @ (turned**3 - turned * (turned**2).mean(0)))
        rotation = left @ right
        if values.sum() <= before * (1 + 1e-4):
            break
        before = values.sum()
    return np.asarray(loading @ rotation)


# ---------------------------------------------------------------- growth

NOBODY, INSIDE, OUTSIDE = 0, 1, 2


def _examined(crowd: _Crowd, seed: Bool, gold: Int32 | None) -> Ring | None:
    """Grow a seed and what stands against it, and test them."""
    role = np.where(crowd.answers > 0, np.where(seed, INSIDE, OUTSIDE), NOBODY)  # [K]
    for _ in range(GROWTH):
        inside, outside = _said(crowd, role == INSIDE), _said(crowd, role == OUTSIDE)
        seen = _agreements(inside, outside)
        if seen is None or seen.least_shared > SHARED:
            return None
        grown = _roles(crowd, _gains(crowd, role, inside, outside, seen), role)
        if (grown == INSIDE).sum() < LEAST:
            return None
        still = (grown != role).mean() < STILL
        role = grown
        if still:
            break
    return _ring(crowd, role, gold)


def _roles(crowd: _Crowd, gains: Float, role: Roles) -> Roles:
    """The most probable role of each worker [K], from gains [K, 3] and how common the roles were."""
    active = crowd.answers > 0
    common = np.bincount(role[active], minlength=3) + 1.0
    return np.where(active, (gains + np.log(common / common.sum())).argmax(1), NOBODY)


def _gains(
    crowd: _Crowd,
    role: Roles,
    inside: Float,
    outside: Float,
    seen: _Agreements,
    where: Bool | None = None,
) -> Float:
    """Nats by which the others of each role predict a worker's answers better than the mere shares of the labels, [K, 3].

    `where` [T]: count only the answers to these tasks.
    """
    tables = np.empty((crowd.given.shape[1], 4))  # [T C, 4]: inside and outside, with the worker in the counts or not
    for side, (counts, kappa) in enumerate(((inside, seen.inside), (outside, seen.outside))):
        a = (1 - _bounded(kappa)) / _bounded(kappa)
        many = _total(counts).astype(np.intp)
        steps = np.maximum(np.arange(-1.0, 1 + many.max(initial=0)), 0.0)[:, None]  # 0, 0, 1, 2, ... answers
        of_label, of_task = np.log(steps / crowd.shares + a).ravel(), np.log(steps[:, 0] + a)
        place = counts.astype(np.intp) * len(crowd.shares) + np.arange(len(crowd.shares))  # [T, C] in `of_label`
        for own in (0, 1):
            nats = of_label[place + (1 - own) * len(crowd.shares)] - of_task[many + 1 - own][:, None]
            tables[:, 2 * side + own] = (nats if where is None else nats * where[:, None]).ravel()
    gains = crowd.given @ tables  # [K, 4]
    inner = np.where(role == INSIDE, gains[:, 1], gains[:, 0])
    outer = np.where(role == OUTSIDE, gains[:, 3], gains[:, 2])
    return np.stack((np.zeros(len(gains)), inner, outer), 1)


def _bounded(kappa: float) -> float:
    return min(max(kappa, 0.01), 0.98)


# ---------------------------------------------------------------- the test


@dataclass(frozen=True, slots=True)
class _Agreements:
    inside: float
    outside: float
    shared: float
    least_shared: float  # `SURE` standard errors below, and above
    most_shared: float


def _agreements(inside: Float, outside: Float) -> _Agreements | None:
    """Chance-corrected agreement inside, outside and across, on the tasks that both answered: batches of tasks differ.

    None where agreement inside or outside cannot be told from chance.
    """
    n, m = _total(inside), _total(outside)  # [T]
    n, m = np.where(m > 0, n, 0.0), np.where(n > 0, m, 0.0)
    ours, theirs = (n > 0) @ inside / max(n.sum(), 1), (m > 0) @ outside / max(m.sum(), 1)  # [C]
    ss, ss_error = _kappa(_total(inside * inside) - n, n * (n - 1), n - 1, ours @ ours)
    oo, oo_error = _kappa(_total(outside * outside) - m, m * (m - 1), m - 1, theirs @ theirs)
    so, so_error = _kappa(_total(inside * outside), n * m, n * m / np.maximum(n + m, 1), ours @ theirs)
    if not (ss > SURE * ss_error and oo > SURE * oo_error) or not math.isfinite(so_error):
        return None
    scale = math.sqrt(ss * oo)
    # d log(shared) = d so / so - d ss / 2 ss - d oo / 2 oo
    error = math.sqrt((so_error / scale) ** 2 + (so / scale) ** 2 * ((ss_error / ss) ** 2 + (oo_error / oo) ** 2) / 4)
    shared = so / scale
    return _Agreements(ss, oo, shared, shared - SURE * error, shared + SURE * error)


def _crossed(crowd: _Crowd, role: Roles, seen: _Agreements) -> tuple[_Agreements | None, Float]:
    """The test without the luck of selection: on each half of the tasks, the roles are those that the other half gives.

    Agreements, and for each role [3] the nats by which it predicts the answers of its workers better than other roles do.
    """
    inside, outside = np.zeros_like(crowd.counts), np.zeros_like(crowd.counts)
    nats = np.zeros(3)
    half = np.arange(len(crowd.counts)) % 2
    for side in (0, 1):
        here, there = half == side, half != side
        now = role
        for _ in range(2):
            ours, theirs = _said(crowd, now == INSIDE), _said(crowd, now == OUTSIDE)
            now = _roles(crowd, _gains(crowd, now, ours, theirs, seen, here), now)
        ours, theirs = _said(crowd, now == INSIDE), _said(crowd, now == OUTSIDE)
        inside[there], outside[there] = ours[there], theirs[there]
        gains = _gains(crowd, now, ours, theirs, seen, there)  # [K, 3]
        for mine in (INSIDE, OUTSIDE):
            others = np.delete(gains, mine, 1).max(1)
            nats[mine] += (gains[:, mine] - others)[now == mine].sum()
    return _agreements(inside, outside), nats


def _kappa(same: Float, pairs: Float, weight: Float, chance: float) -> tuple[float, float]:
    """(observed - chance) / (1 - chance) and its standard error over tasks: `same` of the `pairs` of a task agree."""
    some = pairs > 0
    if some.sum() < 2 or chance > 1 - 1e-9:
        return 0.0, math.inf
    rate, weight = same[some] / pairs[some], weight[some] / weight[some].sum()
    mean = float(weight @ rate)
    error = math.hypot(
        float(np.linalg.norm(weight * (rate - mean))), float(weight.max())
    )  # where no task differs, one task's worth of doubt stays
    return (mean - chance) / (1 - chance), error / (1 - chance)


def _ring(crowd: _Crowd, role: Roles, gold: Int32 | None) -> Ring | None:
    inside, outside = _said(crowd, role == INSIDE), _said(crowd, role == OUTSIDE)
    seen = _agreements(inside, outside)
    if seen is None:
        return None
    told = 0.0 if gold is None else _told(inside, outside, seen, gold)
    clear = abs(told) > math.log(EVEN)
    limit = SHARED if clear or max(seen.inside, seen.outside) > TOTAL else SCHOOLS
    crossed, nats = _crossed(crowd, role, seen)
    apart = crossed is not None and crossed.most_shared < limit
    if apart and not (told < 0 if clear else _looks_copied(inside, outside, seen)):
        role = np.array([NOBODY, OUTSIDE, INSIDE])[role]
        inside, outside = outside, inside
        seen, nats = replace(seen, inside=seen.outside, outside=seen.inside), nats[[NOBODY, OUTSIDE, INSIDE]]
    members = role == INSIDE
    size, evidence = int(members.sum()), float(nats[INSIDE] + math.log(ALPHA))
    if evidence <= 0 or size < LEAST:
        return None
    every = _gains(crowd, role, inside, outside, seen)  # [K, 3]
    kind = SUSPECTED
    if apart:
        kind = COPIES if seen.inside > TOTAL else NOISY
    return Ring(
        workers=tuple(int(i) for i in np.flatnonzero(members)),
        kind=kind,
        strength=evidence,
        inside=seen.inside,
        outside=seen.outside,
        shared=seen.shared,
        answers=int(inside.sum()),
        explained=float(np.take_along_axis(every, role[:, None], 1).sum()),
        reason=_reason(kind, size, seen, evidence),
    )


def _looks_copied(inside: Float, outside: Float, seen: _Agreements) -> bool:
    """Of two groups that see different worlds, without gold: is it the inside that is the ring?"""
    if max(seen.inside, seen.outside) > TOTAL:
        return seen.inside > seen.outside
    return bool(inside.sum() < outside.sum())


def _told(inside: Float, outside: Float, seen: _Agreements, gold: Int32) -> float:
    """Nats by which the inside predicts the known answers better than the outside does."""
    rows = np.flatnonzero((gold >= 0) & (inside.sum(1) > 0) & (outside.sum(1) > 0))

    def predicted(counts: Float, kappa: float) -> Float:
        a = (1 - kappa) / kappa
        many = counts[rows].sum(1)
        return np.asarray(np.log((counts[rows, gold[rows]] + a / counts.shape[1]) / (many + a)))

    return float((predicted(inside, _bounded(seen.inside)) - predicted(outside, _bounded(seen.outside))).sum())


def _reason(kind: str, size: int, seen: _Agreements, evidence: float) -> str:
    share = 100 * max(seen.shared, 0.0) ** 2
    text = (
        f"{size} workers agree with one another {seen.inside:.2f} beyond chance (others among themselves "
        f"{seen.outside:.2f}), and others share {share:.0f} % of what they agree on; {evidence:.0f} nats of evidence"
    )
    return text if kind != SUSPECTED else f"{text}: they may be experts, so they are not merged"


# ---------------------------------------------------------------- gold


def gold_questions(share: float, delta: float, redundancy: int, classes: int, *, error: float = 0.0) -> int:
    """How many gold questions rule out a ring with `share` of the answers, wrong either way at most `delta` of the time.

    A gold question rings when at least two of its `redundancy` answers are the same wrong label. With a ring whose key is
    random (wrong with probability 1 - 1/C) that happens with probability p1, among honest workers who err at the rate
    `error`, evenly over the wrong labels, with p0 < p1. With n questions both mistakes are at most exp(-n I), I the
    Chernoff information of the two coins (https://doi.org/10.1214/aoms/1177729330), so n = ceil(ln(1/delta) / I). Without
    honest errors this is n = ln(delta) / ln(1 - p1): the ring has to stay unseen on every one.
    """
    if not 0 < share <= 1 or not 0 < delta < 1 or not 0 <= error < 1:
        raise BadInput(f"share {share}, delta {delta}, error {error}: shares and probabilities between 0 and 1 needed")
    if redundancy < 2 or classes < 2:
        raise BadInput(f"redundancy {redundancy}, classes {classes}: two answers a task and two classes are the least")
    honest = _same_wrong(0.0, redundancy, classes, error)
    ringed = _same_wrong(share, redundancy, classes, error)
    information = _chernoff(honest, ringed)
    if information <= 0:
        raise BadInput(f"share {share}: its marks cannot be told from honest errors at a rate of {error}")
    return math.ceil(math.log(1 / delta) / information)


def gold_sentence(share: float, delta: float, redundancy: int, classes: int, *, error: float = 0.0) -> str:
    """The same in words."""
    many = gold_questions(share, delta, redundancy, classes, error=error)
    return (
        f"{many} gold questions, each answered {redundancy} times, rule out a ring with {100 * share:.3g} % of the answers "
        f"at {100 * (1 - delta):.4g} % confidence, if honest workers err on {100 * error:.3g} % of {classes}-class tasks."
    )


def _same_wrong(share: float, redundancy: int, classes: int, error: float) -> float:
    """Probability that two or more of `redundancy` answers to a task are the same wrong label.

    The key is right with probability 1/C, else it names one wrong label. Each answer names a given wrong label with
    probability (1 - share) error / (C - 1), plus `share` if the key does; the counts of different labels are taken as
    independent, which errs by less than the rounding of the result.
    """
    wrong = classes - 1
    base = (1 - share) * error / wrong

    def at_most_one(p: float) -> float:
        return float((1 - p) ** redundancy + redundancy * p * (1 - p) ** (redundancy - 1))

    right_key = at_most_one(base) ** wrong
    wrong_key = at_most_one(base + share) * at_most_one(base) ** (wrong - 1)
    return 1 - right_key / classes - wrong_key * (1 - 1 / classes)


def _chernoff(p: float, q: float) -> float:
    """Chernoff information of two coins, p < q: the divergence of either from the coin r that is equally far from both."""
    if not p < q < 1:
        return 0.0 if not p < q else -math.log(max(p, 1e-300))
    if p <= 0:
        return -math.log1p(-q)
    heads, tails = math.log(q / p), math.log((1 - p) / (1 - q))
    r = tails / (heads + tails)
    return r * math.log(r / p) + (1 - r) * math.log((1 - r) / (1 - p))
