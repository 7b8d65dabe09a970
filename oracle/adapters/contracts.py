"""The contracts' ABIs: events in, transactions out. web3 and eth_abi encode and decode.

`Interfaces` knows the ABIs, `Calls` makes the protocol's transactions; nothing here asks a node.
"""

from oracle.adapters import accounts as _accounts  # noqa: F401 - before web3, which loads eth-account

# isort: split
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_utils.abi import collapse_if_tuple, event_abi_to_log_topic, function_abi_to_4byte_selector
from web3 import Web3
from web3.providers import BaseProvider

from oracle.adapters.rpc import NONSENSE, short, to_hex
from oracle.ports import Call, Permit, Registration
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import Refused
from oracle.protocol.events import KINDS, Event
from oracle.protocol.hashing import keccak
from oracle.protocol.heads import Debit, pack_debits, unpack_debits
from oracle.protocol.keys import Address, checksum
from oracle.protocol.leaves import Balance
from oracle.protocol.messages import Header, values
from oracle.protocol.terms import Terms


@dataclass(frozen=True, slots=True)
class _EventCodec:
    name: str
    indexed: tuple[dict[str, Any], ...]
    plain: tuple[dict[str, Any], ...]

    @staticmethod
    def of(entry: Mapping[str, Any]) -> "_EventCodec":
        parts = [tuple(i for i in entry["inputs"] if i["indexed"] is flag) for flag in (True, False)]
        return _EventCodec(entry["name"], *parts)

    def decode(self, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
        """The event's fields by their names, those that are indexed first."""
        if len(topics) != 1 + len(self.indexed):
            raise ValueError(f"{self.name} with {len(topics) - 1} indexed fields")
        pairs = zip(self.indexed, topics[1:], strict=True)
        found = {i["name"]: abi_decode([i["type"]], topic)[0] for i, topic in pairs}
        decoded = abi_decode([collapse_if_tuple(i) for i in self.plain], data)
        found |= {i["name"]: _value(i, v) for i, v in zip(self.plain, decoded, strict=True)}
        return {name: value if _is_text(self, name) else _address(value) for name, value in found.items()}


def _is_text(codec: _EventCodec, name: str) -> bool:
    return any(i["name"] == name and i["type"] == "string" for i in codec.plain)


class Interfaces:
    """The contracts' ABIs by contract name (Market, Workers, Committee, DemoToken): what to send, what came back."""

    def __init__(self, abis: Mapping[str, list[dict[str, Any]]]) -> None:
        web3 = Web3(BaseProvider())
        self.abis = dict(abis)
        self._contracts = {name: web3.eth.contract(abi=abi) for name, abi in abis.items()}
        self._events = {name: _event_codecs(abi) for name, abi in abis.items()}
        self._errors = {
            function_abi_to_4byte_selector({**entry, "type": "function"}): entry  # type: ignore[arg-type]
            for abi in abis.values()
            for entry in abi
            if entry["type"] == "error"
        }

    def encode(self, contract: str, function: str, *args: Any) -> bytes:
        encoded: str = self._contracts[contract].encode_abi(function, args=args)
        return bytes.fromhex(encoded[2:])

    def decode_input(self, contract: str, data: bytes) -> tuple[str, dict[str, Any]]:
        """Function name and arguments; structs as tuples. Raises ValueError for no call of that contract."""
        function, args = self._contracts[contract].decode_function_input(data)
        return function.fn_name, {name: _tuples(value) for name, value in args.items()}

    def output(self, contract: str, function: str, data: bytes) -> Any:
        """What a function returned, a tuple where it returns several values; addresses as bytes."""
        entry = next(e for e in self.abis[contract] if e["type"] == "function" and e["name"] == function)
        found = abi_decode([collapse_if_tuple(output) for output in entry["outputs"]], data)
        if len(found) != 1:
            return tuple(map(_address, found))
        value = _address(found[0])
        return list(value) if isinstance(value, tuple) else value

    def event(self, contract: str, topics: Sequence[bytes], data: bytes) -> Event | None:
        """None for an event that the protocol does not read."""
        codec = self._events[contract].get(topics[0]) if topics else None
        if codec is None:
            return None
        named = {snake(name): value for name, value in codec.decode(topics, data).items()}
        kind = KINDS[codec.name]
        event: Event = kind(**{field.name: named[field.name] for field in fields(kind)})
        return event

    def topic(self, contract: str, event: str) -> bytes:
        """What tells an event of that name from others."""
        return event_abi_to_log_topic(self._event_entry(contract, event))  # type: ignore[arg-type]

    def event_fields(self, contract: str, event: str, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
        """An event's fields by the names of the ABI, those that are indexed first."""
        return _EventCodec.of(self._event_entry(contract, event)).decode(topics, data)

    def _event_entry(self, contract: str, event: str) -> dict[str, Any]:
        return next(e for e in self.abis[contract] if e["type"] == "event" and e["name"] == event)

    def refusal(self, data: bytes) -> tuple[str, str]:
        """The name of a contract's custom error, and the error with its arguments."""
        selector, body = data[:4], data[4:]
        try:
            if selector == bytes.fromhex("08c379a0"):
                return "Error", str(abi_decode(["string"], body)[0])
            if selector == bytes.fromhex("4e487b71"):
                return "Panic", f"Panic(0x{abi_decode(['uint256'], body)[0]:x})"
            entry = self._errors[selector]
            decoded = abi_decode([collapse_if_tuple(i) for i in entry["inputs"]], body)
        except NONSENSE:
            return "Reverted", f"reverted with 0x{data[:68].hex()}"
        shown = ", ".join(f"{i['name']} {_shown(v)}" for i, v in zip(entry["inputs"], decoded, strict=True))
        return entry["name"], f"{entry['name']}({shown})"


def _event_codecs(abi: Sequence[dict[str, Any]]) -> dict[bytes, _EventCodec]:
    known = [entry for entry in abi if entry["type"] == "event" and entry["name"] in KINDS]
    return {event_abi_to_log_topic(entry): _EventCodec.of(entry) for entry in known}  # type: ignore[arg-type]


def _value(entry: dict[str, Any], value: Any) -> Any:
    """The one struct that an event carries is Terms."""
    if entry["type"] != "tuple":
        return value
    return Terms(**{snake(c["name"]): v for c, v in zip(entry["components"], value, strict=True)})


def _address(value: Any) -> Any:
    """eth_abi gives addresses, and only them, as text."""
    if isinstance(value, tuple):
        return tuple(map(_address, value))
    return bytes.fromhex(value[2:]) if isinstance(value, str) else value


def snake(name: str) -> str:
    """A name of Solidity as Python spells it."""
    return re.sub(r"([A-Z])", r"_\1", name).lower()


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple(map(_tuples, value.values()))
    return [_tuples(v) for v in value] if isinstance(value, list | tuple) else value


def _shown(value: Any) -> str:
    return to_hex(value) if isinstance(value, bytes) else short(value)


# ---------------------------------------------------------------------- what is sent


class Calls:
    """The port `Calls` for one deployment. `what` names the effect, so that an outbox does each once."""

    def __init__(self, interfaces: Interfaces, deployment: Deployment) -> None:
        self._interfaces = interfaces
        self._deployment = deployment

    def open_job(self, terms: Terms, deadline: int, permit: Permit | None = None) -> Call:
        """Without a permit the Market must be allowed the escrow before."""
        what = f"open a job with terms {to_hex(terms.hash())} until {deadline}"
        if permit is None:
            return self._market(what, "openJob", astuple(terms), deadline)
        signature = permit.signature
        signed = (permit.deadline, signature[64], signature[:32], signature[32:64])
        return self._market(what, "openJobWithPermit", astuple(terms), deadline, signed)

    def top_up(self, job: int, amount: int, purpose: str = "") -> Call:
        """`amount` in units; `purpose` tells two equal ones apart."""
        what = f"add {amount} units to job {job}" + (f" for {purpose}" if purpose else "")
        return self._market(what, "topUp", job, amount)

    def close_job(self, job: int, terms: bytes) -> Call:
        """`terms`: their hash."""
        return self._market(f"close job {job}", "closeJob", job, terms)

    def refund(self, job: int, requester: Address, terms: bytes, refunded: int = 0) -> Call:
        """`refunded`: units refunded before; a ruling can free more later, which is another refund."""
        again = f" beyond {refunded} units" if refunded else ""
        return self._market(f"refund job {job}{again}", "refund", job, requester, terms)

    def post_epoch(self, header: Header, debits: Sequence[Debit], signatures: Sequence[bytes]) -> Call:
        """`signatures`: 65 bytes each, ascending by member address."""
        args = (tuple(values(header)), pack_debits(debits), b"".join(signatures))
        return self._market(f"post epoch {header.epoch} after {to_hex(header.previous)}", "postEpoch", *args)

    def finalise_epoch(self, header: Header, signers: int) -> Call:
        what = f"finalise epoch {header.epoch} after {to_hex(header.previous)}"
        return self._market(what, "finaliseEpoch", tuple(values(header)), signers)

    def claim(self, balance: Balance, proof: Sequence[bytes]) -> Call:
        what = f"claim {balance.cumulative} units in all for worker {balance.worker}"
        return self._market(what, "claim", _claimed(balance), list(proof))

    def claim_many(self, balances: Sequence[Balance], proof: Sequence[bytes]) -> Call:
        """`balances` ascending by worker, `proof` of all of them together (trees.multiproof)."""
        data = self._interfaces.encode("Market", "claimMany", [_claimed(b) for b in balances], list(proof))
        return Call(f"claim for {len(balances)} workers ({keccak(data)[:8].hex()})", self._deployment.market, data)

    def register_many(self, registrations: Sequence[Registration]) -> Call:
        listed = [(r.wallet, r.key, r.valid_until, r.signature) for r in registrations]
        data = self._interfaces.encode("Workers", "registerMany", listed)
        return Call(f"register {len(listed)} wallets ({keccak(data)[:8].hex()})", self._deployment.workers, data)

    def approve(self, token: Address, spender: Address, amount: int, purpose: str = "") -> Call:
        """`purpose` tells two equal allowances apart."""
        what = f"allow {checksum(spender)} {amount} of the token" + (f" for {purpose}" if purpose else "")
        return Call(what, token, self._interfaces.encode("DemoToken", "approve", spender, amount))

    def transfer(self, token: Address, to: Address, amount: int, purpose: str = "") -> Call:
        """`purpose` tells two equal transfers apart."""
        what = f"transfer {amount} of the token to {checksum(to)}" + (f" for {purpose}" if purpose else "")
        return Call(what, token, self._interfaces.encode("DemoToken", "transfer", to, amount))

    def _market(self, what: str, function: str, *args: Any) -> Call:
        return Call(what, self._deployment.market, self._interfaces.encode("Market", function, *args))


def _claimed(balance: Balance) -> tuple[int, Address, int, bytes]:
    return balance.worker, balance.wallet, balance.cumulative, keccak(balance.earnings)


def decode_post(interfaces: Interfaces, calldata: bytes) -> tuple[Header, list[Debit], bytes]:
    """Header, debits and signatures of a `postEpoch`. Raises Refused when the bytes are no such call."""
    try:
        function, args = interfaces.decode_input("Market", calldata)
    except Exception as problem:  # web3 and eth_abi have many kinds for bytes that fit no function
        raise Refused("no-post", f"the transaction is no call of the Market: {short(problem)}") from None
    if function != "postEpoch":
        raise Refused("no-post", f"the transaction calls {function}, not postEpoch")
    try:
        debits = unpack_debits(args["debits"])
    except ValueError as problem:
        raise Refused("no-post", f"the transaction posts {problem}") from None
    return Header(*args["header"]), debits, args["signatures"]
