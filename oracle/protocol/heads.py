"""The chain of heads: each posted epoch extends it, a strike too, so that an old signature never fits again."""

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.protocol.hashing import keccak, tagged


@dataclass(frozen=True, slots=True)
class Debit:
    """What an epoch takes from a job: `pay` units without the fee; `last`: index of the job's last verdict in it."""

    job: int
    pay: int
    last: int


def debits_hash(debits: Sequence[Debit]) -> bytes:
    return keccak(pack_debits(debits))


def pack_debits(debits: Sequence[Debit]) -> bytes:
    """16 bytes each."""
    parts = ((d.job.to_bytes(4, "big"), d.pay.to_bytes(8, "big"), d.last.to_bytes(4, "big")) for d in debits)
    return b"".join(b"".join(part) for part in parts)


def unpack_debits(data: bytes) -> list[Debit]:
    """The inverse of `pack_debits`."""
    number = int.from_bytes
    return [
        Debit(number(data[i : i + 4], "big"), number(data[i + 4 : i + 12], "big"), number(data[i + 12 : i + 16], "big"))
        for i in range(0, len(data), 16)
    ]


def posted(head: bytes, header_digest: bytes, signers: int) -> bytes:
    """The head after a post; `signers` is a bitmap of member positions."""
    return tagged("head", head, header_digest, signers)


def struck(head: bytes) -> bytes:
    """The head after a strike."""
    return tagged("struck", head)
