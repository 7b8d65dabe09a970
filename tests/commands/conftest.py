"""A finished home that a test may break."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters import anvil
from tests.support.commands import inside

__all__ = ["inside"]


@pytest.fixture
def home(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> Iterator[Path]:
    copy = tmp_path / "home"
    shutil.copytree(finished[0], copy)
    yield copy
    anvil.stop(copy / "chain")
