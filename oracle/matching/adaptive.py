"""The inner loop of adaptive assignment, compiled: believe, score, ask, learn from the answer, believe again.

Everything works on a `Recording` (answers as sorted arrays) and a `Belief` (posteriors of tasks, counts of workers). Nothing here
knows a true label. `aggregate` is the one aggregator of all policies: variational Dawid-Skene with a uniform class prior. Between
two of its runs `absorb` follows each answer by Bayes' rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., object])

RANDOM, ROUND_ROBIN, ENTROPY, QASCA, EIG, OURS = range(6)
ITERATIONS = 40  # of the aggregator, at most
SETTLED = 1e-3  # largest change of a posterior at which it stops
PSEUDO = 4.0  # pseudo-answers, times the classes, that a row of the prior is worth
EVEN = 2.0  # answers' worth, times the classes, of the one-coin shape in the pooled rows
RIGHT, RIGHT_WORTH = (
    0.7,
    2.0,
)  # a worker's chance to be right before anything is known, and how many answers that is worth
NOTHING = 1e-12  # gains below this are rounding


def _compiled(function: Function) -> Function:
    return cast(Function, njit(cache=True, nogil=True)(function))


class Recording(NamedTuple):
    """N recorded answers of K workers to T tasks in C classes, and where each task's and worker's stand."""

    task: Int  # [N]
    worker: Int  # [N]
    label: Int  # [N]
    by_task: Int  # [N] answers by task
    task_start: Int  # [T + 1]
    by_worker: Int  # [N] answers by worker
    worker_start: Int  # [K + 1]


class Belief(NamedTuple):
    """What the answers so far say. Kernels change it in place."""

    posterior: Float  # [T, C]
    counts: Float  # [K, C, C] expected answers of a worker by truth and label
    shape: Float  # [C, C] pseudo-answers of every worker
    answers: Int  # [T] how many a task has


@_compiled
def believe_nothing(tasks: int, workers: int, classes: int) -> Belief:
    empty = Belief(
        np.full((tasks, classes), 1.0 / classes),
        np.zeros((workers, classes, classes)),
        np.zeros((classes, classes)),
        np.zeros(tasks, np.int64),
    )
    pool(empty)
    return empty


# ---------------------------------------------------------------- the aggregator


@_compiled
def aggregate(of: Recording, asked: Int, belief: Belief) -> None:
    """Belief from the answers `asked` [n], starting at the smoothed vote: it depends on nothing else.

        q(z_t = c) ~ exp sum_n E[log theta[i_n, c, l_n]],    theta[i, c] ~ Dirichlet(shape[c] + count[i, c])

    Variational Bayes as in Simpson et al. (2013), https://doi.org/10.1007/978-3-642-36406-8_1, uniform over the classes; `shape` is
    the crowd's pooled confusion, learned again in each iteration.
    """
    posterior = belief.posterior
    tasks, classes = posterior.shape
    posterior[:] = 1.0 / classes
    for answer in asked:
        posterior[of.task[answer], of.label[answer]] += 1.0
    for t in range(tasks):
        total = posterior[t].sum()
        for c in range(classes):
            posterior[t, c] /= total
    logs = np.zeros_like(belief.counts)
    score = np.zeros_like(posterior)
    for _ in range(ITERATIONS):
        tally(of, asked, belief)
        expected_logs(belief, logs)
        score[:] = 0.0
        for answer in asked:
            for c in range(classes):
                score[of.task[answer], c] += logs[of.worker[answer], c, of.label[answer]]
        if softmax(score, posterior) < SETTLED:
            break
    tally(of, asked, belief)


@_compiled
def tally(of: Recording, asked: Int, belief: Belief) -> None:
    belief.counts[:] = 0.0
    for answer in asked:
        for c in range(belief.posterior.shape[1]):
            belief.counts[of.worker[answer], c, of.label[answer]] += belief.posterior[of.task[answer], c]
    pool(belief)


@_compiled
def pool(belief: Belief) -> None:
    """The prior of every worker: the whole crowd's rows, drawn towards one coin, worth PSEUDO answers a class."""
    counts, shape = belief.counts, belief.shape
    classes = shape.shape[0]
    shape[:] = 0.0
    right, total = RIGHT * RIGHT_WORTH, RIGHT_WORTH
    for w in range(len(counts)):
        for c in range(classes):
            right += counts[w, c, c]
            for label in range(classes):
                shape[c, label] += counts[w, c, label]
                total += counts[w, c, label]
    right, even = right / total, EVEN * classes
    for c in range(classes):
        total = shape[c].sum() + even
        for label in range(classes):
            coin = right if c == label else (1.0 - right) / (classes - 1)
            shape[c, label] = PSEUDO * classes * (shape[c, label] + even * coin) / total


