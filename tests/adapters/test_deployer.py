"""Where contracts will land, what is sent to get them there, and the file that remembers it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.adapters.compiler import artefacts
from oracle.adapters.deployer import (
    AT_ISSUE,
    LEAST_TURN,
    Arbitration,
    created_address,
    plan_deployment,
    read_deployment_file,
    write_deployment,
)
from oracle.protocol import contests
from oracle.protocol.deployment import Committee, Deployment
from oracle.protocol.errors import BadInput

DEPLOYER = bytes.fromhex("f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
MEMBERS = {bytes([i]) * 20: bytes([i]) * 32 for i in (4, 2, 3, 1)}
COMMITTEE = Committee(b"\x0c" * 20, tuple(sorted(MEMBERS)), tuple(MEMBERS[m] for m in sorted(MEMBERS)), 3)
DEPLOYMENT = Deployment(31_337, b"\x01" * 20, b"\x02" * 20, COMMITTEE, bytes(20), b"\x03" * 20, 1, 60, 7)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_deployment(tmp_path / "deployment.json", DEPLOYMENT, artefacts())
    return tmp_path / "deployment.json"


@pytest.mark.parametrize(
    ("nonce", "address"),
    [  # the first two: Anvil's account 0, as every developer knows them; the others: web3's get_create_address
        (0, "5fbdb2315678afecb367f032d93f642f64180aa3"),
        (1, "e7f1725e7734ce288f8367e1bb143e90bb3f0512"),
        (127, None),
        (128, None),
        (65_536, None),
    ],
)
def test_created_address__nonces_of_each_length__are_those_of_the_chain(nonce: int, address: str | None) -> None:
    from web3.utils import get_create_address

    expected = get_create_address("0x" + DEPLOYER.hex(), nonce)  # type: ignore[arg-type]
    assert created_address(DEPLOYER, nonce) == bytes.fromhex(address or expected[2:])


def test_plan_deployment__without_a_token__deploys_all_in_the_order_of_their_addresses() -> None:
    plan = plan_deployment(artefacts(), DEPLOYER, 5, MEMBERS, 3, 60, DEPLOYER)
    names = ["DemoToken", "Workers", "Demands", "Referee", "Committee", "Court", "Disputes", "Hatch", "Market"]
    assert [call.what.split()[1] for call in plan.calls] == names
    at = {name: created_address(DEPLOYER, 5 + n) for n, name in enumerate(names)}
    assert [plan.token, plan.workers, plan.committee, plan.market] == [
        at[name] for name in ("DemoToken", "Workers", "Committee", "Market")
    ]
    assert all(call.to is None for call in plan.calls)
    assert len({call.what for call in plan.calls}) == len(names)


def test_plan_deployment__the_referee__is_known_to_committee_and_market_and_knows_the_committee() -> None:
    plan = plan_deployment(artefacts(), DEPLOYER, 5, MEMBERS, 3, 60, DEPLOYER)
    demands, referee = created_address(DEPLOYER, 7), created_address(DEPLOYER, 8)
    by_name = {call.what.split()[1]: call.data for call in plan.calls}
    words = [address.rjust(32, b"\0") for address in (plan.committee, demands, referee)]
    assert by_name["Referee"].endswith(words[0] + words[1])
    assert words[2] in by_name["Committee"]
    court, disputes, hatch = (created_address(DEPLOYER, 5 + n).rjust(32, b"\0") for n in (5, 6, 7))
    satellites = words[2] + disputes + hatch
    assert by_name["Market"].endswith(words[0] + satellites + (60).to_bytes(32, "big"))
    assert court in by_name["Disputes"]
    assert all(
        contests.uri(contests.block(question)).encode() in by_name["Disputes"] for question in contests.QUESTIONS
    )


def test_arbitration__what_is_at_issue__is_never_worth_a_false_contest() -> None:
    """The shares under which tests/contracts/test_bond_economics.py finds no attack that pays."""
    prices = Arbitration.of(AT_ISSUE, 60)
    seat, fine, fee, *times = prices.court()
    court = bytes(20)
    _, _, deposit, bond, patience, *questions = prices.disputes(court)
    assert (fine, fee, bond, deposit) == (prices.at_issue // 10, prices.at_issue // 10, prices.at_issue // 4, 3 * fee)
    assert seat == prices.at_issue >= fine
    assert times == [LEAST_TURN] * 3
    assert patience >= 5 * LEAST_TURN + 2 * 12 * 8_191 // 60  # two rounds, and draws
    assert len(set(questions)) == 2
    assert Arbitration.of(1, 10**5).court()[3:] == (10**5,) * 3


def test_plan_deployment__with_a_token__deploys_the_others() -> None:
    plan = plan_deployment(artefacts(), DEPLOYER, 0, MEMBERS, 3, 60, DEPLOYER, token=b"\x09" * 20)
    assert len(plan.calls) == 8
    assert plan.token == b"\x09" * 20


def test_read_deployment_file__what_was_written__comes_back(path: Path) -> None:
    deployment, abis = read_deployment_file(path)
    assert deployment == DEPLOYMENT
    assert abis == {name: artefact.abi for name, artefact in artefacts().items()}
    content = json.loads(path.read_text())
    assert content["configuration"] == "0x" + DEPLOYMENT.configuration().hex()
    assert list(content)[-1] == "abis"


def test_write_deployment__twice__gives_the_same_bytes_and_leaves_no_other_file(path: Path) -> None:
    before = path.read_bytes()
    write_deployment(path, replace(DEPLOYMENT, block=8), artefacts())
    assert path.read_bytes() != before
    write_deployment(path, DEPLOYMENT, artefacts())
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("market", "0x12", "market is not 0x and 20 bytes"),
        ("market", None, "market is not 0x and 20 bytes"),
        ("chain_id", "1", "chain_id is not an integer"),
        ("chain_id", True, "chain_id is not an integer"),
        ("window", -1, "window is not an integer"),
        ("unit", 10, "configuration is not the digest"),
        ("version", 9, "version is 9"),
        ("committee", [], "committee.address is missing"),
        ("configuration", "0x" + "00" * 32, "configuration is not the digest"),
        ("abis", {}, "abis.Market is missing"),
    ],
)
def test_read_deployment_file__a_wrong_field__is_bad_input_with_file_and_field(
    path: Path, field: str, value: Any, words: str
) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(BadInput, match=words) as raised:
        read_deployment_file(path)
    assert str(raised.value).startswith(f"{path}: ")


def test_read_deployment_file__a_wrong_member__names_its_place(path: Path) -> None:
    content = json.loads(path.read_text())
    content["committee"]["members"][2] = "0xzz"
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match=r"committee\.members\[2\] is not 0x and 20 bytes"):
        read_deployment_file(path)


def test_read_deployment_file__each_field_missing__names_it(path: Path) -> None:
    whole = json.loads(path.read_text())
    for name in whole:
        path.write_text(json.dumps({k: v for k, v in whole.items() if k != name}))
        with pytest.raises(BadInput, match=name):
            read_deployment_file(path)


def test_read_deployment_file__no_json__says_line_and_column(path: Path) -> None:
    path.write_text('{\n  "version": 0,\n  oops')
    with pytest.raises(BadInput, match=r"deployment\.json, line 3, column 3"):
        read_deployment_file(path)
    path.write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(BadInput, match="cannot be read as JSON"):
        read_deployment_file(path)
    path.unlink()
    with pytest.raises(BadInput, match="crowdproof deploy"):
        read_deployment_file(path)
