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

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from oracle.protocol.errors import BadInput
from oracle.verification.infer import hold, shares
from oracle.verification.layout import Float, Int32, Layout, floats, known_classes, lay_out, normalised, one_thread

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
    device: str = "cpu",
) -> Inference:
    """Posteriors of all tasks. A worker answers a task at most once; the order of the answers does not matter.

    gold [T]: known class, or negative; held fixed, and it teaches. history: counts of earlier work, added to the prior.
    start: the state of an earlier run on the first of these tasks, to go on from when answers have come since. Tasks
    without answers get the mean of the class priors. The same arguments give the same bits on one machine. Raises BadInput
    naming array and place.
    """
    layout = lay_out(task, worker, label, tasks, workers, classes, device=device)
    known = known_classes(gold, tasks, classes)
    with torch.inference_mode(), one_thread():
        share = hold(heard(layout), known)
        begin = share if known is None else hold(_taught(layout, share, known), known)
        tables = _resumed([_started(begin, voice) for voice in voices], start)
        strengths = start.strengths if start else ((COIN, float(classes)),) * len(voices)
        fitted = _fit(layout, tables, strengths, known, _earlier(layout, history), voices)
        effect = design_effect(layout.votes.sum(1))
        mean, weights, said = mix(fitted.posteriors, share, effect)
    return Inference(
        posterior=floats(mean / mean.sum(1, keepdim=True)),
        independent=floats(layout.votes.sum(1) / effect),
        voices=(*(voice.name for voice in voices), SHARE),
        weights=floats(weights),
        labels=said.argmax(2).cpu().numpy().astype(np.int32),
        state=State(torch.cat([share[:, :0], *fitted.tables], 1).cpu().float().numpy(), fitted.strengths),
        settled=fitted.settled,
        iterations=fitted.iterations,
    )


def heard(layout: Layout) -> torch.Tensor:
    """The smoothed vote share [T, C], each vote counted by how much its worker's labels vary: min(1, H_i / H).

    H_i, H: entropies of the worker's labels (with FEW more answers like the crowd's) and of the crowd's. Who always says the
    same says nothing, in however many names.
    """
    said = torch.nn.functional.one_hot(layout.label_of, layout.classes).to(layout.dtype)  # [R, C]
    times = layout.by_pair(torch.ones_like(layout.answered)[:, None]) * said  # [R, C]
    crowd = (times.sum(0) + 1) / (times.sum() + layout.classes)  # [C]
    mine = layout.by_worker(times) + FEW * crowd  # [K, C]
    mine = mine / mine.sum(1, keepdim=True)
    varied = (torch.special.entr(mine).sum(1) / torch.special.entr(crowd).sum().clamp_min(1e-9)).clamp(max=1)  # [K]
    return shares(layout.by_task(said * varied[layout.worker_of, None]))


def design_effect(answers: torch.Tensor, rho: float = RHO, most: float = MOST) -> torch.Tensor:
    """How many answers to one task are worth one independent one: min(1 + rho (n - 1), most). [T]"""
    return (1 + rho * (answers - 1)).clamp(1, most)


