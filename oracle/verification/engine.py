"""The engine: several models of one crowd, fitted in a batch, their posteriors averaged, their confidence cut to size.

Answers in (arrays [N] and the sizes T, K, C), posteriors [T, C] out. No single model wins on all crowds, and none can be chosen
without gold; so each `Voice` is a model that is right about some of them:

    coin      a worker is right with probability a_i; errors fall as the crowd's do            (Zheng et al. 2017, "ZC")
    pooled    confusion rows drawn around that coin, theta_i[c] ~ Dirichlet(s m_i[c]), with easier and harder classes
    crowd     confusion rows drawn around the crowd's confusion                                 (Dawid & Skene 1979)
    subtypes  several confusions a class, so that workers may err together on tasks of a kind   (EBCC, Li et al. 2019)

All are fitted by variational EM: with counts n_i[c, l] of the expected answers and prior pseudo-counts A,

    E log theta_i[c, l] = psi(n_i[c, l] + A_i[c, l]) - psi(sum_l n_i[c, l] + A_i[c, l])
    q_t(c) ~ exp(E log p_c + sum_n E log theta[i_n, c, l_n])                                    over the answers n of task t

The strengths of the priors (how alike workers are) are fitted in the same passes, by Minka's fixed point for Polya
distributions. The class prior p is learned, or uniform: learned is right where classes are rare, uniform where workers are
biased.

The answers of a task are no independent witnesses: a hard task misleads many. Of n answers only n / D count, with Kish's design
effect D = min(1 + RHO (n - 1), MOST): each model says softmax(log q / D), and the mean weighs it by how little it differs from
the others, exp(-LOYALTY d / median d). The smoothed vote share, which is modest by itself, is one more voice of even weight.

Dawid & Skene https://doi.org/10.2307/2346806 - Zheng et al. https://doi.org/10.14778/3055540.3055547 -
Li, Rubinstein & Cohn, ICML 2019, https://proceedings.mlr.press/v97/li19i.html - Kish 1965, Survey Sampling
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.compute import CPU, LOCAL, Compute
from oracle.protocol.errors import BadInput
from oracle.verification.infer import hold, shares
from oracle.verification.layout import (
    Float,
    Int32,
    Layout,
    Table,
    digamma,
    expect,
    first,
    floats,
    known_classes,
    lay_out,
    names,
    normalised,
    of_classes,
)

RHO = 0.3  # correlation of two answers to one task beyond its class
MOST = 9.0  # design effect of many answers: a large crowd may grow sure
LOYALTY = 1.5
ROUNDS = 3  # of weighing voices
ITERATIONS = 60
TOLERANCE = 1e-3  # mean change of a posterior by which a voice has settled
SPARSE = 0.1  # pseudo-tasks of each kind: kinds that explain nothing die out
OWN, OTHER = 4.0, 1.0  # pseudo-answers of a confusion that is not fitted, on the diagonal and off it
FEW = 4.0  # answers in which a worker's habits are not told from the crowd's
COIN = 4.0  # pseudo-answers with which coins begin
STEPS = 2  # of the fixed point for strengths in each pass
WEAKEST, STRONGEST = 0.1, 1e3  # strengths, in answers
LAST_53 = (1 << 53) - 1  # bits
LEAST = 1e-6  # by which an ability stays off 0 and 1

Strengths = tuple[float, float]  # of a coin around the crowd's, of rows around their mean, in answers


class Form(StrEnum):
    COIN = "coin"
    POOLED = "pooled"
    CROWD = "crowd"
    SUBTYPES = "subtypes"


@dataclass(frozen=True, slots=True)
class Voice:
    """One model. `learned`: whether its class prior is; `kinds`: of tasks within a class; `seed`: of their start."""

    form: Form
    learned: bool
    kinds: int = 1
    seed: int = 0

    @property
    def name(self) -> str:
        return f"{self.form} ({'learned' if self.learned else 'uniform'} prior)"


VOICES = (
    Voice(Form.COIN, learned=False),
    Voice(Form.POOLED, learned=False),
    Voice(Form.POOLED, learned=True),
    Voice(Form.CROWD, learned=True),
    Voice(Form.SUBTYPES, learned=False, kinds=3, seed=1),
    Voice(Form.SUBTYPES, learned=True, kinds=3, seed=0),
)
SHARE = "vote share"


@dataclass(frozen=True, slots=True)
class History:
    """What is known of workers before: `count[j, c]` answers of `worker[j]` with `label[j]` to tasks of truth c."""

    worker: Int32  # [J]
    label: Int32  # [J]
    count: Float  # [J, C]


@dataclass(frozen=True, slots=True)
class State:
    """Where every model stands, to go on from when more answers come."""

    tables: NDArray[np.float32]  # [T, W] classes and kinds of all models, side by side
    strengths: tuple[Strengths, ...]


@dataclass(frozen=True, slots=True)
class Inference:
    """What the engine believes, and how much each voice had to say in it."""

    posterior: Float  # [T, C]
    independent: Float  # [T] how many independent answers the answers of a task are worth
    voices: tuple[str, ...]  # V names
    weights: Float  # [V] of each voice in the mean; sum to 1
    labels: Int32  # [V, T] what each voice says by itself
    state: State
    settled: bool  # whether every voice converged
    iterations: int


def infer(
    task: ArrayLike,
    worker: ArrayLike,
    label: ArrayLike,
    tasks: int,
    workers: int,
    classes: int,
    *,
    gold: ArrayLike | None = None,
    history: History | None = None,
    start: State | None = None,
    voices: tuple[Voice, ...] = VOICES,
    device: str = CPU,
    compute: Compute = LOCAL,
) -> Inference:
    """Posteriors of all tasks. A worker answers a task at most once; the order of the answers does not matter.

    gold [T]: known class, or negative; held fixed, and it teaches. history: counts of earlier work, added to the prior.
    start: the state of an earlier run on the first of these tasks, to go on from when answers have come since. Tasks
    without answers get the mean of the class priors. Each voice is a part of what `compute` does. The same arguments give the
    same bits on one machine, whatever `compute` is. Raises BadInput naming array and place.
    """
    layout = lay_out(task, worker, label, tasks, workers, classes, device=device)
    known = known_classes(gold, tasks, classes)
    share = hold(heard(layout), known)
    begin = share if known is None else hold(_taught(layout, share, known), known)
    tables = _resumed(layout, [_started(layout, begin, voice) for voice in voices], start)
    strengths = start.strengths if start else ((COIN, float(classes)),) * len(voices)
    fitted = _fit(layout, tables, strengths, known, _earlier(layout, history), voices, compute)
    effect = design_effect(layout.votes.sum(1))
    mean, weights, said = mix([of_classes(table, classes) for table in fitted.tables], share, effect)
    return Inference(
        posterior=floats(mean / mean.sum(1)[:, None]),
        independent=floats(layout.votes.sum(1) / effect),
        voices=(*(voice.name for voice in voices), SHARE),
        weights=floats(weights),
        labels=np.stack([floats(one).argmax(1).astype(np.int32) for one in said]),
        state=State(
            np.concatenate([floats(table) for table in (share[:, :0], *fitted.tables)], 1, dtype=np.float32),
            fitted.strengths,
        ),
        settled=fitted.settled,
        iterations=fitted.iterations,
    )


def heard(layout: Layout) -> Table:
    """The smoothed vote share [T, C], each vote counted by how much its worker's labels vary: min(1, H_i / H).

    H_i, H: entropies of the worker's labels (with FEW more answers like the crowd's) and of the crowd's. Who always says the
    same says nothing, in however many names.
    """
    said = layout.is_own() * layout.put(1.0)  # [R, C]
    times = layout.by_pair(layout.answered[:, None]) * said  # [R, C]
    crowd = (times.sum(0) + 1) / (times.sum() + layout.classes)  # [C]
    mine = layout.by_worker(times) + FEW * crowd  # [K, C]
    mine = mine / mine.sum(1)[:, None]
    log, clip = names(mine).log, names(mine).clip
    varied = (mine * log(mine)).sum(1) / clip((crowd * log(crowd)).sum(), None, -1e-9)  # [K]
    return shares(layout.by_task(said * layout.of_worker(clip(varied, None, 1))[:, None]))


def design_effect(answers: Table, rho: float = RHO, most: float = MOST) -> Table:
    """How many answers to one task are worth one independent one: min(1 + rho (n - 1), most). [T]"""
    return (1 + rho * (answers - 1)).clip(1, most)


def mix(
    posteriors: Sequence[Table], share: Table, effect: Table, loyalty: float = LOYALTY
) -> tuple[Table, Table, list[Table]]:
    """The mean [T, C] of models [T, C] and the vote share, the weights [V], and what each voice says, V x [T, C].

    Each model is tempered by the design effect [T]; one that differs from the mean as the median one does counts
    exp(-loyalty). The share has the weight 1 / V: it differs from every model by being unsure, not by being wrong.
    """
    said = [*(tempered(q, effect) for q in posteriors), share]
    even = 1 / len(said)
    weights = np.full(len(said), even)
    for _ in range(ROUNDS if len(said) > 1 else 0):
        mean = _mean(said, weights)
        differs = np.array([float(abs(one - mean).mean()) for one in said[:-1]])
        loyal = np.exp(
            -loyalty * (differs - differs.min()) / max(float(np.sort(differs)[(len(differs) - 1) // 2]), 1e-9)
        )
        weights = np.append((1 - even) * loyal / loyal.sum(), even)
    return _mean(said, weights), weights, said


def _mean(said: Sequence[Table], weights: Float) -> Table:
    return sum(weight * one for weight, one in zip(weights.tolist(), said, strict=True))


def tempered(posterior: Table, effect: Table) -> Table:
    """softmax(log P / D), [T, C], with D [T]."""
    least = float(np.finfo(np.float32).tiny)
    return normalised(names(posterior).log(posterior.clip(least, None)) / effect[:, None])


# ---------------------------------------------------------------- the batch


@dataclass(frozen=True, slots=True)
class _Fitted:
    tables: list[Table]  # [T, C kinds] of each voice
    strengths: tuple[Strengths, ...]
    settled: bool
    iterations: int


@dataclass(frozen=True, slots=True)
class _Earlier:
    """Pseudo-counts of earlier work: of the pairs that occur, and of all labels of a worker."""

    pairs: Table  # [R, C]
    workers: Table  # [K, C]


def _fit(
    layout: Layout,
    tables: list[Table],
    begin: tuple[Strengths, ...],
    known: Int32 | None,
    earlier: _Earlier | None,
    voices: tuple[Voice, ...],
    compute: Compute = LOCAL,
) -> _Fitted:
    """All voices from their tables [T, C kinds], each until it settles."""
    parts = list(zip(voices, tables, begin, strict=True))
    found = compute.map(_settle, parts, compute.keep(layout), known, earlier)
    return _Fitted(
        [table for table, _, _, _ in found],
        tuple(strengths for _, strengths, _, _ in found),
        all(moved < TOLERANCE for _, _, moved, _ in found),
        max((passes for _, _, _, passes in found), default=0),
    )


def _settle(
    layout: Layout, known: Int32 | None, earlier: _Earlier | None, voice: Voice, table: Table, strengths: Strengths
) -> tuple[Table, Strengths, float, int]:
    """One voice until it settles: its table, its strengths, by how much it moved last, and after how many passes."""
    now, passes = first(layout, table + 0.0), 0  # a table of its own: passes overwrite it
    while passes < ITERATIONS and now.moved >= TOLERANCE:
        rows, strengths = _expected_logs(layout, voice, now.counts, earlier, strengths)
        now = expect(layout, rows, _class_prior(layout, voice, now.seen), now.table, known)
        passes += 1
    return now.table, strengths, now.moved, passes


def _started(layout: Layout, begin: Table, voice: Voice) -> Table:
    """[T, C kinds]: a task's class as it begins, its kind drawn evenly at random."""
    if voice.kinds == 1:
        return begin
    luck = np.random.RandomState(voice.seed).randint(
        0, 1 << 32, (len(begin), voice.kinds, 2), np.uint64
    )  # a frozen stream
    even = ((luck[:, :, 0] << 32 | luck[:, :, 1]) & LAST_53) / (LAST_53 + 1)
    kinds = -np.log1p(-even)  # exponential
    kinds /= kinds.sum(1)[:, None]  # [T, kinds] ~ Dirichlet(1)
    return (begin[:, :, None] * layout.put(kinds)[:, None, :]).reshape(len(begin), -1)


