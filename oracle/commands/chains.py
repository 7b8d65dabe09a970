"""`crowdproof chain` and `crowdproof faucet`: the local chain of a home, and coin on it."""

from contextlib import closing
from pathlib import Path
from typing import Any

from oracle.adapters import anvil
from oracle.adapters.chain import RpcChain
from oracle.adapters.contracts import Calls, Interfaces
from oracle.adapters.deployer import read_deployment_file
from oracle.adapters.signer import KeySigner
from oracle.bootstrap import open_database, open_key
from oracle.config import Home
from oracle.protocol.errors import BadInput
from oracle.protocol.keys import Address, checksum
from oracle.services import outbox

MOST_COIN = 1_000_000
DEPLOYER = "deployer"


def start(home: Path | None, port: int, chain_id: int | None) -> dict[str, Any]:
    place = Home.at(home)
    place.create()
    return _report(place, anvil.start(place.chain, port, chain_id))


def status(home: Path | None) -> dict[str, Any]:
    place = Home.at(home)
    return _report(place, anvil.status(place.chain))


def stop(home: Path | None) -> dict[str, Any]:
    place = Home.at(home)
    return {"running": False, "stopped": anvil.stop(place.chain), "folder": str(place.chain)}


def reset(home: Path | None) -> dict[str, Any]:
    place = Home.at(home)
    return {"running": False, "reset": anvil.reset(place.chain), "folder": str(place.chain)}


def text(document: dict[str, Any]) -> str:
    return "\n".join(f"  {name:9} {value}" for name, value in document.items())


def _report(home: Home, chain: anvil.LocalChain | None) -> dict[str, Any]:
    if chain is None:
        return {"running": False, "folder": str(home.chain)}
    return {
        "running": True,
        "url": chain.url,
        "chain_id": chain.chain_id,
        "pid": chain.pid,
        "folder": str(home.chain),
    }


def faucet(home: Path | None, address: str, coin: int, tokens: int) -> dict[str, Any]:
    """Native coin for any address on the home's local chain; whole tokens too, if the home's deployer holds some."""
    place, wallet = Home.at(home), read_address(address)
    for name, amount in (("--coin", coin), ("--tokens", tokens)):
        if not 0 <= amount <= MOST_COIN:
            raise BadInput(f"{name} {amount}: from 0 to {MOST_COIN:,}")
    running = anvil.status(place.chain)
    if running is None:
        raise BadInput(f"no chain runs in {place.chain}: crowdproof chain start --home {place.path}")
    sent = _give_tokens(place, running.url, wallet, tokens) if tokens else 0
    if coin:
        anvil.fund(running.url, wallet, coin * 10**18)
    return {"address": checksum(wallet), "coin": coin, "tokens": sent, "rpc": running.url}


def faucet_text(d: dict[str, Any]) -> str:
    more = f" and {d['tokens']} of the token's smallest unit" if d["tokens"] else ""
    return f"  {d['coin']} coin{more} for {d['address']} on {d['rpc']}"


def read_address(text: str) -> Address:
    """Raises BadInput for what is no address."""
    try:
        wallet = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        wallet = b""
    if len(wallet) != 20 or not text.startswith("0x"):
        raise BadInput(f"{text[:60]!r} is no address: 0x and 40 hex digits")
    return wallet


def _give_tokens(home: Home, url: str, wallet: Address, tokens: int) -> int:
    """Smallest units sent. Each call is another gift: the purpose counts them."""
    deployment, abis = read_deployment_file(home.deployment)
    interfaces = Interfaces(abis)
    try:
        signer = open_key(home, DEPLOYER) if (home.keys / f"{DEPLOYER}.json").exists() else KeySigner(anvil.dev_key(0))
    except BadInput:
        raise BadInput(f"--tokens: the key {DEPLOYER!r} of {home.path} does not open") from None
    amount = tokens * 10**6 * deployment.unit
    with (
        closing(RpcChain(url, interfaces, deployment.chain_id)) as chain,
        closing(open_database(home)) as database,
    ):
        if chain.token_balance(deployment.token, signer.address) < amount:
            raise BadInput(f"--tokens {tokens}: the deployer {checksum(signer.address)} does not hold as many")
        purpose = f"the faucet ({len(database.sent(signer.address))})"
        gift = Calls(interfaces, deployment).transfer(deployment.token, wallet, amount, purpose)
        outbox.run(database, chain, signer, gift, "faucet")
    return amount
