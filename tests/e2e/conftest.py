"""A finished demo to be damaged, and a small crowd."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters import anvil
from tests.campaign.playing import crowd
from tests.support.commands import inside

__all__ = ["inside"]


@pytest.fixture(scope="session")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve tasks, six workers, two classes."""
    return crowd(tmp_path_factory.mktemp("crowd") / "labels.csv")


@pytest.fixture
def home(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> Iterator[Path]:
    """A copy of the finished home, to be damaged."""
    copy = tmp_path / "home"
    shutil.copytree(finished[0], copy)
    yield copy
    anvil.stop(copy / "chain")
