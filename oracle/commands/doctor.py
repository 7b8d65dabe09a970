"""`crowdproof doctor`: what of this machine and of a home is missing or broken, and how to mend it."""
# ruff: noqa: PLC0415 - a package that cannot be imported is a finding, not a crash

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

from oracle.config import Home
from oracle.protocol.errors import CrowdproofError

LEAST_PYTHON, LEAST_NODE = (3, 11), 20
Check: TypeAlias = tuple[str, Callable[[], str]]  # name; what was found, or raises


class Missing(Exception):
    """What is wrong and how to mend it."""


def doctor(home: Path | None) -> dict[str, Any]:
    """Each check: name, ok, what was found or how to mend it."""
    place = Home.at(home)
    checks = [_made(*check) for check in [*_machine(), *_home(place)]]
    return {"ok": all(check["ok"] for check in checks), "home": str(place.path), "checks": checks}


def text(document: dict[str, Any]) -> str:
    return "\n".join(f"  {'ok  ' if c['ok'] else 'FAIL'}  {c['name']}: {c['what']}" for c in document["checks"])


def _made(name: str, look: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "what": look()}
    except (Missing, CrowdproofError, OSError, ImportError) as problem:
        return {"name": name, "ok": False, "what": str(problem)}


# ------------------------------------------------------------------------------------------------------ this machine


def _machine() -> Iterator[Check]:
    yield "Python", _python
    yield "packages", _packages
    yield "Node", _node
    yield "Anvil", _anvil
    yield "contracts", _contracts
    yield "ports", _ports


def _python() -> str:
    if sys.version_info < LEAST_PYTHON:
        raise Missing(
            f"{platform.python_version()} at {sys.executable}: install Python 3.11 or newer, then `make setup`"
        )
    return f"{platform.python_version()} at {sys.executable}"


def _packages() -> str:
    import torch
    import web3

    return f"torch {torch.__version__}, web3 {web3.__version__}"


def _node() -> str:
    program = shutil.which("node")
    if program is None:
        raise Missing(
            "`node` is not on PATH: install Node 20 or newer (https://nodejs.org); it runs the Solidity compiler"
        )
    found = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    version = found.stdout.strip()
    major = version.removeprefix("v").split(".")[0]
    if not major.isdigit() or int(major) < LEAST_NODE:
        raise Missing(f"{program} is {version or 'broken'}: install Node 20 or newer")
    return f"{version} at {program}"


def _anvil() -> str:
    from oracle.adapters.anvil import anvil_binary

    program = anvil_binary()
    found = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    if found.returncode:
        raise Missing(f"{program} does not run: {found.stderr.strip()[-200:]}")
    return f"{found.stdout.splitlines()[0].removeprefix('anvil Version: ')} at {program}"


def _contracts() -> str:
    from oracle.adapters.compiler import artefacts

    return f"{len(artefacts())} contracts compile"


def _ports() -> str:
    try:
        with socket.create_server(("127.0.0.1", 0)):
            return "ports of 127.0.0.1 can be had"
    except OSError as problem:
        raise Missing(f"no port of 127.0.0.1 can be had: {os.strerror(problem.errno or 0)}") from None


# ---------------------------------------------------------------------------------------------------------- a home


def _home(home: Home) -> Iterator[Check]:
    if not home.path.is_dir():
        return
    if home.deployment.exists() or (home.path / "settings.json").exists():
        yield "deployment", lambda: _deployment(home)
        yield "database", lambda: _database(home)
        yield "store", lambda: _store(home)
        yield "chain", lambda: _chain(home)
    yield "disk", lambda: _disk(home)


def _deployment(home: Home) -> str:
    from oracle.adapters.deployer import read_deployment_file
    from oracle.protocol.keys import checksum

    found, _ = read_deployment_file(home.deployment)
    return f"Market {checksum(found.market)} on chain {found.chain_id}"


def _database(home: Home) -> str:
    from oracle.adapters.database import SqlDatabase

    with closing(SqlDatabase(home.database)) as database:
        newest = database.blocks(1)
    return f"indexed up to block {newest[-1].number}" if newest else "no block is indexed yet"


def _store(home: Home) -> str:
    from oracle.adapters.content import FolderStore

    if not home.store.is_dir():
        return "no block yet"
    broken = [f"{file}: {what}" for file, what in FolderStore(home.store).verify_all()]
    if broken:
        raise Missing("; ".join(broken[:3]) + f" ({len(broken)} in all): restore these blocks from another copy")
    return "every block is what its name says"


def _chain(home: Home) -> str:
    from oracle.adapters import anvil
    from oracle.adapters.chain import RpcChain
    from oracle.adapters.contracts import Interfaces
    from oracle.adapters.deployer import read_deployment_file

    url = home.settings().rpc
    if (home.chain / "chain.json").exists():
        running = anvil.status(home.chain)
        if running is None:
            return "the home's local chain is stopped; what needs it starts it"
        url = running.url
    found, _ = read_deployment_file(home.deployment)
    with closing(RpcChain(url, Interfaces({}), found.chain_id)) as chain:
        return f"{chain.rpc.endpoint} is at block {chain.latest().number}"


def _disk(home: Home) -> str:
    free = shutil.disk_usage(home.path).free >> 20
    if free < 200:
        raise Missing(f"{free} MiB are free under {home.path}: make room, at least 200 MiB")
    return f"{free:,} MiB are free"
