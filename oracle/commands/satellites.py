"""What `dispute`, `court` and `hatch` share: a deployment from a home or from outside, and transactions of one key.

Nobody is trusted: what is shown is the chain's, what is proven comes from the chain and a copy of the data, and a contract refuses
what does not hold. Every transaction goes through the outbox of the home.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from oracle.adapters.satellites import Satellite
from oracle.commands.refuting import Place, opened, state_of
from oracle.ports import Call, Posted, Signer
from oracle.protocol.epoch import Epoch
from oracle.protocol.errors import BadInput, ContentMissing
from oracle.protocol.keys import Address, checksum
from oracle.protocol.state import EpochStatus, Job, Post, State
from oracle.services import refute
from oracle.services.refute import Refuter

__all__ = ["Place", "Scene", "hexed", "opened_scene", "text"]


@dataclass(slots=True)
class Scene:
    """A deployment as it is now, and what was sent to it. `chain` is that of the refuter, whose types a port does not have."""

    refuter: Refuter
    chain: Any
    state: State
    now: int
    sent: list[dict[str, Any]] = field(default_factory=list)

    @property
    def signer(self) -> Signer:
        if self.refuter.purse is None:
            raise BadInput("--key is needed for this: a keystore of HOME/keys, or a file")
        return self.refuter.purse.signer

    def send(self, call: Call, kind: str) -> None:
        """Once for each call and next nonce of the account: what is done can be done again, and what was cut off goes on."""
        named = replace(call, what=f"{call.what} ({self.chain.nonce(self.signer.address)})")
        transaction, gas = self.refuter.send(named, kind)
        self.sent.append({"what": call.what, "transaction": "0x" + transaction.hex(), "gas": gas})

    def posted(self, post: Post) -> Posted:
        return refute.posted_of(self.refuter, self.state, post)

    def data(self, post: Post) -> Epoch:
        """Raises ContentMissing where the store does not give all of it."""
        if epoch := refute.data_of(self.refuter, post):
            return epoch
        raise ContentMissing(f"the data of epoch {post.epoch} is not in the store: without it nothing can be proven")

    def final_data(self) -> Iterator[tuple[Post, Epoch]]:
        """Of the final epochs, those whose data is there: what cannot be read says nothing, for nor against anybody."""
        for post in self.state.posts.values():
            epoch = refute.data_of(self.refuter, post) if post.status is EpochStatus.FINAL else None
            if epoch:
                yield post, epoch

    def job(self, number: int) -> Job:
        if number not in self.state.jobs:
            raise BadInput(f"--job {number}: there are jobs 1 to {len(self.state.jobs)}")
        return self.state.jobs[number]

    def withdraw(self, satellite: Satellite, kind: str) -> int:
        """Takes the signer's credit; how many wei."""
        amount: int = satellite.ask("creditOf", self.signer.address)
        if amount:
            self.send(satellite.call(f"withdraw from {satellite.name}", "withdraw"), kind)
        return amount


@contextmanager
def opened_scene(place: Place, signer: Signer | None, what: str) -> Iterator[Scene]:
    with opened(place, signer, what) as refuter:
        state, now = state_of(refuter)
        yield Scene(refuter, refuter.chain, state, now)


def hexed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Bytes as hex and addresses with their checksum, for a document."""
    return {name: _hexed(value) for name, value in fields.items()}


def _hexed(value: Any) -> Any:
    if isinstance(value, bytes):
        return checksum(Address(value)) if len(value) == 20 else "0x" + value.hex()
    return [_hexed(item) for item in value] if isinstance(value, list | tuple) else value


def text(document: dict[str, Any]) -> str:
    lines = []
    for name, value in document.items():
        if isinstance(value, list):
            lines += [
                f"  - {name}: " + ("  ".join(f"{k} {v}" for k, v in one.items()) if isinstance(one, dict) else str(one))
                for one in value
            ]
        elif isinstance(value, dict):
            lines.append(f"  {name:12} " + "  ".join(f"{k} {v}" for k, v in value.items()))
        else:
            lines.append(f"  {name:12} {value}")
    return "\n".join(lines)
