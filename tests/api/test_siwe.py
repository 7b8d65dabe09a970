"""Signing in: the message read strictly, every field that a liar could change, and a nonce that is good once."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from coincurve import PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from api import siwe
from api.gate import Gate, plain_signature
from oracle.adapters.database import memory_database
from oracle.adapters.rpc import RpcError
from oracle.ports import Kept
from oracle.protocol.errors import Refused
from oracle.protocol.keys import address_of, checksum, sign

KEY = PrivateKey(b"\7" * 32)
WALLET = address_of(KEY)
ORIGINS = ("http://127.0.0.1:8000", "https://work.example.org")
CHAIN = 31337


class Chain:
    """No wallet has code, but those in `codes`: what they answer to isValidSignature."""

    def __init__(self) -> None:
        self.codes: dict[bytes, bytes] = {}

    def call(self, to: bytes, data: bytes) -> bytes:
        assert data[:4] == bytes.fromhex("1626ba7e")
        if self.codes.get(to) == b"reverts":
            raise RpcError("reverted", "reverted", None)
        return self.codes.get(to, b"")


def gate() -> Gate:
    oracle: Any = SimpleNamespace(database=memory_database(), deployment=SimpleNamespace(chain_id=CHAIN), chain=Chain())
    return Gate(oracle, ORIGINS, 60.0)


def message(nonce: str) -> siwe.Message:
    now = time.time()
    return siwe.Message("127.0.0.1:8000", WALLET, "Hello.", ORIGINS[0], CHAIN, nonce, now, now + 300)


def signed(text: str, key: PrivateKey = KEY) -> bytes:
    return sign(key, siwe.digest(text))


def code_of(work: Any) -> str:
    with pytest.raises(Refused) as found:
        work()
    return found.value.code


def test_sign_in__as_told__a_session_of_the_wallet() -> None:
    door = gate()
    nonce, until = door.nonce()
    text = door.message(WALLET, nonce, "work.example.org", until)
    assert "work.example.org wants you" in text
    session = door.sign_in(text, signed(text))
    assert session.wallet == WALLET
    assert len(session.token) > 40


def test_sign_in__another_letter__refused_and_the_nonce_survives_what_is_not_for_us() -> None:
    door = gate()
    nonce, _ = door.nonce()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"domain": "evil.example.org"}, "wrong-domain"),
        ({"domain": "127.0.0.1"}, "wrong-domain"),
        ({"domain": "work.example.org.evil.org"}, "wrong-domain"),
        ({"uri": "https://evil.example.org"}, "wrong-uri"),
        ({"uri": ORIGINS[0] + ".evil.org"}, "wrong-uri"),
        ({"uri": ORIGINS[1]}, "wrong-uri"),
        ({"chain_id": 1}, "wrong-chain"),
        ({"issued_at": time.time() + 3_600}, "not-yet"),
        ({"issued_at": time.time() - 3_600}, "sign-in-expired"),
        ({"expiration_time": time.time() - 1}, "sign-in-expired"),
        ({"nonce": "0" * 32}, "used-nonce"),
    ]
    for changes, code in cases:
        text = siwe.write(replace(message(nonce), **changes))
        assert code_of(lambda: door.sign_in(text, signed(text))) == code, changes  # noqa: B023 - called at once
    good = siwe.write(message(nonce))
    assert door.sign_in(good, signed(good)).wallet == WALLET
    assert code_of(lambda: door.sign_in(good, signed(good))) == "used-nonce"


def test_sign_in__another_key_or_other_bytes__refused() -> None:
    for bad in (b"", b"\0" * 65, b"\xff" * 65, b"\1" * 64, b"\1" * 9_000):
        door = gate()
        text = siwe.write(message(door.nonce()[0]))
        assert code_of(lambda: door.sign_in(text, bad)) == "bad-signature"  # noqa: B023
    door = gate()
    text = siwe.write(message(door.nonce()[0]))
    assert code_of(lambda: door.sign_in(text, signed(text, PrivateKey(b"\6" * 32)))) == "bad-signature"
    text = siwe.write(message(door.nonce()[0]))
    assert code_of(lambda: door.sign_in(text, signed(text + " "))) == "bad-signature"


def test_sign_in__wallets_that_write_v_otherwise_or_compact__are_let_in() -> None:
    door = gate()
    text = siwe.write(message(door.nonce()[0]))
    plain = signed(text)
    assert door.sign_in(text, plain[:64] + bytes([plain[64] - 27])).wallet == WALLET
    text = siwe.write(message(door.nonce()[0]))
    plain = signed(text)
    s = int.from_bytes(plain[32:64], "big") | (plain[64] - 27) << 255
    assert plain_signature(plain[:32] + s.to_bytes(32, "big")) == plain
    assert door.sign_in(text, plain[:32] + s.to_bytes(32, "big")).wallet == WALLET


def test_sign_in__a_contract_wallet__its_code_decides() -> None:
    magic = bytes.fromhex("1626ba7e").ljust(32, b"\0")
    for code, lets_in in (
        (magic, True),
        (b"\0" * 32, False),
        (b"\xff" * 32, False),
        (magic[:4], False),
        (b"reverts", False),
    ):
        door = gate()
        door._oracle.chain.codes[WALLET] = code  # type: ignore[attr-defined]
        text = siwe.write(message(door.nonce()[0]))
        if lets_in:
            assert door.sign_in(text, b"anything").wallet == WALLET
        else:
            assert code_of(lambda: door.sign_in(text, b"anything")) == "bad-signature"  # noqa: B023


def test_sign_in__a_hundred_at_once_with_one_nonce__one_gets_in() -> None:
    door = gate()
    text = siwe.write(message(door.nonce()[0]))
    proof = signed(text)

    def try_it(_: int) -> bool:
        try:
            return bool(door.sign_in(text, proof))
        except Refused as refused:
            assert refused.code == "used-nonce"
            return False

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(try_it, range(100))) == 1


def test_session__out_of_date_or_signed_out__is_none() -> None:
    door = gate()
    text = siwe.write(message(door.nonce()[0]))
    session = door.sign_in(text, signed(text))

    def ask(token: str, method: str = "GET", **headers: str) -> Any:
        named = {"authorization": f"Bearer {token}", **headers}
        request: Any = SimpleNamespace(headers=named, cookies={}, method=method)
        return door.session(request)

    found = ask(session.token)
    assert found.wallet == WALLET
    assert found.token != session.token
    assert ask(session.token[:-1] + "x") is None
    assert ask(found.token) is None  # what is kept is no key to what it stands for
    door._oracle.database.put(Kept("session", found.token, WALLET.hex(), {}, time.time() - 1))
    assert ask(session.token) is None


def test_session__by_cookie__changes_only_from_our_own_page() -> None:
    door = gate()
    text = siwe.write(message(door.nonce()[0]))
    token = door.sign_in(text, signed(text)).token

    def ask(method: str, **headers: str) -> Any:
        request: Any = SimpleNamespace(
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            cookies={door.cookie: token},
            method=method,
        )
        return door.session(request)

    assert ask("GET").wallet == WALLET
    assert ask("POST", origin=ORIGINS[0]).wallet == WALLET
    assert ask("POST", origin=ORIGINS[0], sec_fetch_site="same-origin").wallet == WALLET
    for headers in (
        {},
        {"origin": "null"},
        {"origin": "https://evil.example.org"},
        {"origin": ORIGINS[0], "sec_fetch_site": "cross-site"},
        {"origin": ORIGINS[0] + ".evil.org"},
    ):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert code_of(lambda: ask(method, **headers)) == "other-site"  # noqa: B023


texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_read__any_text__a_message_or_a_refusal(text: str) -> None:
    try:
        siwe.read(text)
    except Refused as refused:
        assert refused.code == "bad-message"


@given(
    domain=st.from_regex(r"[a-z][a-z0-9.-]{0,30}(:[0-9]{1,4})?", fullmatch=True),
    wallet=st.binary(min_size=20, max_size=20),
    statement=st.text(
        st.characters(blacklist_characters="\n\r\x85\u2028\u2029", blacklist_categories=["Cs"]), max_size=100
    ),
    path=texts,
    chain=st.integers(0, 10**19),
    nonce=st.from_regex("[A-Za-z0-9]{8,40}", fullmatch=True),
    issued=st.integers(0, 2**32),
    life=st.one_of(st.none(), st.integers(0, 10**6)),
)
@settings(max_examples=300, deadline=None)
def test_write__any_fields__read_gives_them_back(
    domain: str, wallet: bytes, statement: str, path: str, chain: int, nonce: str, issued: int, life: int | None
) -> None:
    made = siwe.Message(
        domain,
        wallet,
        statement,
        f"https://{domain}/{path}",
        chain,
        nonce,
        float(issued),
        None if life is None else float(issued + life),
    )
    text = siwe.write(made)
    assert siwe.read(text) == made
    assert checksum(wallet) in text


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_read__one_byte_changed__never_the_same_message_signed(data: st.DataObject) -> None:
    """Whatever is changed, either it is no message, or the signature is for another text."""
    text = siwe.write(message("0123456789abcdef"))
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(min_codepoint=10, max_codepoint=126))
    changed = text[:at] + letter + text[at + 1 :]
    try:
        siwe.read(changed)
    except Refused:
        return
    assert changed == text or siwe.digest(changed) != siwe.digest(text)
