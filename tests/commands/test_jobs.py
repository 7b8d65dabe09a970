"""`crowdproof job status, topup, close, refund` on a real chain: a second job of a finished home, which nobody answers."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters import anvil
from oracle.bootstrap import open_key, open_oracle
from oracle.config import Home
from oracle.services import outbox
from tests.support.commands import Run

pytestmark = pytest.mark.sockets
EXTRA = 777
DEPLOYER = "deployer"


@pytest.fixture
def chain(home: Path) -> anvil.LocalChain:
    return anvil.start(home / "chain")


def ask(inside: Run, home: Path, *words: object) -> dict[str, Any]:
    ended = inside("job", *words, "--home", home, "--json")
    assert (ended.code, ended.err) == (0, "")
    return ended.document


def open_another(home: Path) -> int:
    """Job 2, on the terms of job 1, of the deployer."""
    place = Home.at(home)
    with closing(open_oracle(place)) as oracle:
        signer = open_key(place, DEPLOYER)
        terms = replace(oracle.index.view().state.jobs[1].terms, tasks=2)
        market, token = oracle.deployment.market, oracle.deployment.token
        allow = oracle.calls.approve(token, market, terms.escrow() * oracle.deployment.unit, "job 2")
        opening = oracle.calls.open_job(terms, oracle.chain.latest().timestamp + 10**6)
        for call in (allow, opening):
            outbox.run(oracle.database, oracle.chain, signer, call, "open")
        return max(oracle.index.view().state.jobs)


def test_status__a_finished_job__adds_up(inside: Run, home: Path, chain: anvil.LocalChain) -> None:
    found = ask(inside, home, "status", 1)
    assert found["phase"] == "over"
    assert found["escrow"] == found["debited"] + found["refunded"] + found["locked"]
    assert (found["locked"], found["reserved"], found["awarded"], found["returned"]) == (0, 0, 0, 0)
    ended = inside("job", "status", 9, "--home", home)
    assert (ended.is_clear(), "there are jobs 1 to 1" in ended.err) == (True, True)


def test_job__topped_up_and_closed__gives_it_all_back_once_refunding_is_open(
    inside: Run, home: Path, chain: anvil.LocalChain
) -> None:
    job = open_another(home)
    before = ask(inside, home, "status", job)
    assert (before["phase"], before["locked"]) == ("open", before["escrow"])
    for times in (1, 2):  # the same again is another one
        found = ask(inside, home, "topup", job, "--amount", EXTRA, "--key", DEPLOYER)
        assert found["escrow"] == before["escrow"] + times * EXTRA
    bad = inside("job", "topup", job, "--amount", 0, "--key", DEPLOYER, "--home", home)
    assert (bad.is_clear(), "a multiple of" in bad.err) == (True, True)
    stranger = inside("job", "close", job, "--key", "requester", "--home", home)
    assert (stranger.code, "MarketIdentityMismatch" in stranger.err) == (1, True)
    closed = ask(inside, home, "close", job, "--key", DEPLOYER)
    assert (closed["phase"], closed["deadline"]) == ("deciding", closed["now"])
    early = inside("job", "refund", job, "--key", "requester", "--home", home)
    assert (early.code, "MarketRefundClosed" in early.err) == (1, True)
    window = (closed["refunds_from"] - closed["deadline"]) // 4
    anvil.warp(chain.url, 3 * window)
    anvil.mine(chain.url)
    assert ask(inside, home, "status", job)["phase"] == "hatch"
    anvil.warp(chain.url, window)
    anvil.mine(chain.url)
    over = ask(inside, home, "refund", job, "--key", "requester")
    assert (over["phase"], over["refunded"], over["locked"]) == ("over", before["escrow"] + 2 * EXTRA, 0)
