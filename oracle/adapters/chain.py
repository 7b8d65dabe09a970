"""An Ethereum node over JSON-RPC, held hostile: every reply is bounded in size and time, and typed before it is used.

Plain HTTP carries it, some ten times faster than web3.py's own provider; web3 encodes and decodes by the ABIs.
`Rpc` is the wire, `Interfaces` the ABIs, `RpcChain` the port `Chain`, `Calls` the transactions that the protocol makes.
No text of an error holds more of the URL than its host: a path or a user part may be a key.
"""

import itertools
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from typing import Any

import httpx
from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple, event_abi_to_log_topic, function_abi_to_4byte_selector
from web3 import Web3
from web3.providers import BaseProvider

from oracle.ports import Block, Call, ClaimProof, Outcome, Registration
from oracle.protocol.deployment import Committee, Deployment
from oracle.protocol.errors import BadInput, ChainUnavailable, Fatal, Refused, WrongChain
from oracle.protocol.events import KINDS, Event, Log
from oracle.protocol.hashing import keccak
from oracle.protocol.heads import Debit
from oracle.protocol.keys import Address, checksum
from oracle.protocol.messages import Header, values
from oracle.protocol.terms import Terms

# py_ecc, deep inside eth-account, raises the limit to 100,000 when imported: nested JSON would then overflow the C stack.
sys.setrecursionlimit(1_000)

PAGE = 2_000  # blocks in one eth_getLogs
BATCH = 100  # calls in one HTTP request
MOST_BYTES = 64 << 20  # of one reply
MOST_FEE = 500 * 10**9  # wei a gas; an endpoint that asks for more lies or is not worth it
PAUSE = 0.1  # seconds before the first retry; doubles
LOOKS = 4  # for a transaction that the node refuses to take again
_NONSENSE = (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, DecodingError)
_TOO_MUCH = re.compile(r"limit|range|too (many|large|big)|exceed|size", re.IGNORECASE)
_KNOWN = re.compile(r"already (known|imported|in (the )?(pool|mempool))|known transaction", re.IGNORECASE)

# ---------------------------------------------------------------------- the wire


class RpcError(ChainUnavailable):
    """The endpoint answered, with an error of its own."""

    def __init__(self, text: str, message: str, data: bytes | None) -> None:
        super().__init__(text)
        self.message = message
        self.data = data


