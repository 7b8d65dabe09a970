"""The chain of heads: each posted epoch extends it, a strike too, so that an old signature never fits again."""

from collections.abc import Iterable
from dataclasses import dataclass

from oracle.protocol.hashing import keccak, tagged

_DEBIT = 16  # bytes


@dataclass(frozen=True, slots=True)
class Debit:
    """What an epoch takes from a job: `pay` units without the fee; `last`: index of the job's last verdict in it."""

    job: int
    pay: int
    last: int


def pack_debits(debits: Iterable[Debit]) -> bytes:
    """16 bytes {job u32, pay u64, last u32} each, as `postEpoch` takes them."""
    return b"".join(d.job.to_bytes(4, "big") + d.pay.to_bytes(8, "big") + d.last.to_bytes(4, "big") for d in debits)


def unpack_debits(data: bytes) -> list[Debit]:
    """The inverse of `pack_debits`; raises ValueError when the length is no multiple of 16."""
    if len(data) % _DEBIT:
        raise ValueError(f"{len(data)} bytes are no debits")
    found = [data[at : at + _DEBIT] for at in range(0, len(data), _DEBIT)]
    return [Debit(*(int.from_bytes(part, "big") for part in (d[:4], d[4:12], d[12:]))) for d in found]


def debits_hash(debits: Iterable[Debit]) -> bytes:
    return keccak(pack_debits(debits))


def posted(head: bytes, header_digest: bytes, signers: int) -> bytes:
    """The head after a post; `signers` is a bitmap of member positions."""
    return tagged("head", head, header_digest, signers)


def struck(head: bytes) -> bytes:
    """The head after a strike."""
    return tagged("struck", head)
