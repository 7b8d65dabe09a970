"""A new deployment of the contracts, once: what was chosen is written down before the first transaction.

wishes -> HOME/deploying.json -> transactions (through the outbox) -> HOME/deployment.json, read back from the chain. A run that was
cut off goes on where it stopped; a run after the end changes nothing and gives the same deployment.
"""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from oracle.adapters.chain import RpcChain, read_deployment
from oracle.adapters.compiler import artefacts
from oracle.adapters.contracts import Interfaces
from oracle.adapters.deployer import AT_ISSUE, DEMO_STAKE, Plan, plan_deployment, write_deployment
from oracle.bootstrap import open_content, open_database
from oracle.config import Home, write_atomically
from oracle.ports import Database, Signer
from oracle.protocol import contests
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import BadInput
from oracle.protocol.keys import Address, checksum
from oracle.protocol.plain import from_json, to_json
from oracle.services import outbox

LEAST_MEMBERS, MOST_MEMBERS = 4, 31
LONGEST_WINDOW = 7 * 86_400
MOST_STAKE = 10**15  # gwei: a million coins
LONGEST_DELAY = 365 * 86_400
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the deployer chooses. `members`: (address, seal key), ascending; without `token` comes a DemoToken."""

    members: tuple[tuple[bytes, bytes], ...]
    quorum: int
    window: int  # seconds
    treasury: bytes
    token: bytes | None = None
    stake: int = DEMO_STAKE  # gwei of each member, paid by the deployer
    delay: int = 0  # seconds until a change of the committee counts; 0: two windows
    at_issue: int = AT_ISSUE  # gwei that the largest pay of an answer is worth: arbitration's prices follow


@dataclass(frozen=True, slots=True)
class _Start:
    """Where the deployer's transactions begin: the addresses of the contracts follow from it."""

    chain_id: int
    deployer: bytes
    nonce: int
    block: int
    wishes: Wishes


def wishes(
    members: Mapping[Address, bytes],
    quorum: int,
    window: int,
    treasury: Address,
    token: Address | None = None,
    stake: int = DEMO_STAKE,
    delay: int = 0,
    at_issue: int = AT_ISSUE,
) -> Wishes:
    """Raises BadInput for what the contracts would refuse."""
    n = len(members)
    if not LEAST_MEMBERS <= n <= MOST_MEMBERS:
        raise BadInput(f"a committee has {LEAST_MEMBERS} to {MOST_MEMBERS} members, not {n}")
    least = n - (n - 1) // 3
    if not least <= quorum <= n:
        raise BadInput(f"--quorum {quorum}: of {n} members it must be from {least} (2f+1 of 3f+1) to {n}")
    if not 0 < window <= LONGEST_WINDOW:
        raise BadInput(f"--window {window}: from 1 to {LONGEST_WINDOW} seconds")
    if not 0 < stake <= MOST_STAKE:
        raise BadInput(f"--stake {stake}: from 1 to {MOST_STAKE} gwei")
    if delay and not window < delay <= LONGEST_DELAY:
        raise BadInput(f"--delay {delay}: longer than the window, and at most {LONGEST_DELAY} seconds")
    if not 0 < at_issue <= MOST_STAKE:
        raise BadInput(f"--at-issue {at_issue}: from 1 to {MOST_STAKE} gwei")
    return Wishes(tuple(sorted(members.items())), quorum, window, treasury, token, stake, delay, at_issue)


def deploy(home: Home, url: str, signer: Signer, wanted: Wishes) -> Deployment:
    """The home's deployment, made now, finished now, or as it was made before. Raises BadInput if that was another."""
    code = artefacts()
    interfaces = Interfaces({name: artefact.abi for name, artefact in code.items()})
    with closing(RpcChain(url, interfaces)) as chain, closing(open_database(home)) as database:
        start = _start(home.path / "deploying.json", chain, database, signer, wanted)
        plan = _plan(start)
        outbox.reconcile(database, chain, signer)
        for call in plan.calls:
            outbox.submit(database, chain, signer, call, "deploy")
        outbox.settle(database, chain, signer, PATIENCE_S)
        deployment = read_deployment(chain, plan.market, start.block)
    open_content(home).put_many(map(contests.block, contests.QUESTIONS))
    write_deployment(home.deployment, deployment, code)
    return deployment


def _start(file: Path, chain: RpcChain, database: Database, signer: Signer, wanted: Wishes) -> _Start:
    """As written down, else written down now."""
    chain_id = chain.chain_id()
    if file.exists():
        begun = _read(file)
        if (begun.chain_id, begun.deployer, begun.wishes) != (chain_id, signer.address, wanted):
            raise BadInput(
                f"{file} tells of a deployment {_difference(begun, chain_id, signer, wanted)}: another --home"
            )
        return begun
    if not chain.native_balance(signer.address):
        raise BadInput(f"{chain.rpc.endpoint}: {checksum(signer.address)} has no coin there to pay for gas")
    newest = database.sent(signer.address, last=1)
    nonce = newest[0].nonce + 1 if newest else chain.nonce(signer.address)
    start = _Start(chain_id, signer.address, nonce, chain.latest().number, wanted)
    write_atomically(file, json.dumps(to_json(start), indent=1) + "\n")
    return start


def _read(file: Path) -> _Start:
    try:
        return from_json(_Start, json.loads(file.read_text("utf-8")), str(file))
    except (OSError, ValueError) as problem:
        raise BadInput(f"{file}: cannot be read: {problem}") from None


def _difference(begun: _Start, chain_id: int, signer: Signer, wanted: Wishes) -> str:
    if begun.chain_id != chain_id:
        return f"on chain {begun.chain_id}, and this is chain {chain_id}"
    if begun.deployer != signer.address:
        return f"by {checksum(begun.deployer)}"
    return "with " + " and ".join(
        f"another {name}"
        for name in ("members", "quorum", "window", "treasury", "token", "stake", "delay", "at_issue")
        if getattr(begun.wishes, name) != getattr(wanted, name)
    )


def _plan(start: _Start) -> Plan:
    wanted = start.wishes
    return plan_deployment(
        artefacts(),
        start.deployer,
        start.nonce,
        dict(wanted.members),
        wanted.quorum,
        wanted.window,
        wanted.treasury,
        wanted.token,
        stake=wanted.stake,
        delay=wanted.delay or None,
        at_issue=wanted.at_issue,
    )