def _taught(layout: Layout, share: Table, known: Int32) -> Table:
    """Posteriors [T, C] by what the known tasks alone say of the workers: EM would not leave a consensus that gold refutes."""
    counts = layout.by_pair(hold(0 * share, known))  # [R, C]
    pseudo = _own_prior(layout)
    rows = _rows(layout, counts, layout.by_worker(counts), layout.of_label(pseudo.T), pseudo.sum(1))
    return normalised(layout.by_task(rows))


def _own_prior(layout: Layout) -> Table:
    """OWN pseudo-answers on the diagonal, OTHER off it: [C, C]"""
    return layout.put(OTHER + (OWN - OTHER) * np.eye(layout.classes))


def _resumed(layout: Layout, tables: list[Table], start: State | None) -> list[Table]:
    """The tables with their first rows from an earlier run."""
    if start is None:
        return tables
    earlier = start.tables
    widths = [table.shape[1] for table in tables]
    if earlier.shape[1] != sum(widths) or len(earlier) > layout.tasks:
        raise BadInput(
            f"start: the state of a run on at most {layout.tasks} tasks needed, {sum(widths)} wide; got shape {earlier.shape}"
        )
    rows = np.split(earlier, np.cumsum(widths)[:-1], 1)
    return [
        names(table).concatenate((layout.put(row), table[len(row) :])) for row, table in zip(rows, tables, strict=True)
    ]


