"""What happens on chain, in the words of the contracts; each event's fields as the contract emits them.

Log = an event and its place. JSON both ways, for the index's table.
"""

from dataclasses import astuple, dataclass
from typing import Any, TypeAlias, get_type_hints

from oracle.protocol.keys import Address
from oracle.protocol.terms import Terms


@dataclass(frozen=True, slots=True)
class WorkerRegistered:
    worker: int
    wallet: Address


@dataclass(frozen=True, slots=True)
class KeyAdded:
    worker: int
    number: int
    key: Address


@dataclass(frozen=True, slots=True)
class KeyRevoked:
    worker: int
    number: int


@dataclass(frozen=True, slots=True)
class JobOpened:
    job: int
    requester: Address
    terms_hash: bytes
    terms: Terms
    deadline: int
    escrow: int


@dataclass(frozen=True, slots=True)
class JobClosed:
    job: int
    deadline: int


@dataclass(frozen=True, slots=True)
class JobRefunded:
    job: int
    amount: int


@dataclass(frozen=True, slots=True)
class EpochPosted:
    epoch: int
    head: bytes
    digest: bytes
    content: bytes
    signers: int


@dataclass(frozen=True, slots=True)
class EpochFinalised:
    epoch: int
    root: bytes
    total: int


@dataclass(frozen=True, slots=True)
class EpochStruck:
    epoch: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Claimed:
    worker: int
    wallet: Address
    amount: int
    cumulative: int


Event: TypeAlias = (
    WorkerRegistered
    | KeyAdded
    | KeyRevoked
    | JobOpened
    | JobClosed
    | JobRefunded
    | EpochPosted
    | EpochFinalised
    | EpochStruck
    | Claimed
)
KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in Event.__args__}


@dataclass(frozen=True, slots=True)
class Log:
    """An event and where it stands: block number, position in the block, transaction, block time."""

    block: int
    index: int
    transaction: bytes
    timestamp: int
    event: Event


def to_json(event: Event) -> dict[str, Any]:
    """Field name -> value; bytes as hex, terms as a list."""
    return {name: _out(getattr(event, name)) for name in get_type_hints(type(event))}


def from_json(kind: str, fields: dict[str, Any]) -> Event:
    """The inverse of `to_json`. Raises KeyError for an unknown kind."""
    hints = get_type_hints(KINDS[kind])
    event: Event = KINDS[kind](**{name: _in(hints[name], value) for name, value in fields.items()})
    return event


def _out(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return [_out(v) for v in astuple(value)] if isinstance(value, Terms) else value


def _in(hint: Any, value: Any) -> Any:
    if hint is Terms:
        return Terms(*value[:8], *map(bytes.fromhex, value[8:]))
    return bytes.fromhex(value) if hint is bytes else value
