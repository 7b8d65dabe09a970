"""Whatever is imported first, nested JSON cannot overflow the C stack: Python's own recursion limit holds."""

import subprocess
import sys

import pytest

MODULES = ["anvil", "chain", "contracts", "deployer", "signer"]


def limit_after(code: str) -> int:
    command = [sys.executable, "-c", f"{code}; import sys; print(sys.getrecursionlimit())"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603 - our own words


@pytest.mark.parametrize("first", ["oracle", "oracle.adapters.rpc"])
@pytest.mark.parametrize("module", MODULES)
def test_recursion_limit__one_adapter_alone_or_after_the_wire__is_pythons_own(module: str, first: str) -> None:
    assert limit_after(f"import {first}, oracle.adapters.{module}") == 1_000


def test_recursion_limit__eth_account_imported_directly__is_the_hazard() -> None:
    """What the door is for: should this fail, eth-account has mended it and the door can go."""
    assert limit_after("import eth_account") > 10_000


def test_bls__not_loaded_until_a_keystore_of_version_4_asks_for_it() -> None:
    words = "import oracle.adapters.contracts, sys; assert not any('py_ecc' in name for name in sys.modules)"
    use = "from eth_keyfile.keyfile import bls; assert bls.SkToPk(1).hex().startswith('97f1d3a73197d794')"  # the generator
    assert limit_after(f"{words}; {use}; import py_ecc.bls; assert py_ecc.bls.G2ProofOfPossession") == 1_000


def test_orders__written_here__are_those_of_py_ecc() -> None:
    """In a process of its own: py_ecc raises the recursion limit of whoever loads it."""
    theirs = "from py_ecc.bls12_381 import curve_order; from py_ecc.secp256k1 import N"
    ours = "from oracle.adapters import accounts; assert (N, curve_order) == (accounts.SECP256K1, accounts.BLS12_381)"
    limit_after(f"{theirs}; {ours}")