class Rpc:
    """JSON-RPC over HTTP. All calls may be repeated: with `attempts` > 1 the transport's failures are tried again."""

    def __init__(
        self, url: str, timeout: float = 10.0, attempts: int = 3, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.endpoint = _endpoint(url)
        self._url = url
        self._timeout = timeout
        self._attempts = attempts
        self._ids = itertools.count(1)
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        at = httpx.URL(url)
        local = at.host in ("127.0.0.1", "localhost", "::1")  # no proxy; and plain HTTP needs no certificates read
        self._client = httpx.Client(
            timeout=timeout, headers=headers, transport=transport, trust_env=not local, verify=at.scheme == "https"
        )

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, *params: Any) -> Any:
        """The result of one call. Raises RpcError for an error reply, else ChainUnavailable."""
        return self.batch([(method, params)])[0]

    def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """The results of many calls in order, `BATCH` to an HTTP request. Raises as `call` for the first to fail."""
        results: list[Any] = []
        for at in range(0, len(calls), BATCH):
            results += self._request(calls[at : at + BATCH])
        return results

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Turns what goes wrong while a reply is typed into ChainUnavailable."""
        try:
            yield
        except _NONSENSE as problem:
            raise ChainUnavailable(f"{self.endpoint}: nonsense in the reply to {what}: {_short(problem)}") from None

    def _request(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        asked = calls[0][0] if len(calls) == 1 else f"{calls[-1][0]} (batch of {len(calls)})"
        first = next(self._ids)
        bodies = [
            {"jsonrpc": "2.0", "id": first + i, "method": method, "params": list(params)}
            for i, (method, params) in enumerate(calls)
        ]
        for _ in bodies[1:]:
            next(self._ids)
        payload = json.dumps(bodies[0] if len(bodies) == 1 else bodies).encode()
        reply = self._attempted(asked, payload)
        replies = reply if isinstance(reply, list) else [reply]
        if len(bodies) > 1 and isinstance(reply, dict) and "error" in reply:
            raise self._error(asked, reply["error"])
        with self.reading(asked):
            by_id = {entry["id"]: entry for entry in replies}
            if len(replies) != len(bodies) or set(by_id) != {body["id"] for body in bodies}:
                raise ValueError("the replies do not belong to the calls")
            entries = [by_id[body["id"]] for body in bodies]
        for (method, _), entry in zip(calls, entries, strict=True):
            if entry.get("error") is not None:
                raise self._error(method, entry["error"])
        with self.reading(asked):
            return [entry["result"] for entry in entries]

    def _attempted(self, asked: str, payload: bytes) -> Any:
        for retry in range(self._attempts - 1):
            try:
                return self._exchange(asked, payload)
            except ChainUnavailable:
                time.sleep(PAUSE * 2**retry)
        return self._exchange(asked, payload)

    def _exchange(self, asked: str, payload: bytes) -> Any:
        end = time.monotonic() + self._timeout
        body = bytearray()
        try:
            with self._client.stream("POST", self._url, content=payload) as response:
                if response.status_code != 200:
                    raise ChainUnavailable(f"{self.endpoint}: HTTP {response.status_code} to {asked}")
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise ChainUnavailable(f"{self.endpoint}: a compressed reply to {asked}, which was not asked for")
                for part in response.iter_raw():
                    body += part
                    if len(body) > MOST_BYTES:
                        raise ChainUnavailable(f"{self.endpoint}: more than {MOST_BYTES >> 20} MiB in reply to {asked}")
                    if time.monotonic() > end:
                        raise httpx.ReadTimeout("too slow")
        except httpx.TimeoutException:
            raise ChainUnavailable(f"{self.endpoint}: no reply to {asked} within {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.StreamError) as problem:
            raise ChainUnavailable(f"{self.endpoint}: not reached for {asked} ({type(problem).__name__})") from None
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise ChainUnavailable(f"{self.endpoint}: the reply to {asked} is not JSON") from None

    def _error(self, asked: str, error: Any) -> RpcError:
        message = _short(error.get("message", "")) if isinstance(error, dict) else _short(error)
        data = error.get("data") if isinstance(error, dict) else None
        return RpcError(f"{self.endpoint}: {asked} failed: {message}", message, _revert_data(data))


def _endpoint(url: str) -> str:
    """The URL's scheme, host and port, all that may be shown of it. Raises BadInput for what is no HTTP address."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise BadInput("the RPC address is not a URL; it looks like http://127.0.0.1:8545") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise BadInput("the RPC address must be http:// or https:// with a host, like http://127.0.0.1:8545")
    return f"{parsed.scheme}://{parsed.host}" + (f":{parsed.port}" if parsed.port else "")


def _revert_data(value: Any) -> bytes | None:
    """What a contract reverted with: nodes put it under `data`, or one level deeper."""
    inner = value.get("data") if isinstance(value, dict) else value
    try:
        return _bytes(inner)
    except ValueError:
        return None


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 200 else text[:200] + "..."


def _int(value: Any, bits: int = 64) -> int:
    """A quantity: 0x and at most `bits` of hex."""
    if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-fA-F]{1,64}", value):
        raise ValueError(f"{_short(value)!r} is no quantity")
    if (number := int(value, 16)) >> bits:
        raise ValueError(f"{_short(value)} does not fit {bits} bits")
    return number


def _bytes(value: Any, length: int | None = None) -> bytes:
    if not isinstance(value, str) or not value.startswith("0x"):
        raise ValueError(f"{_short(value)!r} is no hex text")
    data = bytes.fromhex(value[2:])
    if length is not None and len(data) != length:
        raise ValueError(f"{len(data)} bytes where {length} belong")
    return data


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


# ---------------------------------------------------------------------- the ABIs


