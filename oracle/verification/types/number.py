"""Numbers: the precision-weighted mean of three nested models.

    y_n = a_i + s_i z_t + e_n,   e_n ~ N(0, v_i)          answer n by worker i to task t

    alike       a_i = 0, s_i = 1, v_i = v                 the plain mean
    offset      s_i = 1                                   a worker has a bias and a spread
    stretch     all free                                  and a sensitivity: who always says 0 tells nothing

fitted by EM with empirical-Bayes priors: a_i ~ N(0, A), s_i ~ N(1, S), A and S from the crowd; v_i is drawn to the crowd's
harmonic mean (which spammers do not raise) as if `WEIGHT` answers of the worker had shown it, times (kurtosis - 1) / 2: where
errors have heavy tails a variance is known worse. The truth has a prior while the workers are fitted, and none in the estimate,
which is weighted least squares: nothing is drawn to the mean of the file, so tasks of several scales may stand in one.

The three estimates of a task are averaged by their precision; that of the plain mean is computed from the spreads of `offset`,
so it counts where workers are alike and hardly where they are not. The interval is predictive. Nothing seen without gold tells how
far a crowd errs together, so the truth is taken for one more voice: of n_t answers the variance of the value is theirs, and the
variance between the estimates, times 1 + n_t (as if the errors of two workers in one task had the correlation 1/2); times what
the task shows to be harder than the rest. With S_t the weighted squares of its d_t = n_t - 1 free residuals, and a task's
variance drawn from a scaled inverse chi-square of nu and s2, both fitted to all tasks (S_t / d_t is s2 times an F of d_t and nu),

    hardness_t = (nu s2 + S_t) / (nu + d_t)     (value - truth) / sqrt(variance (1 + n_t) hardness_t) ~ Student's t of nu + d_t

What misleads everybody on all tasks alike stays unseen. Numbers far outside (beyond
the 5 % and 95 % quantiles of all answers by more than twice their distance) are drawn in to that fence.

Random effects by EM: Laird & Ware (1982), https://doi.org/10.2307/2529876; annotators of numbers: Raykar et al. (2010),
Learning from crowds, JMLR 11:1297-1322; averaged models: Hoeting et al. (1999), https://doi.org/10.1214/ss/1009212519; design
effect: Kish (1965), Survey Sampling; variances drawn together: Smyth (2004), https://doi.org/10.2202/1544-6115.1027.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import betaln, stdtr, stdtrit

from oracle.verification.types import agreement
from oracle.verification.types.answer import AnswerType, Categorical, Consensus, Float, Given, Ints, Unreadable

WEIGHT = 10.0
SHARED = 0.25  # correlation of the errors of two workers in one task, where the value is one voice among others
MODELS = ((False, False), (True, False), (True, True))  # are biases, are stretches fitted
ITERATIONS = 100
SOFTNESS = np.geomspace(0.5, 200, 40)  # nu: few, and tasks differ much
SCALES = np.geomspace(0.05, 20, 60)  # s2
ENOUGH = 2_000  # tasks from which both are learned
LEVEL, NORMAL = (
    0.9,
    1.6448536269514722,
)  # the interval, and how many standard errors it is to either side of a normal value
PARTS = 10  # the confidence is of a tenth of the scale about the value

Sums = Callable[[Float], Float]  # of [N] over tasks or workers

_NUMBER = re.compile(r"[+-]?([0-9]{1,300}(\.[0-9]{0,300})?|\.[0-9]{1,300})([eE][+-]?[0-9]{1,3})?\Z", re.ASCII)


def number(low: float | None = None, high: float | None = None) -> AnswerType:
    """The type of a number, within `low` and `high` where they are given."""
    return AnswerType(
        name="number",
        read=partial(read, low=low, high=high),
        write=write,
        aggregate=partial(aggregate, low=low, high=high),
        near=0.0,
        distance=lambda left, right: float(left != right),
        agreement=lambda given: agreement.interval(given.task, given.value),
        measure="Krippendorff's alpha, interval",
        score=score,
    )


def read(text: str, low: float | None = None, high: float | None = None) -> float:
    """A decimal number. Raises Unreadable for words, NaN and infinities, and for what lies outside the scale."""
    text = text.strip()
    if not _NUMBER.match(text):
        raise Unreadable(
            f"{text[:40]!r} is no number; write digits with a point and no thousands separator, like -12.5"
        )
    value = float(text)
    if not abs(value) <= 1e100:
        raise Unreadable(f"{text[:40]!r} is beyond 1e100; choose a larger unit")
    if (low is not None and value < low) or (high is not None and value > high):
        raise Unreadable(f"{text[:40]!r} lies outside {low} .. {high}; correct it, or the type's low and high")
    return value


def write(value: float) -> str:
    """The shortest decimal that reads back as the same number."""
    return repr(float(value)).removesuffix(".0")


def aggregate(given: Given, _: Categorical, low: float | None = None, high: float | None = None) -> Consensus:
    """Value, its 90 % interval, and the probability that the truth lies within a tenth of the scale about the value.

    The scale runs from `low` to `high`, or else from the lowest answer to the highest. Columns: `low` and `high` of the interval,
    and `error`, its half by 1.645, a standard error. Quality: 1 / the worker's spread.
    """
    found = estimate(given, low, high)
    answered, value = found.answers > 0, found.value
    half = found.scale * stdtrit(found.freedom, (1 + LEVEL) / 2)
    reach = (found.top - found.bottom) / PARTS / 2
    within = 2 * stdtr(found.freedom, reach / np.maximum(found.scale, 1e-300)) - 1
    return Consensus(
        value=[float(v) if seen else None for v, seen in zip(value, answered, strict=True)],
        confidence=np.where(answered, within, 0.0),
        quality=1 / found.spread,
        columns={
            "error": np.where(answered, half / NORMAL, np.nan),
            "low": np.where(answered, np.maximum(value - half, found.bottom), np.nan),
            "high": np.where(answered, np.minimum(value + half, found.top), np.nan),
        },
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the three models say of each task, in the unit of the answers; of a task without answers it means nothing."""

    answers: Ints  # [T]
    value: Float  # [T]
    error: Float  # [T] of the value as one voice among others: errors in a task are alike by SHARED
    scale: Float  # [T] of the value that stands alone: the truth is taken for one more voice
    freedom: Float  # [T] degrees of freedom of Student's t on that scale
    spread: Float  # [K] standard deviation of a worker's errors
    bottom: float  # of the scale of answers
    top: float


