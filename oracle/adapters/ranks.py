"""Work on the processes of torch.distributed, as torchrun starts them: the first runs the command, the others work for it.

`torchrun --standalone --nproc-per-node 2 -m oracle.cli infer ... --compute torch`. A process that dies ends all of them, and
torchrun begins again (--max-restarts): what a command writes is there whole or not at all. What travels is pickled, as on Ray.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from torch import distributed

from oracle.compute import Compute
from oracle.protocol.errors import BadInput, Retryable

T = TypeVar("T")

PATIENCE = timedelta(days=7)  # of a process without work
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class _Kept:
    """Stands for a value that every process has."""

    number: int


@contextmanager
def ranks() -> Iterator[Compute]:
    """In the first process its Compute; the others work until that is over, and end. Raises BadInput outside of torchrun."""
    if "RANK" not in os.environ:
        raise BadInput(
            "--compute torch is for what torchrun starts: torchrun --standalone --nproc-per-node 2 -m oracle.cli infer ..."
        )
    if os.environ.get("MASTER_ADDR") in LOOPBACK:  # else gloo listens where the machine's name leads
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    _join()
    try:
        if distributed.get_rank():
            _serve()
            sys.exit(0)
        group = Ranks()
        try:
            yield group
        finally:
            with suppress(RuntimeError):  # of others who are gone
                group.end()
    finally:
        distributed.destroy_process_group()
        gc.collect()  # what still holds the group keeps its threads: one that outlives the interpreter ends the process by a signal


class Ranks:
    """A Compute, in the first process: parts are dealt out in turn, and it takes its share."""

    def __init__(self) -> None:
        self._kept: list[Any] = []

    @property
    def workers(self) -> int:
        return distributed.get_world_size()

    def keep(self, value: Any) -> Any:
        _say(("keep", value))
        self._kept.append(value)
        return _Kept(len(self._kept) - 1)

    def map(self, work: Callable[..., T], parts: Sequence[tuple[Any, ...]], *shared: Any) -> list[T]:
        _say(("map", work, list(parts), shared))
        found: list[Any] = [None] * self.workers
        try:
            distributed.gather_object(_share(self._kept, work, parts, shared), found)
        except RuntimeError as lost:
            raise Retryable(f"a process of torchrun's is gone: {str(lost)[:300]}") from lost
        for raised in (problem for _, problem in found if problem is not None):
            raise raised
        return [found[place % self.workers][0][place // self.workers] for place in range(len(parts))]

    def end(self) -> None:
        _say(("end",))


def _join() -> None:
    """Finds the others. What was agreed before a restart counts no more: the addresses are of processes that have ended."""
    store, rank, size = next(distributed.rendezvous("env://", timeout=PATIENCE))  # type: ignore[attr-defined]
    fresh = distributed.PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)  # type: ignore[attr-defined]
    distributed.init_process_group("gloo", store=fresh, rank=rank, world_size=size, timeout=PATIENCE)


def _serve() -> None:
    kept: list[Any] = []
    while True:
        match _heard():
            case "keep", value:
                kept.append(value)
            case "map", work, parts, shared:
                distributed.gather_object(_share(kept, work, parts, shared))
            case _:
                return


def _share(
    kept: Sequence[Any], work: Callable[..., T], parts: Sequence[tuple[Any, ...]], shared: Sequence[Any]
) -> tuple[list[T], Exception | None]:
    """What this process makes of its parts, and what it raised."""

    def given(values: Sequence[Any]) -> list[Any]:
        return [kept[value.number] if isinstance(value, _Kept) else value for value in values]

    try:
        mine = parts[distributed.get_rank() :: distributed.get_world_size()]
        return [work(*given(shared), *given(part)) for part in mine], None
    except Exception as raised:
        return [], raised


def _say(message: tuple[Any, ...]) -> None:
    distributed.broadcast_object_list([message])


def _heard() -> Any:
    box: list[Any] = [None]
    distributed.broadcast_object_list(box)
    return box[0]
