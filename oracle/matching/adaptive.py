"""The inner loop of adaptive assignment, compiled: believe, value, ask, learn from the answer, believe again.

Everything works on a `Recording` (answers as sorted arrays) and a `Belief` (posteriors of tasks, counts of workers). Nothing here
knows a true label. `aggregate` is the one aggregator of all policies: variational Dawid-Skene with a uniform class prior. Between
two of its runs `absorb` follows each answer by Bayes' rule. All in one file: a cached kernel would not see another one change.

`ours` adds two things to the expected information gain. A task may be hard: then most of what is said about it is guessing, which
a task that stays split shows, and answers go where they still decide something. And nobody has to be asked: who comes when nothing
here is worth the going rate for his answer is let go (`Gate`).
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

RANDOM, ROUND_ROBIN, ENTROPY, QASCA, EIG, OURS, OURS_ASKING, OURS_BLIND = range(
    8
)  # asking: lets nobody go; blind: to workers
ITERATIONS = 40  # of the aggregator, at most
SETTLED = 1e-3  # largest change of a posterior at which it stops
PSEUDO = 4.0  # pseudo-answers, times the classes, that a row of the prior is worth
EVEN = 2.0  # answers' worth, times the classes, of the one-coin shape in the pooled rows
RIGHT, RIGHT_WORTH = (
    0.7,
    2.0,
)  # a worker's chance to be right before anything is known, and how many answers that is worth
HEARD = (1.0, 0.25)  # share of answers that are more than guesses, at an easy task and at a hard one
HARD_WORTH = (8.0, 2.0)  # tasks' worth of belief in how many are easy, and hard
WAITING = 0.5  # what letting one go costs in time, in answers' prices
PATIENCE = 20  # nobody after so many in a row is let go
LOOKED = 256  # tasks that one who comes is looked at for
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
    joint: Float  # [T, 2, C] chance that a task is easy or hard, and of the class
    ease: Float  # [2] how many tasks are easy, and hard


class Gate(NamedTuple):
    """The going rate: worth got for each price paid, of late. One who offers less is let go.

    To stay for what is under the mean rate lowers it: the marginal value theorem, Charnov (1976),
    https://doi.org/10.1016/0040-5809(76)90040-X.
    """

    got: Float  # [1]
    paid: Float  # [1] answers and waiting
    refused: Int  # [1] in a row


@_compiled
def believe_nothing(tasks: int, workers: int, classes: int) -> Belief:
    empty = Belief(
        np.full((tasks, classes), 1.0 / classes),
        np.zeros((workers, classes, classes)),
        np.zeros((classes, classes)),
        np.zeros(tasks, np.int64),
        np.empty((tasks, len(HEARD), classes)),
        np.empty(len(HEARD)),
    )
    pool(empty)
    for h in range(len(HEARD)):
        empty.ease[h] = HARD_WORTH[h] / (HARD_WORTH[0] + HARD_WORTH[1])
        empty.joint[:, h] = empty.ease[h] / classes
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


# ---------------------------------------------------------------- easy and hard tasks


@_compiled
def tell_hard(of: Recording, asked: Int, belief: Belief) -> None:
    """joint[t, h, c] ~ ease[h] prod_n (s_h theta[i_n, c, l_n] + (1 - s_h) / C), s = HEARD; three rounds of EM for `ease`.

    Tasks of one answer cannot tell, and do not count.
    """
    tasks, kinds, classes = belief.joint.shape
    theta = np.empty((classes, classes))
    logs = np.zeros((tasks, kinds, classes))
    before = -1
    for answer in asked[np.argsort(of.worker[asked])]:
        if of.worker[answer] != before:
            before = of.worker[answer]
            rows(belief, before, theta)
        for h in range(kinds):
            for c in range(classes):
                logs[of.task[answer], h, c] += np.log(heard(h, theta[c, of.label[answer]], classes))
    for _ in range(3):
        weigh(logs, belief)
        total = HARD_WORTH[0] + HARD_WORTH[1]
        for h in range(kinds):
            belief.ease[h] = HARD_WORTH[h]
        for t in range(tasks):
            if belief.answers[t] > 1:
                total += 1.0
                for h in range(kinds):
                    belief.ease[h] += belief.joint[t, h].sum()
        for h in range(kinds):
            belief.ease[h] /= total


@_compiled
def heard(kind: int, chance: float, classes: int) -> float:
    """The chance of a label at a task of this kind."""
    return float(HEARD[kind] * chance + (1.0 - HEARD[kind]) / classes)


@_compiled
def weigh(logs: Float, belief: Belief) -> None:
    tasks, kinds, classes = logs.shape
    for t in range(tasks):
        best, total = logs[t].max(), 0.0
        for h in range(kinds):
            for c in range(classes):
                belief.joint[t, h, c] = belief.ease[h] * np.exp(logs[t, h, c] - best)
                total += belief.joint[t, h, c]
        for h in range(kinds):
            for c in range(classes):
                belief.joint[t, h, c] /= total


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
    joint, total = belief.joint[task], 0.0
    for h in range(len(joint)):
        for c in range(len(posterior)):
            joint[h, c] *= heard(h, theta[c, label], len(posterior))
            total += joint[h, c]
    for h in range(len(joint)):
        for c in range(len(posterior)):
            joint[h, c] /= total


# ---------------------------------------------------------------- what a pair is worth to a policy


@_compiled
def see(policy: int, worker: int, belief: Belief, theta: Float) -> None:
    """What the policy believes of the worker, into theta [C, C]."""
    if policy != OURS_BLIND:
        rows(belief, worker, theta)
        return
    for c in range(len(theta)):
        total = belief.shape[c].sum()
        for label in range(len(theta)):
            theta[c, label] = belief.shape[c, label] / total


@_compiled
def worth(policy: int, task: int, belief: Belief, theta: Float) -> float:
    """Higher is asked first. QASCA: https://doi.org/10.1145/2723372.2749430 (expected accuracy); EIG: Lindley (1956)."""
    if policy == ROUND_ROBIN:
        return -float(belief.answers[task])
    if policy == ENTROPY:
        return entropy(belief.posterior[task])
    if policy == QASCA:
        return accuracy_gain(belief.posterior[task], theta)
    if policy == EIG:
        return information(belief.posterior[task], theta)
    if policy >= OURS:
        return information_if_easy(belief.joint[task], theta)
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
def information_if_easy(joint: Float, theta: Float) -> float:
    """What the label tells about the class, in nats, where the task may be hard: H(z) - sum_l P(l) H(z | l)."""
    kinds, classes = joint.shape
    found = 0.0
    for c in range(classes):
        chance = 0.0
        for h in range(kinds):
            chance += joint[h, c]
        if chance > 0.0:
            found -= chance * np.log(chance)
    for label in range(classes):
        chance = 0.0
        for c in range(classes):
            both = 0.0
            for h in range(kinds):
                both += joint[h, c] * heard(h, theta[c, label], classes)
            chance += both
            if both > 0.0:
                found += both * np.log(both)
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
) -> int:
    """Ask until marks[-1] answers; after marks[m] of them all answers are aggregated, and verdicts[m] [T] are written.

    Arrival: workers come in the random order of the recording's answers, and the policy picks one of their answers not asked
    yet; who is let go comes again when all have come. Pool: it picks any. Ties fall to chance, of verdicts too. Returns how
    often one was let go.
    """
    np.random.seed(seed)
    belief = believe_nothing(*sizes)
    coming = of.worker[np.random.permutation(len(of.worker))]
    rest, left = of.by_worker.copy(), np.diff(of.worker_start)
    asked = np.empty(marks[-1], np.int64)
    given = np.empty(len(of.task), np.int64)  # by task, in the order asked
    theta = np.empty((sizes[2], sizes[2]))
    values = np.zeros(len(of.task))  # of each answer in the pool; -inf once asked
    revalue(of, of.by_task, policy, belief, values, theta)
    gate = Gate(np.zeros(1), np.zeros(1), np.zeros(1, np.int64))
    mark, bought, at, kept, end, gone = 0, 0, 0, 0, len(coming), 0
    while bought < marks[-1]:
        if pool_mode:
            answer = largest(values)
        else:
            if at == end:
                at, kept, end = 0, 0, kept
                coming[:end] = coming[:end][np.random.permutation(end)]
            worker = coming[at]
            at += 1
            place, value = choose(of, policy, worker, rest, left, belief, theta)
            if policy in {OURS, OURS_BLIND} and lets_go(gate, value, sizes[0]):
                coming[kept] = worker
                kept += 1
                gone += 1
                continue
            answer = take(of, worker, place, rest, left)
        task, worker = of.task[answer], of.worker[answer]
        start = of.task_start[task]
        absorb(of, answer, given[start : start + belief.answers[task]], belief, theta)
        given[start + belief.answers[task] - 1] = answer
        asked[bought] = answer
        bought += 1
        if pool_mode:
            values[answer] = -np.inf
            revalue(of, of.by_task[start : of.task_start[task + 1]], policy, belief, values, theta)
            first, last = of.worker_start[worker], of.worker_start[worker + 1]
            revalue(of, of.by_worker[first:last], policy, belief, values, theta)
        if bought == marks[mark]:
            aggregate(of, asked[:bought], belief)
            judge(belief.posterior, verdicts[mark])
            mark += 1
            if policy >= OURS:
                tell_hard(of, asked[:bought], belief)
            if pool_mode:
                revalue(of, of.by_task, policy, belief, values, theta)
    return gone


