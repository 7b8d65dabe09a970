"""A credential: that the owner of a fresh wallet has done work of a band of quality, signed by members who do not know for whom.

A member has a BLS key for each band of each job, and signs which it is. A credential of a wallet is the signatures of a quorum, by
those keys, of the EIP-712 digest of `Band`; got blind (`protocol.blind`), they say nothing of who asked for them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oracle.protocol import blind
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import Refused
from oracle.protocol.hashing import keccak
from oracle.protocol.keys import Address, recover
from oracle.protocol.messages import Band, BandKey, digest

NOBODY = bytes(20)


@dataclass(frozen=True, slots=True)
class SignedBandKey:
    """A member's public key of a job's band (48 bytes, in G1), and its signature under it (`messages.BandKey`)."""

    band: int
    key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Credential:
    """`terms`: the hash of the job's; `signatures` by member, each 96 bytes, in G2."""

    job: int
    terms: bytes
    band: int
    wallet: Address
    signatures: Mapping[Address, bytes]


def subject(deployment: Deployment, job: int, terms: bytes, band: int, wallet: Address = NOBODY) -> bytes:
    """What members sign blind about a wallet; about nobody, what a member's key is for."""
    return digest(deployment.domain(), Band(job, terms, band, wallet))


def key_digest(deployment: Deployment, job: int, terms: bytes, band: int, key: bytes) -> bytes:
    """What a member signs to say that a key is its own."""
    return digest(deployment.domain(), BandKey(job, terms, band, keccak(key)))


def keys_of(
    deployment: Deployment, job: int, terms: bytes, told: Sequence[SignedBandKey]
) -> dict[tuple[Address, int], bytes]:
    """(member, band) -> key. Raises Refused for one that no member has signed, and for two keys of a member for one band."""
    found: dict[tuple[Address, int], bytes] = {}
    for one in told:
        member = recover(key_digest(deployment, job, terms, one.band, one.key), one.signature)
        if member not in deployment.committee.members:
            raise Refused("no-band", "the key of a band is not signed by a member")
        if found.setdefault((member, one.band), one.key) != one.key:
            raise Refused("no-band", "a member has two keys for one band: by them it could tell workers apart")
    return found


def check(deployment: Deployment, shown: Credential, told: Sequence[SignedBandKey]) -> None:
    """That a quorum of members has signed it, by the keys that they told. Raises Refused."""
    keys = keys_of(deployment, shown.job, shown.terms, told)
    message = subject(deployment, shown.job, shown.terms, shown.band, shown.wallet)
    known = {m: keys[m, shown.band] for m in shown.signatures if (m, shown.band) in keys}
    good = sum(blind.verify(key, message, shown.signatures[member]) for member, key in known.items())
    if good < deployment.committee.quorum:
        raise Refused("no-band", f"{good} members signed this credential, {deployment.committee.quorum} are needed")
