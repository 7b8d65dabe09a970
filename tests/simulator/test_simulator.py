"""The committee under seeds: honest runs break nothing, a planted defect or one liar too many is found, runs repeat bit by bit."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from oracle.protocol import audit
from oracle.protocol import epoch as ep
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import Refused
from oracle.protocol.ledger import Ledger
from oracle.protocol.messages import digest
from oracle.protocol.state import State
from oracle.services import rules, settle
from oracle.services.books import Books, source
from oracle.services.member import Member
from tests.simulator import memo
from tests.simulator.__main__ import campaign
from tests.simulator.cast import WINDOW, Cast, cast
from tests.simulator.chain import SimChain
from tests.simulator.durable import Memory
from tests.simulator.liars import KINDS
from tests.simulator.node import Node
from tests.simulator.world import Certificate, Outcome, World, simulate

SIZES = (4, 7, 13, 31)


@pytest.mark.parametrize(("size", "seeds"), [(4, 12), (7, 8), (13, 6), (31, 3)])
def test_simulate__f_liars_of_any_kind__breaks_nothing_and_goes_on(size: int, seeds: int) -> None:
    found = campaign(size, range(seeds))
    assert found["broken"] == {}
    assert found["steps"] == 200 * seeds
    assert found["did"]["final epochs"] > seeds / 2


@pytest.mark.deep
@pytest.mark.parametrize("size", SIZES)
def test_campaign__ten_thousand_seeds__never_two_final_headers(size: int) -> None:
    found = campaign(size, range(10_000), processes=2)
    print(found)
    assert found["broken"] == {}
    assert set(found["liars"]) == set(KINDS)


@pytest.mark.deep
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_campaign__f_liars_of_one_kind__break_nothing(size: int, kind: str) -> None:
    assert campaign(size, range(100_000, 100_200), kind=kind, processes=2)["broken"] == {}


# ---------------------------------------------------------------------------------------------------------- repeatable


def test_simulate__same_seed__gives_the_same_trace_in_another_process() -> None:
    """Also where sets of bytes are walked through in another order."""
    command = [sys.executable, "-m", "tests.simulator", "--seeds", "0:2"]
    other = {"PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"}
    run = subprocess.run(command, env=other, capture_output=True, text=True, check=True)  # noqa: S603
    assert json.loads(run.stdout)["trace"] == campaign(4, range(2))["trace"]


def test_simulate__without_what_is_remembered__gives_the_same_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator's shortcuts change no decision."""
    quick = [simulate(cast(4), seed).trace for seed in range(2)]

    @contextmanager
    def nothing() -> Iterator[None]:
        yield

    monkeypatch.setattr(memo, "installed", nothing)
    assert [simulate(cast(4), seed).trace for seed in range(2)] == quick


# -------------------------------------------------------------------------------------------------- one liar too many


def broken(size: int, what: str, seeds: int, liars: list[str] | None = None, **changes: Any) -> Outcome:
    """The first run in which `what` broke; fails if none of so many seeds does."""
    for seed in range(seeds):
        outcome = simulate(cast(size, **changes), seed, liars=liars)
        if outcome.broken == what:
            return outcome
    raise AssertionError(f"{what!r} was not seen in {seeds} seeds")


def one_side(actors: Cast, certificate: Certificate, epoch: Epoch, liars: list[int], before: Any) -> State:
    """One side of a fork of the chain: the header is posted with the liars' help, and is final."""
    chain = SimChain(actors.deployment)
    chain.mined, chain.state, chain.now = [*before], before[-1].view.state, before[-1].block.timestamp
    message = digest(actors.deployment.domain(), certificate.header)
    found = certificate.signers | {position: actors.signers[position].sign(message) for position in liars}
    signatures = [found[position] for position in sorted(found)][: actors.quorum]
    post = chain.market.post_epoch(certificate.header, epoch.debits, signatures)
    chain.mine(1, [chain.transaction(post.data)])
    signers = chain.state.posts[certificate.header.epoch].signers
    final = chain.market.finalise_epoch(certificate.header, signers)
    chain.mine(WINDOW, [chain.transaction(final.data)])
    return chain.state


