"""One chain for all tests that only look at it: each puts it back as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.adapters import anvil
from tests.support.stage import Stage, begin


@pytest.fixture(scope="session")
def anvil_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("stage") / "chain"
    try:
        yield begin(folder).url
    finally:
        anvil.stop(folder)


@pytest.fixture
def bare(anvil_url: str) -> Iterator[Stage]:
    """A fresh deployment; the chain is as before when the test ends."""
    stage = Stage(url=anvil_url)
    yield stage
    stage.chain.close()