def estimate(given: Given, low: float | None = None, high: float | None = None) -> Estimate:
    """The mean of the three models by their precision, and two widths: for a mean with other evidence, and for an interval."""
    y = _fenced(np.asarray(given.value, np.float64))
    bottom, top = (float(low if low is not None else y.min()), float(high if high is not None else y.max()))
    centre, unit = float(y.mean()), float(y.std()) or 1.0
    x = (y - centre) / unit
    models = [fit(given, x, *free) for free in MODELS]
    many = np.bincount(given.task, minlength=given.tasks)  # [T]
    means = np.stack([model.value for model in models])  # [3, T]
    plain = np.bincount(given.task, models[1].spread[given.worker], given.tasks) / np.maximum(many, 1) ** 2
    variances = np.maximum(np.stack((plain, models[1].variance, models[2].variance)), 1e-12)
    share = 1 / variances / (1 / variances).sum(0)  # [3, T]
    mean = (share * means).sum(0)
    between = (means - mean) ** 2
    design = 1 + SHARED * np.maximum(many - 1, 0)
    hardness, freedom = hard(_squares(given, x, models[1]), many - 1)
    return Estimate(
        answers=many,
        value=np.clip(mean * unit + centre, bottom, top),
        error=np.sqrt((share * (variances * design + between)).sum(0)) * unit,
        scale=np.sqrt((share * (variances + between)).sum(0) * (1 + many) * hardness) * unit,
        freedom=freedom,
        spread=unit * np.sqrt(models[1].spread),
        bottom=bottom,
        top=top,
    )


