"""A deployment: the contracts, their constants and the committee, and the digests that bind signatures to them.

Everything here can be read back from the chain; `deployment.json` is only where it is remembered.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.protocol.hashing import keccak, tag, tagged, word, words
from oracle.protocol.keys import Address
from oracle.protocol.messages import Domain

NOBODY: Address = bytes(20)


@dataclass(frozen=True, slots=True)
class Committee:
    """Members ascending by address, each with the X25519 key to which answers are sealed."""

    address: Address
    members: tuple[Address, ...]
    seal_keys: tuple[bytes, ...]
    quorum: int

    def digest(self) -> bytes:
        n = len(self.members)
        head = words(tag("committee"), 128, 128 + 32 * (n + 1), self.quorum)
        return keccak(head + _array(self.members) + _array(self.seal_keys))


@dataclass(frozen=True, slots=True)
class Deployment:
    """`unit`: the token's smallest units in one amount; `window`: seconds to challenge; `block`: where events begin.

    `referee`, `disputes` and `hatch` are the contracts that may act on the Market; zero: nobody may.
    """

    chain_id: int
    market: Address
    workers: Address
    committee: Committee
    referee: Address
    token: Address
    unit: int
    window: int
    block: int
    disputes: Address = NOBODY
    hatch: Address = NOBODY

    def digest(self) -> bytes:
        satellites = (self.referee, self.disputes, self.hatch)
        contracts = (self.market, self.workers, self.committee.address, *satellites, self.token)
        return tagged("deployment", self.chain_id, *contracts, self.unit, self.window)

    def configuration(self) -> bytes:
        """What a header must name: the deployment with its committee as it is now."""
        return tagged("configuration", self.digest(), self.committee.digest())

    def domain(self) -> Domain:
        return Domain(self.chain_id, self.market)

    def workers_domain(self) -> Domain:
        """The domain of Register: Workers serves every Market of a chain."""
        return Domain(self.chain_id, self.workers)

    def committee_domain(self) -> Domain:
        """The domain of Change: a Committee serves every Market that names it."""
        return Domain(self.chain_id, self.committee.address)


def _array(items: Sequence[bytes]) -> bytes:
    return word(len(items)) + words(*items)
