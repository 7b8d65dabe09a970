"""One piece of personal data -> what stands in its place: redacted, masked, or a pseudonym.

A pseudonym is an HMAC-SHA-256 of kind and normalised data under the requester's key (RFC 2104), cut to 40 bits: the same person has
the same pseudonym in every row and file under one key, and without the key nobody can try out names or numbers. Whoever has the
key can, so it stays with the requester. What is put in is found by no recogniser: replacing twice changes nothing.
"""

import hmac
import re
import unicodedata
from hashlib import sha256

from oracle.privacy.policy import MASK, PSEUDONYM
from oracle.protocol.errors import BadInput

LEAST_KEY = 16  # bytes
_SHOWN = {"phone": 4, "card": 4, "iban": 4, "identity": 2}  # last letters and digits that a mask leaves


def replaced(data: str, kind: str, method: str, key: bytes | None) -> str:
    """Raises BadInput for a pseudonym without a key."""
    if method == MASK:
        return masked(data, kind)
    return f"[{kind.upper()}]" if method != PSEUDONYM else pseudonym(data, kind, key)


def pseudonym(data: str, kind: str, key: bytes | None) -> str:
    if key is None:
        raise BadInput(
            f"a {kind} is to become a pseudonym, and their key is not here: run `crowdproof anonymise` where it is kept"
        )
    if len(key) < LEAST_KEY:
        raise BadInput(f"the key of pseudonyms has {len(key)} bytes; {LEAST_KEY} at least, from a random source")
    message = f"crowdproof pseudonym\0{kind}\0{_normal(data, kind)}".encode()
    return f"[{kind.upper()}-{hmac.new(key, message, sha256).hexdigest()[:10]}]"


def masked(data: str, kind: str) -> str:
    """So little that a reader still sees what kind of thing stood there."""
    if kind == "mail":
        return f"{data[0]}***@***.{data.rpartition('.')[2]}"
    if kind == "name":
        return re.sub(
            r"[^\W_]+", lambda word: word[0][0] + "*" * (min(len(word[0]), 4) - 1) if len(word[0]) > 1 else "*", data
        )
    if kind == "link":
        return re.sub(r"^(\w+://)(?:[^@/]*@)?([^/?#:]*).*", r"\1\2/***", data, flags=re.DOTALL)
    if kind not in _SHOWN:
        return "***"
    marks = set([i for i, c in enumerate(data) if c.isalnum()][: -_SHOWN[kind]])
    return "".join("*" if i in marks else c for i, c in enumerate(data))


def _normal(data: str, kind: str) -> str:
    """So that one person's number has one pseudonym, however it is written."""
    plain = unicodedata.normalize("NFKC", data).casefold()
    return (
        " ".join(plain.split())
        if kind in ("name", "address")
        else re.sub(r"[\s().-]", "", plain)
        if kind != "link"
        else plain
    )
