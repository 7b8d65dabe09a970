"""Learned verification: a small network of several tasks that speaks, as a prior, into the decision of record.

Answers, a Dawid-Skene fit and (where there are texts) task vectors -> Learned: a correction of each task's log prior, and what its
heads say of answers, tasks and workers. It never sees gold: its targets are leave-one-out posteriors and hidden answers of the
crowd. It ships only where it foretells hidden answers of tasks that it was not trained on. Deterministic by seed, on one thread.

    b[t, c] = clip(log p_c + f_c(text_t, features_t), prior cap)            P(z_t = c | answers) ~ exp(b[t, c] + sum of W)

For an answer n of worker i to task t, with e_n[c] = log P(i answers l_n | c) of the fit:

    S_t = sum of e_n over the answers that are kept         q_t = softmax(log p + S_t + f(text_t, features of the kept answers))
    loss = - log sum_c q_t[c] P(i_h answers l_h | c)        over the hidden answers h: what is held out, foretold
         + cross entropy of the heads: answer right (target: posterior of its label without it), difficulty, spam

f is a residual: without evidence it is 0 and the decision is that of the fit. Each step hides another random part of the answers
(augmentation), permutes the classes of the features that hold them (so that no class is special but by its text), and trains on the
worst of a small ball around the inputs as well (projected gradient descent, Madry et al. 2018, https://arxiv.org/abs/1706.06083).
Multi-task learning: Caruana 1997, https://doi.org/10.1023/A:1007379606734. Learning from crowds by their model's posteriors:
Rodrigues & Pereira 2018, https://doi.org/10.1609/aaai.v32i1.11506.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from oracle.compute import LOCAL, Compute
from oracle.protocol.errors import BadInput
from oracle.verification import record as rec
from oracle.verification.embed import one_thread
from oracle.verification.engine import design_effect
from oracle.verification.infer import Fit
from oracle.verification.layout import indices, same_length

HIDDEN = 16
STEPS = 60
AXES = 64  # of the text vectors
RATE = 2e-2
DECAY = 0.3  # of the weights that read texts
BALL = 0.1  # of the adversary: share of a text vector's length; standard deviations of a feature
ATTACK_STEPS = 2
FOLDS = 5
SURE = 2.0  # standard errors by which the gain on hidden answers must exceed 0 to ship
FLOOR = 1e-6

Float = NDArray[np.float64]
Int32 = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Learned:
    """What was learned from a job. `ships`: whether hidden answers were foretold better with it than without."""

    correction: Float  # [T, C] f, out of fold, centred, in nats
    right: Float  # [N] P(answer n is right | its worker's other answers, its task without it, the text)
    difficulty: Float  # [T] expected share of wrong answers
    spam: Float  # [K] P(worker answers without looking)
    effect: float  # mean design effect of the tasks (oracle.verification.engine)
    gain: float  # nats of a hidden answer
    error: float  # standard error of the gain, over tasks
    ships: bool


@dataclass(frozen=True, slots=True)
class _Crowd:
    task: Tensor  # int64 [N]
    worker: Tensor  # int64 [N]
    label: Tensor  # int64 [N]
    evidence: Tensor  # [N, C] e_n without the answer's own share in the fit, centred
    prior: Tensor  # [C] log p
    text: Tensor  # [T, E]; E is 0 where there are no texts
    sizes: tuple[int, int, int]  # T, K, C


@dataclass(frozen=True, slots=True)
class _Targets:
    right: Tensor  # [N] posterior of the label, without the answer
    wrong: Tensor  # [T] mean of 1 - right
    spam: Tensor  # [K] probability that the labels come from the worker's habit and not from the tasks
    person: Tensor  # [N, F] features of the worker, without the answer
    people: Tensor  # [K, F] the same with all answers


def learn(
    task: ArrayLike,
    worker: ArrayLike,
    label: ArrayLike,
    fit: Fit,
    text: NDArray[np.float32] | None = None,
    *,
    prior_cap: int = rec.PRIOR_CAP,
    seed: int = 0,
    folds: int = FOLDS,
    compute: Compute = LOCAL,
) -> Learned:
    """Trains on all folds of the tasks but one, speaks on that one. `text` [T, E]: vectors of the tasks, if they have texts.

    Each fold is a part of what `compute` does, from its own seed: the bits are the same.
    """
    crowd = _crowd(task, worker, label, fit, text)
    tasks, workers, classes = crowd.sizes
    if folds < 2 or tasks < folds:
        raise BadInput(f"{tasks} tasks in {folds} folds: at least two folds with a task each are needed")
    luck = np.random.default_rng(seed)
    fold = luck.permutation(np.arange(tasks) % folds)  # [T]
    correction, right, difficulty = np.zeros((tasks, classes)), np.zeros(len(crowd.task)), np.zeros(tasks)
    spam, foretold = np.zeros(workers), np.zeros(len(crowd.task))
    with one_thread():
        targets = _targets(crowd)
    parts = [(fold == k, seed * folds + k) for k in range(folds)]
    given = compute.keep(crowd), compute.keep(targets), prior_cap / rec.ONE
    for (mine, _), said in zip(parts, compute.map(_speak, parts, *given), strict=True):
        answers = mine[crowd.task.numpy()]
        correction[mine], difficulty[mine] = said.correction, said.difficulty
        right[answers], foretold[answers] = said.right, said.foretold
        spam += said.spam / folds
    gain, error = _mean(foretold, crowd.task.numpy(), tasks)
    effect = float(design_effect(np.bincount(task, minlength=tasks).astype(np.float64)).mean())
    return Learned(correction, right, difficulty, spam, effect, gain, error, bool(gain > SURE * error and gain > 0))


@dataclass(frozen=True, slots=True)
class _Said:
    """Of a fold: what a network that was trained on the others says of it."""

    correction: Float  # [tasks of the fold, C]
    difficulty: Float
    right: Float  # [answers to them]
    foretold: Float
    spam: Float  # [K]


def _speak(crowd: _Crowd, targets: _Targets, cap: float, mine: NDArray[np.bool_], seed: int) -> _Said:
    with one_thread():
        net = _train(crowd, targets, torch.from_numpy(~mine), seed)
        with torch.inference_mode():
            tasks, rows = (torch.from_numpy(np.flatnonzero(of)) for of in (mine, mine[crowd.task.numpy()]))
            heads = net(crowd, _all(crowd), targets, rows)
            return _Said(
                heads.correction[tasks].numpy(),
                torch.sigmoid(heads.difficulty[tasks]).numpy(),
                torch.sigmoid(heads.right).numpy(),
                _gain(net, crowd, cap)[rows].numpy(),
                torch.sigmoid(heads.spam).numpy(),
            )


def priors(learned: Learned, decided: rec.Record, prior_cap: int = rec.PRIOR_CAP) -> Int32:
    """b [T, C] of record: the decision's own with the correction, if it ships, cut by the design effect as rows are; capped."""
    if not learned.ships:
        return decided.priors
    moved = decided.priors + rec.quantise(learned.correction / learned.effect, prior_cap)
    found: Int32 = np.clip(moved, -prior_cap, prior_cap).astype(np.int32)
    return found


