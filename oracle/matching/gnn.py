"""A graph network's residual on the base model of pairs: which tasks suit this worker, from who agreed with whom on what.

Workers and tasks are nodes, answers are edges that carry how likely others find them right and which label they give. Two rounds
of torch-geometric's GINEConv (Hu et al. 2020, https://arxiv.org/abs/1905.12265) each way, then a small head on both ends of a pair
adds to the base model's logit. Trained by cross-fitting: the answers of one part are predicted from a graph that does not hold
them, and the targets are what others say of them (oracle.matching.predict.told_by_others): no true label, no look at the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from oracle.matching import predict
from oracle.matching.blend import PARTS, Seen, logits, parts
from oracle.matching.predict import Float, Int

HIDDEN = 16
EPOCHS = 40


@dataclass(frozen=True, slots=True)
class Graph:
    """What is seen as tensors, and the pairs that are asked about."""

    workers: torch.Tensor  # [K, F]
    tasks: torch.Tensor  # [T, G]
    edge: torch.Tensor  # [2, N] worker, task
    said: torch.Tensor  # [N, 1 + C] how likely right, and the label
    pair: torch.Tensor  # [2, E] worker, task
    base: torch.Tensor  # [E] logit of the base model
    extra: torch.Tensor  # [E, X] further logits of the pair


class Residual(nn.Module):
    def __init__(self, workers: int, tasks: int, said: int, extra: int) -> None:
        super().__init__()
        self.enter = nn.ModuleList([nn.Linear(workers, HIDDEN), nn.Linear(tasks, HIDDEN)])
        self.to_task = nn.ModuleList([_conv(said) for _ in range(2)])
        self.to_worker = nn.ModuleList([_conv(said) for _ in range(2)])
        last = nn.Linear(HIDDEN, 1)
        nn.init.zeros_(last.weight)  # begins as the base model
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(nn.Linear(3 * HIDDEN + extra + 1, HIDDEN), nn.ReLU(), nn.Dropout(0.2), last)

    def forward(self, of: Graph) -> torch.Tensor:
        """Logits [E]."""
        w, t = torch.relu(self.enter[0](of.workers)), torch.relu(self.enter[1](of.tasks))  # [K, H], [T, H]
        back = of.edge.flip(0)
        for to_task, to_worker in zip(self.to_task, self.to_worker, strict=True):
            w, t = (
                w + torch.relu(to_worker((t, w), back, of.said)),
                t + torch.relu(to_task((w, t), of.edge, of.said)),
            )
        a, b = w[of.pair[0]], t[of.pair[1]]  # [E, H]
        found: torch.Tensor = of.base + self.head(torch.cat([a, b, a * b, of.base[:, None], of.extra], 1)).squeeze(1)
        return found


def _conv(said: int) -> nn.Module:
    from torch_geometric.nn import GINEConv  # noqa: PLC0415 - loads for seconds, and only here

    inside = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN))
    conv: nn.Module = GINEConv(inside, edge_dim=said, aggr="mean")
    return conv


def right(seen: Seen, worker: Int, task: Int, extras: list[Float], *, seed: int) -> Float:
    """P(worker[e] answers task[e] right) [E], by the base model and the residual trained on `seen`.

    extras: further chances of every pair as features: first [N] of each answer seen, by a model that has not seen its part
    (`parts`), then [E] of each pair asked; two arrays a feature, one after the other.
    """
    told = torch.from_numpy(predict.told_by_others(seen.fit(), seen.task, seen.worker, seen.label)).float()
    part = parts(len(seen.task), seed)
    graphs = []
    for one in range(PARTS):
        mine = part == one
        asked = [chance[mine] for chance in extras[0::2]]
        graphs.append(
            (graph(seen.where(~mine), seen.worker[mine], seen.task[mine], asked), told[torch.from_numpy(mine)])
        )
    model = _trained(graphs, seed)
    with torch.no_grad():
        found: Float = torch.sigmoid(model.eval()(graph(seen, worker, task, extras[1::2]))).double().numpy()
    return found


def _trained(graphs: list[tuple[Graph, torch.Tensor]], seed: int) -> Residual:
    torch.manual_seed(seed)
    first = graphs[0][0]
    model = Residual(first.workers.shape[1], first.tasks.shape[1], first.said.shape[1], first.extra.shape[1])
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.05)
    for _ in range(EPOCHS):
        for of, told in graphs:
            optimiser.zero_grad()
            loss: Any = nn.functional.binary_cross_entropy_with_logits(model(of), told)
            loss.backward()
            optimiser.step()
    return model


def graph(seen: Seen, worker: Int, task: Int, extras: list[Float]) -> Graph:
    of = seen.fit()
    told = predict.told_by_others(of, seen.task, seen.worker, seen.label)
    classes = seen.sizes[2]
    count = np.bincount(seen.worker, minlength=seen.sizes[1])
    strong = np.bincount(seen.worker, told, minlength=seen.sizes[1])
    diagonal = np.diagonal(of.confusion, axis1=1, axis2=2)
    alike = (strong + 1.4) / (count + 2.0)
    workers = np.column_stack([logits(diagonal), logits(alike), np.log1p(count)])
    hard = of.joint[:, 1].sum(1)
    tasks = np.column_stack([of.posterior, of.posterior.max(1), hard, np.log1p(of.answers)])
    said = np.column_stack([logits(told), np.eye(classes)[seen.label]])
    base = logits(predict.right(of, worker, task))
    extra = np.column_stack(
        [*(logits(chance) for chance in extras), tasks[task][:, -3:], predict.spread(of, worker, task)]
    )
    return Graph(
        _tensor(workers),
        _tensor(tasks),
        _places(seen.worker, seen.task),
        _tensor(said),
        _places(worker, task),
        _tensor(base),
        _tensor(extra),
    )


def _places(worker: Int, task: Int) -> torch.Tensor:
    return torch.from_numpy(np.stack([worker, task]).astype(np.int64))


def _tensor(values: Float) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).float()
