"""Who asks: sign-in with a wallet, sessions, and what a session may change.

A nonce is good once. A session is a random token of which only the hash is kept; browsers hold it in a cookie that scripts cannot
read and other sites cannot send, bots in a header. What is done with the cookie must come from one of our own origins.
"""

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api import siwe
from oracle.adapters.rpc import RpcError
from oracle.bootstrap import Oracle
from oracle.ports import Kept
from oracle.protocol.errors import Refused
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import Address, BadSignature, checksum, recover

NONCE_S = 600.0
COOKIE, SAFE_COOKIE = "crowdproof", "__Host-crowdproof"  # the second where the page is served by TLS
MAGIC = bytes.fromhex("1626ba7e")  # what ERC-1271 gives for yes
MOST_SIGNATURE = 8_192
STATEMENT = "Sign in to crowdproof. This costs nothing and sends no transaction."
READS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Session:
    """`token`: in full only when it is made, else its hash."""

    wallet: Address
    until: float
    token: str = ""

    @property
    def owner(self) -> str:
        return self.wallet.hex()


class NoSession(Refused):
    def __init__(self) -> None:
        super().__init__("no-session", "sign in first: GET /auth/nonce, then POST /auth/sign-in")


class Forbidden(Refused):
    """Signed in, and not the one whom it is for."""

    def __init__(self, message: str, code: str = "not-yours") -> None:
        super().__init__(code, message)


class Gate:
    """Holds what signing in needs."""

    def __init__(self, oracle: Oracle, origins: tuple[str, ...], session_s: float) -> None:
        self._oracle, self.origins, self._session_s = oracle, origins, session_s
        self.expected = siwe.Expected(origins, oracle.deployment.chain_id)
        self.safe = origins[0].startswith("https://")

    @property
    def cookie(self) -> str:
        return SAFE_COOKIE if self.safe else COOKIE

    def nonce(self) -> tuple[str, float]:
        """Good once, until then."""
        made, until = secrets.token_hex(16), time.time() + NONCE_S
        self._oracle.database.keep(Kept("nonce", made, "", {}, until))
        return made, until

    def message(self, wallet: Address, nonce: str, host: str, until: float) -> str:
        """What this wallet signs to come in by the origin of this host; by the first of ours where the host is none."""
        origin = next((one for one in self.origins if one.partition("://")[2] == host.lower()), self.origins[0])
        now = time.time()
        return siwe.write(
            siwe.Message(
                origin.partition("://")[2], wallet, STATEMENT, origin, self.expected.chain_id, nonce, now, until
            )
        )

    def sign_in(self, text: str, signature: bytes) -> Session:
        """Raises Refused. The nonce is used up by whoever shows a message that is ours, whether or not it is signed."""
        message, now = siwe.read(text), time.time()
        siwe.check(message, self.expected, now)
        if self._oracle.database.take("nonce", message.nonce) is None:
            raise Refused("used-nonce", "the nonce was used, has expired or is not ours: ask for another")
        self._require_signed(message.address, siwe.digest(text), signature)
        token, until = secrets.token_urlsafe(32), now + self._session_s
        self._oracle.database.put(Kept("session", _hashed(token), message.address.hex(), {}, until))
        return Session(message.address, until, token)

    def sign_out(self, session: Session) -> None:
        self._oracle.database.take("session", session.token)

    def session(self, request: Request) -> Session | None:
        """Raises Forbidden for a change that another site may have asked for."""
        header = request.headers.get("authorization", "")
        token = header.removeprefix("Bearer ") if header.startswith("Bearer ") else ""
        by_cookie = request.cookies.get(self.cookie, "") if not token else ""
        if not 20 <= len(token or by_cookie) <= 200:
            return None
        hashed = _hashed(token or by_cookie)
        kept = self._oracle.database.kept("session", hashed)
        if kept is None or not hmac.compare_digest(kept.name, hashed):
            return None
        if by_cookie and request.method not in READS:
            self._require_own_site(request)
        return Session(bytes.fromhex(kept.owner), kept.until, hashed)

    def _require_own_site(self, request: Request) -> None:
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site", "same-origin" if origin else "")
        if origin is None or origin.lower() not in self.origins or site != "same-origin":
            raise Forbidden(f"a change by cookie must come from the page at {self.origins[0]}", "other-site")

    def _require_signed(self, wallet: Address, digest: bytes, signature: bytes) -> None:
        """By the wallet's own key (EIP-191, also compact), or by its code (ERC-1271)."""
        if len(signature) > MOST_SIGNATURE:
            raise BadSignature(f"a signature has at most {MOST_SIGNATURE} bytes")
        try:
            if recover(digest, plain_signature(signature)) == wallet:
                return
        except BadSignature:
            pass
        if not self._code_agrees(wallet, digest, signature):
            raise BadSignature(f"the message is not signed by {checksum(wallet)}")

    def _code_agrees(self, wallet: Address, digest: bytes, signature: bytes) -> bool:
        padded = signature + bytes(-len(signature) % 32)
        data = keccak(b"isValidSignature(bytes32,bytes)")[:4] + digest
        data += (64).to_bytes(32, "big") + len(signature).to_bytes(32, "big") + padded
        try:
            reply = self._oracle.chain.call(wallet, data)
        except RpcError:  # it reverts, which says no
            return False
        return len(reply) >= 32 and reply[:4] == MAGIC and not any(reply[4:32])


def plain_signature(signature: bytes) -> bytes:
    """65 bytes with v = 27 or 28, of what wallets give: v = 0 or 1, or the compact form (EIP-2098)."""
    if len(signature) == 64:
        s = int.from_bytes(signature[32:], "big")
        low = (s & ((1 << 255) - 1)).to_bytes(32, "big")
        return signature[:32] + low + bytes([27 + (s >> 255)])
    if len(signature) == 65 and signature[64] < 2:
        return signature[:64] + bytes([27 + signature[64]])
    return signature


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def visitor(request: Request) -> Session | None:
    """Who asks, if anybody is signed in."""
    gate: Gate = request.app.state.gate
    return gate.session(request)


def signed_in(request: Request) -> Session:
    """Who asks. Raises NoSession."""
    if (session := visitor(request)) is None:
        raise NoSession
    return session


Visitor = Annotated[Session | None, Depends(visitor)]
SignedIn = Annotated[Session, Depends(signed_in)]