def with_priors(decided: rec.Record, found: Int32) -> rec.Record:
    """The same decision of record under other priors."""
    scores = decided.scores - decided.priors + found
    labels = rec.decide(scores)
    sure = np.take_along_axis(rec.proba(scores), labels[:, None].astype(np.intp), 1)[:, 0]
    return replace(decided, priors=found, scores=scores, labels=labels, confidence=sure)


# ---------------------------------------------------------------- the network


@dataclass(frozen=True, slots=True)
class _Heads:
    correction: Tensor  # [T, C] centred
    difficulty: Tensor  # [T] logit
    right: Tensor  # [rows] logit
    spam: Tensor  # [K] logit


class _Net(nn.Module):
    """One trunk over the task (text and features), one over the worker; four heads."""

    def __init__(self, classes: int, width: int, person: int) -> None:
        super().__init__()
        self.text = nn.Linear(width, HIDDEN) if width else None
        self.features = nn.Linear(2 * classes + 2, HIDDEN)
        self.person = nn.Linear(person, HIDDEN)
        self.by_text = nn.Linear(HIDDEN, classes, bias=False)
        self.by_features = nn.Linear(HIDDEN, classes, bias=False)
        self.difficulty = nn.Linear(2 * HIDDEN, 1)
        self.right = nn.Linear(3 * HIDDEN, 1)
        self.spam = nn.Linear(HIDDEN, 1)
        for last in (self.by_text, self.by_features):
            nn.init.zeros_(last.weight)  # the correction begins at 0

    def correct(self, crowd: _Crowd, state: _State, shift: _Shift | None = None) -> tuple[Tensor, Tensor]:
        """f [T, C], centred, and what the trunk makes of the tasks [T, 2H]."""
        text = crowd.text if shift is None else crowd.text + shift.text
        features = state.features if shift is None else state.features + shift.features
        read = torch.tanh(self.text(text)) if self.text else text.new_zeros((len(text), HIDDEN))  # [T, H]
        seen = torch.tanh(self.features(features[:, state.columns]))  # [T, H]
        raw = self.by_text(read) + self.by_features(seen)[:, state.back]  # [T, C]
        return raw - raw.mean(1, keepdim=True), torch.cat((read, seen), 1)

    def forward(self, crowd: _Crowd, state: _State, about: _Targets, rows: Tensor) -> _Heads:
        """All heads; of the answers for `rows` only."""
        correction, whole = self.correct(crowd, state)
        known = torch.tanh(self.person(about.person[rows]))  # [rows, H]
        return _Heads(
            correction=correction,
            difficulty=self.difficulty(whole)[:, 0],
            right=self.right(torch.cat((whole[crowd.task[rows]], known), 1))[:, 0],
            spam=self.spam(torch.tanh(self.person(about.people)))[:, 0],
        )


