"""Secrets that must never be logged, and a search for them in whatever spelling: bytes, hex, base64, decimal.

`of_home` gathers a real home's: private keys, password, token, salts, payloads with their salts, envelopes, signatures.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from eth_account import Account

from oracle.config import Home

LEAST = 16  # bytes of a secret that are enough to find it: a log may hold a piece


def spellings(secret: bytes) -> Iterator[bytes]:
    """The first and the last `LEAST` bytes of a secret, as somebody could have written them; a number also whole."""
    for part in {secret[:LEAST], secret[-LEAST:]}:
        yield part
        yield part.hex().encode()
        yield part.hex().upper().encode()
        for encoded in (base64.b64encode(part), base64.urlsafe_b64encode(part)):
            yield encoded.rstrip(b"=")[: len(part)]
        yield repr(part)[2:-1].encode()
    if len(secret) == 32:
        yield str(int.from_bytes(secret, "big")).encode()


def leaks(folder: Path, secrets: Mapping[str, bytes]) -> list[str]:
    """`file: name of the secret` for each secret that a file of the folder holds."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    wanted = {name: set(spellings(secret)) for name, secret in secrets.items()}
    found = []
    for file in files:
        text = file.read_bytes()
        found += [f"{file}: {name}" for name, ways in wanted.items() if any(way in text for way in ways)]
    return found


def of_home(home: Path) -> dict[str, bytes]:
    """What lies in a home that no log may hold. A key that a person made, with another password, is passed over."""
    place = Home(home)
    password = place.secret("password")
    found = {"token": place.secret("token").encode(), "password": password.encode()}
    for file in sorted(home.rglob("keys/*.json")):
        try:
            key = bytes(Account.decrypt(json.loads(file.read_text()), password))
        except ValueError:
            continue
        found[f"private key {file.relative_to(home)}"] = key
    found.update(_answers(place))
    return found


def _answers(home: Home) -> Iterator[tuple[str, bytes]]:
    """Envelopes and signatures of every member's database."""
    from oracle.adapters.database import SqlDatabase

    for folder in sorted((home.path / "members").iterdir()):
        place = home.database(int(folder.name))
        database = SqlDatabase(place.url, place.schema)
        for job in range(1, 10):
            for a in database.answers(job):
                name = f"answer {a.job}/{a.task}/{a.worker}"
                yield f"signature of {name}", a.signature
                yield f"envelope of {name}", a.envelope[1:]  # the first byte names the scheme
        database.close()
