"""What happens on chain, in the words of the contracts; each event's fields as the contract emits them.

Log = an event and its place.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

from oracle.protocol import plain
from oracle.protocol.errors import BadInput
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
class JobFunded:
    """More for a job that is open, from anybody."""

    job: int
    amount: int


@dataclass(frozen=True, slots=True)
class JobReserved:
    """Taken from what is locked in a job, for a contest or the hatch, until it is awarded or released."""

    job: int
    amount: int


@dataclass(frozen=True, slots=True)
class JobReleased:
    job: int
    amount: int


@dataclass(frozen=True, slots=True)
class JobAwarded:
    """Paid from what is reserved in a job, by a ruling or through the hatch."""

    job: int
    wallet: Address
    amount: int


@dataclass(frozen=True, slots=True)
class HatchPaid:
    """Base pay for an answer that no verdict lists: no epoch may list it from then on."""

    market: Address
    job: int
    worker: int
    task: int
    amount: int


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
    """`cumulative`: of all that the worker ever earned, so much is claimed, frozen or settled now."""

    worker: int
    cumulative: int


@dataclass(frozen=True, slots=True)
class ClaimFrozen:
    worker: int
    amount: int


@dataclass(frozen=True, slots=True)
class ClaimThawed:
    worker: int
    amount: int


@dataclass(frozen=True, slots=True)
class ClaimForfeited:
    """Frozen pay, back to its job."""

    worker: int
    job: int
    amount: int


@dataclass(frozen=True, slots=True)
class ChangeProposed:
    """A committee that a quorum of the members in office signed for."""

    number: int
    digest: bytes
    valid_until: int
    signatures: bytes


@dataclass(frozen=True, slots=True)
class ChangeEnacted:
    """The committee from here on; number 0: its first members."""

    number: int
    members: tuple[Address, ...]
    seal_keys: tuple[bytes, ...]
    quorum: int
    digest: bytes


Event: TypeAlias = (
    WorkerRegistered
    | KeyAdded
    | KeyRevoked
    | JobOpened
    | JobFunded
    | JobReserved
    | JobReleased
    | JobAwarded
    | JobClosed
    | JobRefunded
    | EpochPosted
    | EpochFinalised
    | EpochStruck
    | Claimed
    | ChangeProposed
    | ChangeEnacted
    | ClaimFrozen
    | ClaimThawed
    | ClaimForfeited
    | HatchPaid
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


def from_json(kind: str, fields: object) -> Event:
    """The event of a kind's name and its fields as `to_json` gives them. Raises BadInput naming kind or field."""
    if kind not in KINDS:
        raise BadInput(f"{kind[:40]!r} is no kind of event")
    event: Event = plain.from_json(KINDS[kind], fields)
    return event


def to_json(event: Event) -> dict[str, Any]:
    """The event's fields, as `from_json` takes them with the name of its kind."""
    fields: dict[str, Any] = plain.to_json(event)
    return fields