def hard(squares: Float, freedom: Ints) -> tuple[Float, Float]:
    """How much harder each task is than its answers' spreads say, and of how many degrees of freedom its t is: [T], [T].

    squares [T]: weighted squares of a task's residuals, freedom [T]: how many of them are free (below 1: none, nothing is said).
    """
    free, seen = np.maximum(freedom, 0).astype(np.float64), np.flatnonzero(freedom > 0)
    if not len(seen):
        return np.ones(len(squares)), np.full(len(squares), SOFTNESS[-1])
    some = seen[:: -(-len(seen) // ENOUGH)]
    d, sums = free[some], squares[some]  # [n]
    best, nu, s2 = -np.inf, SOFTNESS[-1], 1.0
    for soft in SOFTNESS:
        total = soft * SCALES[:, None]  # [S, 1] nu s2
        fits = d / 2 * np.log(1 / total) - (d + soft) / 2 * np.log1p(sums / total) - betaln(d / 2, soft / 2)
        at = int(fits.sum(1).argmax())
        if float(fits[at].sum()) > best:
            best, nu, s2 = float(fits[at].sum()), float(soft), float(SCALES[at])
    return (nu * s2 + np.where(freedom > 0, squares, 0.0)) / (nu + free), nu + free


def _squares(given: Given, x: Float, model: Fit) -> Float:
    """Of each task's residuals about the model's value, in its workers' variances. [T]"""
    off = x - model.bias[given.worker] - model.stretch[given.worker] * model.value[given.task]
    return np.bincount(given.task, off**2 / model.spread[given.worker], given.tasks).astype(np.float64)


def score(values: Sequence[float], known: Sequence[float]) -> dict[str, float]:
    """Mean absolute error, root mean squared error and Pearson's r (0 where one side is constant)."""
    found, truth = np.asarray(values, np.float64), np.asarray(known, np.float64)
    off = found - truth
    spread = float(found.std() * truth.std())
    r = float(((found - found.mean()) * (truth - truth.mean())).mean() / spread) if spread > 0 else 0.0
    return {"mae": float(np.abs(off).mean()), "rmse": math.sqrt(float((off**2).mean())), "r": r}


# ---------------------------------------------------------------- one model


@dataclass(frozen=True, slots=True)
class Fit:
    """One of the three models, in units of the answers' standard deviation."""

    value: Float  # [T] weighted least squares; 0 for a task without answers
    variance: Float  # [T] of the value
    bias: Float  # [K] a
    stretch: Float  # [K] s
    spread: Float  # [K] v


def fit(given: Given, x: Float, biased: bool, stretched: bool) -> Fit:
    """EM for the answers x [N]; biases and stretches stay at 0 and 1 unless they are to be fitted.

    Where they are free, one shift and one factor of everything are not determined: the workers' precision-weighted mean bias is
    kept at 0, their mean stretch at 1.
    """
    task, worker = given.task, given.worker
    per_task, per_worker = _sums(task, given.tasks), _sums(worker, given.workers)
    n_task, n = per_task(np.ones_like(x)), per_worker(np.ones_like(x))
    mean = per_task(x) / np.maximum(n_task, 1)
    inside = float(((x - mean[task]) ** 2).sum()) / max(len(x) - int((n_task > 0).sum()), 1)
    inside = max(inside, 1e-9)
    answered = n_task > 0
    truth = max(float(mean[answered].var()) - inside / float(n_task[answered].mean()), 0.05)  # variance of z
    bias, stretch, spread = np.zeros(given.workers), np.ones(given.workers), np.full(given.workers, inside)
    wide_bias, wide_stretch = truth / 10, 0.25
    for _ in range(ITERATIONS if biased or stretched else 0):
        w, s = (1 / spread)[worker], stretch[worker]
        v = 1 / (1 / truth + per_task(w * s**2))  # [T] posterior variance of z, then its mean
        z = v * per_task(w * s * (x - bias[worker]))
        z_n, z2_n = z[task], (z**2 + v)[task]  # [N]
        a11, a12, a22 = (
            n / spread + 1 / wide_bias,
            per_worker(z_n) / spread,
            per_worker(z2_n) / spread + 1 / wide_stretch,
        )
        b1, b2 = per_worker(x - z_n) / spread, per_worker(x * z_n - z2_n) / spread
        if stretched:
            both = a11 * a22 - a12**2
            bias, stretch = (a22 * b1 - a12 * b2) / both, 1 + (a11 * b2 - a12 * b1) / both
            wide_bias, wide_stretch = _mean(bias**2 + a22 / both), _mean((stretch - 1) ** 2 + a11 / both)
        else:
            bias = b1 / a11
            wide_bias = _mean(bias**2 + 1 / a11)
        known = n / spread
        bias = bias - np.average(bias, weights=known)
        stretch = stretch / np.average(stretch, weights=known)
        off = (x - bias[worker] - stretch[worker] * z_n) ** 2 + stretch[worker] ** 2 * v[task]
        heavy = WEIGHT * _heaviness(off, per_worker, n)
        spread = np.maximum((per_worker(off) + heavy / np.average(1 / spread, weights=n)) / (n + heavy), 1e-9)
        truth = max(_mean((z**2 + v)[answered]), 1e-9)
    w, s = (1 / spread)[worker], stretch[worker]
    weight = per_task(w * s**2)
    variance = 1 / np.maximum(weight, 1e-12)
    return Fit(variance * per_task(w * s * (x - bias[worker])), variance, bias, stretch, spread)


def _heaviness(off: Float, per_worker: Sums, n: Float) -> float:
    """(kurtosis - 1) / 2 of the errors within workers, given squared; 1 for normal errors, and not less."""
    within = float((per_worker(off) ** 2 / np.maximum(n, 1)).sum())
    return max(1.0, (float((off**2).sum()) / max(within, 1e-18) - 1) / 2)


def _fenced(y: Float) -> Float:
    bottom, top = np.quantile(y, (0.05, 0.95))
    reach = 2 * (top - bottom)
    return np.clip(y, bottom - reach, top + reach) if reach > 0 else y


def _mean(values: Float) -> float:
    return max(float(values.mean()), 1e-9)


def _sums(group: Ints, groups: int) -> Sums:
    return lambda values: np.bincount(group, values, groups).astype(np.float64)
