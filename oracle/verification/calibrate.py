"""Confidence that means what it says, where some answers are known.

The engine's confidence allows for shared error without gold (oracle.verification.engine). Known tasks say how right it is on this
very job: hidden from the engine in turn, they are judged like any other, and one temperature is fitted to what it said of them,

    P'(c) ~ P(c)^tau,    tau = argmax  sum_t log P'_t(z_t) - log(tau)^2 / (2 WIDTH^2).

One number, drawn to 1, so that a few known tasks cannot spoil the rest. Guo et al. 2017, https://proceedings.mlr.press/v70/guo17a.html
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from oracle.verification.layout import Float, Int32

LEAST = 20  # known tasks: with fewer there is nothing to fit
FOLDS = 2
WIDTH = 0.5  # of log tau before anything is seen
TAUS = np.exp(np.linspace(-2.5, 2.5, 201))
FLOOR = 1e-9


def calibrated(posterior: Float, known: Int32, judged: Callable[[Int32], Float], seed: int = 0) -> tuple[Float, float]:
    """The posteriors [T, C] with one temperature for all unknown tasks, and that temperature.

    known [T]: class, or negative. judged(known): what the engine says, [T, C], when it is told only those.
    """
    rows = np.flatnonzero(known >= 0)
    if len(rows) < LEAST:
        return posterior, 1.0
    fold = np.random.default_rng(seed).permutation(np.arange(len(rows)) % FOLDS)
    said = np.empty((len(rows), posterior.shape[1]))
    for k in range(FOLDS):
        told = known.copy()
        told[rows[fold == k]] = -1
        said[fold == k] = judged(told)[rows[fold == k]]
    tau = temperature(said, known[rows])
    sharper = tempered(posterior, tau)
    sharper[rows] = posterior[rows]
    return sharper, tau


def temperature(posterior: Float, truth: Int32) -> float:
    """tau for posteriors [G, C] of tasks whose classes [G] are known."""
    logs = np.log(np.maximum(posterior, FLOOR))
    at = np.arange(len(truth))
    worth = [
        (tau * logs[at, truth] - np.logaddexp.reduce(tau * logs, axis=1)).sum() - np.log(tau) ** 2 / (2 * WIDTH**2)
        for tau in TAUS
    ]
    return float(TAUS[int(np.argmax(worth))])


def tempered(posterior: Float, tau: float) -> Float:
    """P^tau, normalised. [T, C]"""
    logs = tau * np.log(np.maximum(posterior, FLOOR))
    shares: Float = np.exp(logs - np.logaddexp.reduce(logs, axis=1)[:, None])
    return shares
