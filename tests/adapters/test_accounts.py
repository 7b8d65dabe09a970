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
