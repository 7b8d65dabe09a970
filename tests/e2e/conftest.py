"""A finished demo to be damaged, and a small crowd."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters import anvil
from tests.support.commands import inside

__all__ = ["inside"]


@pytest.fixture(scope="session")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve tasks, six workers, two classes: the smallest crowd with some disagreement."""
    file = tmp_path_factory.mktemp("crowd") / "labels.csv"
    rng = random.Random(7)
    rows = [
        f"t{task},w{worker},{(task % 2) if rng.random() < 0.8 else 1 - task % 2}"
        for task in range(12)
        for worker in rng.sample(range(6), 4)
    ]
    file.write_text("task,worker,label\n" + "\n".join(rows) + "\n")
    return file


@pytest.fixture
def home(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> Iterator[Path]:
    """A copy of the finished home, to be damaged."""
    copy = tmp_path / "home"
    shutil.copytree(finished[0], copy)
    yield copy
    anvil.stop(copy / "chain")
