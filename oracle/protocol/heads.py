"""The chain of heads: each posted epoch extends it, a strike too, so that an old signature never fits again."""

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.protocol.hashing import keccak, tagged, words


@dataclass(frozen=True, slots=True)
class Debit:
    """What an epoch takes from a job: `pay` units without the fee; `last`: index of the job's last verdict in it."""

    job: int
    pay: int
    last: int


def debits_hash(debits: Sequence[Debit]) -> bytes:
    """`keccak(abi.encode(Debit[]))`."""
    return keccak(words(32, len(debits)) + b"".join(words(d.job, d.pay, d.last) for d in debits))


def posted(head: bytes, header_digest: bytes, signers: int) -> bytes:
    """The head after a post; `signers` is a bitmap of member positions."""
    return tagged("head", head, header_digest, signers)


def struck(head: bytes) -> bytes:
    """The head after a strike."""
    return tagged("struck", head)
