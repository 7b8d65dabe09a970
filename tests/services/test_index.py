"""The index against a chain that reorganises, lags and lies, and against another process on the same database."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from oracle.adapters.database import SqlDatabase, memory_database
from oracle.ports import Block
from oracle.protocol import events as ev
from oracle.protocol.errors import ChainUnavailable, Fatal, WrongChain
from oracle.protocol.hashing import keccak
from oracle.protocol.state import State, fold
from oracle.protocol.terms import NAT, Terms
from oracle.services import index as module
from oracle.services.index import Index
from tests.support.chain import GENESIS, SECONDS, FakeChain
from tests.support.epochs import fill, make_deployment

DEPLOYMENT = make_deployment()


@pytest.fixture
def database() -> Iterator[SqlDatabase]:
    database = memory_database()
    yield database
    database.close()


@pytest.fixture
def chain() -> FakeChain:
    return FakeChain()


def make(chain: FakeChain, database: SqlDatabase, depth: int = 0) -> Index:
    return Index(chain, database, DEPLOYMENT, depth)


def registered(chain: FakeChain) -> int:
    return sum(isinstance(log.event, ev.WorkerRegistered) for mined in chain.mined for log in mined.logs())


def register(chain: FakeChain, name: str = "") -> Block:
    """A block in which the next worker is registered."""
    number = registered(chain)
    wallet = keccak(f"{number} {name}".encode())[12:]
    return chain.mine(ev.WorkerRegistered(number, wallet), ev.KeyAdded(number, 0, wallet))


def rebuilt(chain: FakeChain) -> State:
    """From genesis, without an index."""
    return fold(DEPLOYMENT.digest(), [log for mined in chain.mined for log in mined.logs()])


# ------------------------------------------------------------------------------------------------------------- follow


def test_view__events__gives_their_fold_with_block_and_time(chain: FakeChain, database: SqlDatabase) -> None:
    for _ in range(3):
        register(chain)
    chain.mine()
    view = make(chain, database).view()
    assert (len(view.state.workers), view.block, view.now) == (3, 4, GENESIS + 4 * SECONDS)


def test_view__depth_of_two__reads_no_newer_block(chain: FakeChain, database: SqlDatabase) -> None:
    index = make(chain, database, depth=2)
    assert index.view().block == -1
    for _ in range(5):
        register(chain)
    assert (len(index.advance().workers), index.block) == (3, 3)


def test_view__later_events__leave_the_earlier_view_as_it_was(chain: FakeChain, database: SqlDatabase) -> None:
    index = make(chain, database)
    register(chain)
    before = index.view()
    job = ev.KeyRevoked(0, 0)
    chain.mine(job)
    after = index.view()
    assert (before.state.workers[0].revoked, after.state.workers[0].revoked) == (set(), {0})
    assert (before.block, after.block) == (1, 2)


def test_view__later_money__leaves_the_earlier_view_as_it_was(chain: FakeChain, database: SqlDatabase) -> None:
    index, terms = make(chain, database), Terms(3, 5, 4, 1000, 300, 250, 6 * NAT, NAT, fill("tasks"), fill("manifest"))
    chain.mine(ev.JobOpened(1, bytes(20), terms.hash(), terms, 1 << 40, terms.escrow()), ev.ClaimFrozen(1, 5))
    before = index.view().state
    chain.mine(ev.ClaimFrozen(1, 5), ev.HatchPaid(bytes(20), 1, 2, 3, 4))
    after = index.view().state
    assert (before.frozen, before.hatched) == ({1: 5}, set())
    assert (after.frozen, after.hatched) == ({1: 10}, {(1, 3, 2)})


def test_view__good_for_a_while__asks_the_chain_again_only_after_it(
    chain: FakeChain, database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = 100.0
    monkeypatch.setattr(module, "monotonic", lambda: time)
    index = make(chain, database)
    first = index.view()
    register(chain)
    time += 0.09
    assert index.view(0.1) is first
    time += 0.02
    assert index.view(0.1).state == rebuilt(chain) != first.state
    register(chain)
    assert index.view().state == rebuilt(chain)


def test_view__new_process__resumes_from_the_database(chain: FakeChain, database: SqlDatabase) -> None:
    for _ in range(5):
        register(chain)
    first = make(chain, database).advance()
    asked: list[str] = []
    chain.before = asked.append
    assert make(chain, database).advance() == first
    assert "logs" not in asked


def test_view__many_pages__are_read_in_steps(
    chain: FakeChain, database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEP", 3)
    for i in range(20):
        chain.mine() if i % 3 else register(chain)
    assert make(chain, database).advance() == rebuilt(chain)


# --------------------------------------------------------------------------------------------------- reorganisations


@pytest.mark.parametrize("depth", [1, 2, 5, 19, 20])
@pytest.mark.parametrize("kind", ["empty", "reordered", "longer", "shorter"])
def test_view__reorganisation__equals_a_rebuild_from_genesis(
    chain: FakeChain, database: SqlDatabase, depth: int, kind: str
) -> None:
    index = make(chain, database)
    for _ in range(20):
        register(chain)
        index.advance()
    dropped = chain.reorganise(depth)
    size = {"longer": depth + 3, "shorter": max(1, depth - 1)}.get(kind, depth)
    for i in range(size):
        chain.mine() if kind == "empty" or i % 2 else register(chain, "again")
    assert len(dropped) == depth
    assert index.advance() == rebuilt(chain)
    assert make(chain, database).advance() == rebuilt(chain)


def test_view__reorganisation_deeper_than_the_kept_hashes__reads_all_again(
    chain: FakeChain, database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 4)
    index = make(chain, database)
    for _ in range(20):
        register(chain)
        index.advance()
    chain.reorganise(10)
    for _ in range(12):
        register(chain, "again")
    assert index.advance() == rebuilt(chain)


def test_view__without_the_comparison_of_hashes__keeps_what_the_chain_dropped(
    chain: FakeChain, database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = make(chain, database)
    register(chain)
    register(chain)
    index.advance()
    chain.reorganise(1)
    chain.mine()
    chain.mine()
    monkeypatch.setattr(Index, "_common_tip", lambda self, head: database.blocks(1)[-1])
    with pytest.raises(ChainUnavailable, match="another parent"):  # the second line of defence
        index.advance()
    monkeypatch.setattr(module, "_require_one_chain", lambda *_: None)
    assert index.advance() != rebuilt(chain)


def test_view__chain_changes_while_it_is_read__stores_nothing_of_it(
    chain: FakeChain, database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = make(chain, database)
    register(chain)
    index.advance()
    register(chain)
    honest = chain.logs

    def then_fork(*asked: Any) -> Any:
        found = honest(*asked)
        chain.reorganise(1)
        register(chain, "other")
        monkeypatch.setattr(chain, "logs", honest)
        return found

    monkeypatch.setattr(chain, "logs", then_fork)
    with pytest.raises(ChainUnavailable, match="there are two blocks 2"):
        index.advance()
    assert len(database.logs()) == 2
    assert index.advance() == rebuilt(chain)


# ---------------------------------------------------------------------------------------------------------------- lies


def test_view__endpoint_of_another_chain__is_fatal(chain: FakeChain, database: SqlDatabase) -> None:
    index = make(chain, database)
    index.advance()
    register(chain)
    chain.served_id = 1
    with pytest.raises(WrongChain, match="serves chain 1"):
        index.advance()
    assert database.logs() == []


def test_view__endpoint_lags_behind_what_it_had__waits_and_says_so(chain: FakeChain, database: SqlDatabase) -> None:
    index = make(chain, database)
    for _ in range(5):
        register(chain)
    view = index.view()
    chain.lag = 3
    with pytest.raises(ChainUnavailable, match="at block 2, behind block 5"):
        index.view()
    assert len(database.blocks(100)) > 1  # nothing was forgotten
    chain.lag = 0
    assert index.view() == view


def test_view__lag_within_the_depth__goes_on(chain: FakeChain, database: SqlDatabase) -> None:
    index = make(chain, database, depth=3)
    for _ in range(8):
        register(chain)
    view = index.view()
    chain.lag = 2
    assert index.view() == view


def test_view__without_the_rule_on_lag__time_runs_backwards(
    chain: FakeChain, database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = make(chain, database)
    for _ in range(5):
        register(chain)
        index.advance()
    now = index.now
    chain.lag = 3
    monkeypatch.setattr(Index, "_undo", lambda self, common, *_: self._forget(common.number))
    assert index.view().now < now


@pytest.mark.parametrize("at", [5, 3])
def test_view__block_announced_and_absent__is_refused(chain: FakeChain, database: SqlDatabase, at: int) -> None:
    for _ in range(5):
        register(chain)
    chain.absent = {at}
    with pytest.raises(ChainUnavailable, match=f"announced block {at}"):
        make(chain, database).advance()
    assert database.blocks(10) == []


def test_view__known_block_absent_later__forgets_nothing(chain: FakeChain, database: SqlDatabase) -> None:
    index = make(chain, database)
    for _ in range(5):
        register(chain)
    index.advance()
    register(chain)
    chain.absent = {5}
    with pytest.raises(ChainUnavailable, match="announced block 5"):
        index.advance()
    assert len(database.logs()) == 10


@pytest.mark.parametrize("place", [(1, 0), (3, 0), (3, 1)])
def test_view__log_left_out__halts_and_heals_when_the_endpoint_does(
    chain: FakeChain, database: SqlDatabase, place: tuple[int, int]
) -> None:
    for _ in range(4):
        register(chain)
    chain.mine(ev.KeyAdded(2, 1, b"\x01" * 20))
    index = make(chain, database)
    chain.hidden = {place}
    with pytest.raises(Fatal, match="do not fit together"):
        index.advance()
    assert database.logs() == []
    chain.hidden = set()
    assert index.advance() == rebuilt(chain)


def test_view__log_left_out_shows_only_later__forgets_the_old_lie_too(chain: FakeChain, database: SqlDatabase) -> None:
    index = make(chain, database)
    register(chain)
    chain.hidden = {(2, 0), (2, 1)}
    register(chain)
    assert len(index.advance().workers) == 1  # nothing tells yet
    register(chain)
    with pytest.raises(Fatal):
        index.advance()
    chain.hidden = set()
    assert index.advance() == make(chain, database).advance() == rebuilt(chain)


@pytest.mark.parametrize(
    "event", [ev.WorkerRegistered(7, b"\x01" * 20), ev.KeyAdded(1, 3, b"\x01" * 20), ev.EpochFinalised(3, bytes(32), 1)]
)
def test_view__log_altered__halts(chain: FakeChain, database: SqlDatabase, event: ev.Event) -> None:
    for _ in range(3):
        register(chain)
    chain.altered = {(2, 0): event}
    with pytest.raises(Fatal):
        make(chain, database).advance()


@pytest.mark.parametrize("shift", [-100, 100])
def test_view__block_times_that_cannot_be__are_refused(chain: FakeChain, database: SqlDatabase, shift: int) -> None:
    for _ in range(3):
        register(chain)
    chain.dated = {2: GENESIS + 2 * SECONDS + shift}
    with pytest.raises(ChainUnavailable, match="dates block"):
        make(chain, database).advance()


def test_view__endpoint_down__is_unavailable_and_later_goes_on(chain: FakeChain, database: SqlDatabase) -> None:
    index = make(chain, database)
    register(chain)
    chain.down = True
    with pytest.raises(ChainUnavailable):
        index.advance()
    chain.down = False
    assert len(index.advance().workers) == 1


# ------------------------------------------------------------------------------------------- two processes, one database


def test_view__two_indexes_in_turn__both_stay_right(chain: FakeChain, database: SqlDatabase) -> None:
    one, two = make(chain, database), make(chain, database)
    for i in range(10):
        register(chain)
        assert (one if i % 2 else two).advance() == rebuilt(chain)
    assert one.advance() == two.advance() == rebuilt(chain)


def test_view__the_other_undoes_a_reorganisation__is_noticed(chain: FakeChain, database: SqlDatabase) -> None:
    one, two = make(chain, database), make(chain, database)
    for _ in range(6):
        register(chain)
        one.advance()
        two.advance()
    chain.reorganise(3)
    for _ in range(3):
        register(chain, "again")
    assert one.advance() == rebuilt(chain)
    assert two.advance() == rebuilt(chain)


def test_view__the_other_reads_the_same_blocks_first__takes_what_is_there(
    chain: FakeChain, database: SqlDatabase
) -> None:
    one, two = make(chain, database), make(chain, database)
    register(chain)
    one.advance()
    register(chain)

    def overtake(name: str) -> None:
        if name == "logs":
            chain.before = lambda _: None
            two.advance()

    chain.before = overtake
    assert one.advance() == rebuilt(chain)
    assert len(database.logs()) == 4


def test_view__the_other_reads_on_meanwhile__gives_no_event_beyond_its_own_block(
    chain: FakeChain, database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = make(chain, database), make(chain, database)
    register(chain)
    extend = database.extend

    def then_overtaken(*read: Any) -> None:
        extend(*read)
        monkeypatch.setattr(database, "extend", extend)
        register(chain)
        two.advance()

    monkeypatch.setattr(database, "extend", then_overtaken)
    view = one.view()
    assert (view.block, len(view.state.workers), len(database.logs())) == (1, 1, 4)
    assert one.advance() == rebuilt(chain)


def test_view__the_other_s_fork_lies_under_the_tip__is_cut_out(chain: FakeChain, database: SqlDatabase) -> None:
    """Two forks spliced by a race between processes: the tip is the chain's, and only parent hashes show what lies below."""
    one = make(chain, database)
    for _ in range(4):
        register(chain)
        one.advance()
    chain.reorganise(1)
    register(chain, "again")
    tip = register(chain)
    database.extend([tip], chain.logs(DEPLOYMENT, tip.number, tip.number))  # on top of the dropped block
    assert one.advance() == rebuilt(chain)
    assert make(chain, database).advance() == rebuilt(chain)


