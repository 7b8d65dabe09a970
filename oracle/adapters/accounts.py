"""The one door to eth-account: accounts, keystores, keys from a mnemonic.

py_ecc, deep inside it, loads for half a second and serves only keystores of version 4, which nobody here has: it is loaded when
one is asked for. It also raises Python's recursion limit to 100,000; nested JSON from outside would then overflow the C stack. Who
uses eth-account, or web3 that loads it, imports it through or beside this: the limit is Python's again.
"""

import importlib
import sys
from collections.abc import Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

SECP256K1 = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # orders of the two curves
BLS12_381 = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
DEPTH = 1_000  # Python's own recursion limit


class _Later:
    """py_ecc's BLS signatures, loaded at their first use."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(importlib.import_module("py_ecc.bls").G2ProofOfPossession, name)
        sys.setrecursionlimit(DEPTH)
        return found


def _load_keyfiles() -> None:
    """Loads eth_keyfile beside names in py_ecc's place; if it asks for others, it is loaded as it is, later."""
    named: Mapping[str, Mapping[str, Any]] = {
        "py_ecc": {},
        "py_ecc.bls": {"G2ProofOfPossession": _Later()},
        "py_ecc.bls12_381": {"curve_order": BLS12_381},
        "py_ecc.secp256k1": {"N": SECP256K1},
    }
    if "py_ecc" in sys.modules:
        return
    for name, values in named.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(values)
    try:
        with suppress(ImportError):
            importlib.import_module("eth_keyfile")
    finally:
        for name in named:
            sys.modules.pop(name, None)


_load_keyfiles()

from eth_account import Account  # noqa: E402 - after what it loads
from eth_account.hdaccount import key_from_seed, seed_from_mnemonic  # noqa: E402
from eth_account.signers.local import LocalAccount  # noqa: E402
from eth_account.typed_transactions.typed_transaction import TypedTransaction  # noqa: E402
from hexbytes import HexBytes  # noqa: E402

sys.setrecursionlimit(DEPTH)

__all__ = ["Account", "HexBytes", "LocalAccount", "TypedTransaction", "key_from_seed", "seed_from_mnemonic"]
