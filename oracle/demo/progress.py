"""What a person sees while a demo runs: a bar by stages on a terminal, nothing anywhere else."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

COLUMNS = (
    SpinnerColumn(),
    TextColumn("{task.description}", markup=False),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
)


class Show(Protocol):
    """Told what happens: a stage begins, what it does in words, how much of it is done."""

    def stage(self, name: str) -> None: ...
    def note(self, text: str) -> None: ...
    def count(self, done: int, total: int) -> None: ...


class Silent:
    """Shows nothing."""

    def stage(self, name: str) -> None: ...
    def note(self, text: str) -> None: ...
    def count(self, done: int, total: int) -> None: ...


class Bars:
    """One bar for the stages, and below it one for the work of a stage that can be counted."""

    def __init__(self, progress: Progress, stages: Sequence[str]) -> None:
        self._progress, self._stages = progress, stages
        self._all = progress.add_task("starting", total=len(stages))
        self._part = progress.add_task("", total=None, visible=False)

    def stage(self, name: str) -> None:
        self._progress.update(self._all, completed=self._stages.index(name), description=name)
        self._progress.update(self._part, visible=False)

    def note(self, text: str) -> None:
        self._progress.update(self._all, description=text)

    def count(self, done: int, total: int) -> None:
        self._progress.update(self._part, completed=done, total=total, visible=True)


@contextmanager
def shown(stages: Sequence[str]) -> Iterator[Show]:
    """Bars on standard error if that is a terminal; gone when the work is done."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Silent()
        return
    with Progress(*COLUMNS, console=console, transient=True) as progress:
        yield Bars(progress, stages)