@dataclass(frozen=True, slots=True)
class _State:
    """What a step may see of the answers: those that are kept."""

    score: Tensor  # [T, C] log p + S
    features: Tensor  # [T, 2C + 2] posterior, shares, log count, entropy
    columns: Tensor  # int64 [2C + 2] the features in the permuted order of the classes
    back: Tensor  # int64 [C] from the permuted order to that of the classes


@dataclass(frozen=True, slots=True)
class _Shift:
    """What the adversary adds to the inputs."""

    text: Tensor  # [T, E]
    features: Tensor  # [T, 2C + 2]


def _state(crowd: _Crowd, kept: Tensor, order: Tensor | None = None) -> _State:
    """`kept` [N]: 1 for the answers that are seen. `order` [C]: a permutation of the classes."""
    tasks, _, classes = crowd.sizes
    score = crowd.prior + crowd.evidence.new_zeros((tasks, classes)).index_add(
        0, crowd.task, crowd.evidence * kept[:, None]
    )
    given = functional.one_hot(crowd.label, classes).to(kept.dtype) * kept[:, None]  # [N, C]
    counts = kept.new_zeros((tasks, classes)).index_add(0, crowd.task, given)  # [T, C]
    total = counts.sum(1, keepdim=True)
    posterior = torch.softmax(score, 1)
    entropy = -(posterior * (posterior + FLOOR).log()).sum(1, keepdim=True)
    features = torch.cat((posterior, (counts + 1 / classes) / (total + 1), torch.log1p(total), entropy), 1)
    order = torch.arange(classes) if order is None else order
    columns = torch.cat((order, classes + order, torch.tensor([2 * classes, 2 * classes + 1])))
    return _State(score, features, columns, torch.argsort(order))


def _all(crowd: _Crowd) -> _State:
    return _state(crowd, torch.ones(len(crowd.task)))


# ---------------------------------------------------------------- training


