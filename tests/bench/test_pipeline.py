"""The benchmark of the pipeline: its crowds, what it takes for a receipt, and one small run of the real thing."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from api.member import create_app
from oracle.adapters import processes
from oracle.bench import accept, pipeline
from oracle.bench.crowds import EACH, TASK, crowd
from oracle.ports import StoredAnswer
from oracle.protocol.errors import BadInput, Fatal
from oracle.protocol.keys import sign
from oracle.protocol.messages import Receipt, digest
from oracle.protocol.plain import from_json, to_json
from tests.support.committee import Town
from tests.support.epochs import person

TOKEN = "a token"

# -------------------------------------------------------------------------------------------------------------- crowds


@pytest.mark.parametrize("size", [500, 1_000, 10_000])
def test_crowd__any_size__gives_each_worker_and_task_its_share(size: int) -> None:
    found = crowd(size)
    assert len(found.said) == size
    assert set(Counter(worker for worker, _ in found.said).values()) == {EACH}
    assert set(Counter(task for _, task in found.said).values()) == {TASK}
    assert found.manifest("a job", 1, 0, 0, 1).classes == ["no", "yes"]
    assert found.said == crowd(size).said


def test_read_sizes__numbers__are_sorted_and_once() -> None:
    assert pipeline.read_sizes("10000, 1_000,1000") == [1_000, 10_000]


@pytest.mark.parametrize("text", ["", "0", "-500", "501", "1000,x", "1e3", "²"])
def test_read_sizes__what_no_crowd_has__is_bad_input(text: str) -> None:
    with pytest.raises(BadInput, match="--sizes"):
        pipeline.read_sizes(text)


# -------------------------------------------------------------------------------------------------------------- accept


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town()
    town.register(4)
    town.open_job(tasks=120, answers=4)
    yield town
    town.close()


@pytest.fixture
def batches(town: Town) -> list[accept.Batch]:
    """Worker 1's 120 answers as two batches, then worker 2's."""
    offers = town.offers(1, [(task, worker) for task in range(120) for worker in (1, 2)])
    return accept.prepare(town.deployment, offers, {n: person(f"worker {n}") for n in (1, 2)})


@pytest.fixture
def url(town: Town) -> Iterator[str]:
    """Where the first member is served on a socket."""
    listening, node = processes.bind(), town.nodes[0]
    app = create_app(node.member, node.content, TOKEN)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield processes.url_of(listening)
    server.should_exit = True
    thread.join(10)
    listening.close()


@pytest.mark.sockets
def test_measure__a_member_on_a_socket__accepts_all_and_says_how_fast(
    town: Town, url: str, batches: list[accept.Batch]
) -> None:
    assert [len(batch.digests) for batch in batches] == [100, 20, 100, 20]
    found = accept.measure(url, TOKEN, town.deployment, [batches[:2], batches[2:]])
    assert len(town.nodes[0].database.answers(1)) == 240
    assert found["ratio_to_recovery"] == found["ratios"][0] > 0
    assert found["answers_per_second"] > 0 < found["recoveries_per_second"]


@pytest.mark.sockets
def test_measure__a_member_that_refuses__is_no_figure(town: Town, url: str, batches: list[accept.Batch]) -> None:
    town.close_job(1)
    with pytest.raises(Fatal, match="409"):
        accept.measure(url, TOKEN, town.deployment, [batches[:1]])


def test_check__a_receipt_of_another_batch_or_by_nobody__is_no_receipt(town: Town, batches: list[accept.Batch]) -> None:
    def reply(batch: accept.Batch) -> dict[str, Any]:
        answers = from_json(list[StoredAnswer], json.loads(batch.body)["answers"])
        receipt, signature = town.all[0].accept(answers)
        return {**to_json(receipt), "signature": signature.hex()}

    one, two = (reply(batch) for batch in batches[:2])
    accept._check(town.deployment, batches[0], one)
    with pytest.raises(Fatal, match="no receipt"):
        accept._check(town.deployment, batches[0], two)
    message = digest(town.deployment.domain(), Receipt(bytes.fromhex(one["root"]), one["size"]))
    with pytest.raises(Fatal, match="no receipt"):
        accept._check(town.deployment, batches[0], {"signature": sign(person("nobody"), message).hex()})


# ------------------------------------------------------------------------------------------------------------ pipeline


@pytest.mark.deep
@pytest.mark.sockets
def test_pipeline__small__has_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    found = pipeline.pipeline([500, 1_000], rounds=2)
    assert found["ratio_to_recovery"] > 0 < found["bound_by_another"]["ratio_to_recovery"]
    assert list(found["growth"]) == ["500", "1000"]
    for run in found["growth"].values():
        assert {"register", "assign", "answer", "close", "settle", "pay"} <= run["stages"].keys()
        assert run["seconds"] <= sum(run["stages"].values()) + 0.01
    assert found["machine"]["cores"]
    assert "answers/s" in pipeline.text(found)
    assert capsys.readouterr().out == ""  # progress is for stderr
