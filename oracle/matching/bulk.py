"""The auction's bulk on a device (torch): all tasks that wait bid at once, round after round; the few left go on in kernels.py.

Bertsekas' Jacobi variant (https://doi.org/10.1007/BF02186476) of the same auction, with the same rule for a bid. A worker takes the
highest of what it holds and of a round's bids. Prices only rise, so a bid made by a price of the round's start is one that its task
would still stand by. All is integer and every sort is stable: the same bits each time. Rows are read whole, as
matrices: tasks of about the same number of edges side by side, the rest of each row empty. A price war has few who bid at a time,
and is left to the processor.

Equal values are the common case, and tasks that all prefer the first of equal workers would be served `capacity` a round; so
equals are told apart by a number that differs by edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from oracle.matching import auction as one_by_one
from oracle.matching import kernels
from oracle.matching.auction import CALM, SPARE, WAR, Floor
from oracle.matching.market import Market, Solution, reachable

FEW = 2_048  # tasks that wait: a round costs as much as one by one
PLACES = 8  # for which a task bids in one round, at most
SHUFFLE = 0x9E3779B1  # odd, so that it permutes 32-bit numbers (Knuth's multiplicative hash)
LOW = (1 << 32) - 1

Tensor = Any


def auction(market: Market, gap: float, device: str) -> Solution:
    """As oracle.matching.auction.auction, on one of torch's devices and then here; another assignment within the same gap."""
    within, demand = reachable(market), int(market.redundancy.sum())
    if int(market.capacity.sum()) <= SPARE * demand:
        return one_by_one.auction(market, gap)
    floor = one_by_one.bare_floor(within)
    hall = Hall(within, floor, device)
    epsilon = CALM * one_by_one.least_step(gap, hall.top() / max(1, demand))
    left = WAR * demand - hall.bid(epsilon, WAR * demand)
    if left <= 0 or one_by_one.bid(within, floor, hall.leave(floor), epsilon, left)[0]:
        return one_by_one.auction(market, gap)
    return one_by_one.beyond(market, one_by_one.refined(within, floor, gap, epsilon)[0])


@dataclass(slots=True)
class Held:
    """The n edges that are held, one after the other."""

    edge: Tensor  # int64 [n]
    task: Tensor
    worker: Tensor
    bid: Tensor

    def at(self, which: Tensor) -> Held:
        return Held(self.edge[which], self.task[which], self.worker[which], self.bid[which])

    def beside(self, other: Held) -> Held:
        return Held(
            torch.cat((self.edge, other.edge)),
            torch.cat((self.task, other.task)),
            torch.cat((self.worker, other.worker)),
            torch.cat((self.bid, other.bid)),
        )