def mix(
    posteriors: Sequence[torch.Tensor], share: torch.Tensor, effect: torch.Tensor, loyalty: float = LOYALTY
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The mean [T, C] of models [T, C] and the vote share, the weights [V], and what each voice says [V, T, C].

    Each model is tempered by the design effect [T]; one that differs from the mean as the median one does counts
    exp(-loyalty). The share has the weight 1 / V: it differs from every model by being unsure, not by being wrong.
    """
    said = torch.stack([*(tempered(q, effect) for q in posteriors), share])
    even = 1 / len(said)
    weights = said.new_full((len(said),), even)
    for _ in range(ROUNDS if len(said) > 1 else 0):
        mean = torch.tensordot(weights, said, dims=1)
        differs = (said[:-1] - mean).abs().mean((1, 2))
        loyal = torch.softmax(-loyalty * differs / differs.median().clamp_min(1e-9), 0)
        weights = torch.cat(((1 - even) * loyal, weights[-1:]))
    return torch.tensordot(weights, said, dims=1), weights, said


def tempered(posterior: torch.Tensor, effect: torch.Tensor) -> torch.Tensor:
    """softmax(log P / D), [T, C], with D [T]."""
    least = torch.finfo(posterior.dtype).tiny
    return normalised(posterior.clamp_min(least).log() / effect[:, None])


# ---------------------------------------------------------------- the batch


@dataclass(frozen=True, slots=True)
class _Fitted:
    tables: list[torch.Tensor]  # [T, C kinds] of each voice
    posteriors: list[torch.Tensor]  # [T, C]
    strengths: tuple[Strengths, ...]
    settled: bool
    iterations: int


@dataclass(frozen=True, slots=True)
class _Earlier:
    """Pseudo-counts of earlier work: of the pairs that occur, and of all labels of a worker."""

    pairs: torch.Tensor  # [R, C]
    workers: torch.Tensor  # [K, C]


def _fit(
    layout: Layout,
    tables: list[torch.Tensor],
    begin: tuple[Strengths, ...],
    known: Int32 | None,
    earlier: _Earlier | None,
    voices: tuple[Voice, ...],
) -> _Fitted:
    """All voices side by side, from tables [T, C kinds]: one pass over the answers serves all that still move."""
    tables, strengths = list(tables), list(begin)
    before = [of_classes(table, layout.classes) for table in tables]
    moving, iteration = list(range(len(voices))), 0
    while moving and iteration < ITERATIONS:
        iteration += 1
        widths = [tables[v].shape[1] for v in moving]
        counts = torch.split(layout.by_pair(torch.cat([tables[v] for v in moving], 1)), widths, 1)  # [R, C kinds] each
        logs = []
        for v, mine in zip(moving, counts, strict=True):
            rows, strengths[v] = _expected_logs(layout, voices[v], mine, earlier, strengths[v])
            logs.append(rows)
        scores = torch.split(layout.by_task(torch.cat(logs, 1)), widths, 1)  # [T, C kinds] each
        still = []
        for v, score in zip(moving, scores, strict=True):
            tables[v] = _posterior(score + _class_prior(layout, voices[v], tables[v]), known, layout.classes)
            now = of_classes(tables[v], layout.classes)
            if float((now - before[v]).abs().sum(1).mean()) >= TOLERANCE:
                still.append(v)
            before[v] = now
        moving = still
    return _Fitted(tables, before, tuple(strengths), not moving, iteration)


def _started(begin: torch.Tensor, voice: Voice) -> torch.Tensor:
    """[T, C kinds]: a task's class as it begins, its kind drawn evenly at random."""
    if voice.kinds == 1:
        return begin
    luck = torch.Generator().manual_seed(voice.seed)
    kinds = torch.empty(len(begin), voice.kinds, dtype=torch.float64).exponential_(generator=luck)
    kinds = (kinds / kinds.sum(1, keepdim=True)).to(begin.device, begin.dtype)  # [T, kinds] ~ Dirichlet(1)
    return (begin[:, :, None] * kinds[:, None, :]).flatten(1)


def _taught(layout: Layout, share: torch.Tensor, known: Int32) -> torch.Tensor:
    """Posteriors [T, C] by what the known tasks alone say of the workers: EM would not leave a consensus that gold refutes."""
    counts = layout.by_pair(hold(torch.zeros_like(share), known))  # [R, C]
    pseudo = _own_prior(layout, counts)
    rows = _rows(layout, counts, layout.by_worker(counts), pseudo.T[layout.label_of], pseudo.sum(1))
    return normalised(layout.by_task(rows))


def _own_prior(layout: Layout, like: torch.Tensor) -> torch.Tensor:
    """OWN pseudo-answers on the diagonal, OTHER off it: [C, C]"""
    return torch.full((layout.classes, layout.classes), OTHER, dtype=like.dtype, device=like.device).fill_diagonal_(OWN)


def _resumed(tables: list[torch.Tensor], start: State | None) -> list[torch.Tensor]:
    """The tables with their first rows from an earlier run."""
    if start is None:
        return tables
    earlier = start.tables
    width, tasks = sum(table.shape[1] for table in tables), len(tables[0]) if tables else 0
    if earlier.shape[1] != width or len(earlier) > tasks:
        raise BadInput(
            f"start: the state of a run on at most {tasks} tasks needed, {width} wide; got shape {earlier.shape}"
        )
    rows = torch.split(torch.from_numpy(earlier), [table.shape[1] for table in tables], 1)
    return [torch.cat((row.to(table), table[len(row) :])) for row, table in zip(rows, tables, strict=True)]


def of_classes(table: torch.Tensor, classes: int) -> torch.Tensor:
    """Posteriors [T, C] of a model's table [T, C kinds]."""
    kinds = table.shape[1] // classes
    return table if kinds == 1 else table.view(len(table), classes, kinds).sum(2)


def _posterior(scores: torch.Tensor, known: Int32 | None, classes: int) -> torch.Tensor:
    """softmax over classes and kinds; of a known task only the kinds of its class stay."""
    if known is not None:
        rows = np.flatnonzero(known >= 0)
        kinds = scores.shape[1] // classes
        other = torch.from_numpy(known[rows][:, None] != np.repeat(np.arange(classes), kinds)).to(scores.device)
        scores[rows] = scores[rows].masked_fill(other, -torch.inf)
    return normalised(scores)


def _class_prior(layout: Layout, voice: Voice, table: torch.Tensor) -> torch.Tensor:
    """E log p of classes and kinds [C kinds]: Dirichlet(1) over classes if learned, else even; Dirichlet(0.1) over kinds."""
    seen = (layout.answered @ table).view(layout.classes, voice.kinds)  # [C, kinds]
    of_class = seen.sum(1, keepdim=True)  # [C, 1]
    found = digamma(of_class + 1) - digamma(of_class.sum() + layout.classes)
    if not voice.learned:
        found = torch.zeros_like(found)
    if voice.kinds > 1:
        found = found + digamma(seen + SPARSE) - digamma(of_class + voice.kinds * SPARSE)
    return found.expand(layout.classes, voice.kinds).reshape(-1)


def _expected_logs(
    layout: Layout, voice: Voice, counts: torch.Tensor, earlier: _Earlier | None, strengths: Strengths
) -> tuple[torch.Tensor, Strengths]:
    """E log theta of the pairs that occur [R, C kinds], and the strengths of its priors, fitted anew."""
    totals = layout.by_worker(counts)  # [K, C kinds]
    if earlier is not None:
        counts = counts + earlier.pairs.repeat_interleave(voice.kinds, 1) / voice.kinds
        totals = totals + earlier.workers.repeat_interleave(voice.kinds, 1) / voice.kinds
    match voice.form:
        case Form.COIN:
            return _coin(layout, counts, totals, strengths)
        case Form.POOLED:
            return _pooled(layout, counts, totals, strengths)
        case Form.CROWD:
            prior = float(layout.classes) * crowd_shape(layout, counts)  # [C, C]
        case Form.SUBTYPES:
            prior = _own_prior(layout, counts).repeat_interleave(voice.kinds, 0)  # [C kinds, C]
    return _rows(layout, counts, totals, prior.T[layout.label_of], prior.sum(1)), strengths


def _rows(
    layout: Layout, counts: torch.Tensor, totals: torch.Tensor, pseudo: torch.Tensor, spread: torch.Tensor
) -> torch.Tensor:
    """psi(n + A) - psi(sum n + sum A): counts and A [R, W], their sums over labels [K, W] and [W] or [K, W]."""
    return digamma(counts + pseudo) - digamma(totals + spread)[layout.worker_of]


def crowd_shape(layout: Layout, counts: torch.Tensor) -> torch.Tensor:
    """The crowd's confusion [C, C], truth and label, with one answer spread over a row and one on its diagonal."""
    crowd = layout.by_label(counts).T + 1 / layout.classes
    crowd = crowd + torch.eye(layout.classes, dtype=crowd.dtype, device=crowd.device)
    return crowd / crowd.sum(1, keepdim=True)


def _coin(
    layout: Layout, counts: torch.Tensor, totals: torch.Tensor, strengths: Strengths
) -> tuple[torch.Tensor, Strengths]:
    right, given, mean, strength = _ability(layout, counts, totals, strengths[0])
    sure = digamma(given + strength)
    wins = digamma(right + strength * mean) - sure  # [K, 1]
    fails = digamma(given - right + strength * (1 - mean)) - sure
    errors = _errors(layout, counts).log().T[layout.label_of]  # [R, C]
    rows = fails[layout.worker_of] + errors
    rows.scatter_(1, layout.label_of[:, None], wins[layout.worker_of])
    return rows, (strength, strengths[1])


def _pooled(
    layout: Layout, counts: torch.Tensor, totals: torch.Tensor, strengths: Strengths
) -> tuple[torch.Tensor, Strengths]:
    right, given, mean, strength = _ability(layout, counts, totals, strengths[0])
    ability = (right + strength * mean) / (given + strength)  # [K, 1]
    hits, tries = layout.by_label(counts).diagonal(), totals.sum(0)  # [C] answers that are right, of all
    wanted = (totals * ability).sum(0)  # [C] that would be, were all classes as easy
    easier = torch.log((hits + 1) / (tries - hits + 1)) - torch.log((wanted + 1) / (tries - wanted + 1))
    hit = torch.sigmoid(torch.logit(ability, 1e-6) + easier)  # [K, C]
    shape = (1 - hit)[layout.worker_of] * _errors(layout, counts).T[layout.label_of]  # [R, C]
    own = hit[layout.worker_of].gather(1, layout.label_of[:, None])
    shape.scatter_(1, layout.label_of[:, None], own)
    around = _polya(strengths[1], shape, counts, totals)
    return _rows(layout, counts, totals, around * shape, totals.new_tensor(around)), (strength, around)


def _ability(
    layout: Layout, counts: torch.Tensor, totals: torch.Tensor, strength: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, float]:
    """Right answers and all answers of each worker [K, 1], the crowd's share, and how strongly workers gather round it."""
    right, given = layout.by_worker(layout.own(counts)), totals.sum(1, keepdim=True)
    mean = (right.sum() + 1) / (given.sum() + 2)
    shape = torch.cat((mean.expand_as(right), (1 - mean).expand_as(right)), 1)  # [K, 2]
    return right, given, mean, _polya(strength, shape, torch.cat((right, (given - right).clamp_min(0)), 1), given)


def _errors(layout: Layout, counts: torch.Tensor) -> torch.Tensor:
    """Where the crowd's errors fall [C, C]: truth, label; nothing on the diagonal, rows sum to 1 (0 for a single class)."""
    crowd = layout.by_label(counts).T + 1 / layout.classes
    crowd = crowd.fill_diagonal_(0.0)
    found = crowd / crowd.sum(1, keepdim=True).clamp_min(1e-9)
    return found.clamp_min(1e-9)


def _polya(strength: float, shape: torch.Tensor, counts: torch.Tensor, totals: torch.Tensor) -> float:
    """How strongly rows of counts gather round their shapes: s in n ~ Polya(s shape), by Minka's fixed point (2000).

    shape and counts [R, W] (entries that are left out have count 0 and add nothing), totals [K, W] of the rows.
    """
    for _ in range(STEPS):
        prior = strength * shape
        gain = (shape * (digamma(counts + prior) - digamma(prior))).sum(dtype=torch.float64)
        loss = (digamma(totals + strength) - _digamma(strength)).sum(dtype=torch.float64)
        strength = min(max(strength * float(gain) / max(float(loss), 1e-12), WEAKEST), STRONGEST)
    return strength


def digamma(x: torch.Tensor) -> torch.Tensor:
    """psi(x) for x > 0; in single precision to its last digits by three steps of psi(x) = psi(x + 1) - 1 / x and the series of

    psi(y + 1/2) = log y + 1 / (24 y^2) - 7 / (960 y^4) + 31 / (8064 y^6) - ..., several times as fast as torch's own.
    """
    if x.dtype != torch.float32:
        exact: torch.Tensor = torch.special.digamma(x)
        return exact
    inverse = 1 / (x + 2.5)
    square = inverse * inverse
    series = square * (1 / 24 - square * (7 / 960 - square * (31 / 8064)))
    return series - inverse.log() - 1 / x - 1 / (x + 1) - 1 / (x + 2)


def _digamma(value: float) -> float:
    return float(torch.special.digamma(torch.tensor(value, dtype=torch.float64)))


def _earlier(layout: Layout, history: History | None) -> _Earlier | None:
    """The history as pseudo-counts at the pairs that occur; what a worker said only before counts in the worker's totals."""
    if history is None:
        return None
    pairs = torch.zeros(len(layout.worker_of), layout.classes, dtype=torch.float64)
    workers = torch.zeros(layout.workers, layout.classes, dtype=torch.float64)
    count = torch.from_numpy(np.asarray(history.count, np.float64))
    worker = torch.from_numpy(history.worker.astype(np.int64))
    workers.index_add_(0, worker, count)
    occurs: NDArray[np.int64] = (layout.worker_of * layout.classes + layout.label_of).cpu().numpy()
    wanted = history.worker.astype(np.int64) * layout.classes + history.label
    place = np.searchsorted(occurs, wanted)
    seen = np.append(occurs, -1)[place] == wanted
    pairs.index_add_(0, torch.from_numpy(place[seen]), count[torch.from_numpy(seen)])
    return _Earlier(pairs.to(layout.device, layout.dtype), workers.to(layout.device, layout.dtype))
