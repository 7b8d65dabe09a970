"""`crowdproof chain` and `crowdproof faucet`: the local chain of a home, and coin on it."""

from pathlib import Path
from typing import Any

from oracle import local
from oracle.adapters import anvil
from oracle.config import Home
from oracle.protocol.errors import BadInput
from oracle.protocol.keys import Address, checksum

MOST_COIN = 1_000_000


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
    sent = local.give(place, running.url, wallet, coin, tokens)
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