@_compiled
def expected_logs(belief: Belief, out: Float) -> None:
    workers, classes, _ = out.shape
    for w in range(workers):
        for c in range(classes):
            total = 0.0
            for label in range(classes):
                weight = belief.counts[w, c, label] + belief.shape[c, label]
                total += weight
                out[w, c, label] = digamma(weight)
            less = digamma(total)
            for label in range(classes):
                out[w, c, label] -= less


@_compiled
def softmax(score: Float, out: Float) -> float:
    """Of the rows of `score`, which is used up, into `out`; the largest change."""
    change = 0.0
    for t in range(len(score)):
        best, total = score[t].max(), 0.0
        for c in range(score.shape[1]):
            score[t, c] = np.exp(score[t, c] - best)
            total += score[t, c]
        for c in range(score.shape[1]):
            change = max(change, abs(score[t, c] / total - out[t, c]))
            out[t, c] = score[t, c] / total
    return change


@_compiled
def digamma(x: float) -> float:
    """For x > 0, to 1e-9: recurrence up to 6, then the asymptotic series."""
    found = 0.0
    while x < 6.0:
        found -= 1.0 / x
        x += 1.0
    square = 1.0 / (x * x)
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)))
    return float(found + np.log(x) - 0.5 / x - series)


# ---------------------------------------------------------------- one answer


@_compiled
def rows(belief: Belief, worker: int, out: Float) -> None:
    """The worker's expected confusion [C, C]."""
    for c in range(len(out)):
        total = 0.0
        for label in range(len(out)):
            out[c, label] = belief.counts[worker, c, label] + belief.shape[c, label]
            total += out[c, label]
        for label in range(len(out)):
            out[c, label] /= total


@_compiled
def absorb(of: Recording, answer: int, earlier: Int, belief: Belief, theta: Float) -> None:
    """Bayes' rule for the task; the counts of all who answered it follow. `earlier`: the task's answers before."""
    task, worker, label = of.task[answer], of.worker[answer], of.label[answer]
    posterior = belief.posterior[task]
    rows(belief, worker, theta)
    total = 0.0
    for c in range(len(posterior)):
        total += posterior[c] * theta[c, label]
    for c in range(len(posterior)):
        before = posterior[c]
        posterior[c] *= theta[c, label] / total
        belief.counts[worker, c, label] += posterior[c]
        for other in earlier:
            belief.counts[of.worker[other], c, of.label[other]] += posterior[c] - before
    belief.answers[task] += 1


# ---------------------------------------------------------------- what a pair is worth to a policy


@_compiled
def score(policy: int, posterior: Float, theta: Float, answers: int) -> float:
    """Higher is asked first. QASCA: https://doi.org/10.1145/2723372.2749430 (expected accuracy); EIG: Lindley (1956)."""
    if policy == ROUND_ROBIN:
        return -float(answers)
    if policy == ENTROPY:
        return entropy(posterior)
    if policy == QASCA:
        return accuracy_gain(posterior, theta)
    if policy in {EIG, OURS}:
        return information(posterior, theta)
    return 0.0


@_compiled
def entropy(chances: Float) -> float:
    found = 0.0
    for chance in chances:
        if chance > 0.0:
            found -= chance * np.log(chance)
    return found


@_compiled
def information(posterior: Float, theta: Float) -> float:
    found = 0.0
    for label in range(len(posterior)):
        chance = 0.0
        for c in range(len(posterior)):
            joint = posterior[c] * theta[c, label]
            chance += joint
            if joint > 0.0:
                found += joint * np.log(theta[c, label])
        if chance > 0.0:
            found -= chance * np.log(chance)
    return found if found > NOTHING else 0.0


@_compiled
def accuracy_gain(posterior: Float, theta: Float) -> float:
    found = -posterior.max()
    for label in range(len(posterior)):
        best = 0.0
        for c in range(len(posterior)):
            best = max(best, posterior[c] * theta[c, label])
        found += best
    return found if found > NOTHING else 0.0