def _class_prior(layout: Layout, voice: Voice, seen: Table) -> Table:
    """E log p of classes and kinds [C kinds]: Dirichlet(1) over classes if learned, else even; Dirichlet(0.1) over kinds."""
    seen = seen.reshape(layout.classes, voice.kinds)  # [C, kinds]
    of_class = seen.sum(1)[:, None]  # [C, 1]
    found = 0 * seen
    if voice.learned:
        found = found + digamma(of_class + 1) - digamma(of_class.sum(0) + layout.classes)
    if voice.kinds > 1:
        found = found + digamma(seen + SPARSE) - digamma(of_class + voice.kinds * SPARSE)
    return found.reshape(-1)


def _expected_logs(
    layout: Layout, voice: Voice, counts: Table, earlier: _Earlier | None, strengths: Strengths
) -> tuple[Table, Strengths]:
    """E log theta of the pairs that occur [R, C kinds], and the strengths of its priors, fitted anew."""
    totals = layout.by_worker(counts)  # [K, C kinds]
    if earlier is not None:
        counts = counts + _of_kinds(earlier.pairs, voice.kinds) / voice.kinds
        totals = totals + _of_kinds(earlier.workers, voice.kinds) / voice.kinds
    match voice.form:
        case Form.COIN:
            return _coin(layout, counts, totals, strengths)
        case Form.POOLED:
            return _pooled(layout, counts, totals, strengths)
        case Form.CROWD:
            prior = float(layout.classes) * crowd_shape(layout, counts)  # [C, C]
        case Form.SUBTYPES:
            prior = _of_kinds(_own_prior(layout).T, voice.kinds).T  # [C kinds, C]
    return _rows(layout, counts, totals, layout.of_label(prior.T), prior.sum(1)), strengths


