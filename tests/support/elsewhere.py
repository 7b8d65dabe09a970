"""A Compute in this process that is as strict as workers elsewhere: all that travels is pickled, and comes as read-only arrays."""

import pickle
from collections.abc import Callable, Sequence
from typing import Any


class Elsewhere:
    """`asked`: the work of each call of `map`."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.asked: list[str] = []

    def keep(self, value: Any) -> Any:
        return travelled(value)

    def map(self, work: Callable[..., Any], parts: Sequence[tuple[Any, ...]], *shared: Any) -> list[Any]:
        self.asked.append(work.__name__)
        there = [travelled((work, *shared, *part)) for part in parts]
        return [travelled(work(*given)) for work, *given in reversed(there)][::-1]


def travelled(value: Any) -> Any:
    buffers: list[pickle.PickleBuffer] = []
    sent = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(sent, buffers=[bytes(buffer) for buffer in buffers])  # noqa: S301 - our own
