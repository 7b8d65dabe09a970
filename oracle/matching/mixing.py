"""Gold among the tasks that a worker is asked: in its share, more for those of whom little is known, and in no order.

candidates of several workers -> which of them are to be offered. Each worker gets `most` of its own, of which a share is gold: that
of all candidates, times the worker's weight over the mean weight. So the share of a round is the share of the open tasks, whatever
the weights are, and neither early nor late rounds hold more. Given how many are gold, every choice is equally likely: a worker
learns nothing from which tasks it was given together. Pure; E candidates cost O(E log E).
"""

from random import Random

import numpy as np
from numpy.typing import NDArray

COLD = 20  # answers of a job after which a worker is no stranger to it
COLD_WEIGHT = 2.0  # against 1
MOST_SHARE = 0.5  # of a worker's tasks may be gold: else care would be paid for being watched


def mixed(
    worker: NDArray[np.int64],
    gold: NDArray[np.bool_],
    answered: NDArray[np.int64],
    most: int,
    draw: Random,
) -> NDArray[np.bool_]:
    """[E] the candidates to offer. worker, gold [E]; answered [E]: how many tasks the candidate's worker has answered."""
    keep = np.zeros(len(worker), bool)
    if not len(worker):
        return keep
    people, first, of = np.unique(worker, return_index=True, return_inverse=True)
    weight = np.where(answered[first] < COLD, COLD_WEIGHT, 1.0)
    share = np.minimum(gold.mean() * weight / weight.mean(), MOST_SHARE)
    for one in range(len(people)):
        at = np.flatnonzero(of == one)
        known, others = at[gold[at]].tolist(), at[~gold[at]].tolist()
        wanted = min(most, len(at))
        count = int(share[one] * wanted + draw.random())
        count = min(max(count, wanted - len(others)), len(known))
        keep[draw.sample(known, count) + draw.sample(others, wanted - count)] = True
    return keep