def _of_kinds(table: Table, kinds: int) -> Table:
    """Each column `kinds` times over."""
    return names(table).stack([table] * kinds, 2).reshape(len(table), -1)


def _rows(layout: Layout, counts: Table, totals: Table, pseudo: Table, spread: Table) -> Table:
    """psi(n + A) - psi(sum n + sum A): counts and A [R, W], their sums over labels [K, W] and [W] or [K, W]."""
    return digamma(counts + pseudo) - layout.of_worker(digamma(totals + spread))


def crowd_shape(layout: Layout, counts: Table) -> Table:
    """The crowd's confusion [C, C], truth and label, with one answer spread over a row and one on its diagonal."""
    crowd = layout.by_label(counts).T + layout.put(1 / layout.classes + np.eye(layout.classes))
    return crowd / crowd.sum(1)[:, None]


def _coin(layout: Layout, counts: Table, totals: Table, strengths: Strengths) -> tuple[Table, Strengths]:
    right, given, mean, strength = _ability(layout, counts, totals, strengths[0])
    sure = digamma(given + strength)
    wins = digamma(right + strength * mean) - sure  # [K, 1]
    fails = digamma(given - right + strength * (1 - mean)) - sure
    where, log = names(counts).where, names(counts).log
    errors = layout.of_label(log(_errors(layout, counts)).T)  # [R, C]
    rows = where(layout.is_own(), layout.of_worker(wins), layout.of_worker(fails) + errors)
    return rows, (strength, strengths[1])


