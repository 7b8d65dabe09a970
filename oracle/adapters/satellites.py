"""Disputes, its Court and the Hatch as one Market names them: views, calldata, events, and a block's header for the draw.

Which contracts these are is read from the deployment, and the Court from Disputes: nobody need be told.
"""

from dataclasses import fields, is_dataclass
from typing import Any

from oracle.adapters.chain import RpcChain
from oracle.adapters.contracts import snake
from oracle.adapters.rpc import hex_bytes, quantity, rlp
from oracle.ports import Call, Posted
from oracle.protocol.deployment import NOBODY, Deployment
from oracle.protocol.errors import BadInput, ChainUnavailable
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import Address
from oracle.protocol.messages import values

QUANTITIES = {
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "baseFeePerGas",
    "blobGasUsed",
    "excessBlobGas",
}
HEADER = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom", "difficulty"),
    *(
        "number",
        "gasLimit",
        "gasUsed",
        "timestamp",
        "extraData",
        "mixHash",
        "nonce",
        "baseFeePerGas",
        "withdrawalsRoot",
    ),
    *("blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash", "blockAccessListHash"),
)


class Satellite:
    """One contract: what it says, and what is sent to it."""

    def __init__(self, chain: RpcChain, deployment: Deployment, name: str, address: Address) -> None:
        if address == NOBODY:
            raise BadInput(f"this deployment has no {name}")
        self.chain, self.deployment, self.name, self.address = chain, deployment, name, address

    def ask(self, function: str, *args: Any) -> Any:
        return self.ask_all((function, *args))[0]

    def ask_all(self, *asked: tuple[Any, ...]) -> list[Any]:
        """Many views at once, each a function's name and its arguments."""
        replies = self.chain.calls([(self.address, self._encode(*one)) for one in asked])
        with self.chain.rpc.reading(f"eth_call of {self.name}"):
            pairs = zip(asked, replies, strict=True)
            return [self.chain.interfaces.output(self.name, name, reply) for (name, *_), reply in pairs]

    def struct(self, function: str, *args: Any) -> dict[str, Any]:
        """What a function gives, by the names of the struct's fields."""
        entry = next(e for e in self.chain.interfaces.abis[self.name] if e.get("name") == function)
        names = [snake(c["name"]) for c in entry["outputs"][0]["components"]]
        return dict(zip(names, self.ask(function, *args), strict=True))

    def call(self, what: str, function: str, *args: Any, value: int = 0) -> Call:
        """Dataclasses stand for the structs whose fields they have in their order."""
        return Call(what, self.address, self._encode(function, *args), value=value)

    def events(self, event: str, *indexed: int | bytes | None) -> list[dict[str, Any]]:
        """Every event of that kind since the deployment whose indexed fields are these; None: any."""
        return self.chain.events(self.name, self.address, event, indexed, self.deployment.block)

    def _encode(self, function: str, *args: Any) -> bytes:
        return self.chain.interfaces.encode(self.name, function, *map(listed, args))


def disputes_of(chain: RpcChain, deployment: Deployment) -> Satellite:
    return Satellite(chain, deployment, "Disputes", deployment.disputes)


def court_of(chain: RpcChain, deployment: Deployment) -> Satellite:
    return Satellite(chain, deployment, "Court", disputes_of(chain, deployment).ask("arbitrator"))


def hatch_of(chain: RpcChain, deployment: Deployment) -> Satellite:
    return Satellite(chain, deployment, "Hatch", deployment.hatch)


def pending(deployment: Deployment, posted: Posted) -> tuple[Any, ...]:
    """The struct Pending."""
    return deployment.market, tuple(values(posted.header)), posted.signers


def listed(value: Any) -> Any:
    """A dataclass as a tuple of its fields, all the way down; what is a tuple in it is a list of the ABI."""
    if is_dataclass(value):
        return tuple(listed(getattr(value, field.name)) for field in fields(value))
    return [listed(item) for item in value] if isinstance(value, tuple) else value


def header_of(chain: RpcChain, number: int) -> bytes:
    """The RLP of a block's header. Raises ChainUnavailable where the endpoint's fields do not give its hash."""
    found = chain.rpc.call("eth_getBlockByNumber", hex(number), False)
    if found is None:
        raise ChainUnavailable(f"{chain.rpc.endpoint}: has no block {number} yet")
    with chain.rpc.reading(f"eth_getBlockByNumber {number}"):
        packed = rlp([_field(name, found[name]) for name in HEADER if name in found])
        expected = hex_bytes(found["hash"], 32)
    if keccak(packed) != expected:
        raise ChainUnavailable(f"{chain.rpc.endpoint}: the fields of block {number} do not give its hash")
    return packed


def _field(name: str, value: str) -> int | bytes:
    return quantity(value, 256) if name in QUANTITIES else hex_bytes(value)
