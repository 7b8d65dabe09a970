"""A new deployment as a list of calls, and the file that remembers it.

settings -> calls (pure: the addresses follow from the deployer's nonces); Deployment <-> deployment.json. The file only
remembers: what binds signatures is read back from the chain (oracle.adapters.chain.read_deployment).
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import encode as abi_encode
from eth_utils.abi import collapse_if_tuple

from oracle.adapters.compiler import Artefact
from oracle.adapters.rpc import rlp
from oracle.ports import Call
from oracle.protocol import contests
from oracle.protocol.deployment import NOBODY, Committee, Deployment
from oracle.protocol.errors import BadInput
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import Address, checksum

GWEI = 10**9
DEMO_STAKE = 10**9  # gwei: a coin each
FIRST_SEATS = 3  # of a court's first round
BOND = 10**16  # wei: of the first open demand, more than showing the largest leaf costs
DEMO_SUPPLY = 10**15  # a billion DEMO, 6 decimals
AT_ISSUE = 4 * 10**7  # gwei: what the largest pay of an answer is worth, as far as arbitration's prices provide for it
LEAST_TURN = 3_600  # seconds: jurors are people
VERSION = 0

# ---------------------------------------------------------------------- deploying


@dataclass(frozen=True, slots=True)
class Plan:
    """Calls to send with consecutive nonces from the one that was given, and what then stands where."""

    calls: tuple[Call, ...]
    market: Address
    workers: Address
    committee: Address
    token: Address


@dataclass(frozen=True, slots=True)
class Arbitration:
    """Prices (wei) and times (seconds) of the court, of contests and of the hatch, from two numbers.

    at_issue: wei that the largest pay of an answer is worth. With the shares here nobody with less than a third of the bench gains
    by a false contest or a false claim (tests/contracts/test_bond_economics.py); a seat costs all of it, so that the bench
    is dear to fill. turn: seconds to commit, to reveal and to appeal. Two rounds take five turns; the arbitrator has ten.
    """

    at_issue: int
    turn: int

    @classmethod
    def of(cls, gwei: int, window: int) -> "Arbitration":
        return cls(gwei * GWEI, max(window, LEAST_TURN))

    @property
    def vote(self) -> int:
        """A juror's fee, and its fine."""
        return max(self.at_issue // 10, 1)

    @property
    def bond(self) -> int:
        return max(self.at_issue // 4, 2)

    def court(self) -> tuple[int, ...]:
        """Arguments of Court: the price of a seat, fine, fee, and the three times."""
        return max(self.at_issue, self.vote), self.vote, self.vote, self.turn, self.turn, self.turn

    def disputes(self, court: Address) -> tuple[Any, ...]:
        """Arguments of Disputes: the deposit covers the first round."""
        questions = [contests.uri(contests.block(question)) for question in contests.QUESTIONS]
        return court, b"", FIRST_SEATS * self.vote, self.bond, 10 * self.turn, *questions


def plan_deployment(
    artefacts: Mapping[str, Artefact],
    deployer: Address,
    nonce: int,
    members: Mapping[Address, bytes],
    quorum: int,
    window: int,
    treasury: Address,
    token: Address | None = None,
    stake: int = DEMO_STAKE,
    delay: int | None = None,
    at_issue: int = AT_ISSUE,
) -> Plan:
    """`members`: address -> seal key, in any order; `window` in seconds; without `token` comes a DemoToken too.

    stake: gwei that each member has at stake, paid by the deployer; delay: seconds from a change to its effect [two windows];
    at_issue: gwei that the largest pay of an answer is worth, for the prices of arbitration.
    The Referee and the Committee name each other: where the second one will land is known before it is there. Court,
    Disputes and Hatch name no Market: they serve each one that names them.
    """
    calls: list[Call] = []

    def create(name: str, *args: Any, value: int = 0) -> Address:
        address = created_address(deployer, nonce + len(calls))
        code = creation_code(artefacts[name], *args)
        calls.append(Call(f"deploy {name} at {checksum(address)}", None, code, value=value))
        return address

    token = create("DemoToken", DEMO_SUPPLY) if token is None else token
    workers = create("Workers", treasury)
    ordered = sorted(members)
    seals = [members[member] for member in ordered]
    delay = 2 * window if delay is None else delay
    unit = stake * GWEI
    demands = create("Demands", BOND)
    next_to_come = created_address(deployer, nonce + len(calls) + 1)
    referee = create("Referee", next_to_come, demands)
    committee = create("Committee", ordered, seals, quorum, referee, unit, delay, value=unit * len(ordered))
    prices = Arbitration.of(at_issue, window)
    disputes = create("Disputes", *prices.disputes(create("Court", *prices.court())))
    hatch = create("Hatch", prices.bond)
    market = create("Market", token, workers, committee, referee, disputes, hatch, window)
    return Plan(tuple(calls), market, workers, committee, token)


def created_address(sender: Address, nonce: int) -> Address:
    """Where a contract of that sender's transaction lands: keccak(RLP([sender, nonce])), its last 20 bytes."""
    return keccak(rlp([sender, nonce]))[12:]


def creation_code(artefact: Artefact, *args: Any) -> bytes:
    """The byte code with its constructor arguments."""
    constructors = [entry for entry in artefact.abi if entry["type"] == "constructor"]
    types = [collapse_if_tuple(i) for entry in constructors for i in entry["inputs"]]
    return artefact.bytecode + abi_encode(types, args)


# ---------------------------------------------------------------------- deployment.json


def write_deployment(path: Path, deployment: Deployment, artefacts: Mapping[str, Artefact]) -> None:
    """Atomic, in a fixed order of keys: the same deployment gives the same bytes."""
    d = deployment
    content = {
        "version": VERSION,
        "chain_id": d.chain_id,
        "market": checksum(d.market),
        "workers": checksum(d.workers),
        "committee": _committee(d.committee),
        "referee": checksum(d.referee),
        "disputes": checksum(d.disputes),
        "hatch": checksum(d.hatch),
        "token": checksum(d.token),
        "unit": d.unit,
        "window": d.window,
        "block": d.block,
        "configuration": "0x" + d.configuration().hex(),
        "abis": {name: artefacts[name].abi for name in sorted(artefacts)},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, content)


def rewrite_committee(path: Path, deployment: Deployment) -> None:
    """The same file with the deployment's committee of now."""
    content = _load(path)
    content["committee"] = _committee(deployment.committee)
    content["configuration"] = "0x" + deployment.configuration().hex()
    _write(path, content)


def _committee(committee: Committee) -> dict[str, Any]:
    return {
        "address": checksum(committee.address),
        "members": [checksum(member) for member in committee.members],
        "seal_keys": ["0x" + key.hex() for key in committee.seal_keys],
        "quorum": committee.quorum,
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8") as part:
        part.write(json.dumps(content, indent=2) + "\n")
    Path(part.name).chmod(0o644)
    Path(part.name).replace(path)


def read_deployment_file(path: Path) -> tuple[Deployment, dict[str, list[dict[str, Any]]]]:
    """The deployment and its ABIs by contract name. Raises BadInput naming file and field."""
    return read_deployment_document(_load(path), path)


def read_deployment_document(document: Any, path: Path) -> tuple[Deployment, dict[str, list[dict[str, Any]]]]:
    """The same of what is read already; `path` names it."""
    read = _Fields(path, "", document)
    if (version := read.number("version", 16)) != VERSION:
        raise read.fault("version", f"is {version}; this crowdproof reads version {VERSION}")
    inner = read.inner("committee")
    committee = Committee(
        inner.hexes("address", 20),
        tuple(inner.many_hexes("members", 20)),
        tuple(inner.many_hexes("seal_keys", 32)),
        inner.number("quorum", 8),
    )
    deployment = Deployment(
        chain_id=read.number("chain_id", 64),
        market=read.hexes("market", 20),
        workers=read.hexes("workers", 20),
        committee=committee,
        referee=read.hexes("referee", 20),
        disputes=read.hexes("disputes", 20),
        hatch=read.hexes("hatch", 20),
        token=read.hexes("token", 20),
        unit=read.number("unit", 256),
        window=read.number("window", 64),
        block=read.number("block", 64),
    )
    if read.hexes("configuration", 32) != deployment.configuration():
        raise read.fault("configuration", "is not the digest of the other fields: one of them was changed")
    satellites = [] if deployment.hatch == NOBODY else ["Hatch"]
    return deployment, _abis(read, satellites)


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BadInput(f"there is no {path}: `crowdproof deploy` writes it") from None
    except json.JSONDecodeError as problem:
        raise BadInput(f"{path}, line {problem.lineno}, column {problem.colno}: {problem.msg}") from None
    except (OSError, ValueError, RecursionError):
        raise BadInput(f"{path} cannot be read as JSON") from None


@dataclass(frozen=True, slots=True)
class _Fields:
    """Typed reading of one JSON object; each fault names the file and the field."""

    path: Path
    prefix: str
    values: Any

    def fault(self, name: str, problem: str) -> BadInput:
        return BadInput(f"{self.path}: {self.prefix}{name} {problem}")

    def get(self, name: str) -> Any:
        if not isinstance(self.values, dict) or name not in self.values:
            raise self.fault(name, "is missing")
        return self.values[name]

    def inner(self, name: str) -> "_Fields":
        return _Fields(self.path, f"{self.prefix}{name}.", self.get(name))

    def number(self, name: str, bits: int) -> int:
        value = self.get(name)
        if type(value) is not int or not 0 <= value < 1 << bits:
            raise self.fault(name, f"is not an integer from 0 to 2^{bits} - 1")
        return value

    def hexes(self, name: str, length: int) -> bytes:
        return self._bytes(name, self.get(name), length)

    def many_hexes(self, name: str, length: int) -> list[bytes]:
        value = self.get(name)
        if not isinstance(value, list):
            raise self.fault(name, "is not a list")
        return [self._bytes(f"{name}[{i}]", item, length) for i, item in enumerate(value)]

    def _bytes(self, name: str, value: Any, length: int) -> bytes:
        try:
            data = bytes.fromhex(value.removeprefix("0x"))
        except (AttributeError, ValueError):
            data = b""
        if len(data) != length:
            raise self.fault(name, f"is not 0x and {length} bytes in hex")
        return data


def _abis(read: _Fields, satellites: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    abis = read.get("abis")
    for name in ("Market", "Workers", "Committee", *satellites):
        abi = abis.get(name) if isinstance(abis, dict) else None
        if not isinstance(abi, list) or not all(isinstance(entry, dict) and "type" in entry for entry in abi):
            raise read.fault(f"abis.{name}", "is missing or no ABI")
    checked: dict[str, list[dict[str, Any]]] = abis
    return checked
