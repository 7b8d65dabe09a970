"""Funding a job, on a real chain: one transaction by permit, also when the permit was sent ahead; else an allowance first."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest

from oracle import publishing
from oracle.adapters import anvil
from oracle.adapters.chain import RpcChain
from oracle.adapters.database import memory_database
from oracle.adapters.signer import KeySigner
from oracle.bootstrap import Oracle
from oracle.ports import Call
from oracle.protocol.errors import Refused
from oracle.protocol.hashing import keccak
from oracle.protocol.jobkey import Wrapped, about_part
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import check_manifest
from oracle.protocol.terms import Terms
from tests.refute.conftest import anvil_url, stages  # noqa: F401 - fixtures
from tests.support.epochs import EXPIRY, manifest_document
from tests.support.stage import Stage

pytestmark = pytest.mark.sockets
TERMS = Terms(2, 10, 3, 100, 50, 250, 6 << 16, 1 << 16, keccak(b"tasks"), keccak(b"manifest"))
COST = TERMS.escrow()


@dataclass
class Chain:
    """The stage's chain, but for what a test has it say of permits."""

    real: RpcChain
    permits: Callable[..., bytes | None]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def permit_digest(self, *asked: Any) -> bytes | None:
        return self.permits(*asked)


@pytest.fixture
def stage(stages: Callable[[], Stage]) -> Stage:  # noqa: F811
    return stages()


def requester_of(stage: Stage, tokens: int) -> KeySigner:
    """Has coin, and these tokens; never allowed anything."""
    requester = KeySigner(anvil.dev_key(5))
    held = stage.chain.token_balance(stage.deployment.token, requester.address)
    assert held == 0
    stage.send(stage.calls.transfer(stage.deployment.token, requester.address, tokens))
    return requester


def oracle_of(stage: Stage, permits: Callable[..., bytes | None] | None = None) -> Oracle:
    def advance() -> Any:
        stage.sync()
        return stage.state

    chain = Chain(stage.chain, permits or stage.chain.permit_digest)
    parts = {"deployment": stage.deployment, "calls": stage.calls, "chain": chain, "database": memory_database()}
    return cast(Oracle, SimpleNamespace(**parts, index=SimpleNamespace(advance=advance)))


def allowed(stage: Stage, owner: KeySigner) -> int:
    d = stage.deployment
    return int(stage.view("DemoToken", d.token, "allowance", owner.address, d.market))


def test_fund__too_few_tokens__is_refused_before_anything_is_signed(stage: Stage) -> None:
    requester = requester_of(stage, COST - 1)
    with pytest.raises(Refused, match="the escrow is"):
        publishing.fund(oracle_of(stage), requester, TERMS, EXPIRY)
    assert stage.chain.nonce(requester.address) == 0


def test_fund__token_with_permits__is_one_transaction_and_leaves_no_allowance(stage: Stage) -> None:
    requester = requester_of(stage, COST)
    before = stage.chain.nonce(requester.address)
    oracle = oracle_of(stage)
    job = publishing.fund(oracle, requester, TERMS, EXPIRY)
    assert publishing.fund(oracle, requester, TERMS, EXPIRY) == job  # the same again is the same job
    assert stage.chain.nonce(requester.address) - before == 1
    assert stage.state.jobs[job].requester == requester.address
    assert allowed(stage, requester) == 0


def test_fund__permit_sent_ahead_by_another__opens_all_the_same(stage: Stage) -> None:
    requester = requester_of(stage, COST)
    ahead: list[Call] = []

    def leaked(token: bytes, owner: bytes, spender: bytes, amount: int, deadline: int) -> bytes:
        digest = stage.chain.permit_digest(token, owner, spender, amount, deadline)
        assert digest
        s = requester.sign(digest)
        data = stage.encode("DemoToken", "permit", owner, spender, amount, deadline, s[64], s[:32], s[32:64])
        ahead.append(Call("permit", token, data))
        stage.send(ahead[0])
        return digest

    job = publishing.fund(oracle_of(stage, leaked), requester, TERMS, EXPIRY)
    assert len(ahead) == 1
    assert stage.state.jobs[job].requester == requester.address
    assert allowed(stage, requester) == 0


def test_fund__token_without_permits__is_allowed_first(stage: Stage) -> None:
    requester = requester_of(stage, COST)
    before = stage.chain.nonce(requester.address)
    job = publishing.fund(oracle_of(stage, lambda *_: None), requester, TERMS, EXPIRY)
    assert stage.chain.nonce(requester.address) - before == 2
    assert stage.state.jobs[job].requester == requester.address


def test_permit_digest__contract_without_permits__is_none(stage: Stage) -> None:
    d = stage.deployment
    assert stage.chain.permit_digest(d.market, d.token, d.market, 1, 2) is None
    assert stage.chain.permit_digest(bytes(19) + b"\x99", d.token, d.market, 1, 2) is None


def test_seal__after_a_change_of_the_committee__has_a_key_that_who_left_cannot_read() -> None:
    left, stays, joins = (KeySigner(bytes([n]) * 32) for n in (1, 2, 3))
    manifest, tasks, requester = (
        check_manifest(manifest_document(visibility="sealed")),
        [Task(0, "one", None)],
        b"\x05" * 20,
    )
    database = memory_database()

    def sealed(*members: KeySigner) -> tuple[Wrapped, bytes]:
        committee = SimpleNamespace(seal_keys=[member.seal_key for member in members])
        oracle = SimpleNamespace(database=database, deployment=SimpleNamespace(committee=committee))
        made, _, key = publishing.seal(cast(Oracle, oracle), manifest, tasks, requester)
        assert made.key
        assert key
        return made.key, key

    def read(who: KeySigner, wrapped: Wrapped) -> list[bytes | None]:
        return [who.open(*about_part(wrapped, requester, position)) for position in range(2)]

    before, known = sealed(left, stays)
    assert sealed(left, stays) == (before, known)
    assert read(left, before) == [known, None]
    after, fresh = sealed(stays, joins)
    assert fresh != known
    assert read(left, after) == [None, None]
    assert read(stays, after) == [fresh, None]
