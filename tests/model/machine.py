"""The real byte code in an EVM inside this process (pyrevm): deploy, call, and read what was emitted."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyrevm
import solcx
from eth_abi.abi import decode, encode

from oracle.adapters.compiler import ROOT, artefacts, source_hash, standard_input
from tests.model.hashes import keccak

TOKEN = "tests/contracts/support/PlayToken.sol"
READER = "0x00000000000000000000000000000000000feed1"


@dataclass(frozen=True, slots=True)
class Function:
    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """A deployed contract and what its ABI says."""

    address: str
    functions: dict[str, Function]
    errors: dict[bytes, str]
    events: dict[bytes, dict[str, Any]]

    def encode(self, name: str, args: Sequence[object]) -> bytes:
        function = self.functions[name]
        return function.selector + encode(function.inputs, args)


@dataclass(frozen=True, slots=True)
class Done:
    """How a transaction ended: the error's name, or nothing and its events as (name, its arguments ...)."""

    error: str
    events: tuple[tuple[object, ...], ...]
    gas: int


@cache
def compiled() -> dict[str, tuple[list[dict[str, Any]], bytes]]:
    """Name -> ABI and code: the product's contracts, and the token that plays along."""
    found = {name: (artefact.abi, artefact.bytecode) for name, artefact in artefacts().items()}
    request = standard_input()
    request["sources"][TOKEN] = {"content": (ROOT / TOKEN).read_text()}
    request["settings"]["outputSelection"] = {TOKEN: {"PlayToken": ["abi", "evm.bytecode.object"]}}
    kept = ROOT / "build" / "model" / f"{source_hash(request)}.json"
    if not kept.exists():
        reply = solcx.compile_standard(request, solc_binary=ROOT / "hardhat-free-local-chain" / "solc")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(reply["contracts"][TOKEN]["PlayToken"]))
    token = json.loads(kept.read_text())
    return {**found, "PlayToken": (token["abi"], bytes.fromhex(token["evm"]["bytecode"]["object"]))}


def _type(argument: dict[str, Any]) -> str:
    kind: str = argument["type"]
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(map(_type, argument["components"])) + ")" + kind.removeprefix("tuple")


def _signature(entry: dict[str, Any]) -> bytes:
    return keccak(f"{entry['name']}({','.join(map(_type, entry['inputs']))})".encode())


def _contract(address: str, abi: list[dict[str, Any]]) -> Contract:
    return Contract(
        address=address,
        functions={
            entry["name"]: Function(
                _signature(entry)[:4], tuple(map(_type, entry["inputs"])), tuple(map(_type, entry["outputs"]))
            )
            for entry in abi
            if entry["type"] == "function"
        },
        errors={_signature(entry)[:4]: entry["name"] for entry in abi if entry["type"] == "error"},
        events={_signature(entry): entry for entry in abi if entry["type"] == "event"},
    )


class Machine:
    """One chain. `now` is the time of every call until it is changed."""

    def __init__(self, now: int, chain: int) -> None:
        self.chain = chain
        self._evm = pyrevm.EVM(env=pyrevm.Env(cfg=pyrevm.CfgEnv(chain_id=chain)))
        self._number = 0
        self.errors: dict[bytes, str] = {keccak(b"Panic(uint256)")[:4]: "Panic", keccak(b"Error(string)")[:4]: "Error"}
        self._events: dict[tuple[str, bytes], dict[str, Any]] = {}
        self.warp(now)

    def warp(self, now: int) -> None:
        self.now = now
        self._number += 1
        self._evm.set_block_env(pyrevm.BlockEnv(number=self._number, timestamp=now, basefee=0))

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What happens inside leaves no trace."""
        checkpoint = self._evm.snapshot()
        yield
        self._evm.revert(checkpoint)

    def fund(self, who: str, wei: int) -> None:
        self._evm.set_balance(who, wei)

    def wei(self, who: str) -> int:
        return int(self._evm.get_balance(who))

    def deploy(self, name: str, deployer: str, args: Sequence[object], value: int = 0) -> Contract:
        abi, code = compiled()[name]
        inputs = next((tuple(map(_type, e["inputs"])) for e in abi if e["type"] == "constructor"), ())
        contract = _contract(self._evm.deploy(deployer, code + encode(inputs, args), value).lower(), abi)
        self.errors.update(contract.errors)
        self._events.update({(contract.address, topic): entry for topic, entry in contract.events.items()})
        return contract

    def send(self, sender: str, contract: Contract, name: str, args: Sequence[object], value: int = 0) -> Done:
        self._evm.reset_transient_storage()
        try:
            self._evm.message_call(sender, contract.address, contract.encode(name, args), value)
        except RuntimeError as problem:
            return Done(self._reason(str(problem)), (), int(self._evm.result.gas_used))
        logs = self._evm.result.logs
        return Done("", tuple(filter(None, map(self._event, logs))), int(self._evm.result.gas_used))

    def read(self, contract: Contract, name: str, *args: object) -> tuple[object, ...]:
        function = contract.functions[name]
        return tuple(decode(function.outputs, self.raw(contract, contract.encode(name, args))))

    def raw(self, contract: Contract, data: bytes) -> bytes:
        """A view's answer, as it came."""
        return bytes(self._evm.message_call(READER, contract.address, data, is_static=True))

    def _reason(self, problem: str) -> str:
        """pyrevm only tells the returned data in its message."""
        output = re.search(r"output: 0x([0-9a-f]{8})", problem)
        return self.errors.get(bytes.fromhex(output.group(1)), problem) if output else problem

    def _event(self, log: Any) -> tuple[object, ...] | None:
        topics = [bytes.fromhex(topic.removeprefix("0x")) for topic in log.topics]
        entry = self._events.get((log.address.lower(), topics[0]))
        if entry is None or entry["name"] in ("Transfer", "Approval"):
            return None
        indexed = iter(topics[1:])
        data = log.data[1] if isinstance(log.data, tuple) else log.data
        plain = iter(decode([_type(a) for a in entry["inputs"] if not a["indexed"]], bytes(data)))
        values = [decode([_type(a)], next(indexed))[0] if a["indexed"] else next(plain) for a in entry["inputs"]]
        return (entry["name"], *values)
