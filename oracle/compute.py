"""Where independent work is done: in this process, or by workers elsewhere (oracle.adapters.cluster). The result is the same bits.

Work is a function of a module, and of values alone: it changes none of its arguments (which may be read-only), so that a part whose
worker is lost is simply done again. Whoever cuts work into parts combines them in the order of the parts, and cuts so that the
number of workers cannot be told from the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from oracle.protocol.errors import BadInput

T = TypeVar("T")

CPU = "cpu"  # this processor, by numpy and compiled loops; any other name is one of torch's devices


class Compute(Protocol):
    @property
    def workers(self) -> int:
        """How many parts are worked on at once."""

    def keep(self, value: Any) -> Any:
        """The value, to be given to `map` many times, as a part's entry or shared: it travels to a worker once."""

    def map(self, work: Callable[..., T], parts: Sequence[tuple[Any, ...]], *shared: Any) -> list[T]:
        """work(*shared, *part) for each part, in their order. What it raises is raised here; Retryable if workers keep dying."""


class Local:
    """This process, one part after the other."""

    workers = 1

    def keep(self, value: Any) -> Any:
        return value

    def map(self, work: Callable[..., T], parts: Sequence[tuple[Any, ...]], *shared: Any) -> list[T]:
        return [work(*shared, *part) for part in parts]


LOCAL = Local()


def device_of(name: str) -> str:
    """The name of a device that is here: "cpu", or torch's "cuda", "cuda:1", or "cpu:0". Raises BadInput."""
    if name != CPU:
        import torch  # noqa: PLC0415 - loads for seconds, and only devices need it

        try:
            torch.zeros(1, device=name).sum().item()
        except (RuntimeError, AssertionError) as problem:
            why = str(problem).split("\n")[0][:200]
            raise BadInput(
                f"device {name[:40]}: torch {torch.__version__} has none here ({why}); cpu is always here"
            ) from None
    return name
