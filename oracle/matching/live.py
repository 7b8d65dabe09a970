"""A market that lives: workers come and go, answers arrive or time out, and the assignment is repaired, not solved anew.

A worker with a free place offers it to the tasks that gain most (reverse.py); a task that lost a worker bids again (kernels.py).
What holds at the end of an auction holds after each event: the prices prove the assignment. Every repair may lose up to epsilon a
place that it touches: `gap` says when a new solution is due.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from oracle.matching import reverse
from oracle.matching.auction import auctioned, bid, columns, least, lower, open_floor, prices, taken
from oracle.matching.kernels import HELD, INFINITE, NOBODY, WORKER
from oracle.matching.market import Solution, check, solution
from oracle.protocol.errors import BadInput

ROOM = 0.75  # of the gap asked for is what the first solution may take; repairs have the rest
LOG = 1 << 15  # bids of a repair; with more, what tasks hold is looked up anew


class Live:
    """The assignment of a market while it changes. Workers and tasks are numbers, as in `solve`; all must be known from the start.

    A worker may be away (capacity 0) and come later; `places` [K] is the most that each may ever take.
    """

    def __init__(
        self,
        worker: ArrayLike,
        task: ArrayLike,
        value: ArrayLike,
        places: ArrayLike,
        redundancy: ArrayLike,
        *,
        gap: float = 0.001,
        away: ArrayLike = (),
    ) -> None:
        market = check(worker, task, value, places, redundancy)
        self._market = replace(
            market, value=market.value.copy(), redundancy=market.redundancy.copy(), wanted=market.wanted.copy()
        )
        self._floor = open_floor(market)
        absent = np.asarray(away, np.int64)
        self._floor.capacity[absent], self._floor.prices[absent] = 0, NOBODY
        _, self._epsilon = auctioned(replace(market, capacity=self._floor.capacity), self._floor, ROOM * gap)
        self._columns = columns(self._market, self._floor)
        self._least = least(self._market, self._floor)
        self._log = np.empty(LOG, np.int32)

    def arrive(self, *workers: int) -> None:
        """They take tasks again, as many as their places."""
        for worker in list(map(self._known, workers)):
            self._floor.capacity[worker] = self._market.capacity[worker]
        self._settle(0, sorted(set(workers)))

    def leave(self, *workers: int) -> None:
        """They give back what they hold and take nothing more."""
        f, waiting = self._floor, 0
        for worker in list(map(self._known, workers)):
            waiting = reverse.leave(
                f.rows,
                f.slot,
                f.capacity,
                f.load,
                f.prices,
                f.bids,
                f.holder,
                f.missing,
                f.queue,
                f.waiting,
                waiting,
                worker,
            )
        self._settle(waiting, ())

    def answered(self, task: int, worker: int) -> None:
        """The task wants one answer fewer; the worker has a free place again; the pair is done with."""
        self._end(task, worker)
        self._market.redundancy[task] -= 1
        self._market.wanted[task] -= 1
        self._settle(0, (worker,))

    def timed_out(self, task: int, worker: int) -> None:
        """The task still wants the answer, of another worker; the worker has a free place again."""
        self._end(task, worker)
        f = self._floor
        f.missing[task] += 1
        f.queue[0], f.waiting[task] = task, True
        self._settle(1, (worker,))

    def churn(self, leaving: ArrayLike, arriving: ArrayLike) -> None:
        """Many at once."""
        self.leave(*np.asarray(leaving).tolist())
        self.arrive(*np.asarray(arriving).tolist())

    def holders(self, task: int) -> list[int]:
        """The workers of a task."""
        row = self._floor.rows[self._market.start[task] : self._market.start[task + 1]]
        return sorted(int(key >> 2 & WORKER) for key in row[row & HELD != 0])

    def gap(self) -> float:
        """Certified now, by the prices: what the assignment may lack, relative to the bound."""
        m, f = self._market, self._floor
        value, bound = reverse.proof(
            m.start, f.rows, f.theta, f.sizes, m.redundancy, f.capacity, f.prices, f.scratch[0], f.scratch[2]
        )
        return (bound - value) / bound if bound else 0.0

    def solution(self) -> Solution:
        """The assignment and its proof as `solve` returns them, with pairs that are done with left out of the market."""
        m, f = self._market, self._floor
        return solution(replace(m, capacity=f.capacity), taken(m, f), prices(f))

    def _known(self, worker: int) -> int:
        if not 0 <= worker < len(self._market.capacity):
            raise BadInput(
                f"worker {worker} is none of 0..{len(self._market.capacity) - 1}; open a new market for new workers"
            )
        return worker

    def _end(self, task: int, worker: int) -> None:
        f, m = self._floor, self._market
        if not 0 <= task < len(f.missing) or worker not in self.holders(task):
            raise BadInput(f"task {task} and worker {worker}: the pair is not assigned")
        reverse.end(
            m.start,
            f.rows,
            f.sizes,
            f.prices,
            f.slot,
            f.load,
            f.bids,
            f.holder,
            *self._columns,
            self._least,
            task,
            worker,
        )
        row = slice(m.start[task], m.start[task + 1])
        m.value[row][m.worker[row] == worker] = -1

    def _settle(self, waiting: int, free: ArrayLike) -> None:
        """Workers with a free place lower their prices, then the tasks in the queue bid."""
        m, f = self._market, self._floor
        if np.size(free):
            lower(m, f, self._columns, self._least, np.asarray(free, np.int32), self._epsilon)
        _, made = bid(m, f, waiting, self._epsilon, INFINITE, self._log)
        if made > len(self._log):
            self._least = least(m, f)
        else:
            reverse.refresh_all(
                m.start, f.rows, f.sizes, f.prices, f.slot, f.load, f.holder, self._least, np.unique(self._log[:made])
            )
