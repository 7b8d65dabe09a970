"""Contracts -> ABI and byte code, by the pinned solc through py-solc-x, with the settings of foundry.toml.

The result is a pure function of sources, settings and compiler, so it is kept under the hash of the three in
build/contracts: the same input gives the same bytes on every machine, and a second run compiles nothing.
"""

import hashlib
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any

import solcx
from solcx.exceptions import SolcError

from oracle.protocol.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]
_IMPORT = re.compile(r'^\s*import\s[^;"]*"([^"]+)"\s*;', re.MULTILINE)
_OUTPUT = {"*": ["abi", "evm.bytecode.object"]}


@dataclass(frozen=True, slots=True)
class Artefact:
    """One contract: its ABI, and the code to which encoded constructor arguments are appended to deploy it."""

    abi: list[dict[str, Any]]
    bytecode: bytes


def artefacts(root: Path = ROOT) -> dict[str, Artefact]:
    """Contract name -> artefact, for each contracts/*.sol. Raises BadInput with the compiler's own words."""
    return _artefacts(root.resolve())


@cache
def _artefacts(root: Path) -> dict[str, Artefact]:
    request = standard_input(root)
    kept = root / "build" / "contracts" / f"{source_hash(request, root)}.json"
    try:
        contracts = json.loads(kept.read_bytes())
    except (FileNotFoundError, ValueError):
        contracts = _compile(request, root)
        _write(kept, contracts)
    return {name: Artefact(c["abi"], bytes.fromhex(c["bytecode"])) for name, c in contracts.items()}


def standard_input(root: Path = ROOT) -> dict[str, Any]:
    """solc's standard JSON for contracts/*.sol: sources with everything that they import, and forge's own settings."""
    profile = tomllib.loads(_read(root, "foundry.toml"))["profile"]["default"]
    mains = sorted(path.relative_to(root).as_posix() for path in (root / "contracts").glob("*.sol"))
    if not mains:
        raise BadInput(f"{root / 'contracts'}: there is no contract to compile")
    sources = _with_imports(root, mains, [rule.split("=", 1) for rule in profile["remappings"]])
    metadata = {"bytecodeHash": profile["bytecode_hash"], "appendCBOR": profile["cbor_metadata"]}
    return {
        "language": "Solidity",
        "sources": {name: {"content": sources[name]} for name in sorted(sources)},
        "settings": {
            "remappings": profile["remappings"],
            "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
            "evmVersion": profile["evm_version"],
            "viaIR": profile.get("via_ir", False),
            "metadata": metadata,
            "outputSelection": dict.fromkeys(mains, _OUTPUT),
        },
    }


def source_hash(request: dict[str, Any], root: Path = ROOT) -> str:
    """Names what a compilation depends on: its input, solc's version and the launcher."""
    tools = root / "hardhat-free-local-chain"
    version = json.loads(_read(tools, "node_modules/solc/package.json"))["version"]
    whole = json.dumps([request, version, _read(tools, "solc")], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()


def _with_imports(root: Path, mains: Sequence[str], remappings: list[list[str]]) -> dict[str, str]:
    sources: dict[str, str] = {}
    waiting = list(mains)
    while waiting:
        name = waiting.pop()
        if name not in sources:
            sources[name] = _read(root, name)
            waiting += [_resolve(name, path, remappings) for path in _IMPORT.findall(sources[name])]
    return sources


def _resolve(importer: str, path: str, remappings: list[list[str]]) -> str:
    if path.startswith("."):
        return normpath(join(dirname(importer), path))
    fitting = [(prefix, target) for prefix, target in remappings if path.startswith(prefix)]
    prefix, target = max(fitting, key=lambda rule: len(rule[0]), default=("", ""))
    return target + path.removeprefix(prefix)


def _compile(request: dict[str, Any], root: Path) -> dict[str, Any]:
    try:
        reply = solcx.compile_standard(request, solc_binary=root / "hardhat-free-local-chain" / "solc")
    except SolcError as problem:
        raise BadInput(f"the contracts do not compile: {_reasons(problem)}") from None
    except OSError as problem:
        raise BadInput(f"solc does not start ({problem}): is Node 20+ installed, and did `make setup` run?") from None
    return {
        name: {"abi": contract["abi"], "bytecode": contract["evm"]["bytecode"]["object"]}
        for unit in request["settings"]["outputSelection"]
        for name, contract in reply["contracts"].get(unit, {}).items()
    }


def _reasons(problem: Any) -> str:
    """The compiler's errors as it formats them: file, line, column and source line."""
    try:
        errors = [e for e in json.loads(problem.stdout_data)["errors"] if e["severity"] == "error"]
        return "\n".join(e["formattedMessage"].strip() for e in errors)
    except (TypeError, ValueError, KeyError):
        return str(problem.stderr_data or problem.message).strip()[:2000]


def _read(root: Path, name: str) -> str:
    try:
        return (root / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        hint = "run `make setup`" if "node_modules" in name else "is this the whole repository?"
        raise BadInput(f"{root / name} is missing: {hint}") from None


def _write(path: Path, contracts: dict[str, Any]) -> None:
    """Atomic, so that two compilations at once only repeat each other's work."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(contracts, file, sort_keys=True, separators=(",", ":"))
    Path(part).chmod(0o644)
    Path(part).replace(path)
