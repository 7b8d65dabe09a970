"""Will this worker answer this task right, and what will he say? From the answers so far; no true label is needed.

Answers in (arrays [N] and the sizes T, K, C), `Pairs` out: of every task the chance of each class and of being hard, of every
worker the confusion and how sure it is. The model is the base of all that is predicted about pairs
(oracle.matching.adaptive): variational Dawid-Skene, and at a hard task most of what anyone says is guessing:

    P(i says l at t | z_t = c) = sum_h P(h | z_t = c) (s_h theta[i, c, l] + (1 - s_h) / C)

Cold workers get the crowd's confusion, cold tasks the uniform class or the `prior` given for them (from their text, say).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.matching import adaptive
from oracle.matching.value import columns
from oracle.protocol.errors import BadInput

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """What is believed of tasks and workers; chances of any pair follow."""

    joint: Float  # [T, 2, C] P(easy or hard, class | answers)
    weights: Float  # [K, C, C] Dirichlet weights of each worker's rows: pseudo-answers and answers
    answers: Int  # [T]

    @property
    def posterior(self) -> Float:
        """[T, C] of the class; less sure than Dawid-Skene's where a task may be hard."""
        found: Float = self.joint.sum(1)
        return found

    @property
    def confusion(self) -> Float:
        """[K, C, C] expected, at an easy task."""
        found: Float = self.weights / self.weights.sum(2, keepdims=True)
        return found


def fit(
    task: ArrayLike,
    worker: ArrayLike,
    label: ArrayLike,
    tasks: int,
    workers: int,
    classes: int,
    *,
    prior: Float | None = None,
) -> Pairs:
    """Believe the answers so far, each worker at most once a task. prior [T, C]: chances of the classes before any answer.

    Raises BadInput for indices out of range, arrays that differ in length, fewer than two classes, or a prior of another shape.
    """
    what, who, said = columns(task, worker, label, tasks, workers, classes)
    if classes < 2:
        raise BadInput("one class only: there is nothing to predict")
    nothing = np.empty(0, np.int64)
    of = adaptive.Recording(what, who, said, nothing, nothing, nothing, nothing)
    belief = adaptive.believe_nothing(tasks, workers, classes)
    belief.answers[:] = np.bincount(what, minlength=tasks)
    everything = np.arange(len(what))
    adaptive.aggregate(of, everything, belief)
    adaptive.tell_hard(of, everything, belief)
    return Pairs(_with_prior(belief.joint, prior), belief.counts + belief.shape, belief.answers)


def right(of: Pairs, worker: ArrayLike, task: ArrayLike) -> Float:
    """P(worker[e] answers task[e] right) [E]."""
    found: Float = (of.posterior[np.asarray(task)] * np.diagonal(row(of, worker, task), axis1=1, axis2=2)).sum(1)
    return found


def row(of: Pairs, worker: ArrayLike, task: ArrayLike) -> Float:
    """[E, C, C] what worker[e] says at task[e], by truth: the expected confusion, flattened as far as the task may be hard."""
    joint = of.joint[np.asarray(task)]  # [E, 2, C]
    share = joint / np.maximum(joint.sum(1, keepdims=True), adaptive.NOTHING)
    clear = (share * np.array(adaptive.HEARD)[None, :, None]).sum(1)[:, :, None]  # [E, C, 1] share that is no guess
    found: Float = clear * of.confusion[np.asarray(worker)] + (1 - clear) / joint.shape[2]
    return found


def spread(of: Pairs, worker: ArrayLike, task: ArrayLike) -> Float:
    """Standard deviation of `right` [E] by what is not known of the worker: large for new ones, who are worth a try.

    Of each row's Dirichlet: var theta_cc = m (1 - m) / (weight + 1); rows are independent.
    """
    total = of.weights.sum(2)  # [K, C]
    mean = np.diagonal(of.weights, axis1=1, axis2=2) / total
    variance = (mean * (1 - mean) / (total + 1))[np.asarray(worker)]
    heard = (of.joint[np.asarray(task)] * np.array(adaptive.HEARD)[None, :, None]).sum(1)  # [E, C]
    found: Float = np.sqrt((heard**2 * variance).sum(1))
    return found


# ---------------------------------------------------------------- what others say of an answer: targets without gold


def plain_posterior(of: Pairs, task: ArrayLike, worker: ArrayLike, label: ArrayLike) -> Float:
    """[T, C] Dawid-Skene's: with no task taken for hard."""
    return _softmax(_log_likelihood(of, task, worker, label))


def told_by_others(of: Pairs, task: ArrayLike, worker: ArrayLike, label: ArrayLike) -> Float:
    """[N] how likely each answer is right, by the other answers to its task alone; the task may be hard."""
    said = np.asarray(label)
    chance = of.confusion[np.asarray(worker), :, said]  # [N, C]
    share = np.array(adaptive.HEARD)[None, :, None]
    others = of.joint[np.asarray(task)] / (share * chance[:, None, :] + (1 - share) / chance.shape[1])  # [N, 2, C]
    found: Float = others[np.arange(len(said)), :, said].sum(1) / others.sum((1, 2))
    return found


def _log_likelihood(of: Pairs, task: ArrayLike, worker: ArrayLike, label: ArrayLike) -> Float:
    found = np.zeros((len(of.answers), of.weights.shape[2]))
    np.add.at(found, np.asarray(task), np.log(of.confusion[np.asarray(worker), :, np.asarray(label)]))
    return found


def _softmax(scores: Float) -> Float:
    shares = np.exp(scores - scores.max(1, keepdims=True))
    found: Float = shares / shares.sum(1, keepdims=True)
    return found


def _with_prior(joint: Float, prior: Float | None) -> Float:
    if prior is None:
        return joint
    if prior.shape != (len(joint), joint.shape[2]):
        raise BadInput(f"prior: {len(joint)} x {joint.shape[2]} chances needed, got shape {prior.shape}")
    scaled = joint * prior[:, None, :]
    found: Float = scaled / scaled.sum((1, 2), keepdims=True)
    return found
