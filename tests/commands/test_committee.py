"""`crowdproof committee` on a real chain: a member joins in the place of another, who takes its stake once the delay is over."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters import anvil
from oracle.adapters.contracts import decode_post
from oracle.adapters.signer import KeySigner
from oracle.bootstrap import open_oracle
from oracle.config import Home
from oracle.protocol.errors import CommitteeChanged
from oracle.protocol.keys import checksum
from oracle.services import audit
from tests.support.commands import Run

pytestmark = pytest.mark.sockets
COIN = 10**18
NEWCOMER = KeySigner(b"\x07" * 32)


@pytest.fixture
def chain(home: Path) -> anvil.LocalChain:
    return anvil.start(home / "chain")


def ask(inside: Run, home: Path, *words: object) -> dict[str, Any]:
    ended = inside("committee", *words, "--home", home, "--json")
    assert (ended.code, ended.err) == (0, "")
    return ended.document


def after(shown: dict[str, Any], leaver: str) -> list[object]:
    """The members that are to be, as options."""
    stay = [m for m in shown["members"] if m["address"] != leaver]
    seats = [f"{m['address']}:{m['seal_key']}" for m in stay]
    seats.append(f"{checksum(NEWCOMER.address)}:0x{NEWCOMER.seal_key.hex()}")
    return [word for seat in seats for word in ("--member", seat)]


def test_show__a_fresh_deployment__names_members_and_stakes(inside: Run, home: Path, chain: anvil.LocalChain) -> None:
    shown = ask(inside, home, "show")
    assert [m["stake"] for m in shown["members"]] == [COIN] * 4
    assert (shown["quorum"], shown["unit"], shown["burnt"], shown["waits"]) == (3, COIN, 0, None)


def test_committee__one_replaces_another__signs_in_its_place_and_the_stake_comes_back(
    inside: Run, home: Path, chain: anvil.LocalChain
) -> None:
    shown = ask(inside, home, "show")
    leaver = json.loads((home / "members" / "4" / "keys" / "member.json").read_text())["address"]
    leaver = next(
        m["address"] for m in shown["members"] if m["address"].lower().endswith(leaver.lower().removeprefix("0x"))
    )
    for n in (1, 2, 3, 4):
        anvil.fund(chain.url, bytes.fromhex(shown["members"][n - 1]["address"][2:]), 2 * COIN)
    newcomer = checksum(NEWCOMER.address)
    assert ask(inside, home, "stake", newcomer, "--gwei", 10**9, "--key", "deployer")["stake"] == COIN

    seats, until = after(shown, leaver), anvil.warp(chain.url, 1) + 1000
    ended = inside("committee", "propose", *seats, "--quorum", 2, "--until", until, "--key", "deployer", "--home", home)
    assert ended.code == 1
    assert "CommitteeQuorumOutOfRange" in ended.err
    proposed = ask(inside, home, "propose", *seats, "--until", until, "--key", "deployer")
    assert ask(inside, home, "show")["waits"] == proposed
    early = inside("committee", "enact", *seats, "--key", "deployer", "--home", home)
    assert "CommitteeChangeTooEarly" in early.err
    anvil.warp(chain.url, shown["delay"])
    ask(inside, home, "enact", *seats, "--key", "deployer")
    assert newcomer in [m["address"] for m in ask(inside, home, "show")["members"]]

    locked = inside("committee", "withdraw", "--key", "member-4", "--home", home)
    assert "CommitteeStakeLocked" in locked.err
    anvil.warp(chain.url, shown["delay"])
    assert ask(inside, home, "withdraw", "--key", "member-4") == {"address": leaver, "withdrawn": COIN}

    # The home follows: what runs stops once, and begins again with the new members; what the old ones signed still stands.
    with closing(open_oracle(Home(home))) as oracle, pytest.raises(CommitteeChanged):
        oracle.index.view()
    with closing(open_oracle(Home(home))) as oracle:
        assert NEWCOMER.address in oracle.deployment.committee.members
        assert [term.epoch for term in oracle.index.view().state.terms] == [1, oracle.index.view().state.last_epoch + 1]
        report = audit.run(
            oracle.chain, oracle.content, oracle.deployment, lambda data: decode_post(oracle.chain.interfaces, data)
        )
        assert report.epochs
        assert report.faults == []


def test_propose__too_few_signatures_or_a_strangers__is_bad_input(
    inside: Run, home: Path, chain: anvil.LocalChain
) -> None:
    shown = ask(inside, home, "show")
    seats = after(shown, shown["members"][0]["address"])
    for n in (1, 2):
        (home / "members" / str(n) / "keys" / "member.json").rename(home / f"away-{n}.json")
    few = inside("committee", "propose", *seats, "--until", 2**40, "--key", "deployer", "--home", home)
    assert few.is_clear()
    assert "2 of 3 members signed" in few.err
    signature = "0x" + NEWCOMER.sign(bytes(32)).hex()
    wrong = inside(
        "committee", "propose", *seats, "--until", 2**40, "--signature", signature, "--key", "deployer", "--home", home
    )
    assert wrong.is_clear()
    (home / "away-1.json").rename(home / "members" / "1" / "keys" / "member.json")
    given = ask(inside, home, "sign", *seats, "--until", 2**40, "--key", "member-1")["signature"]
    (home / "members" / "1" / "keys" / "member.json").rename(home / "away-1.json")
    assert (
        ask(inside, home, "propose", *seats, "--until", 2**40, "--signature", given, "--key", "deployer")["number"] == 1
    )


def test_withdraw_and_collect__nothing_there__are_refused(inside: Run, home: Path, chain: anvil.LocalChain) -> None:
    for step, problem in (("withdraw", "CommitteeStakeMissing"), ("collect", "CommitteeNothingToCollect")):
        ended = inside("committee", step, "--key", "deployer", "--home", home)
        assert ended.code == 1
        assert problem in ended.err
