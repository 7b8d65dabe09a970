"""`crowdproof doctor`: what of this machine and of a home is missing or broken, and how to mend it."""
# ruff: noqa: PLC0415 - a package that cannot be imported is a finding, not a crash

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from oracle.config import Home
from oracle.protocol.errors import BadInput, CrowdproofError

LEAST_PYTHON, LEAST_NODE = (3, 11), 20
NODE = "install Node 20 or newer (https://nodejs.org)"
SETUP = "`make setup`"
Check: TypeAlias = tuple[str, Callable[[], str]]  # name; what was found, or raises


class Broken(Exception):
    """What is wrong, and how to mend it."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what)
        self.mend = mend


class Passed(Exception):
    """Cannot be looked at, for a reason that another check gives."""


def doctor(home: Path | None) -> dict[str, Any]:
    """Each check: name, ok, what was found, and how to mend it if it is broken."""
    place = Home.at(home)
    checks = [_made(*check) for check in [*_machine(), *_home(place)]]
    return {"ok": all(check["ok"] for check in checks), "home": str(place.path), "checks": checks}


def text(document: dict[str, Any]) -> str:
    return "\n".join(line for check in document["checks"] for line in _lines(check))


def _lines(check: dict[str, Any]) -> list[str]:
    first = f"  {'ok  ' if check['ok'] else 'FAIL'}  {check['name']}: {check['what']}"
    return [first] if check["ok"] else [first, f"        mend: {check['mend']}"]


def _made(name: str, look: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "what": look(), "mend": ""}
    except Passed as reason:
        return {"name": name, "ok": True, "what": f"not looked at: {reason}", "mend": ""}
    except (Broken, CrowdproofError, OSError, ImportError, subprocess.SubprocessError) as problem:
        mend = getattr(problem, "mend", "mend what it names, then look again")
        return {"name": name, "ok": False, "what": str(problem), "mend": mend}


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
        raise Broken(
            f"{platform.python_version()} at {sys.executable}", "install Python 3.11 or newer, then `make setup`"
        )
    return f"{platform.python_version()} at {sys.executable}"


def _packages() -> str:
    import torch
    import web3

    return f"torch {torch.__version__}, web3 {web3.__version__}"


def _node() -> str:
    program = shutil.which("node")
    if program is None:
        raise Broken("`node` is not on PATH; it runs the Solidity compiler", NODE)
    found = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    version = found.stdout.strip()
    major = version.removeprefix("v").split(".")[0]
    if not major.isdigit() or int(major) < LEAST_NODE:
        raise Broken(f"{program} is {version or 'broken'}", NODE)
    return f"{version} at {program}"


def _anvil() -> str:
    from oracle.adapters.anvil import anvil_binary

    try:
        program = anvil_binary()
    except BadInput as problem:
        raise Broken(str(problem), SETUP) from None
    found = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    if found.returncode:
        raise Broken(f"{program} does not run: {found.stderr.strip()[-200:]}", SETUP)
    return f"{found.stdout.splitlines()[0].removeprefix('anvil Version: ')} at {program}"


def _contracts() -> str:
    from oracle.adapters.compiler import artefacts

    return f"{len(artefacts())} contracts compile"


def _ports() -> str:
    try:
        with socket.create_server(("127.0.0.1", 0)):
            return "ports of 127.0.0.1 can be had"
    except OSError as problem:
        what = f"no port of 127.0.0.1 can be had: {os.strerror(problem.errno or 0)}"
        raise Broken(what, "stop programs that hold many connections, or raise the limit of open files") from None


def _home(home: Home) -> Iterator[Check]:
    """What of a home there is."""
    if home.path.is_dir():
        from oracle.commands.checkup import Checkup

        yield from Checkup(home).checks()
