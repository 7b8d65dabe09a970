"""A key in this process, and the encrypted files in which keys rest (Web3 Secret Storage, version 3).

One secret makes both halves of a member: the secp256k1 key that signs, and by HKDF-SHA256 the X25519 key that opens
answers. Nothing here prints, logs or returns the secret.
"""

import json
import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import Any

from coincurve import PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from oracle.adapters.accounts import SECP256K1 as ORDER
from oracle.adapters.accounts import Account, HexBytes, LocalAccount, TypedTransaction
from oracle.protocol import blind, sealing
from oracle.protocol.errors import BadInput
from oracle.protocol.keys import Address, address_of, checksum, sign

LIGHT_SCRYPT = 4096  # fast, for a demo's worthless keys; otherwise eth-account's own 2^18
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class KeySigner:
    """The port `Signer` over a private key of 32 bytes. Raises BadInput for bytes that are no key."""

    def __init__(self, private_key: bytes) -> None:
        if len(private_key) != 32 or not 0 < int.from_bytes(private_key, "big") < ORDER:
            raise BadInput("a private key is 32 bytes, not zero, and below the order of secp256k1")
        self._key = PrivateKey(private_key)
        self._account: LocalAccount = Account.from_key(private_key)
        self._opener = _seal_key(private_key)
        self._address = address_of(self._key)

    def __repr__(self) -> str:
        return f"KeySigner({checksum(self._address)})"

    def __reduce__(self) -> Any:
        raise TypeError("a signer is not copied or pickled: its key stays in it")

    @property
    def address(self) -> Address:
        return self._address

    @property
    def seal_key(self) -> bytes:
        """The X25519 public key to which answers for this member are sealed."""
        return self._opener.public_key().public_bytes_raw()

    def sign(self, digest: bytes) -> bytes:
        return sign(self._key, digest)

    def sign_transaction(self, fields: dict[str, Any]) -> tuple[bytes, bytes]:
        """(raw transaction, its hash); the fields as eth-account names them: nonce, gas, maxFeePerGas, chainId, ..."""
        signed = self._account.sign_transaction(fields)
        return bytes(signed.raw_transaction), bytes(signed.hash)

    def read_transaction(self, raw: bytes) -> dict[str, Any]:
        """The fields that `sign_transaction` was given, of a type-2 transaction (EIP-1559)."""
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        return {name: value for name, value in fields.items() if name not in ("v", "r", "s", "accessList")}

    def unseal(self, position: int, members: int, commitment: bytes, envelope: bytes) -> tuple[bytes, bytes] | None:
        return sealing.unseal(self._opener, position, members, commitment, envelope)

    def share(self, position: int, members: int, commitment: bytes, envelope: bytes) -> bytes | None:
        return sealing.share(self._opener, position, members, commitment, envelope)

    def open(self, about: bytes, sealed: bytes) -> bytes | None:
        return sealing.by_one(self._opener, about, sealed)

    def band_key(self, about: bytes) -> bytes:
        return blind.public_of(blind.secret_of(self._key.secret, about))

    def sign_blinded(self, about: bytes, blinded: bytes) -> bytes:
        return blind.sign(blind.secret_of(self._key.secret, about), blinded)


def new_key() -> bytes:
    """A fresh private key from the system's randomness."""
    return (1 + secrets.randbelow(ORDER - 1)).to_bytes(32, "big")


def create_keystore(
    folder: Path, name: str, password: str, key: bytes | None = None, light: bool = False
) -> tuple[Path, KeySigner]:
    """Encrypts a key, by default a fresh one, into FOLDER/NAME.json (mode 0600). Never overwrites a file.

    `light`: a KDF of milliseconds, for keys that guard nothing.
    """
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name!r} is no name for a key: letters, digits, dot, dash and underscore, at most 64")
    if not password:
        raise BadInput("the password of a keystore must not be empty")
    signer = KeySigner(secret := new_key() if key is None else key)
    path = folder / f"{name}.json"
    if path.exists():
        raise _exists(path)
    stored = Account.encrypt(secret, password, kdf="scrypt", iterations=LIGHT_SCRYPT if light else None)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    handle, part = tempfile.mkstemp(".part", f"{name}.", folder)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(stored, file)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)  # whole or not at all, and never over another
    except FileExistsError:
        raise _exists(path) from None
    finally:
        Path(part).unlink()
    return path, signer


def load_keystore(path: Path, password: str) -> KeySigner:
    """Raises BadInput: no such file, no keystore, or a password that does not open it."""
    try:
        stored = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise BadInput(f"there is no keystore {path}") from None
    except (OSError, ValueError):
        raise BadInput(f"{path} cannot be read as a keystore (JSON, Web3 Secret Storage version 3)") from None
    if not isinstance(stored, dict) or stored.get("version") != 3:
        raise BadInput(f"{path} is no keystore of Web3 Secret Storage version 3")
    try:
        return KeySigner(bytes(Account.decrypt(stored, password)))
    except Exception:  # whatever the cause: more words would only help somebody who guesses
        raise BadInput(f"{path} does not open with this password") from None


def list_keystores(folder: Path) -> list[tuple[str, Address]]:
    """(name, address) of each keystore in the folder, by name; needs no password. Other files are passed over."""
    found = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            stored = json.loads(path.read_bytes())
            address = bytes.fromhex(stored["address"].removeprefix("0x"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        if len(address) == 20:
            found.append((path.stem, address))
    return found


def _seal_key(private_key: bytes) -> X25519PrivateKey:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"crowdproof.seal-key").derive(private_key)
    return X25519PrivateKey.from_private_bytes(derived)


def _exists(path: Path) -> BadInput:
    return BadInput(f"{path} exists already and is not overwritten: choose another name")
