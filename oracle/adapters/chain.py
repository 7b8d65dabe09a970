"""The port `Chain` over one endpoint: finalised blocks and their events, balances, gas, transactions.

`rpc` beside it is the wire, `contracts` the ABIs. What does not fit together is ChainUnavailable, never a guess.
"""

import itertools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from oracle.adapters.contracts import Interfaces
from oracle.adapters.rpc import PAUSE, Rpc, RpcError, hex_bytes, quantity, short, to_hex
from oracle.ports import Block, Call, Outcome
from oracle.protocol.deployment import NOBODY, Committee, Deployment
from oracle.protocol.errors import BadInput, ChainUnavailable, Fatal, Refused, WrongChain
from oracle.protocol.events import Log
from oracle.protocol.hashing import keccak, word, words
from oracle.protocol.keys import Address, checksum

PERMIT = keccak(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
PAGE = 2_000  # blocks in one eth_getLogs
MOST_FEE = 500 * 10**9  # wei a gas; an endpoint that asks for more lies or is not worth it
LOOKS = 4  # for a transaction that the node refuses to take again
_TOO_MUCH = re.compile(r"limit|range|too (many|large|big)|exceed|size", re.IGNORECASE)
_UNDERPRICED = re.compile(
    r"underpriced|could not replace|replacement ?not ?allowed|lower gas price exists"
    r"|(fee|price|tip|cap)[a-z ]* (too low|less than|below|lower than)",
    re.IGNORECASE,
)
_KNOWN = re.compile(r"already (known|imported|in (the )?(pool|mempool))|known transaction", re.IGNORECASE)


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
        reply = self.rpc.call("eth_getTransactionByHash", to_hex(transaction))
        if reply is None:
            raise ChainUnavailable(f"{self.rpc.endpoint}: does not have transaction {to_hex(transaction)}")
        with self.rpc.reading("eth_getTransactionByHash"):
            _same(reply["hash"], transaction)
            quantity(reply["blockNumber"])
            return hex_bytes(reply["input"])

    def nonce(self, address: Address) -> int:
        """The sender's mined transactions: the nonce of its next one if none is on its way."""
        return self._number("eth_getTransactionCount", to_hex(address), "latest")

    def native_balance(self, address: Address) -> int:
        return self._number("eth_getBalance", to_hex(address), "latest", bits=256)

    def token_balance(self, token: Address, holder: Address, block: int | None = None) -> int:
        """In the token's smallest units, as it was at the end of that block, or is now."""
        data = keccak(b"balanceOf(address)")[:4] + holder.rjust(32, b"\0")
        (reply,) = self.calls([(token, data)], block)
        if len(reply) != 32:
            raise ChainUnavailable(f"{self.rpc.endpoint}: {checksum(token)} does not answer as a token")
        return int.from_bytes(reply, "big")

    def permit_digest(
        self, token: Address, owner: Address, spender: Address, amount: int, deadline: int
    ) -> bytes | None:
        """What the owner signs for an ERC-2612 permit (EIP-712), with its next nonce; None where the token takes none.

        Whatever domain and nonce a hostile endpoint gives, the signature lets `spender` alone move `amount`, and no more.
        """
        nonces = keccak(b"nonces(address)")[:4] + owner.rjust(32, b"\0")
        try:
            domain, nonce = self.calls([(token, keccak(b"DOMAIN_SEPARATOR()")[:4]), (token, nonces)])
        except RpcError:  # it reverts: there is no such function
            return None
        if len(domain) != 32 or len(nonce) != 32:
            return None
        message = keccak(words(PERMIT, owner, spender, amount, int.from_bytes(nonce, "big"), deadline))
        return keccak(b"\x19\x01" + domain + message)

    def call(self, to: Address, data: bytes) -> bytes:
        """What a view function returns now."""
        return self.calls([(to, data)])[0]

    def calls(self, asked: Sequence[tuple[Address, bytes]], block: int | None = None) -> list[bytes]:
        at = "latest" if block is None else hex(block)
        params = [[{"to": to_hex(to), "data": to_hex(data)}, at] for to, data in asked]
        replies = self.rpc.batch([("eth_call", p) for p in params])
        with self.rpc.reading("eth_call"):
            return [hex_bytes(reply) for reply in replies]

    def events(
        self, contract: str, address: Address, event: str, indexed: Sequence[int | bytes | None], first: int
    ) -> list[dict[str, Any]]:
        """A contract's events of one kind from block `first` on whose indexed fields are these (None: any), in their order."""
        topics = [None if i is None else to_hex(word(i)) for i in indexed]
        wanted = {
            "address": to_hex(address),
            "topics": [to_hex(self.interfaces.topic(contract, event)), *topics],
            "fromBlock": hex(first),
            "toBlock": "latest",
        }
        reply = self.rpc.call("eth_getLogs", wanted)
        with self.rpc.reading(f"eth_getLogs of {contract}"):
            placed = sorted(_list(reply), key=lambda log: (quantity(log["blockNumber"]), quantity(log["logIndex"], 32)))
            return [
                self.interfaces.event_fields(
                    contract, event, list(map(hex_bytes, log["topics"])), hex_bytes(log["data"])
                )
                for log in placed
            ]

    def fees(self) -> tuple[int, int]:
        """(max fee, priority fee), wei a gas: twice the base fee and the tip (EIP-1559)."""
        tip = self._tip()
        head = self.rpc.call("eth_getBlockByNumber", "latest", False)
        with self.rpc.reading("eth_getBlockByNumber latest"):
            most = 2 * quantity(head["baseFeePerGas"], 256) + tip
        if most > MOST_FEE:
            raise ChainUnavailable(f"{self.rpc.endpoint}: asks for {most} wei a gas; the limit is {MOST_FEE}")
        return most, tip

    def estimate(self, sender: Address, call: Call) -> int:
        """Gas that the call needs now, without a margin. Raises Refused named as the contract's error."""
        fields_ = {"from": to_hex(sender), "data": to_hex(call.data), "value": hex(call.value)} | (
            {"to": to_hex(call.to)} if call.to else {}
        )
        try:
            return self._number("eth_estimateGas", fields_)
        except RpcError as problem:
            raise self._refused(call, problem) from None

    def send(self, raw: bytes) -> None:
        """Hands over a signed transaction; one that the node already has, or that is mined, is no error."""
        try:
            reply = self.rpc.call("eth_sendRawTransaction", to_hex(raw))
        except RpcError as problem:
            self._not_sent(keccak(raw), problem)
            return
        with self.rpc.reading("eth_sendRawTransaction"):
            _same(reply, keccak(raw))

    def outcome(self, transaction: bytes) -> Outcome | None:
        return self.outcomes([transaction])[0]

    def outcomes(self, transactions: Sequence[bytes]) -> list[Outcome | None]:
        """None for what is not mined; in one request for each hundred."""
        replies = self.rpc.batch([("eth_getTransactionReceipt", [to_hex(t)]) for t in transactions])
        with self.rpc.reading("eth_getTransactionReceipt"):
            return [None if r is None else _outcome(r, t) for r, t in zip(replies, transactions, strict=True)]

    def _page(self, deployment: Deployment, first: int, last: int) -> list[Log]:
        """Asks for the last block too: an endpoint that lags behind it gives an empty list instead of an error."""
        contracts = {
            deployment.market: "Market",
            deployment.workers: "Workers",
            deployment.committee.address: "Committee",
        } | ({deployment.hatch: "Hatch"} if deployment.hatch != NOBODY else {})
        wanted = {"address": list(map(to_hex, contracts)), "fromBlock": hex(first), "toBlock": hex(last)}
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
        return [
            log for log in self._dated(placed) if getattr(log.event, "market", deployment.market) == deployment.market
        ]

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
            served = quantity(reply)
        for wanted in (self._pinned, expected):
            if wanted is not None and served != wanted:
                raise WrongChain(f"{self.rpc.endpoint} serves chain {served}; the deployment is on chain {wanted}")
        return served

    def _number(self, method: str, *params: Any, bits: int = 64) -> int:
        reply = self.rpc.call(method, *params)
        with self.rpc.reading(method):
            return quantity(reply, bits)

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
        if _UNDERPRICED.search(problem.message):  # also of one in its pool, which waits for a base fee that fell
            if self.outcome(transaction):
                return
            raise Refused("underpriced", str(problem)) from None
        for wording, code in (("nonce too low", "nonce-too-low"), ("insufficient funds", "insufficient-funds")):
            if wording in problem.message.lower():
                if self._has(transaction):
                    return
                raise Refused(code, str(problem)) from None
        raise problem

    def _has(self, transaction: bytes) -> bool:
        """Whether the node knows the transaction. Some count a nonce as used a moment before they show what used it."""
        for look in range(LOOKS):
            time.sleep(PAUSE * look)
            if self.outcome(transaction) or self.rpc.call("eth_getTransactionByHash", to_hex(transaction)):
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
    block, address = quantity(entry["blockNumber"]), hex_bytes(entry["address"], 20)
    if entry.get("removed"):
        raise ValueError(f"a log of block {block} was removed by a reorganisation")
    if not first <= block <= last:
        raise ValueError(f"a log of block {block}, which was not asked for")
    if address not in contracts:
        raise ValueError(f"a log of {checksum(address)}, which was not asked for")
    return _Placed(
        contracts[address],
        block,
        quantity(entry["logIndex"], 32),
        hex_bytes(entry["blockHash"], 32),
        hex_bytes(entry["transactionHash"], 32),
        [hex_bytes(topic, 32) for topic in _list(entry["topics"])],
        hex_bytes(entry["data"]),
    )


def _block(reply: Any, number: int | None = None) -> Block:
    block = Block(
        quantity(reply["number"]),
        hex_bytes(reply["hash"], 32),
        hex_bytes(reply["parentHash"], 32),
        quantity(reply["timestamp"], 48),
    )
    if number is not None and block.number != number:
        raise ValueError(f"block {block.number} instead of {number}")
    return block


def _outcome(reply: Any, transaction: bytes) -> Outcome:
    _same(reply["transactionHash"], transaction)
    return Outcome(quantity(reply["blockNumber"]), bool(quantity(reply["status"], 1)), quantity(reply["gasUsed"]))


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{short(value)!r} is no list")
    return value


def _same(reply: Any, transaction: bytes) -> None:
    if hex_bytes(reply, 32) != transaction:
        raise ValueError(f"about another transaction than {to_hex(transaction)}")


def read_deployment(chain: RpcChain, market: Address, block: int = 0) -> Deployment:
    """All that binds signatures, read from the contracts. Raises Fatal when their digest is another than ours."""
    read = _reader(chain)
    names = ("token", "workers", "committee", "unit", "window", "configuration", "referee", "disputes", "hatch")
    token, workers, address, unit, window, configuration, referee, *others = read("Market", market, names)
    members, seal_keys, quorum = read("Committee", address, ("members", "sealKeys", "quorum"))
    committee = Committee(address, tuple(members), tuple(seal_keys), quorum)
    found = Deployment(chain.chain_id(), market, workers, committee, referee, token, unit, window, block, *others)
    if found.configuration() != configuration:
        raise Fatal(
            f"the Market {checksum(market)} names configuration {to_hex(configuration)}, "
            f"but its constants give {to_hex(found.configuration())}: another version of the contracts, or a lie"
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
