"""The public API as it is served: a chain, four members and the API in processes of their own, a funded job with assignments."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from coincurve import PrivateKey

from oracle import local
from oracle.bootstrap import Oracle
from oracle.config import Home
from oracle.demo.play import STAGES, Options
from oracle.demo.recording import load
from oracle.demo.run import SEED, Demo, crowd
from tests.support.commands import inside

__all__ = ["SEED", "Market", "crowd", "inside"]

LABELS = "task,worker,label\n" + "".join(
    f"t{task},w{worker},{(task + (worker == task)) % 2}\n" for task in range(4) for worker in range(3)
)


class Market:
    """A demo under way, as its users see it."""

    def __init__(self, demo: Demo) -> None:
        assert demo.oracle is not None
        self.demo: Demo = demo
        self.oracle: Oracle = demo.oracle
        self.api: crowd.Api = demo.api
        self.client: httpx.Client = demo.api.client

    def key(self, worker: int) -> PrivateKey:
        """The wallet of worker `worker`, by its number on chain."""
        return crowd.wallet(SEED, f"worker {self.demo.numbers.index(worker)}")

    def play(self, *stages: str) -> None:
        for stage in stages:
            self.demo.play(stage)

    def answer_as_recorded(self, workers: int) -> None:
        """The first `workers` workers answer; the others are the tests'."""
        demo, numbers = self.demo, self.demo.numbers
        labels = {pair: label for pair, label in demo.recording.said.items() if pair[0] < workers}
        journal = crowd.Journal(demo.home.path / "crowd")
        keys = [self.key(number) for number in numbers]
        asked = set(numbers[:workers])
        crowd.answer_all(self.api, keys, numbers, labels, demo.job, journal, demo.show.count, asked)


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder: Path = tmp_path_factory.mktemp("api")
    (folder / "labels.csv").write_text(LABELS)
    options = Options(folder / "labels.csv")
    with Demo(Home(folder / "home"), options, load(options.labels, None)) as under_way:
        # it lives through tests that may open no socket, so nobody looks after its processes
        under_way.crew.watch = lambda: None  # type: ignore[method-assign]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(local.Chain, "watch", lambda _: None)
            under_way.play("chain")
        assert under_way._own
        under_way._own.watch = lambda: None  # type: ignore[method-assign]
        yield under_way


@pytest.fixture(scope="package")
def offered(demo: Demo) -> Market:
    """Workers are registered and have their assignments; nothing is answered."""
    for stage in STAGES[: STAGES.index("answer")]:
        demo.play(stage)
    return Market(demo)


@pytest.fixture(scope="package")
def settled(offered: Market) -> Market:
    """The first epoch is final; nobody has claimed. Files that use this come after those that need open tasks."""
    offered.answer_as_recorded(2)
    offered.play("close", "settle")
    return offered
