"""A member of a federation: trains on its records, says what a round asks of it, and refuses what would show them.

It takes the server for hostile: keys count if their wallet signed them, groups are worked out here, secrets are shown once and for
a set of survivors that a quorum signed. What it trained is durable before it leaves: a member that was killed sends the same
update again, and never spends privacy twice on a round.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from oracle.federated import masks, rounds, train
from oracle.federated.plan import Plan
from oracle.federated.rounds import Message, Start
from oracle.federated.train import Records
from oracle.protocol.cids import Cid, Codec, cid_of, decode, encode
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.keys import Address, require_signer
from oracle.protocol.sharing import SHARE, split

Float = NDArray[np.float64]
Trainer = Callable[[Plan, NDArray[np.float32], Records, float], Float]


class Signs(Protocol):
    @property
    def address(self) -> Address: ...
    def sign(self, digest: bytes) -> bytes: ...


@dataclass(slots=True)
class _Part:
    """What a member keeps to itself in one attempt at a round."""

    start: Start
    cipher: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    mask: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    own: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    keys: dict[int, dict[str, bytes]] = field(default_factory=dict)  # of who is in the round
    kept: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)  # shares of b_v and of v's key
    came: tuple[int, ...] = ()
    said: dict[str, Message] = field(default_factory=dict)


class Member:
    """One member. `memory`: the file that outlives it. Raises BadInput for records that the plan cannot train on."""

    def __init__(
        self, plan: Plan, signer: Signs, records: Records, memory: Path, trainer: Trainer = train.update
    ) -> None:
        if signer.address not in plan.members:
            raise BadInput(f"0x{signer.address.hex()} is no member of the plan")
        train.check(records, plan)
        self.plan, self.number = plan, plan.members.index(signer.address)
        self._name = cid_of(plan.block(), Codec.DAG_CBOR)
        self._signer, self._records, self._memory, self._trainer = signer, records, memory, trainer
        self._noise = train.noise(plan)
        self._part: _Part | None = None

    def epsilon(self) -> float:
        """What the updates that were sent may have revealed of a record."""
        trained, _, _ = self._recall()
        return train.spent(self.plan, self._noise, trained * self.plan.steps)

    def answer(self, view: dict[str, Any]) -> Message | None:
        """What the round wants of this member now; None if nothing. Raises Refused where it will not say it."""
        start = Start(*view["start"])
        phase = view["phase"]
        if start.plan != self._name:
            raise Refused("other-plan", f"the server runs plan {start.plan}, not {self._name}")
        if phase == rounds.KEYS and (self._part is None or self._part.start != start):
            self._part = _Part(start)
        part = self._part
        if part is None or part.start != start or phase not in _STEPS:
            return None
        if phase not in part.said:
            body = _STEPS[phase](self, part, view)
            message = Message(start.id, phase, self.number, body)
            part.said[phase] = replace(message, signature=self._signer.sign(message.digest()))
        return part.said[phase]

    # ---------------------------------------------------------------- phases

    def _keys(self, part: _Part, _: dict[str, Any]) -> Any:
        return {"cipher": masks.public(part.cipher), "mask": masks.public(part.mask), "own": masks.commit(part.own)}

    def _shares(self, part: _Part, view: dict[str, Any]) -> Any:
        for member, body, signature in view["keys"]:
            said = Message(part.start.id, rounds.KEYS, member, body)
            require_signer(self.plan.members[member], said.digest(), signature, f"the keys of member {member}")
            part.keys[member] = body
        if len(part.keys) < self.plan.quorum or self.number not in part.keys:
            raise Refused("too-few", f"{len(part.keys)} members gave keys, {self.plan.quorum} are needed, this one too")
        if len({body["mask"] for body in part.keys.values()}) < len(part.keys):
            raise Refused("bad-key", "two members have the same key")
        own = split(part.own, self.plan.quorum, list(part.keys))
        key = split(part.mask, self.plan.quorum, list(part.keys))
        part.kept[self.number] = own[self.number], key[self.number]
        to = [
            [m, masks.seal(self._channel(part, m), own[m] + key[m], _about(part.start, self.number, m))]
            for m in part.keys
            if m != self.number
        ]
        return {"to": to}

    def _vectors(self, part: _Part, view: dict[str, Any]) -> Any:
        shared = {self.number}
        for sender, sealed in view["sealed"].get(str(self.number), []):
            if sender not in part.keys or sender == self.number:
                raise Refused("stranger", f"a share of member {sender}, who gave no keys")
            shared.add(sender)
            opened = masks.unseal(self._channel(part, sender), sealed, _about(part.start, sender, self.number))
            if opened is not None:
                part.kept[sender] = opened[:SHARE], opened[SHARE:]
        if len(shared) < self.plan.quorum:
            raise Refused("too-few", f"{len(shared)} members shared their secrets, {self.plan.quorum} are needed")
        group = next(g for g in self._groups(part) if self.number in g)
        others = {m: part.keys[m]["mask"] for m in group if m in shared and m != self.number}
        if not others:
            raise Refused("alone", "nobody else is left in this group: the sum would be this update alone")
        words = masks.quantise(self._trained(part.start, view["model"]))
        part.keys = {m: part.keys[m] for m in shared}
        return {"sum": masks.pack(masks.mask(words, part.own, part.mask, self.number, others, part.start.id))}

    def _consents(self, part: _Part, view: dict[str, Any]) -> Any:
        came = view["came"]
        if not set(came) <= part.keys.keys() or len(set(came)) < self.plan.quorum or self.number not in came:
            raise Refused("too-few", f"the server names {len(set(came))} vectors of members who shared their secrets")
        part.came = tuple(sorted(set(came)))
        return {"came": list(part.came)}

    def _reveals(self, part: _Part, view: dict[str, Any]) -> Any:
        signed = set()
        for member, signature in view["consents"]:
            said = Message(part.start.id, rounds.CONSENTS, member, {"came": list(part.came)})
            require_signer(self.plan.members[member], said.digest(), signature, f"the consent of member {member}")
            signed.add(member)
        if len(signed & set(part.came)) < self.plan.quorum:
            raise Refused(
                "too-few", f"{len(signed)} members agree on whose vectors came, {self.plan.quorum} are needed"
            )
        own, lost = rounds.revealed(self._groups(part), part.keys, part.came)
        return {
            "own": [[m, part.kept[m][0]] for m in sorted(own) if m in part.kept],
            "lost": [[m, part.kept[m][1]] for m in sorted(lost) if m in part.kept],
        }

    # ---------------------------------------------------------------- inside

    def _groups(self, part: _Part) -> list[tuple[int, ...]]:
        return masks.groups(range(len(self.plan.members)), self.plan.groups, part.start.id)

    def _channel(self, part: _Part, other: int) -> bytes:
        return masks.agreed(part.cipher, part.keys[other]["cipher"], b"share" + part.start.id)

    def _trained(self, start: Start, model: bytes) -> Float:
        """The update of this round, from memory if it was trained before."""
        if cid_of(model, Codec.RAW) != start.before or len(model) != 4 * self.plan.numbers:
            raise Refused("other-model", "the model that the server sent is not the one that the round names")
        trained, before, update = self._recall()
        if trained == start.number and before == start.before:
            return np.frombuffer(update, np.float64)
        if start.number <= trained:
            raise Refused(
                "trained-before", f"round {trained} is trained: going back to {start.number} would spend privacy twice"
            )
        if start.number > self.plan.rounds:
            raise Refused("budget-spent", f"the plan has {self.plan.rounds} rounds")
        found = self._trainer(self.plan, np.frombuffer(model, "<f4"), self._records, self._noise)
        masks.quantise(found)
        self._remember(start.number, start.before, found.tobytes())
        return found

    def _recall(self) -> tuple[int, Cid, bytes]:
        """(last round that was trained, the model that it began with, the update)"""
        try:
            name, trained, before, update = decode(self._memory.read_bytes())  # type: ignore[misc]
        except FileNotFoundError:
            return 0, Cid(""), b""
        except (BadInput, TypeError, ValueError):
            raise BadInput(f"{self._memory} is damaged: without it nobody knows what privacy is spent") from None
        if name != self._name:
            raise BadInput(f"{self._memory} belongs to another plan")
        return trained, before, update  # type: ignore[return-value]

    def _remember(self, trained: int, before: Cid, update: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self._memory.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(encode([self._name, trained, before, update]))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(self._memory)


def _about(start: Start, sender: int, receiver: int) -> bytes:
    return start.id + sender.to_bytes(4, "big") + receiver.to_bytes(4, "big")


_STEPS: dict[str, Callable[[Member, _Part, dict[str, Any]], Any]] = {
    rounds.KEYS: Member._keys,
    rounds.SHARES: Member._shares,
    rounds.VECTORS: Member._vectors,
    rounds.CONSENTS: Member._consents,
    rounds.REVEALS: Member._reveals,
}