@dataclass(frozen=True, slots=True)
class _EventCodec:
    kind: type[Any]
    indexed: tuple[dict[str, Any], ...]
    plain: tuple[dict[str, Any], ...]

    def decode(self, topics: Sequence[bytes], data: bytes) -> Event:
        if len(topics) != 1 + len(self.indexed):
            raise ValueError(f"{self.kind.__name__} with {len(topics) - 1} indexed fields")
        pairs = zip(self.indexed, topics[1:], strict=True)
        found = {i["name"]: abi_decode([i["type"]], topic)[0] for i, topic in pairs}
        decoded = abi_decode([collapse_if_tuple(i) for i in self.plain], data)
        found |= {i["name"]: _value(i, v) for i, v in zip(self.plain, decoded, strict=True)}
        named = {_snake(name): _address(value) for name, value in found.items()}
        event: Event = self.kind(**{field.name: named[field.name] for field in fields(self.kind)})
        return event


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
        """What a function without arguments returned; addresses as bytes."""
        entry = next(e for e in self.abis[contract] if e["type"] == "function" and e["name"] == function)
        (value,) = abi_decode([collapse_if_tuple(output) for output in entry["outputs"]], data)
        return [_address(v) for v in value] if isinstance(value, tuple) else _address(value)

    def event(self, contract: str, topics: Sequence[bytes], data: bytes) -> Event | None:
        """None for an event that the protocol does not read."""
        codec = self._events[contract].get(topics[0]) if topics else None
        return codec.decode(topics, data) if codec else None

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
        except _NONSENSE:
            return "Reverted", f"reverted with 0x{data[:68].hex()}"
        shown = ", ".join(f"{i['name']} {_shown(v)}" for i, v in zip(entry["inputs"], decoded, strict=True))
        return entry["name"], f"{entry['name']}({shown})"


def _event_codecs(abi: Sequence[dict[str, Any]]) -> dict[bytes, _EventCodec]:
    codecs = {}
    for entry in abi:
        if entry["type"] == "event" and entry["name"] in KINDS:
            parts = [tuple(i for i in entry["inputs"] if i["indexed"] is flag) for flag in (True, False)]
            codecs[event_abi_to_log_topic(entry)] = _EventCodec(KINDS[entry["name"]], *parts)  # type: ignore[arg-type]
    return codecs


def _value(entry: dict[str, Any], value: Any) -> Any:
    """The one struct that an event carries is Terms."""
    if entry["type"] != "tuple":
        return value
    return Terms(**{_snake(c["name"]): v for c, v in zip(entry["components"], value, strict=True)})


def _address(value: Any) -> Any:
    """eth_abi gives addresses, and only them, as text."""
    return bytes.fromhex(value[2:]) if isinstance(value, str) else value


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", r"_\1", name).lower()


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple(map(_tuples, value.values()))
    return [_tuples(v) for v in value] if isinstance(value, list | tuple) else value


def _shown(value: Any) -> str:
    return _hex(value) if isinstance(value, bytes) else _short(value)


# ---------------------------------------------------------------------- the port


