"""Health, readiness and counts of a member and of the API: without a token, and without a word about anybody's work."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.member import create_app
from api.routes import health
from oracle import telemetry
from oracle.adapters.content import FolderStore
from oracle.adapters.database import memory_database
from oracle.protocol.errors import ChainUnavailable, Retryable
from oracle.telemetry import METRICS, Readiness
from tests.support.committee import Town
from tests.support.transport import client_of


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    town = Town()
    town.ready_job()
    yield town
    town.close()


def connect(town: Town, ready: telemetry.Ready | None = None) -> httpx.Client:
    node = town.nodes[0]
    return client_of(create_app(node.member, node.content, "a token", ready), Authorization="Bearer a token")


def counted(name: str, **labels: str) -> float:
    return METRICS.registry.get_sample_value(name, labels) or 0.0


def test_health__nobody_s_token__answers_whatever_is_waited_for(town: Town) -> None:
    client = connect(town, lambda: ["the chain"])
    for path, status in (("/health", 200), ("/ready", 503), ("/metrics", 200), ("/healthy", 401), ("/health/", 401)):
        assert client.get(path, headers={"Authorization": ""}).status_code == status
    assert client.get("/ready").json() == {"ready": False, "waits": ["the chain"]}
    assert connect(town).get("/ready").json() == {"ready": True, "waits": []}


def test_metrics__requests__are_counted_by_the_template_of_their_route(town: Town) -> None:
    client = connect(town)
    before = {
        route: counted("crowdproof_requests_total", route=route, status=status)
        for route, status in (("/answers", "400"), ("/blocks/{root}", "400"), ("none", "401"), ("none", "404"))
    }
    client.post("/answers", json={})
    for name in ("x", "y", "z"):
        assert client.get(f"/blocks/{name}").status_code == 400
        assert client.get(f"/nothing/{name}").status_code == 404
        assert client.get(f"/nothing/{name}", headers={"Authorization": ""}).status_code == 401
    assert counted("crowdproof_requests_total", route="/answers", status="400") == before["/answers"] + 1
    assert counted("crowdproof_requests_total", route="/blocks/{root}", status="400") == before["/blocks/{root}"] + 3
    assert counted("crowdproof_requests_total", route="none", status="401") >= 3
    assert 'route="/nothing' not in client.get("/metrics").text
    assert counted("crowdproof_request_seconds_count", route="/blocks/{root}") >= 3


def test_checks__a_member_that_is_well__waits_for_nothing_and_knows_the_head(town: Town, tmp_path: Path) -> None:
    node = town.nodes[0]
    store = FolderStore(tmp_path / "store")
    ready = Readiness(health.checks(town.chain, town.index, node.database, store))
    assert ready() == []
    assert counted("crowdproof_chain_head_block") == town.chain.latest().number
    assert counted("crowdproof_index_lag_blocks") == 0
    assert list(store.path.iterdir()) == []


def test_checks__chain_database_and_store_fail__each_is_named(town: Town, tmp_path: Path) -> None:
    class Down:
        def __getattr__(self, _: str) -> object:
            raise ChainUnavailable("http://rpc.example: not reached")

    class Full:
        def claims(self) -> object:
            raise Retryable("the database is busy")

    (tmp_path / "store").write_text("no folder")
    ready = Readiness(health.checks(Down(), town.index, Full(), FolderStore(tmp_path / "store")))  # type: ignore[arg-type]
    assert [what.split(":")[0] for what in ready()] == ["chain", "database", "store"]
    assert "http://rpc.example: not reached" in ready()[0]


def test_checks__a_store_behind_a_daemon__is_asked_for_the_empty_block(town: Town) -> None:
    database = memory_database()
    assert Readiness(health.checks(town.chain, town.index, database, town.content))() == []
    database.close()