@_compiled
def lets_go(gate: Gate, value: float, tasks: int) -> bool:
    """Whether the value is under the going rate; the rate follows, with a memory as long as the tasks are many."""
    fade = 1.0 - 1.0 / (tasks + 1)
    go = bool(value * gate.paid[0] < gate.got[0] and gate.refused[0] < PATIENCE)
    gate.got[0] = gate.got[0] * fade + (0.0 if go else value)
    gate.paid[0] = gate.paid[0] * fade + WAITING + (0.0 if go else 1.0)
    gate.refused[0] = gate.refused[0] + 1 if go else 0
    return go


@_compiled
def choose(
    of: Recording, policy: int, worker: int, rest: Int, left: Int, belief: Belief, theta: Float
) -> tuple[int, float]:
    """The place in `rest` of the worker's best answer not asked yet, and its worth; of more than LOOKED, some are looked at."""
    see(policy, worker, belief, theta)
    start, many = of.worker_start[worker], left[worker]
    skipped = 0 if many <= LOOKED else np.random.randint(many)
    best, ties, place = -np.inf, 0, start
    for offset in range(min(many, LOOKED)):
        k = start + (skipped + offset) % many
        found = worth(policy, of.task[rest[k]], belief, theta)
        if found > best:
            best, ties, place = found, 1, k
        elif found == best:
            ties += 1
            if np.random.random() * ties < 1.0:
                place = k
    return place, best


@_compiled
def take(of: Recording, worker: int, place: int, rest: Int, left: Int) -> int:
    """The answer at that place; the worker's last one takes it."""
    left[worker] -= 1
    answer = rest[place]
    rest[place] = rest[of.worker_start[worker] + left[worker]]
    return int(answer)


@_compiled
def revalue(of: Recording, answers: Int, policy: int, belief: Belief, values: Float, theta: Float) -> None:
    for answer in answers:
        if values[answer] > -np.inf:
            see(policy, of.worker[answer], belief, theta)
            values[answer] = worth(policy, of.task[answer], belief, theta)


@_compiled
def largest(values: Float) -> int:
    best, ties, place = -np.inf, 0, 0
    for k in range(len(values)):
        if values[k] > best:
            best, ties, place = values[k], 1, k
        elif values[k] == best and best > -np.inf:
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
