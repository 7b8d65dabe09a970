"""One chain for all tests that share a deployment, or take a fresh one on it."""

from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="session")
def stages(anvil_url: str) -> Iterator[Callable[[], Stage]]:
    """Fresh deployments on one chain."""
    opened: list[Stage] = []

    def another() -> Stage:
        opened.append(Stage(url=anvil_url))
        return opened[-1]

    yield another
    for stage in opened:
        stage.chain.close()
