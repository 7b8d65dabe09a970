"""How much one visitor may ask: a bucket each, refilled by the clock, and no word of a visitor's own makes it another."""

from typing import Any

import httpx
import pytest

from api import limits
from api.limits import COSTS, Buckets
from tests.support.transport import client_of

RATE, BURST = 10.0, 100.0


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"yes"})


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
    return clock


def served(behind_proxy: bool = False, rate: float = RATE) -> httpx.Client:
    return client_of(Buckets(app, rate, BURST, behind_proxy))


def granted(client: httpx.Client, most: int, path: str = "/jobs", method: str = "GET", **headers: str) -> int:
    """How many of `most` requests are served before the first that is not."""
    for done in range(most):
        if client.request(method, path, headers=headers).status_code == 429:
            return done
    return most


@pytest.mark.parametrize(
    ("method", "path", "cost"),
    [
        ("GET", "/jobs", 1),
        ("POST", "/answers", 2),
        ("GET", "/auth/nonce", COSTS["/auth/nonce"]),
        ("POST", "/jobs/import", COSTS["/jobs/import"]),
        ("GET", "/jobs/import", 1),
    ],
)
def test_requests__more_than_the_burst__are_refused_as_a_problem_until_the_bucket_fills(
    clock: Clock, method: str, path: str, cost: int
) -> None:
    client = served()
    assert granted(client, 1_000, path, method) == BURST // cost
    refused = client.request(method, path)
    assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
    assert refused.json()["title"] == "too-much"
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= cost / RATE + 2
    clock.now += wait
    assert client.request(method, path).status_code == 200


def test_bucket__however_long_unused__holds_the_burst(clock: Clock) -> None:
    client = served()
    granted(client, 1_000)
    clock.now += 1e6
    assert granted(client, 1_000) == BURST


def test_request__dearer_than_the_burst__is_never_served_and_costs_nothing(clock: Clock) -> None:
    client = served()
    assert client.post("/jobs/drafts").status_code == 429
    assert granted(client, 1_000) == BURST


def test_visitors__behind_a_proxy__have_a_bucket_each_and_the_last_address_counts(clock: Clock) -> None:
    client = served(behind_proxy=True)
    assert granted(client, 1_000, **{"X-Forwarded-For": "10.0.0.1"}) == BURST
    assert (
        granted(client, 1, **{"X-Forwarded-For": "9.9.9.9, 10.0.0.1"}) == 0
    )  # the first ones are the visitor's own words
    assert granted(client, 1_000, **{"X-Forwarded-For": "10.0.0.2"}) == BURST


def test_visitor__that_names_other_addresses__stays_the_same_where_there_is_no_proxy(clock: Clock) -> None:
    client = served()
    assert granted(client, 1_000) == BURST
    assert granted(client, 1, **{"X-Forwarded-For": "10.0.0.9"}) == 0


def test_buckets__of_many_visitors__the_longest_unused_goes(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEPT", 50)
    buckets = Buckets(app, RATE, BURST, behind_proxy=True)
    client = client_of(buckets)
    for number in range(500):
        client.get("/jobs", headers={"X-Forwarded-For": f"10.0.{number // 250}.{number % 250}"})
    assert len(buckets._left) == 50


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
def test_health__asked_without_end__is_always_answered(clock: Clock, path: str) -> None:
    client = served()
    granted(client, 1_000)
    assert granted(client, 300, path) == 300


def test_rate__zero__limits_nobody(clock: Clock) -> None:
    assert granted(served(rate=0), 500) == 500
