"""The books: what is cached is what the digests stand for, for every state and thread."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from oracle.adapters.content import MemoryStore
from oracle.protocol import events as ev
from oracle.protocol.cids import Cid, Codec, from_digest
from oracle.protocol.errors import ContentMissing
from oracle.protocol.manifest import load_job
from oracle.protocol.state import EpochStatus
from oracle.services import settle
from oracle.services.books import Books, source
from oracle.services.index import _copy
from tests.support.committee import WINDOW, Town


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    town = Town()
    for _ in range(2):
        town.ready_job()
        assert settle.post_next(town.settler(), town.state)
        town.chain.mine(seconds=WINDOW)
        settle.finalise_pending(town.settler(), town.state, town.index.now)
    yield town
    town.close()


def test_ledger__posts__are_folded_in_order(town: Town) -> None:
    ledger = Books(town.content).ledger(town.state)
    assert ledger.decided == {(job, task) for job in (1, 2) for task in range(3)}
    assert ledger.total == town.state.final_total
    assert sum(ledger.cumulative) == ledger.total


def test_ledger__the_same_posts__are_folded_once(town: Town) -> None:
    books = Books(town.content)
    first = books.ledger(town.state)
    town.chain.mine(ev.KeyRevoked(1, 0))
    assert books.ledger(town.state) is first


def test_ledger__struck_epoch__gives_nothing(town: Town) -> None:
    books, state = Books(town.content), _copy(town.state)
    whole = books.ledger(state)
    state.posts[2].status = EpochStatus.STRUCK
    ledger = books.ledger(state)
    assert ledger.decided == {(1, task) for task in range(3)}
    assert {job for job, _, _ in ledger.pointers} == {1}
    assert set(ledger.offers) == {1}
    assert books.ledger(town.state) == whole  # and back, as after a reorganisation


def test_ledger__fewer_posts_after_a_reorganisation__is_folded_again(town: Town) -> None:
    books, state = Books(town.content), _copy(town.state)
    books.ledger(state)
    del state.posts[2]
    assert {job for job, _ in books.ledger(state).decided} == {1}


def test_epoch__not_in_the_store__is_missing_and_later_found(town: Town) -> None:
    store = MemoryStore()
    books, post = Books(store), town.state.posts[1]
    with pytest.raises(ContentMissing, match="epoch 1"):
        books.epoch(1, post.content)
    for name in town.content.cids():  # type: ignore[attr-defined]
        store.blocks[name] = town.content.get(name)
    assert books.epoch(1, post.content).epoch == 1


def test_epoch__damaged_in_the_store__is_missing(town: Town) -> None:
    store = MemoryStore()
    post = town.state.posts[1]
    store.blocks[from_digest(Codec.DAG_CBOR, post.content)] = b"other"
    with pytest.raises(ContentMissing, match="hash to"):
        Books(store).epoch(1, post.content)


def test_job__terms__give_manifest_and_tasks(town: Town) -> None:
    terms = town.state.jobs[1].terms
    manifest, tasks = Books(town.content).job(terms)
    assert (manifest.classes, len(tasks)) == (["cat", "dog", "owl"], 3)


def test_read__many_threads_at_once__reads_each_block_once(town: Town) -> None:
    read: Counter[Cid] = Counter()

    class Slow(MemoryStore):
        def get(self, cid: Cid) -> bytes:
            time.sleep(0.01)  # the others come meanwhile
            read[cid] += 1
            return super().get(cid)

    store, post, terms = Slow(), town.state.posts[1], town.state.jobs[1].terms
    for name in town.content.cids():  # type: ignore[attr-defined]
        store.blocks[name] = town.content.get(name)
    books = Books(store)
    alone = Books(store)
    alone.epoch(1, post.content)
    alone.job(terms)
    wanted = dict(read)
    read.clear()
    with ThreadPoolExecutor(16) as threads:
        epochs = list(threads.map(lambda _: books.epoch(1, post.content), range(16)))
        jobs = list(threads.map(lambda _: books.job(terms), range(16)))
    assert read == wanted
    assert all(one is epochs[0] for one in epochs) and all(one is jobs[0] for one in jobs)


@pytest.mark.parametrize("change", [{"classes": 4}, {"tasks": 2}, {"task_root": bytes(32)}, {"manifest": bytes(32)}])
def test_job__other_terms_with_the_same_manifest__are_not_served_from_the_cache(
    town: Town, change: dict[str, int | bytes]
) -> None:
    """A hostile requester can name another job's manifest."""
    books, terms = Books(town.content), town.state.jobs[1].terms
    books.job(terms)
    with pytest.raises(ContentMissing):
        books.job(replace(terms, **change))  # type: ignore[arg-type]


def test_source__damage__is_never_looked_at(town: Town) -> None:
    found = source(town.content)
    assert found.damaged(from_digest(Codec.DAG_CBOR, town.state.posts[1].content)) is None
    assert load_job(found, 0, town.state.jobs[1].terms)[2] == []