class Hall:
    """The state of an auction on a device: T tasks, K workers, E edges, all tensors int64 but for marks."""

    def __init__(self, market: Market, floor: Floor, device: str) -> None:
        def put(values: Any) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device)

        self._start = put(market.start)
        self._degree = self._start[1:] - self._start[:-1]
        self._worker = put(market.worker).long()
        value = put(market.value).double()  # exact: integers are below 2^53
        self._value = torch.where(value >= 0, (value * floor.scale).long() + 1, 0)  # 0: the pair may not be
        self._capacity, self._redundancy = put(market.capacity), put(market.redundancy)
        self._sizes, self._slot = put(floor.sizes), put(floor.slot[:-1])
        self._price = put(floor.prices).long()
        self._width = torch.where(self._degree > 0, 1 << self._degree.clamp(min=1).double().log2().ceil().long(), 0)
        self._widths = [width for width in torch.unique(self._width).tolist() if width]
        none = self._worker[:0]
        self._held = Held(none, none, none, none)
        self._is_held = torch.zeros_like(self._worker, dtype=torch.bool)
        self._missing = self._redundancy.clone()
        self._waiting = self._missing > 0

    def top(self) -> int:
        """Sum of each task's largest values, as many as it wants."""
        total = 0
        for tasks, width in self._by_width(self._redundancy.nonzero()[:, 0]):
            wanted = self._redundancy[tasks]
            nets, _ = self._best(tasks, width, 0 * self._price, int(wanted.max()))
            total += int((nets * (torch.arange(nets.shape[1], device=nets.device) < wanted[:, None])).sum())
        return total

    def bid(self, epsilon: int, most: int) -> int:
        """Rounds until at most FEW tasks wait, or `most` bids were made; how many were."""
        made = 0
        while made < most and len(waiting := self._waiting.nonzero()[:, 0]) > FEW:
            new = self._bids(waiting, epsilon)
            made += len(new.edge)
            self._take(new)
        return made

    def leave(self, floor: Floor) -> int:
        """The state onto a floor; how many tasks wait in its queue."""
        place = torch.empty_like(self._worker)
        rows, theta = torch.empty_like(self._worker), torch.zeros_like(self._degree)
        for tasks, width in self._by_width(torch.arange(len(self._degree), device=self._start.device)):
            edges, real = self._matrix(tasks, width)
            net = (self._value[edges] - self._price[self._worker[edges]]).clamp(min=0)
            rank = torch.where(real, net + 1 + (self._is_held[edges].long() << 32), 0)
            rank, order = rank.sort(dim=1, descending=True, stable=True)
            edges, real = edges.gather(1, order), real.gather(1, order)
            at = (self._start[tasks][:, None] + torch.arange(width, device=edges.device))[real]
            edges = edges[real]
            gone, held = self._value[edges] == 0, self._is_held[edges]
            rows[at] = self._value[edges] << 32 | self._worker[edges] << 2 | gone * kernels.GONE | held * kernels.HELD
            place[edges] = at
            behind = torch.nn.functional.pad(rank, (0, 1)).gather(1, self._sizes[tasks][:, None])[:, 0]
            theta[tasks] = (behind - 1).clamp(min=0)
        _into(floor.rows, rows)
        _into(floor.theta, theta)
        _into(floor.prices, self._price)
        _into(floor.missing, self._missing)
        self._leave_bids(floor, place)
        waiting = self._waiting.nonzero()[:, 0]
        floor.waiting[:] = False
        floor.queue[: len(waiting)] = waiting.cpu().numpy()
        floor.waiting[floor.queue[: len(waiting)]] = True
        return len(waiting)

    def _leave_bids(self, floor: Floor, place: Tensor) -> None:
        """Each worker's bids, the lowest first: a heap."""
        key = self._held.bid << 32 | place[self._held.edge]
        order = key.argsort(stable=True)
        order = order[self._held.worker[order].argsort(stable=True)]
        worker = self._held.worker[order]
        at = (self._slot[worker] + _rank(worker)).cpu().numpy()
        floor.bids[at] = key[order].cpu().numpy()
        floor.holder[at] = self._held.task[order].cpu().numpy()
        _into(floor.load, torch.bincount(worker, minlength=len(self._price)))

    # ------------------------------------------------------------------ a round

    def _bids(self, waiting: Tensor, epsilon: int) -> Held:
        """For as many places as each task misses, at most PLACES: what the edge is worth above the next best, and epsilon."""
        found = Held(*(self._worker[:0],) * 4)
        for tasks, width in self._by_width(waiting):
            wanted = self._missing[tasks].clamp(max=PLACES)
            places = int(wanted.max())
            nets, edges = self._best(tasks, width, self._price, places + 1)
            level = nets.gather(1, wanted[:, None])
            wins = (torch.arange(places, device=nets.device) < wanted[:, None]) & (nets[:, :places] > 0)
            self._waiting[tasks] = (self._missing[tasks] > wanted) & wins.sum(1).eq(wanted)
            who, rank = wins.nonzero(as_tuple=True)
            edge = edges[who, rank]
            bid = self._value[edge] - level[who, 0] + epsilon
            found = found.beside(Held(edge, tasks[who], self._worker[edge], bid))
        return found

    def _take(self, new: Held) -> None:
        """Every worker keeps the highest of its bids, as many as its capacity; who loses one waits again."""
        asked = torch.zeros_like(self._price, dtype=torch.bool)
        asked[new.worker] = True
        stays = ~asked[self._held.worker]
        both = self._held.at(~stays).beside(new)
        order = (both.worker << 32 | LOW - both.bid).argsort(stable=True)
        both = both.at(order)
        rank, room = _rank(both.worker), self._capacity[both.worker]
        kept, last = rank < room, rank == room - 1
        self._price[both.worker[last]] = both.bid[last]
        was = self._is_held[both.edge]
        self._is_held[both.edge] = kept
        self._missing.index_add_(0, both.task, was.long() - kept.long())
        self._waiting[both.task[~kept]] = True
        self._held = self._held.at(stays).beside(both.at(kept))

    def _best(self, tasks: Tensor, width: int, price: Tensor, places: int) -> tuple[Tensor, Tensor]:
        """Of each task the `places` largest net values above 0 among edges not held [t, places], and the edges; 0 where none is."""
        edges, real = self._matrix(tasks, width)
        net = self._value[edges] - price[self._worker[edges]]
        open_ = real & (self._value[edges] > 0) & ~self._is_held[edges] & (net > 0)
        key = torch.where(open_, net << 32 | edges * SHUFFLE & LOW, 0)
        nets, chosen = [], []
        for _ in range(places):
            best, at = key.max(1, keepdim=True)
            nets.append(best >> 32)
            chosen.append(edges.gather(1, at))
            key.scatter_(1, at, 0)
        return torch.cat(nets, 1), torch.cat(chosen, 1)

    def _matrix(self, tasks: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """The edges of tasks [t, width], and which of them are any."""
        column = torch.arange(width, device=tasks.device)
        real = column < self._degree[tasks][:, None]
        return torch.where(real, self._start[tasks][:, None] + column, 0), real

    def _by_width(self, tasks: Tensor) -> Iterator[tuple[Tensor, int]]:
        for width in self._widths:
            if len(some := tasks[self._width[tasks] == width]):
                yield some, width


def _rank(group: Tensor) -> Tensor:
    """The place of each entry within its group; groups ascend."""
    return torch.arange(len(group), device=group.device) - torch.searchsorted(group, group)


def _into(target: Any, values: Tensor) -> None:
    target[:] = values.to(getattr(torch, target.dtype.name)).cpu().numpy()
