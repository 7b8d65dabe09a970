"""One key, two halves; and keystores that say as little as they can."""

import copy
import hmac
import json
import pickle
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account import Account

from oracle.adapters.signer import KeySigner, create_keystore, list_keystores, load_keystore, new_key
from oracle.protocol.errors import BadInput
from oracle.protocol.keys import checksum, recover
from oracle.protocol.sealing import commitment, seal

KEY = bytes(range(1, 33))
PASSWORD = "correct horse"


def test_address__a_key__is_that_of_eth_account() -> None:
    assert checksum(KeySigner(KEY).address) == Account.from_key(KEY).address


def test_sign__a_digest__recovers_to_the_address() -> None:
    signer = KeySigner(KEY)
    assert recover(b"\x07" * 32, signer.sign(b"\x07" * 32)) == signer.address


@pytest.mark.parametrize("to", [b"\x02" * 20, None])
def test_sign_transaction__a_call_or_a_creation__is_by_the_address(to: bytes | None) -> None:
    fields = {"type": 2, "chainId": 5, "nonce": 0, "to": to, "value": 0, "data": b"\x01", "gas": 21_000}
    raw, digest = KeySigner(KEY).sign_transaction(fields | {"maxFeePerGas": 9, "maxPriorityFeePerGas": 1})
    assert Account.recover_transaction(raw) == Account.from_key(KEY).address
    assert len(digest) == 32


def test_unseal__an_envelope_for_four_members__opens_at_the_own_position_only() -> None:
    members = [KeySigner(bytes([i]) * 32) for i in range(1, 5)]
    bound = commitment(1, 2, 3, b"\x01", b"\x09" * 32)
    envelope = seal([member.seal_key for member in members], bound, b"\x01", b"\x09" * 32)
    for position, member in enumerate(members):
        assert member.unseal(position, 4, bound, envelope) == (b"\x01", b"\x09" * 32)
        assert member.unseal((position + 1) % 4, 4, bound, envelope) is None


def test_seal_key__a_secret__is_derived_by_hkdf_as_rfc_5869_writes_it() -> None:
    extracted = hmac.digest(bytes(32), KEY, "sha256")
    expanded = hmac.digest(extracted, b"crowdproof.seal-key\x01", "sha256")
    expected = X25519PrivateKey.from_private_bytes(expanded).public_key().public_bytes_raw()
    assert KeySigner(KEY).seal_key == expected
    assert expected != KeySigner(KEY[::-1]).seal_key


def test_repr__a_signer__shows_only_the_address() -> None:
    signer = KeySigner(KEY)
    shown = f"{signer!r} {signer} {[signer]} {vars(type(signer)).get('__dict__')}"
    assert KEY.hex() not in shown
    assert checksum(signer.address) in shown
    for escape in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            escape(signer)


@pytest.mark.parametrize("key", [b"", bytes(32), b"\xff" * 32, b"\x01" * 31, b"\x01" * 33])
def test_key_signer__bytes_that_are_no_key__are_bad_input_and_not_repeated(key: bytes) -> None:
    with pytest.raises(BadInput) as raised:
        KeySigner(key)
    assert not key or key.hex() not in str(raised.value)


def test_create_keystore__a_fresh_key__opens_again_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path, signer = create_keystore(tmp_path / "keys", "member-1", PASSWORD, light=True)
    assert load_keystore(path, PASSWORD).address == signer.address
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert Account.decrypt(json.loads(path.read_text()), PASSWORD)  # any wallet can import it


def test_create_keystore__a_name_that_is_taken__is_not_overwritten(tmp_path: Path) -> None:
    path, _ = create_keystore(tmp_path, "a", PASSWORD, KEY, light=True)
    before = path.read_bytes()
    with pytest.raises(BadInput, match="exists already"):
        create_keystore(tmp_path, "a", PASSWORD, light=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".hidden", "a" * 65, "a\n", "a\0"])
def test_create_keystore__a_name_that_could_leave_the_folder__is_bad_input(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="no name for a key"):
        create_keystore(tmp_path, name, PASSWORD, light=True)
    assert list(tmp_path.iterdir()) == []


def test_create_keystore__no_password__is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="password"):
        create_keystore(tmp_path, "a", "", light=True)


def test_load_keystore__wrong_password__says_no_more_than_that(tmp_path: Path) -> None:
    path, _ = create_keystore(tmp_path, "a", PASSWORD, KEY, light=True)
    with pytest.raises(BadInput) as raised:
        load_keystore(path, "wrong guess")
    assert str(raised.value) == f"{path} does not open with this password"
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'{"version": 1}'])
def test_load_keystore__a_file_that_is_none__is_bad_input(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(BadInput, match=r"a\.json"):
        load_keystore(tmp_path / "a.json", PASSWORD)
    with pytest.raises(BadInput, match="there is no keystore"):
        load_keystore(tmp_path / "b.json", PASSWORD)


def test_list_keystores__keys_and_other_files__lists_the_keys(tmp_path: Path) -> None:
    _, b = create_keystore(tmp_path, "b", PASSWORD, light=True)
    _, a = create_keystore(tmp_path, "a", PASSWORD, light=True)
    (tmp_path / "c.json").write_text("[]")
    (tmp_path / "d.json").write_text('{"address": "zz"}')
    assert list_keystores(tmp_path) == [("a", a.address), ("b", b.address)]
    assert list_keystores(tmp_path / "none") == []


def test_new_key__two__differ() -> None:
    assert new_key() != new_key()
