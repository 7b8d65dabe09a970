"""The graph network: reproducible, a chance for every pair, and no worse an order of them than its base gives."""

import numpy as np
import pytest

from oracle.matching import predict
from oracle.matching.blend import Seen

pytest.importorskip("torch_geometric", reason="the extra `matching` is not installed")
TASKS, WORKERS = 200, 40


def crowd(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Tasks of two kinds; a worker is right 19 times of 20 on its own and guesses on the other: task, worker, label, right."""
    rng = np.random.default_rng(seed)
    kind, knows, truth = rng.integers(0, 2, TASKS), rng.integers(0, 2, WORKERS), rng.integers(0, 2, TASKS)
    task = np.repeat(np.arange(TASKS), 10)
    worker = np.concatenate([rng.choice(WORKERS, 10, replace=False) for _ in range(TASKS)])
    right = rng.random(len(task)) < np.where(kind[task] == knows[worker], 0.95, 0.5)
    return (
        task.astype(np.int32),
        worker.astype(np.int32),
        np.where(right, truth[task], 1 - truth[task]).astype(np.int32),
        right,
    )


def area(chance: np.ndarray, right: np.ndarray) -> float:
    """Share of the pairs of a right and a wrong answer in which the right one was thought likelier."""
    above = chance[right][:, None] - chance[~right][None, :]
    return float((above > 0).mean() + (above == 0).mean() / 2)


def test_right__workers_who_know_one_kind__ranks_no_worse_than_the_base_and_the_same_again() -> None:
    from oracle.matching import gnn

    gains = []
    for seed in range(3):
        task, worker, label, right = crowd(seed)
        hidden = np.random.default_rng(seed).random(len(task)) < 0.2
        seen = Seen(task[~hidden], worker[~hidden], label[~hidden], (TASKS, WORKERS, 2))
        pairs = (worker[hidden], task[hidden])
        found = gnn.right(seen, *pairs, [], seed=seed)
        assert found.shape == (hidden.sum(),) and (found > 0).all() and (found < 1).all()
        gains.append(area(found, right[hidden]) - area(predict.right(seen.fit(), *pairs), right[hidden]))
        if seed == 0:
            assert np.array_equal(found, gnn.right(seen, *pairs, [], seed=seed))
    assert np.mean(gains) > -0.03, gains
