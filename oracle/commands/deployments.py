"""`crowdproof deploy`: the contracts on a chain, and deployment.json, which everything reads."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oracle.adapters import anvil
from oracle.adapters.signer import KeySigner
from oracle.commands.chains import read_address
from oracle.config import Home, Settings
from oracle.deploying import deploy as put_contracts
from oracle.deploying import wishes
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import BadInput, ChainUnavailable, WrongChain
from oracle.protocol.keys import Address, checksum

FINAL_AFTER = 64  # blocks: two epochs of Ethereum
COLUMNS = ["address", "seal_key"]
Members = dict[Address, bytes]


def members(file: Path | None, given: Sequence[str]) -> Members:
    """From a CSV `address,seal_key` and from ADDRESS:SEALKEY arguments. Raises BadInput naming line or argument."""
    found: Members = {}
    for where, address, seal_key in [*_rows(file), *map(_argument, given)]:
        try:
            member, key = read_address(address), bytes.fromhex(seal_key.removeprefix("0x"))
        except (BadInput, ValueError) as problem:
            raise BadInput(f"{where}: {problem}") from None
        if len(key) != 32 or not any(key):
            raise BadInput(f"{where}: a seal key is 0x and 64 hex digits (`crowdproof key show` prints a member's)")
        if member in found:
            raise BadInput(f"{where}: {checksum(member)} stands twice")
        found[member] = key
    return found


def deploy(
    home: Path | None,
    rpc: str | None,
    signer: KeySigner | None,
    committee: Members,
    quorum: int,
    window: int,
    token: str | None,
    treasury: str | None,
    stake: int,
    delay: int,
    at_issue: int,
) -> dict[str, Any]:
    """`rpc` None: the home's local chain, started if need be. `signer` None: its first development account."""
    place = Home.at(home)
    deployer = signer or KeySigner(anvil.dev_key(0))
    wanted = wishes(
        committee,
        quorum,
        window,
        read_address(treasury) if treasury else deployer.address,
        read_address(token) if token else None,
        stake,
        delay,
        at_issue,
    )
    place.create()
    url = rpc or anvil.start(place.chain).url
    try:
        if not place.has_settings():
            place.write_settings(Settings(url, FINAL_AFTER if rpc and not anvil.is_local(url) else 0, (), ""))
        found = put_contracts(place, url, deployer, wanted)
    except (ChainUnavailable, WrongChain) as problem:
        raise BadInput(f"{problem}; run this again to go on") from None
    return _report(place, found)


def text(d: dict[str, Any]) -> str:
    return "\n".join(f"  {name:14} {value}" for name, value in d.items())


def _report(home: Home, found: Deployment) -> dict[str, Any]:
    return {
        "chain_id": found.chain_id,
        "market": checksum(found.market),
        "workers": checksum(found.workers),
        "committee": checksum(found.committee.address),
        "disputes": checksum(found.disputes),
        "hatch": checksum(found.hatch),
        "token": checksum(found.token),
        "members": len(found.committee.members),
        "quorum": found.committee.quorum,
        "window": found.window,
        "unit": found.unit,
        "block": found.block,
        "configuration": "0x" + found.configuration().hex(),
        "file": str(home.deployment),
    }


def _rows(file: Path | None) -> list[tuple[str, str, str]]:
    if file is None:
        return []
    try:
        rows = list(csv.reader(file.read_text("utf-8").splitlines()))
    except (OSError, ValueError, csv.Error) as problem:
        raise BadInput(f"{file}: cannot be read ({problem})") from None
    if not rows or [name.strip() for name in rows[0]] != COLUMNS:
        raise BadInput(f"{file}, line 1: the header must be {','.join(COLUMNS)}")
    found = []
    for line, row in enumerate(rows[1:], 2):
        if row and len(row) != len(COLUMNS):
            raise BadInput(f"{file}, line {line}: {len(row)} fields where the header has {len(COLUMNS)}")
        if row:
            found.append((f"{file}, line {line}", row[0].strip(), row[1].strip()))
    return found


def _argument(given: str) -> tuple[str, str, str]:
    address, colon, seal_key = given.partition(":")
    if not colon:
        raise BadInput(f"--member {given[:120]}: write it as ADDRESS:SEALKEY")
    return f"--member {address[:60]}", address, seal_key
