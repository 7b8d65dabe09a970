"""What a decided task hands to one that waited for it, as the API shows it."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from api.reader import Reader
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import check_manifest, make_job
from oracle.services import settle
from oracle.services.books import Books
from tests.support.committee import LIFE, Town
from tests.support.epochs import manifest_document


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    town.register(3)
    yield town
    town.close()


def open_job(town: Town, **changes: Any) -> int:
    terms, blocks = make_job(
        check_manifest(manifest_document(**changes)), [Task(i, "abc"[i], None) for i in range(3)], 1
    )
    for content in (town.content, *(node.content for node in town.nodes)):
        content.put_many(blocks)
    town.chain.mine(*town.market.run(town.market.open_job(terms, town.chain.now + LIFE).data))
    return len(town.market.state().jobs)


def reader(town: Town) -> Reader:
    parts = {"chain": town.chain, "index": town.index, "books": Books(town.content), "deployment": town.deployment}
    return Reader(SimpleNamespace(**parts))  # type: ignore[arg-type]


def test_inputs__before_and_after_the_verdict__label_and_confidence_of_the_task_before(town: Town) -> None:
    job = open_job(town, redundancy={"most": 2, "least": 1}, dependencies=[["a", "c"], ["b", "c"]])
    assert reader(town).inputs(job)[2] == []
    town.fill_job(job, {(0, 1): 2, (0, 2): 2})
    assert settle.post_next(town.settler(), town.state)
    (found,) = reader(town).inputs(job)[2]
    assert (found.task, found.id, found.label) == (0, "a", "owl")
    assert 1 / 3 < found.confidence <= 1
    assert reader(town).inputs(job).get(0, []) == []


def test_inputs__job_without_an_order__none(town: Town) -> None:
    assert reader(town).inputs(open_job(town)) == {}
