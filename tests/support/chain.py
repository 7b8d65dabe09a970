"""The port Chain in memory: blocks with hashes and parents, logs, transactions; it can be reorganised, lag, and lie.

Blocks are an honest chain's; a lie is an attribute that changes what is served, never what happened. `run`, if set, is the
contracts: call data -> events, or Refused, which is a revert; a transaction that is sent is mined at once.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from oracle.ports import Block, Call, Outcome
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import ChainUnavailable, Refused
from oracle.protocol.events import Event, Log
from oracle.protocol.hashing import ZERO, keccak
from oracle.protocol.keys import Address

GENESIS = 1_700_000_000
SECONDS = 12  # from block to block
_unique = count()


@dataclass(frozen=True, slots=True)
class Transaction:
    hash: bytes
    sender: Address | None
    nonce: int
    data: bytes
    succeeded: bool
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Mined:
    block: Block
    transactions: tuple[Transaction, ...]

    def logs(self) -> list[Log]:
        placed = [(tx.hash, event) for tx in self.transactions for event in tx.events]
        return [Log(self.block.number, i, tx, self.block.timestamp, event) for i, (tx, event) in enumerate(placed)]


@dataclass
class FakeChain:
    """Served truthfully, unless `lag`, `hidden`, `altered`, `absent`, `dated`, `served_id` or `down` say otherwise."""

    number: int = 31337
    run: Callable[[bytes], Sequence[Event]] | None = None
    balances: Callable[[Address], int] = lambda _: 0

    down: bool = False
    lag: int = 0  # newest blocks that the endpoint does not know
    served_id: int | None = None
    hidden: set[tuple[int, int]] = field(default_factory=set)  # (block, index) of logs that it leaves out
    altered: dict[tuple[int, int], Event] = field(default_factory=dict)
    absent: set[int] = field(default_factory=set)  # blocks that it announces and does not have
    dated: dict[int, int] = field(default_factory=dict)  # block -> another timestamp
    calldatas: dict[bytes, bytes] = field(default_factory=dict)  # transaction -> other call data
    before: Callable[[str], None] = lambda _: None  # called with the name of each method that reads the chain

    def __post_init__(self) -> None:
        self.mined = [Mined(Block(0, keccak(b"genesis"), ZERO, GENESIS), ())]

    # --------------------------------------------------------------------------------------------------------- world

    @property
    def now(self) -> int:
        return self.mined[-1].block.timestamp

    def mine(self, *events: Event, seconds: int = SECONDS) -> Block:
        """One block with one transaction that has these events; no events, an empty block."""
        if not events:
            return self._append((), seconds)
        return self._append((Transaction(_fresh(), None, 0, b"", True, events),), seconds)

    def mine_until(self, moment: int) -> None:
        """A block at that block time."""
        self.mine(seconds=moment - self.now)

    def reorganise(self, depth: int) -> list[Mined]:
        """Drops the newest blocks, which do not return by themselves."""
        dropped = self.mined[-depth:] if depth else []
        del self.mined[len(self.mined) - depth :]
        return dropped

    def _append(self, transactions: tuple[Transaction, ...], seconds: int = SECONDS) -> Block:
        parent = self.mined[-1].block
        block = Block(parent.number + 1, _fresh(), parent.hash, parent.timestamp + seconds)
        self.mined.append(Mined(block, transactions))
        return block

    # ---------------------------------------------------------------------------------------------------------- port

    def chain_id(self) -> int:
        self._serve("chain_id")
        return self.number if self.served_id is None else self.served_id

    def latest(self) -> Block:
        self._serve("latest")
        return self._shown(self._known()[-1])

    def block(self, number: int) -> Block | None:
        self._serve("block")
        known = self._known()
        return None if number in self.absent or number >= len(known) else self._shown(known[number])

    def logs(self, deployment: Deployment, first: int, last: int) -> list[Log]:
        self._serve("logs")
        found = [log for mined in self._known()[first : last + 1] for log in mined.logs()]
        return [
            replace(
                log,
                event=self.altered.get((log.block, log.index), log.event),
                timestamp=self.dated.get(log.block, log.timestamp),
            )
            for log in found
            if (log.block, log.index) not in self.hidden
        ]

    def calldata(self, transaction: bytes) -> bytes:
        self._serve("calldata")
        for mined in self._known():
            for tx in mined.transactions:
                if tx.hash == transaction:
                    return self.calldatas.get(transaction, tx.data)
        raise ChainUnavailable("does not have the transaction")

    def nonce(self, address: Address) -> int:
        return sum(tx.sender == address for mined in self._known() for tx in mined.transactions)

    def native_balance(self, address: Address) -> int:
        return 10**18

    def token_balance(self, token: Address, holder: Address, block: int | None = None) -> int:
        return self.balances(holder)

    def permit_digest(
        self, token: Address, owner: Address, spender: Address, amount: int, deadline: int
    ) -> bytes | None:
        return None

    def fees(self) -> tuple[int, int]:
        return 100, 3

    def estimate(self, sender: Address, call: Call) -> int:
        assert self.run
        self.run(call.data)
        return 100_000

    def send(self, raw: bytes) -> None:
        assert self.run
        fields, transaction = json.loads(raw), keccak(raw)
        if self.outcome(transaction):
            return
        sender, data = bytes.fromhex(fields["from"]), bytes.fromhex(fields["data"])
        if fields["nonce"] != self.nonce(sender):
            raise Refused("nonce-too-low", "nonce too low")
        try:
            events, succeeded = tuple(self.run(data)), True
        except Refused:
            events, succeeded = (), False
        self._append((Transaction(transaction, sender, fields["nonce"], data, succeeded, events),))

    def outcomes(self, transactions: Sequence[bytes]) -> list[Outcome | None]:
        return [self.outcome(transaction) for transaction in transactions]

    def outcome(self, transaction: bytes) -> Outcome | None:
        for mined in self._known():
            for tx in mined.transactions:
                if tx.hash == transaction:
                    return Outcome(mined.block.number, tx.succeeded, 90_000)
        return None

    def _serve(self, name: str) -> None:
        if self.down:
            raise ChainUnavailable("connection refused")
        self.before(name)

    def _known(self) -> list[Mined]:
        return self.mined[: len(self.mined) - self.lag]

    def _shown(self, mined: Mined) -> Block:
        return replace(mined.block, timestamp=self.dated.get(mined.block.number, mined.block.timestamp))


@dataclass
class PlainSigner:
    """The port Signer for transactions of a FakeChain: signs by writing the fields down."""

    address: Address

    def sign_transaction(self, fields: dict[str, Any]) -> tuple[bytes, bytes]:
        plain = {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
        raw = json.dumps(plain | {"from": self.address.hex()}, sort_keys=True).encode()
        return raw, keccak(raw)

    def read_transaction(self, raw: bytes) -> dict[str, Any]:
        return read_plain(raw)

    def sign(self, digest: bytes) -> bytes:
        raise NotImplementedError

    def unseal(self, position: int, members: int, commitment: bytes, envelope: bytes) -> None:
        raise NotImplementedError

    def share(self, position: int, members: int, commitment: bytes, envelope: bytes) -> None:
        raise NotImplementedError

    def open(self, about: bytes, sealed: bytes) -> None:
        raise NotImplementedError


def read_plain(raw: bytes) -> dict[str, Any]:
    """The fields of what a PlainSigner signed."""
    fields = json.loads(raw)
    del fields["from"]
    named = {name: bytes.fromhex(fields[name]) for name in ("to", "data") if fields.get(name) is not None}
    return fields | named


def _fresh() -> bytes:
    """A hash that no other block or transaction of this process has."""
    return keccak(b"unique %d" % next(_unique))
