"""schemathesis over the whole OpenAPI, in process, against a prepared home: no 5xx, no answer outside the schema, whoever asks."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from api.settings import Settings
from tests.api import town
from tests.api.conftest import Market
from tests.api.town import Requester

pytestmark = pytest.mark.sockets
REQUESTS, DEEP = 2_000, 20_000
EACH = 12  # requests of one operation in a turn
ENDLESS = "/events"  # a stream; test_c follows it
CHECKS = (status_code_conformance, content_type_conformance, response_schema_conformance)


def try_all(market: Market, requests: int, number: int) -> int:
    """Asks every operation in turn, as nobody, as a worker and as a requester; how many requests that were."""
    app = create_app(Settings(market.demo.home, rate=0, faucet=False), market.oracle)
    document = schemathesis.openapi.from_asgi("/openapi.json", app)
    visitors = [{}, town.worker(market, market.demo.numbers[0]).client._headers, Requester(market).client._headers]
    operations = [found.ok() for found in document.get_all_operations()]
    operations = [operation for operation in operations if operation.path != ENDLESS]
    asked, turn = 0, 0
    while asked < requests:  # an operation without input has one request a turn
        turn += 1
        for operation in operations:
            asked = try_operation(operation, visitors, number * 1_000 + turn, asked)
    return asked


def try_operation(operation: Any, visitors: list[dict[str, str]], number: int, asked: int) -> int:

    @seed(number)
    @settings(
        max_examples=EACH,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def try_one(case: Any) -> None:
        nonlocal asked
        asked += 1
        response = case.call(headers=visitors[asked % len(visitors)])
        assert response.status_code < 500, (response.status_code, response.text)
        case.validate_response(response, checks=CHECKS)
        if response.status_code >= 400:
            assert response.headers["content-type"][0] == "application/problem+json"

    try_one()
    return asked


def test_shapes__two_thousand_requests__no_5xx_and_nothing_outside_the_schema(settled: Market) -> None:
    assert try_all(settled, REQUESTS, 1) >= REQUESTS


@pytest.mark.deep
def test_shapes__twenty_thousand_requests(settled: Market) -> None:
    assert try_all(settled, DEEP, 2) >= DEEP