def _pooled(layout: Layout, counts: Table, totals: Table, strengths: Strengths) -> tuple[Table, Strengths]:
    right, given, mean, strength = _ability(layout, counts, totals, strengths[0])
    ability = (right + strength * mean) / (given + strength)  # [K, 1]
    hits, tries = layout.by_label(counts).diagonal(), totals.sum(0)  # [C] answers that are right, of all
    wanted = (totals * ability).sum(0)  # [C] that would be, were all classes as easy
    log, exp, where = names(counts).log, names(counts).exp, names(counts).where
    easier = log((hits + 1) / (tries - hits + 1)) - log((wanted + 1) / (tries - wanted + 1))
    sure = ability.clip(LEAST, 1 - LEAST)
    hit = 1 / (1 + exp(log((1 - sure) / sure) - easier))  # [K, C]
    errors = layout.of_label(_errors(layout, counts).T)  # [R, C]
    each = layout.of_worker(hit)
    shape = where(layout.is_own(), each, (1 - each) * errors)  # [R, C]
    around = _polya(strengths[1], shape, counts, totals)
    return _rows(layout, counts, totals, around * shape, around), (strength, around)


def _ability(layout: Layout, counts: Table, totals: Table, strength: float) -> tuple[Table, Table, float, float]:
    """Right answers and all answers of each worker [K, 1], the crowd's share, and how strongly workers gather round it."""
    right, given = layout.by_worker(layout.own(counts)), totals.sum(1)[:, None]
    mean = (float(right.sum()) + 1) / (float(given.sum()) + 2)
    shape = layout.put([mean, 1 - mean])
    both = names(right).concatenate((right, (given - right).clip(0, None)), 1)  # [K, 2]
    return right, given, mean, _polya(strength, shape, both, given)


def _errors(layout: Layout, counts: Table) -> Table:
    """Where the crowd's errors fall [C, C]: truth, label; nothing on the diagonal, rows sum to 1 (0 for a single class)."""
    crowd = (layout.by_label(counts).T + 1 / layout.classes) * layout.put(1 - np.eye(layout.classes))
    return (crowd / crowd.sum(1)[:, None].clip(1e-9, None)).clip(1e-9, None)


def _polya(strength: float, shape: Table, counts: Table, totals: Table) -> float:
    """How strongly rows of counts gather round their shapes: s in n ~ Polya(s shape), by Minka's fixed point (2000).

    shape and counts [R, W] (entries that are left out have count 0 and add nothing), totals [K, W] of the rows.
    """
    for _ in range(STEPS):
        prior = strength * shape
        gain = float((shape * (digamma(counts + prior) - digamma(prior))).sum(dtype=_double(shape)))
        begin = float(digamma(np.array([strength]))[0])
        loss = float((digamma(totals + strength) - begin).sum(dtype=_double(totals)))
        strength = min(max(strength * gain / max(loss, 1e-12), WEAKEST), STRONGEST)
    return strength


def _double(table: Table) -> Any:
    return names(table).float64


def _earlier(layout: Layout, history: History | None) -> _Earlier | None:
    """The history as pseudo-counts at the pairs that occur; what a worker said only before counts in the worker's totals."""
    if history is None:
        return None
    pairs = np.zeros((layout.label_of.shape[0], layout.classes))
    workers = np.zeros((layout.workers, layout.classes))
    count = np.asarray(history.count, np.float64)
    np.add.at(workers, history.worker, count)
    occurs = (floats(layout.worker_of) * layout.classes + floats(layout.label_of)).astype(np.int64)
    wanted = history.worker.astype(np.int64) * layout.classes + history.label
    place = np.searchsorted(occurs, wanted)
    seen = np.append(occurs, -1)[place] == wanted
    np.add.at(pairs, place[seen], count[seen])
    return _Earlier(layout.put(pairs), layout.put(workers))