class RpcChain:
    """The port `Chain` over one endpoint. `chain_id` pins the chain: WrongChain once the endpoint serves another."""

    def __init__(
        self,
        url: str,
        interfaces: Interfaces,
        chain_id: int | None = None,
        timeout: float = 10.0,
        attempts: int = 3,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.rpc = Rpc(url, timeout, attempts, transport)
        self.interfaces = interfaces
        self._pinned = chain_id

    def close(self) -> None:
        self.rpc.close()

    def chain_id(self) -> int:
        return self._pin(self.rpc.call("eth_chainId"))

    def latest(self) -> Block:
        chain, head = self.rpc.batch([("eth_chainId", []), ("eth_getBlockByNumber", ["latest", False])])
        self._pin(chain)
        with self.rpc.reading("eth_getBlockByNumber latest"):
            return _block(head)

    def block(self, number: int) -> Block | None:
        return self.blocks([number])[0]

    def blocks(self, numbers: Sequence[int]) -> list[Block | None]:
        """The same for many, in one request for each hundred."""
        replies = self.rpc.batch([("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
        with self.rpc.reading("eth_getBlockByNumber"):
            return [None if r is None else _block(r, number) for number, r in zip(numbers, replies, strict=True)]

    def logs(self, deployment: Deployment, first: int, last: int) -> list[Log]:
        """The protocol's events of blocks `first..last`, ascending, each in the block that the endpoint shows now."""
        found: list[Log] = []
        for start in range(first, last + 1, PAGE):
            found += self._page(deployment, start, min(start + PAGE - 1, last))
        return found

    def calldata(self, transaction: bytes) -> bytes:
        """The input of a mined transaction."""
        reply = self.rpc.call("eth_getTransactionByHash", _hex(transaction))
        if reply is None:
            raise ChainUnavailable(f"{self.rpc.endpoint}: does not have transaction {_hex(transaction)}")
        with self.rpc.reading("eth_getTransactionByHash"):
            _same(reply["hash"], transaction)
            _int(reply["blockNumber"])
            return _bytes(reply["input"])

    def nonce(self, address: Address) -> int:
        """The sender's mined transactions: the nonce of its next one if none is on its way."""
        return self._number("eth_getTransactionCount", _hex(address), "latest")

    def native_balance(self, address: Address) -> int:
        return self._number("eth_getBalance", _hex(address), "latest", bits=256)

    def token_balance(self, token: Address, holder: Address) -> int:
        data = keccak(b"balanceOf(address)")[:4] + holder.rjust(32, b"\0")
        reply = self.call(token, data)
        if len(reply) != 32:
            raise ChainUnavailable(f"{self.rpc.endpoint}: {checksum(token)} does not answer as a token")
        return int.from_bytes(reply, "big")

    def call(self, to: Address, data: bytes) -> bytes:
        """What a view function returns now."""
        return self.calls([(to, data)])[0]

    def calls(self, asked: Sequence[tuple[Address, bytes]]) -> list[bytes]:
        params = [[{"to": _hex(to), "data": _hex(data)}, "latest"] for to, data in asked]
        replies = self.rpc.batch([("eth_call", p) for p in params])
        with self.rpc.reading("eth_call"):
            return [_bytes(reply) for reply in replies]

    def fees(self) -> tuple[int, int]:
        """(max fee, priority fee), wei a gas: twice the base fee and the tip (EIP-1559)."""
        tip = self._tip()
        head = self.rpc.call("eth_getBlockByNumber", "latest", False)
        with self.rpc.reading("eth_getBlockByNumber latest"):
            most = 2 * _int(head["baseFeePerGas"], 256) + tip
        if most > MOST_FEE:
            raise ChainUnavailable(f"{self.rpc.endpoint}: asks for {most} wei a gas; the limit is {MOST_FEE}")
        return most, tip

    def estimate(self, sender: Address, call: Call) -> int:
        """Gas that the call needs now, without a margin. Raises Refused named as the contract's error."""
        fields_ = {"from": _hex(sender), "data": _hex(call.data), "value": hex(call.value)} | (
            {"to": _hex(call.to)} if call.to else {}
        )
        try:
            return self._number("eth_estimateGas", fields_)
        except RpcError as problem:
            raise self._refused(call, problem) from None

    def send(self, raw: bytes) -> None:
        """Hands over a signed transaction; one that the node already has, or that is mined, is no error."""
        try:
            reply = self.rpc.call("eth_sendRawTransaction", _hex(raw))
        except RpcError as problem:
            self._not_sent(keccak(raw), problem)
            return
        with self.rpc.reading("eth_sendRawTransaction"):
            _same(reply, keccak(raw))

    def outcome(self, transaction: bytes) -> Outcome | None:
        reply = self.rpc.call("eth_getTransactionReceipt", _hex(transaction))
        if reply is None:
            return None
        with self.rpc.reading("eth_getTransactionReceipt"):
            _same(reply["transactionHash"], transaction)
            return Outcome(_int(reply["blockNumber"]), bool(_int(reply["status"], 1)), _int(reply["gasUsed"]))

    def _page(self, deployment: Deployment, first: int, last: int) -> list[Log]:
        """Asks for the last block too: an endpoint that lags behind it gives an empty list instead of an error."""
        contracts = {
            deployment.market: "Market",
            deployment.workers: "Workers",
            deployment.committee.address: "Committee",
        }
        wanted = {"address": list(map(_hex, contracts)), "fromBlock": hex(first), "toBlock": hex(last)}
        head = ("eth_getBlockByNumber", [hex(last), False])
        try:
            chain, raw, end = self.rpc.batch([("eth_chainId", []), ("eth_getLogs", [wanted]), head])
        except RpcError as problem:
            if first == last or not _TOO_MUCH.search(problem.message):
                raise
            middle = (first + last) // 2
            return self._page(deployment, first, middle) + self._page(deployment, middle + 1, last)
        self._pin(chain, deployment.chain_id)
        if end is None:
            raise ChainUnavailable(f"{self.rpc.endpoint}: has no block {last} yet")
        with self.rpc.reading(f"eth_getLogs of blocks {first} to {last}"):
            placed = [_place(entry, contracts, first, last) for entry in _list(raw)]
            placed.sort(key=lambda p: (p.block, p.index))
            if any((a.block, a.index) == (b.block, b.index) for a, b in itertools.pairwise(placed)):
                raise ValueError("two logs at one place")
        return self._dated(placed)

    def _dated(self, placed: "Sequence[_Placed]") -> list[Log]:
        numbers = sorted({p.block for p in placed})
        headers = dict(zip(numbers, self.blocks(numbers), strict=True)) if numbers else {}
        logs = []
        for p in placed:
            header = headers[p.block]
            if header is None or header.hash != p.block_hash:
                raise ChainUnavailable(f"{self.rpc.endpoint}: a log of block {p.block} is of another block {p.block}")
            with self.rpc.reading(f"eth_getLogs, block {p.block}"):
                event = self.interfaces.event(p.contract, p.topics, p.data)
            if event is not None:
                logs.append(Log(p.block, p.index, p.transaction, header.timestamp, event))
        return logs

    def _pin(self, reply: Any, expected: int | None = None) -> int:
        with self.rpc.reading("eth_chainId"):
            served = _int(reply)
        for wanted in (self._pinned, expected):
            if wanted is not None and served != wanted:
                raise WrongChain(f"{self.rpc.endpoint} serves chain {served}; the deployment is on chain {wanted}")
        return served

    def _number(self, method: str, *params: Any, bits: int = 64) -> int:
        reply = self.rpc.call(method, *params)
        with self.rpc.reading(method):
            return _int(reply, bits)

    def _tip(self) -> int:
        try:
            return self._number("eth_maxPriorityFeePerGas")
        except RpcError:
            return 10**9  # the node does not know the method

    def _refused(self, call: Call, problem: RpcError) -> Exception:
        """The contract's word if the node gave it; the node's own trouble stays retryable."""
        if problem.data or "revert" in problem.message.lower():
            code, text = self.interfaces.refusal(problem.data or b"")
            return Refused(code, f"{call.what}: the contract refuses: {text if problem.data else problem.message}")
        if "insufficient funds" in problem.message.lower():
            return Refused("insufficient-funds", f"{call.what}: the sender cannot pay the gas: {problem.message}")
        return problem

    def _not_sent(self, transaction: bytes, problem: RpcError) -> None:
        if _KNOWN.search(problem.message):
            return
        for words, code in (
            ("nonce too low", "nonce-too-low"),
            ("underpriced", "underpriced"),
            ("insufficient funds", "insufficient-funds"),
        ):
            if words in problem.message.lower():
                if self._has(transaction):
                    return
                raise Refused(code, str(problem)) from None
        raise problem

    def _has(self, transaction: bytes) -> bool:
        """Whether the node knows the transaction. Some count a nonce as used a moment before they show what used it."""
        for look in range(LOOKS):
            time.sleep(PAUSE * look)
            if self.outcome(transaction) or self.rpc.call("eth_getTransactionByHash", _hex(transaction)):
                return True
        return False


@dataclass(frozen=True, slots=True)
class _Placed:
    """A log as the endpoint gave it, typed and inside what was asked."""

    contract: str
    block: int
    index: int
    block_hash: bytes
    transaction: bytes
    topics: list[bytes]
    data: bytes


def _place(entry: Any, contracts: Mapping[Address, str], first: int, last: int) -> _Placed:
    block, address = _int(entry["blockNumber"]), _bytes(entry["address"], 20)
    if entry.get("removed"):
        raise ValueError(f"a log of block {block} was removed by a reorganisation")
    if not first <= block <= last:
        raise ValueError(f"a log of block {block}, which was not asked for")
    if address not in contracts:
        raise ValueError(f"a log of {checksum(address)}, which was not asked for")
    return _Placed(
        contracts[address],
        block,
        _int(entry["logIndex"], 32),
        _bytes(entry["blockHash"], 32),
        _bytes(entry["transactionHash"], 32),
        [_bytes(topic, 32) for topic in _list(entry["topics"])],
        _bytes(entry["data"]),
    )


def _block(reply: Any, number: int | None = None) -> Block:
    block = Block(
        _int(reply["number"]), _bytes(reply["hash"], 32), _bytes(reply["parentHash"], 32), _int(reply["timestamp"], 48)
    )
    if number is not None and block.number != number:
        raise ValueError(f"block {block.number} instead of {number}")
    return block


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{_short(value)!r} is no list")
    return value


def _same(reply: Any, transaction: bytes) -> None:
    if _bytes(reply, 32) != transaction:
        raise ValueError(f"about another transaction than {_hex(transaction)}")


# ---------------------------------------------------------------------- what is sent


class Calls:
    """The port `Calls` for one deployment. `what` names the effect, so that an outbox does each once."""

    def __init__(self, interfaces: Interfaces, deployment: Deployment) -> None:
        self._interfaces = interfaces
        self._deployment = deployment

    def open_job(self, terms: Terms, deadline: int) -> Call:
        what = f"open a job with terms {_hex(terms.hash())} until {deadline}"
        return self._market(what, "openJob", astuple(terms), deadline)

    def close_job(self, job: int) -> Call:
        return self._market(f"close job {job}", "closeJob", job)

    def refund(self, job: int, refunded: int = 0) -> Call:
        """`refunded`: units refunded before; a strike can free more later, which is another refund."""
        again = f" beyond {refunded} units" if refunded else ""
        return self._market(f"refund job {job}{again}", "refund", job)

    def post_epoch(self, header: Header, debits: Sequence[Debit], signatures: Sequence[bytes]) -> Call:
        """`signatures`: 65 bytes each, ascending by member address."""
        args = (tuple(values(header)), [astuple(debit) for debit in debits], b"".join(signatures))
        return self._market(f"post epoch {header.epoch} after {_hex(header.previous)}", "postEpoch", *args)

    def finalise_epoch(self, header: Header, signers: int) -> Call:
        what = f"finalise epoch {header.epoch} after {_hex(header.previous)}"
        return self._market(what, "finaliseEpoch", tuple(values(header)), signers)

    def claim_many(self, claims: Sequence[ClaimProof]) -> Call:
        listed = [(c.worker, c.wallet, c.cumulative, c.earnings, list(c.proof)) for c in claims]
        data = self._interfaces.encode("Market", "claimMany", listed)
        return Call(f"claim for {len(claims)} workers ({keccak(data)[:8].hex()})", self._deployment.market, data)

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


def decode_post(interfaces: Interfaces, calldata: bytes) -> tuple[Header, list[Debit], bytes]:
    """Header, debits and signatures of a `postEpoch`. Raises Refused when the bytes are no such call."""
    try:
        function, args = interfaces.decode_input("Market", calldata)
    except Exception as problem:  # web3 and eth_abi have many kinds for bytes that fit no function
        raise Refused("no-post", f"the transaction is no call of the Market: {_short(problem)}") from None
    if function != "postEpoch":
        raise Refused("no-post", f"the transaction calls {function}, not postEpoch")
    header = Header(*args["header"])
    return header, [Debit(*debit) for debit in args["debits"]], args["signatures"]


def read_deployment(chain: RpcChain, market: Address, block: int = 0) -> Deployment:
    """All that binds signatures, read from the contracts. Raises Fatal when their digest is another than ours."""
    read = _reader(chain)
    names = ("token", "workers", "committee", "referee", "unit", "window", "configuration")
    token, workers, address, referee, unit, window, configuration = read("Market", market, names)
    members, seal_keys, quorum = read("Committee", address, ("members", "sealKeys", "quorum"))
    committee = Committee(address, tuple(members), tuple(seal_keys), quorum)
    found = Deployment(chain.chain_id(), market, workers, committee, referee, token, unit, window, block)
    if found.configuration() != configuration:
        raise Fatal(
            f"the Market {checksum(market)} names configuration {_hex(configuration)}, "
            f"but its constants give {_hex(found.configuration())}: another version of the contracts, or a lie"
        )
    return found


def _reader(chain: RpcChain) -> Callable[[str, Address, Sequence[str]], list[Any]]:
    def read(contract: str, address: Address, names: Sequence[str]) -> list[Any]:
        replies = chain.calls([(address, chain.interfaces.encode(contract, name)) for name in names])
        if not all(replies):
            raise BadInput(f"{checksum(address)} on the chain of {chain.rpc.endpoint} is no {contract} of crowdproof")
        with chain.rpc.reading(f"eth_call of {contract}"):
            return [chain.interfaces.output(contract, name, r) for name, r in zip(names, replies, strict=True)]

    return read