def test_view__random_walk_of_two_processes__always_equals_a_rebuild(chain: FakeChain, database: SqlDatabase) -> None:
    luck = random.Random(7)
    indexes = [make(chain, database), make(chain, database)]
    for step in range(120):
        if luck.random() < 0.25 and len(chain.mined) > 6:
            for _ in range(len(chain.reorganise(luck.randrange(1, 6))) + luck.randrange(2)):
                register(chain, f"{step}") if luck.random() < 0.6 else chain.mine()
        register(chain, f"{step}")
        assert luck.choice(indexes).advance() == rebuilt(chain)


# ------------------------------------------------------------------------------------------------------------- at rest


def counted(chain: FakeChain) -> list[str]:
    """The names of what is asked of the chain from now on."""
    asked: list[str] = []
    chain.before = asked.append
    return asked


def test_view__nothing_happened__asks_once_and_gives_the_same(chain: FakeChain, database: SqlDatabase) -> None:
    register(chain)
    index = make(chain, database)
    view, asked = index.view(), counted(chain)
    assert index.view() is view
    assert asked == ["latest"]


def test_view__another_process_forgot_the_tip_meanwhile__reads_it_again(
    chain: FakeChain, database: SqlDatabase
) -> None:
    register(chain)
    index = make(chain, database)
    index.view()
    database.rewind(-1)
    assert index.view().state == rebuilt(chain)
    assert database.blocks(1)[0].number == index.block


@pytest.mark.parametrize("waits", [True, False], ids=["asked before the read began", "asked after it began"])
def test_view__while_another_thread_reads__takes_only_what_is_newer_than_the_question(
    chain: FakeChain, database: SqlDatabase, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    index = make(chain, database)
    clock = iter([1.0, 2.0, 1.5 if waits else 2.5, 3.0])  # asked, begun; asked, begun
    monkeypatch.setattr(module, "monotonic", lambda: next(clock))
    register(chain)
    first = index.view()
    register(chain)
    second = index.view()
    assert (second is first) == waits
    assert len(second.state.workers) == (1 if waits else 2)
