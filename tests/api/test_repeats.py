"""Idempotency keys: done once however often it is sent; held against a model of what should happen."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from api.gate import Session
from api.repeats import HEADER, once
from oracle.adapters.database import SqlDatabase, memory_database
from oracle.protocol.errors import BadInput, Refused

DATABASE, FRESH = memory_database(), count()


class Body(BaseModel):
    value: int


def ask(database: SqlDatabase, wallet: int, path: str, key: str | None, value: int, work: Any) -> Any:
    request: Any = SimpleNamespace(
        headers={} if key is None else {HEADER: key}, method="POST", url=SimpleNamespace(path=path)
    )
    return once(database, request, Session(bytes([wallet]) * 20, 0.0), Body(value=value), work)


requests = st.lists(
    st.tuples(
        st.integers(1, 2),
        st.sampled_from(["/a", "/b"]),
        st.sampled_from(["k1", "k2", None]),
        st.integers(0, 1),
        st.booleans(),
    ),
    max_size=25,
)


@given(requests)
@settings(max_examples=60, deadline=None)
def test_once__any_sequence__as_the_model_says(asked: list[tuple[int, str, str | None, int, bool]]) -> None:
    done, place = 0, f"/{next(FRESH)}"
    model: dict[tuple[int, str, str], tuple[int, bytes]] = {}
    for wallet, path, key, value, fails in asked:

        def work() -> Body:
            nonlocal done
            if fails:  # noqa: B023 - called at once
                raise BadInput("no")
            done += 1
            return Body(value=done)

        before, name = done, (wallet, path, key or "")
        known = model.get(name) if key else None
        if known and known[0] != value:
            with pytest.raises(Refused) as refused:
                ask(DATABASE, wallet, place + path, key, value, work)
            assert refused.value.code == "key-reused"
            assert done == before
        elif known:
            again = ask(DATABASE, wallet, place + path, key, value, work)
            assert (again.body, done) == (known[1], before)
            assert again.headers["idempotent-replayed"] == "true"
        elif fails:
            with pytest.raises(BadInput):
                ask(DATABASE, wallet, place + path, key, value, work)
        else:
            response = ask(DATABASE, wallet, place + path, key, value, work)
            assert done == before + 1
            if key:
                model[name] = (value, response.body)


def test_once__the_same_at_the_same_time__done_once() -> None:
    database, done = memory_database(), 0
    together = Barrier(8)

    def work() -> Body:
        nonlocal done
        done += 1
        return Body(value=done)

    def send(_: int) -> str:
        together.wait()
        try:
            return str(ask(database, 1, "/a", "k", 0, work).status_code)
        except Refused as refused:
            return refused.code

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(send, range(8)))
    assert done == 1
    assert set(found) <= {"201", "under-way"}
    assert "201" in found


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_once__a_key_of_no_size__bad_input(key: str) -> None:
    with pytest.raises(BadInput):
        ask(memory_database(), 1, "/a", key, 0, lambda: Body(value=0))