# ---------------------------------------------------------------- the loop


@_compiled
def play(
    of: Recording,
    sizes: tuple[int, int, int],
    policy: int,
    pool_mode: bool,
    seed: int,
    marks: Int,
    verdicts: NDArray[np.int16],
) -> None:
    """Ask until marks[-1] answers; after marks[m] of them all answers are aggregated, and verdicts[m] [T] are written.

    Arrival: workers come in the random order of the recording's answers, and the policy picks one of their answers not asked
    yet. Pool: it picks any. Ties fall to chance, of verdicts too.
    """
    np.random.seed(seed)
    belief = believe_nothing(*sizes)
    order = of.worker[np.random.permutation(len(of.worker))]
    rest, left = of.by_worker.copy(), np.diff(of.worker_start)
    asked = np.empty(marks[-1], np.int64)
    given = np.empty(len(of.task), np.int64)  # by task, in the order asked
    theta = np.empty((sizes[2], sizes[2]))
    worth = np.empty(len(of.task))  # of each answer in the pool; -inf once asked
    value_pool(of, policy, belief, worth, theta)
    mark = 0
    for i in range(marks[-1]):
        answer = largest(worth) if pool_mode else choose(of, policy, order[i], rest, left, belief, theta)
        task, worker = of.task[answer], of.worker[answer]
        start = of.task_start[task]
        absorb(of, answer, given[start : start + belief.answers[task]], belief, theta)
        given[start + belief.answers[task] - 1] = answer
        asked[i] = answer
        if pool_mode:
            worth[answer] = -np.inf
            revalue(of, of.by_task[start : of.task_start[task + 1]], policy, belief, worth, theta)
            revalue(
                of, of.by_worker[of.worker_start[worker] : of.worker_start[worker + 1]], policy, belief, worth, theta
            )
        if i + 1 == marks[mark]:
            aggregate(of, asked[: i + 1], belief)
            judge(belief.posterior, verdicts[mark])
            mark += 1
            if pool_mode:
                revalue(of, of.by_task, policy, belief, worth, theta)


@_compiled
def choose(of: Recording, policy: int, worker: int, rest: Int, left: Int, belief: Belief, theta: Float) -> int:
    """The worker's best answer not asked yet; it is taken from `rest`."""
    rows(belief, worker, theta)
    start = of.worker_start[worker]
    best, ties, place = -np.inf, 0, start
    for k in range(start, start + left[worker]):
        task = of.task[rest[k]]
        found = score(policy, belief.posterior[task], theta, belief.answers[task])
        if found > best:
            best, ties, place = found, 1, k
        elif found == best:
            ties += 1
            if np.random.random() * ties < 1.0:
                place = k
    left[worker] -= 1
    answer = rest[place]
    rest[place] = rest[start + left[worker]]
    return int(answer)


@_compiled
def value_pool(of: Recording, policy: int, belief: Belief, worth: Float, theta: Float) -> None:
    worth[:] = 0.0
    revalue(of, of.by_task, policy, belief, worth, theta)


@_compiled
def revalue(of: Recording, answers: Int, policy: int, belief: Belief, worth: Float, theta: Float) -> None:
    for answer in answers:
        if worth[answer] > -np.inf:
            rows(belief, of.worker[answer], theta)
            task = of.task[answer]
            worth[answer] = score(policy, belief.posterior[task], theta, belief.answers[task])


@_compiled
def largest(worth: Float) -> int:
    best, ties, place = -np.inf, 0, 0
    for k in range(len(worth)):
        if worth[k] > best:
            best, ties, place = worth[k], 1, k
        elif worth[k] == best and best > -np.inf:
            ties += 1
            if np.random.random() * ties < 1.0:
                place = k
    return place


@_compiled
def judge(posterior: Float, out: NDArray[np.int16]) -> None:
    """The likeliest class of each task; ties, like those of tasks without answers, fall to chance."""
    for t in range(len(posterior)):
        best, ties = -1.0, 0
        for c in range(posterior.shape[1]):
            if posterior[t, c] > best + NOTHING:
                best, ties, out[t] = posterior[t, c], 1, c
            elif posterior[t, c] > best - NOTHING:
                ties += 1
                if np.random.random() * ties < 1.0:
                    out[t] = c
