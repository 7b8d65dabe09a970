"""`crowdproof key`: encrypted keystores of a home. A committee member needs both its address and its seal key."""

from pathlib import Path
from typing import Any

from oracle.adapters.signer import KeySigner, create_keystore, list_keystores, load_keystore
from oracle.config import Home
from oracle.protocol.errors import BadInput
from oracle.protocol.keys import checksum


def new(home: Path | None, name: str, password: str, secret: str | None = None) -> dict[str, Any]:
    """A fresh key, or the given one (hex)."""
    key = None
    if secret is not None:
        try:
            key = bytes.fromhex(secret.removeprefix("0x"))
        except ValueError:
            raise BadInput("standard input: a private key is 64 hex digits") from None
    file, signer = create_keystore(Home.at(home).keys, name, password, key)
    return _report(name, signer, file)


def show(home: Path | None, name: str, password: str) -> dict[str, Any]:
    """The public halves of a key; the seal key is not in the file, so the password is needed."""
    file = Home.at(home).keys / f"{name}.json"
    return _report(name, load_keystore(file, password), file)


def listed(home: Path | None) -> dict[str, Any]:
    found = list_keystores(Home.at(home).keys)
    return {"keys": [{"name": name, "address": checksum(address)} for name, address in found]}


def text(d: dict[str, Any]) -> str:
    return f"  {d['address']}  seal key {d['seal_key']}  {d['file']}"


def list_text(d: dict[str, Any]) -> str:
    return "\n".join(f"  {key['address']}  {key['name']}" for key in d["keys"]) or "  no keys"


def _report(name: str, signer: KeySigner, file: Path) -> dict[str, Any]:
    seal_key = "0x" + signer.seal_key.hex()
    return {"name": name, "address": checksum(signer.address), "seal_key": seal_key, "file": str(file)}