@pytest.mark.parametrize("size", SIZES)
def test_simulate__one_equivocator_too_many__two_headers_are_final_and_a_watcher_names_the_liars(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    worlds: list[World] = []
    begin = World._begin

    def remember(self: World) -> None:
        worlds.append(self)
        begin(self)

    monkeypatch.setattr(World, "_begin", remember)
    actors = cast(size)
    outcome = broken(size, "two headers", 40, ["equivocator"] * (actors.faults + 1))
    run, certificates = worlds[-1], outcome.details
    liars = [node.position for node in run.liars]
    epochs = [run.books.epoch(c.header.epoch, c.header.content) for c in certificates]
    before = run.chain.mined[: run.chain.finalised + 1]
    sides = [one_side(actors, *certified, liars, before) for certified in zip(certificates, epochs, strict=True)]
    posts = [side.posts[side.last_epoch] for side in sides]
    assert posts[0].epoch == posts[1].epoch
    assert posts[0].digest != posts[1].digest
    assert all(side.final() is post for side, post in zip(sides, posts, strict=True))
    both = posts[0].signers & posts[1].signers  # what a watcher reads from the two sides
    assert {i for i in range(size) if both >> i & 1} == set(liars)
    ledger = run.books.ledger(sides[0])  # and by the audit the second is false after the first
    assert audit.check(epochs[1], sides[0], actors.deployment.domain(), ledger)


def test_simulate__a_quorum_of_liars__posts_a_false_epoch_and_the_audit_finds_it() -> None:
    outcome = broken(4, "a false epoch", 40, ["forger"] * 3)
    faults, epoch, header = outcome.details
    assert faults or ep.header_of(epoch, header.content, ep.roots_of(epoch)) != header


# ----------------------------------------------------------------------------------------------------- planted defects


def signs_again(patch: pytest.MonkeyPatch) -> None:
    """No look at what was signed before."""
    patch.setattr(Member, "_check_only", lambda *_: None)
    patch.setattr(Memory, "add_signed", lambda self, header, now=None, add=Memory.add_signed: add(self, header))


def forgets(patch: pytest.MonkeyPatch) -> None:
    """What was signed is lost with the process."""
    start = Node.restart

    def restart(self: Node) -> None:
        self.database.headers.clear()
        start(self)

    patch.setattr(Node, "restart", restart)


def trusts_a_lost_write(patch: pytest.MonkeyPatch) -> None:
    """A signature leaves although what it promises was not always written."""

    def add(self: Memory, header: Any, now: int | None = None, add: Any = Memory.add_signed) -> None:
        if header.digest[0] % 3:
            add(self, header, now)

    patch.setattr(Memory, "add_signed", add)


def signs_for_any_head(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "check_place", lambda *_: None)


def signs_what_expired(patch: pytest.MonkeyPatch) -> None:
    def check(view: Any, deployment: Any, header: Any, check: Any = rules.check_place) -> None:
        check(replace(view, now=header.valid_until), deployment, header)

    patch.setattr(rules, "check_place", check)


def signs_what_it_should_refuse(patch: pytest.MonkeyPatch) -> None:
    """The audit of a proposal finds faults, and the member goes on."""

    def check(self: Member, view: Any, ledger: Ledger, header: Any) -> Any:
        try:
            return real(self, view, ledger, header)
        except Refused as refused:
            epoch, _ = ep.load(source(self._content), header.epoch, header.content)
            if epoch is None or refused.code not in ("wrong-epoch", "wrong-header"):
                raise
            return epoch

    real = Member._check_data
    patch.setattr(Member, "_check_data", check)


def drops_answers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Member, "_check_complete", lambda *_: None)


def leaves_unopened(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Member, "_check_opened", lambda *_: None)


def signs_what_it_does_not_hold(patch: pytest.MonkeyPatch) -> None:
    """Any copy of the data will do, also the proposer's alone."""
    load = memo._Loaded.__call__

    def anywhere(self: Any, given: Any, number: int, content: bytes) -> Any:
        known = self.known.get((number, content))
        return known[0] if known else load(self, given, number, content)

    patch.setattr(memo._Loaded, "__call__", anywhere)
    patch.setattr(Member, "_check_model", lambda *_: [])


def needs_struck_data(patch: pytest.MonkeyPatch) -> None:
    """A struck epoch is read as any other."""

    def ledger(self: Books, state: State) -> Ledger:
        for post in state.posts.values():
            self.epoch(post.epoch, post.content)
        return real(self, state)

    real = Books.ledger
    patch.setattr(Books, "ledger", ledger)


DEFECTS: list[tuple[Callable[[pytest.MonkeyPatch], None], str, str, int]] = [
    (signs_again, "two headers", "equivocator", 40),
    (forgets, "two headers", "equivocator", 100),
    (trusts_a_lost_write, "two headers", "equivocator", 60),
    (signs_for_any_head, "signed for another head or time", "equivocator", 40),
    (signs_what_expired, "signed for another head or time", "equivocator", 60),
    (signs_what_it_should_refuse, "a false epoch", "forger", 60),
    (drops_answers, "a dropped answer", "forger", 60),
    (leaves_unopened, "an answer that was not counted", "forger", 60),
    (signs_what_it_does_not_hold, "withheld data", "hider", 60),
    (needs_struck_data, "no progress", "silent", 100),
]


@pytest.mark.parametrize(("plant", "what", "kind", "seeds"), DEFECTS, ids=[plant.__name__ for plant, *_ in DEFECTS])
def test_simulate__planted_defect__is_found(
    plant: Callable[[pytest.MonkeyPatch], None], what: str, kind: str, seeds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    broken(4, what, seeds, [kind])


def test_simulate__quorum_of_f_plus_1__is_found() -> None:
    broken(4, "two headers", 40, ["equivocator"], quorum=2)


def test_simulate__settler_that_signs_against_evidence__stops_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A liar agrees and then does not sign; the honest members are bound to what one of them refuses, hour after hour."""
    monkeypatch.setattr(settle, "ROUNDS", 1)
    broken(4, "no progress", 100, ["junk"])
