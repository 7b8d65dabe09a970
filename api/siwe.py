"""Sign-in with Ethereum (EIP-4361): the message that a wallet signs, read strictly and written.

text <-> Message; what of it must hold is checked by `check`. Pure: the clock, the nonce and the wallet's code are the caller's.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from oracle.protocol.errors import Refused
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import Address, checksum

VERSION = "1"
MOST = 4_000  # characters
CLOCK_S = 60.0  # by which a wallet's clock may be ahead of ours
MOST_AGE_S = 600.0
_TIME = r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})"
_SHAPE = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<domain>[^\s/?#@]{1,253}) wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9a-fA-F]{40})\n"
    r"\n(?:(?P<statement>[^\n]{1,500})\n)?\n"
    r"URI: (?P<uri>[^\s]{1,2000})\n"
    r"Version: (?P<version>\d{1,3})\n"
    r"Chain ID: (?P<chain_id>\d{1,20})\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,128})\n"
    rf"Issued At: (?P<issued_at>{_TIME})"
    rf"(?:\nExpiration Time: (?P<expiration_time>{_TIME}))?"
    rf"(?:\nNot Before: (?P<not_before>{_TIME}))?"
    r"(?:\nRequest ID: (?P<request_id>[^\s]{0,200}))?"
    r"(?:\nResources:(?P<resources>(?:\n- [^\s]{1,2000}){0,20}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Message:
    """`scheme` and `statement` may be empty; times are Unix seconds, None where the message names none."""

    domain: str
    address: Address
    statement: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: float
    expiration_time: float | None = None
    not_before: float | None = None
    scheme: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a message must be for: one of our origins (scheme://host[:port]), and our chain."""

    origins: tuple[str, ...]
    chain_id: int


def write(message: Message) -> str:
    """The text, as `personal_sign` takes it."""
    head = f"{message.domain} wants you to sign in with your Ethereum account:\n{checksum(message.address)}\n\n"
    lines = [
        f"URI: {message.uri}",
        f"Version: {VERSION}",
        f"Chain ID: {message.chain_id}",
        f"Nonce: {message.nonce}",
        f"Issued At: {_text(message.issued_at)}",
    ]
    if message.expiration_time is not None:
        lines.append(f"Expiration Time: {_text(message.expiration_time)}")
    return head + (f"{message.statement}\n" if message.statement else "") + "\n" + "\n".join(lines)


def read(text: str) -> Message:
    """Raises Refused("bad-message") for what is no message of EIP-4361."""
    found = _SHAPE.fullmatch(text) if len(text) <= MOST else None
    if found is None:
        raise _bad("the text is no sign-in message (EIP-4361): take the one that GET /auth/nonce?address= gives")
    part = found.groupdict()
    if part["version"] != VERSION:
        raise _bad(f"Version is {part['version']}, must be {VERSION}")
    address = bytes.fromhex(part["address"][2:])
    if part["address"] not in (checksum(address), "0x" + address.hex()):
        raise _bad("the address has the capitals of another (EIP-55)")
    times = {name: _seconds(part[name]) for name in ("issued_at", "expiration_time", "not_before")}
    if times["issued_at"] is None:
        raise _bad("Issued At is no time")
    return Message(
        part["domain"].lower(),
        address,
        part["statement"] or "",
        part["uri"],
        int(part["chain_id"]),
        part["nonce"],
        times["issued_at"],
        times["expiration_time"],
        times["not_before"],
        part["scheme"] or "",
    )


def check(message: Message, expected: Expected, now: float) -> None:
    """Raises Refused with the field that does not hold."""
    hosts = {origin.partition("://")[2]: origin for origin in expected.origins}
    if message.domain not in hosts:
        raise Refused("wrong-domain", f"the message is for {message.domain[:80]!r}, not for {', '.join(hosts)}")
    origin = hosts[message.domain]
    if message.scheme and message.scheme.lower() != origin.partition("://")[0]:
        raise Refused("wrong-domain", f"the message is for {message.scheme[:20]}://, not for {origin}")
    if message.uri != origin and not message.uri.startswith(origin + "/"):
        raise Refused("wrong-uri", f"the message's URI is not below {origin}")
    if message.chain_id != expected.chain_id:
        raise Refused("wrong-chain", f"the message is for chain {message.chain_id}, this is chain {expected.chain_id}")
    if message.issued_at > now + CLOCK_S:
        raise Refused("not-yet", "the message is from the future: check this machine's clock")
    if message.issued_at < now - MOST_AGE_S:
        raise Refused("sign-in-expired", f"the message is older than {MOST_AGE_S:.0f} s: ask for another nonce")
    if message.expiration_time is not None and message.expiration_time <= now:
        raise Refused("sign-in-expired", "the message has expired: ask for another nonce")
    if message.not_before is not None and message.not_before > now:
        raise Refused("not-yet", "the message does not hold yet")


def digest(text: str) -> bytes:
    """What `personal_sign` signs (EIP-191)."""
    data = text.encode()
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data)


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        raise _bad(f"{text!r} is no time") from None


def _bad(what: str) -> Refused:
    return Refused("bad-message", what)