def _train(crowd: _Crowd, targets: _Targets, mine: Tensor, seed: int) -> _Net:
    """A network trained on the tasks that are `mine` [T]."""
    luck = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = _Net(crowd.sizes[2], crowd.text.shape[1], targets.person.shape[1])
    reads = [p for name, p in net.named_parameters() if name.startswith(("text", "by_text"))]
    rest = [p for name, p in net.named_parameters() if not name.startswith(("text", "by_text"))]
    groups = [{"params": reads, "weight_decay": DECAY}, {"params": rest, "weight_decay": DECAY / 30}]
    optimiser = torch.optim.AdamW(groups, lr=RATE)
    inside = mine[crowd.task]  # [N]
    for _ in range(STEPS):
        share = torch.rand(len(mine), generator=luck)  # [T] of the answers that are kept
        kept = (torch.rand(len(crowd.task), generator=luck) < share[crowd.task]).float()
        state = _state(crowd, kept, torch.randperm(crowd.sizes[2], generator=luck))
        hidden = torch.nonzero(inside & (kept == 0))[:, 0]
        worst = _attack(net, crowd, state, hidden)
        heads = net(crowd, state, targets, hidden)
        loss = _untold(heads.correction, crowd, state, hidden) + _untold(
            net.correct(crowd, state, worst)[0], crowd, state, hidden
        )
        loss = loss + _cross(heads.right, targets.right[hidden]) + _cross(heads.spam, targets.spam)
        loss = loss + _cross(heads.difficulty[mine], targets.wrong[mine])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return net


def _untold(correction: Tensor, crowd: _Crowd, state: _State, rows: Tensor) -> Tensor:
    """Nats that the answers `rows` cost, in the mean, by what is known without them."""
    chance = torch.log_softmax(state.score + correction, 1)  # [T, C]
    return -torch.logsumexp(chance[crowd.task[rows]] + crowd.evidence[rows], 1).sum() / max(1, len(rows))


def _cross(logit: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logit, target) if len(target) else logit.sum()


def _attack(net: _Net, crowd: _Crowd, state: _State, rows: Tensor) -> _Shift:
    """The shift in the ball that costs most, as far as a few steps of projected gradient ascent find it."""
    length = BALL * crowd.text.norm(dim=1, keepdim=True)  # [T, 1]
    width = BALL * state.features.std(0, keepdim=True)  # [1, 2C + 2]
    text, features = torch.zeros_like(crowd.text), torch.zeros_like(state.features)
    for _ in range(ATTACK_STEPS):
        text, features = text.requires_grad_(), features.requires_grad_()
        cost = _untold(net.correct(crowd, state, _Shift(text, features))[0], crowd, state, rows)
        up = torch.autograd.grad(cost, (text, features), materialize_grads=True, allow_unused=True)
        with torch.no_grad():
            text = text + length * functional.normalize(up[0], dim=1)
            text = text * (length / text.norm(dim=1, keepdim=True).clamp(min=FLOOR)).clamp(max=1)
            features = (features + width * up[1].sign()).clamp(-width, width)
    return _Shift(text.detach(), features.detach())


# ---------------------------------------------------------------- targets, without gold


def _crowd(task: ArrayLike, worker: ArrayLike, label: ArrayLike, fit: Fit, text: NDArray[np.float32] | None) -> _Crowd:
    (tasks, classes), workers = fit.posterior.shape, len(fit.worker_count)
    task, worker, label = (
        indices("task", task, tasks),
        indices("worker", worker, workers),
        indices("label", label, classes),
    )
    same_length(task, worker, label)
    if not len(task):
        raise BadInput("there is no answer to learn from")
    vectors = np.zeros((tasks, 0), np.float32) if text is None else np.asarray(text, np.float32)
    if vectors.ndim != 2 or len(vectors) != tasks or not np.isfinite(vectors).all():
        raise BadInput(f"text: one finite vector a task is needed ({tasks}), got shape {vectors.shape}")
    return _Crowd(
        torch.from_numpy(task.astype(np.int64)),
        torch.from_numpy(worker.astype(np.int64)),
        torch.from_numpy(label.astype(np.int64)),
        torch.from_numpy(_evidence(task, worker, label, fit)).float(),
        torch.from_numpy(np.log(fit.prior)).float(),
        _principal(torch.from_numpy(vectors)),
        (tasks, workers, classes),
    )


def _principal(vectors: Tensor) -> Tensor:
    """Vectors [T, E] by their first principal components, unit variance in the mean: [T, AXES] at most. No label is asked."""
    if vectors.shape[1] <= AXES:
        return vectors
    centred = (vectors - vectors.mean(0)).double()
    _, axes = torch.linalg.eigh(centred.T @ centred)  # ascending
    found: Tensor = centred @ axes[:, -AXES:].flip(1)
    return found.div(found.std(unbiased=False).clamp(min=FLOOR)).to(vectors.dtype)


def _evidence(task: Int32, worker: Int32, label: Int32, fit: Fit) -> Float:
    """log P(i answers l | c), [N, C], with the answer's own share taken out of the counts."""
    _, classes = fit.worker_count.shape
    pairs = fit.pair_worker.astype(np.int64) * classes + fit.pair_label
    place = np.searchsorted(pairs, worker.astype(np.int64) * classes + label)
    own = fit.posterior[task]  # [N, C]
    counts = np.maximum(fit.pair_count[place] - own, 0) + fit.pseudo.T[label]
    totals = np.maximum(fit.worker_count[worker] - own, 0) + fit.pseudo.sum(1)
    return np.asarray(np.log(counts) - np.log(totals), np.float64)


def _targets(crowd: _Crowd) -> _Targets:
    """Leave-one-out posteriors, and what they say of answers and workers."""
    _, workers, classes = crowd.sizes
    alone = torch.log_softmax(
        _all(crowd).score[crowd.task] - crowd.evidence, 1
    )  # [N, C] log posterior without the answer
    right = alone.gather(1, crowd.label[:, None])[:, 0].exp()  # [N]
    given = functional.one_hot(crowd.label, classes).float()  # [N, C]
    shares = torch.zeros(workers, classes).index_add(0, crowd.worker, given)  # [K, C]
    count = shares.sum(1)  # [K]
    wrong = torch.zeros(len(crowd.text)).index_add(0, crowd.task, 1 - right) / _count(crowd.task, len(crowd.text))
    agree = torch.zeros(workers).index_add(0, crowd.worker, right)  # [K]

    def about(agree: Tensor, count: Tensor, shares: Tensor) -> Tensor:
        known = (agree + right.mean()) / (count + 1)
        return torch.cat(
            (known[:, None], torch.log1p(count)[:, None], (shares + 1 / classes) / (count + 1)[:, None]), 1
        )

    person = about(agree[crowd.worker] - right, count[crowd.worker] - 1, shares[crowd.worker] - given)  # [N, 2 + C]
    habit = person[:, 2:].gather(1, crowd.label[:, None])[:, 0]  # [N] share of the label in the worker's other answers
    looked = torch.zeros(workers).index_add(0, crowd.worker, torch.logsumexp(alone + crowd.evidence, 1) - habit.log())
    return _Targets(right, wrong, torch.sigmoid(-looked), person, about(agree, count, shares))


def _count(of: Tensor, size: int) -> Tensor:
    return torch.bincount(of, minlength=size).clamp(min=1).float()


def _gain(net: _Net, crowd: _Crowd, cap: float) -> Tensor:
    """[N] log P(answer | the task's others) with the correction, less without it. The correction counts within the cap."""
    found = torch.zeros(len(crowd.task))
    order = torch.argsort(crowd.task, stable=True)
    starts = torch.searchsorted(crowd.task[order].contiguous(), torch.arange(crowd.sizes[0]))
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order)) - starts[crowd.task[order]]
    plain = crowd.prior - crowd.prior.mean()
    for r in range(int(rank.max()) + 1):  # the r-th answer of every task is hidden
        kept = (rank != r).float()
        state = _state(crowd, kept)
        correction, _ = net.correct(crowd, state)
        raised = (plain + correction).clamp(-cap, cap) - plain.clamp(-cap, cap)
        base = state.score - plain + plain.clamp(-cap, cap)
        rows = torch.nonzero(rank == r)[:, 0]
        at = crowd.task[rows]
        told = [
            torch.logsumexp(torch.log_softmax(score[at], 1) + crowd.evidence[rows], 1)
            for score in (base + raised, base)
        ]
        found[rows] = told[0] - told[1]
    return found


def _mean(values: Float, task: NDArray[np.int64], tasks: int) -> tuple[float, float]:
    """Mean over answers, and its standard error with tasks as clusters."""
    mean = float(values.mean())
    sums = np.bincount(task, values - mean, tasks)
    return mean, float(np.sqrt((sums**2).sum()) / len(values))
