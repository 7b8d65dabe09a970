"""A round as a fold over signed messages: the same messages give the same round, so that a server that was killed reads on.

keys -> shares -> vectors -> consents -> reveals -> done, or void where too few are left. In each phase those are expected who took
part in the one before; it ends when all have spoken, or when its time is up and a quorum has. What is no message of its phase is
refused with the reason, and changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from oracle.federated import masks
from oracle.federated.plan import Plan
from oracle.protocol.cids import Cid, decode, digest_of, encode
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.keys import require_signer
from oracle.protocol.sharing import SHARE

KEYS, SHARES, VECTORS, CONSENTS, REVEALS, DONE, VOID = PHASES = (
    "keys",
    "shares",
    "vectors",
    "consents",
    "reveals",
    "done",
    "void",
)
DOMAIN = b"crowdproof federated message\0"
SEALED = 12 + 2 * SHARE + 16  # bytes of two shares under AES-GCM


@dataclass(frozen=True, slots=True)
class Start:
    """Which round of which plan: `attempt` from 1, `before` the model that it begins with, `previous` the last round's block."""

    plan: Cid
    number: int  # from 1
    attempt: int
    before: Cid
    previous: Cid | None

    @property
    def id(self) -> bytes:
        digests = [digest_of(self.plan), digest_of(self.before), digest_of(self.previous) if self.previous else b""]
        return hashlib.sha256(b"crowdproof federated round\0" + encode([self.number, self.attempt, *digests])).digest()


@dataclass(frozen=True, slots=True)
class Message:
    """What a member says in a phase; `body` by phase, see `Round`. Its wallet signs `digest`."""

    round_id: bytes
    phase: str
    member: int
    body: Any  # a dag-cbor value
    signature: bytes = b""

    def digest(self) -> bytes:
        return hashlib.sha256(DOMAIN + encode([self.round_id, self.phase, self.member, self.body])).digest()

    def block(self) -> bytes:
        return encode([self.round_id, self.phase, self.member, self.body, self.signature])


def read_message(data: bytes) -> Message:
    """Raises BadInput. NaN and infinite numbers have no encoding, so they end here too."""
    value = decode(data)
    if not isinstance(value, list) or [type(part) for part in value] != [bytes, str, int, dict, bytes]:
        raise BadInput("a message is [round id, phase, member, body, signature]")
    return Message(*value)


@dataclass(frozen=True, slots=True)
class Total:
    """What became of a group: the sum of the vectors that came, or why there is none."""

    members: tuple[int, ...]
    came: tuple[int, ...]
    words: masks.Words | None
    why: str = ""


class Round:
    """The messages of a round so far. `check`, make it durable, then `add`: so goes every message.

    Bodies: keys {cipher, mask, own}: two X25519 keys, the commitment to b_u; shares {to: [[member, sealed], ...]}; vectors {sum};
    consents {came: [member, ...]}; reveals {own, lost: [[member, share], ...]}.
    """

    def __init__(self, plan: Plan, start: Start) -> None:
        self.plan, self.start = plan, start
        self.groups = masks.groups(range(len(plan.members)), plan.groups, start.id)
        self.phase, self.why = KEYS, ""
        self._said: dict[str, dict[int, Message]] = {phase: {} for phase in PHASES}

    def took_part(self, phase: str) -> dict[int, Any]:
        """Member -> body."""
        return {member: message.body for member, message in sorted(self._said[phase].items())}

    def expected(self) -> set[int]:
        """Who may speak in this phase."""
        at = PHASES.index(self.phase)
        return set(self._said[PHASES[at - 1]]) if at else set(range(len(self.plan.members)))

    def waits_for(self, member: int) -> bool:
        return self.phase in _CHECKS and member in self.expected() and member not in self._said[self.phase]

    def check(self, message: Message) -> bool:
        """Whether it is new. Raises Refused with the reason."""
        if message.round_id != self.start.id:
            raise Refused("other-round", f"round {self.start.number}, attempt {self.start.attempt} is what runs here")
        if not 0 <= message.member < len(self.plan.members):
            raise Refused("stranger", f"member {message.member} is not in the plan")
        require_signer(self.plan.members[message.member], message.digest(), message.signature, "the message")
        before = self._said.get(message.phase, {}).get(message.member)
        if before is not None:
            if before.body == message.body:
                return False
            raise Refused("said-before", f"member {message.member} has said something else in phase {message.phase}")
        if message.phase != self.phase or message.phase not in _CHECKS:
            raise Refused("other-phase", f"the round is in phase {self.phase}, not {message.phase[:20]}")
        if message.member not in self.expected():
            raise Refused("dropped", f"member {message.member} took no part in the phase before")
        _CHECKS[message.phase](self, message.member, message.body)
        return True

    def add(self, message: Message) -> None:
        """A message that `check` found new."""
        self._said[self.phase][message.member] = message
        if len(self._said[self.phase]) == len(self.expected()):
            self.phase = PHASES[PHASES.index(self.phase) + 1]

    def close(self) -> None:
        """The phase's time is up."""
        here = len(self._said[self.phase])
        if here >= self.plan.quorum:
            self.phase = PHASES[PHASES.index(self.phase) + 1]
        else:
            self.why = f"{here} members in phase {self.phase}, {self.plan.quorum} are needed"
            self.phase = VOID

    def view(self) -> dict[str, Any]:
        """What members need for this phase; the sealed shares of each by its number."""
        if self.phase == SHARES:
            keys = self._said[KEYS]
            return {"keys": [[m, keys[m].body, keys[m].signature] for m in sorted(keys)]}
        if self.phase == VECTORS:
            return {"sealed": self._sealed()}
        if self.phase == CONSENTS:
            return {"came": sorted(self._said[VECTORS])}
        if self.phase == REVEALS:
            return {"consents": [[m, said.signature] for m, said in sorted(self._said[CONSENTS].items())]}
        return {}

    def _sealed(self) -> dict[str, list[Any]]:
        """Receiver -> [[sender, sealed], ...]"""
        found: dict[str, list[Any]] = {str(member): [] for member in self._said[SHARES]}
        for sender, body in self.took_part(SHARES).items():
            for receiver, sealed in body["to"]:
                if str(receiver) in found:
                    found[str(receiver)].append([sender, sealed])
        return found

    def totals(self) -> list[Total]:
        """Of each group, once the round is done."""
        shared, came = set(self._said[SHARES]), self.took_part(VECTORS)
        return [
            self._total(group, [m for m in group if m in came], [m for m in group if m in shared - came.keys()])
            for group in self.groups
        ]

    def _total(self, group: tuple[int, ...], came: list[int], lost: list[int]) -> Total:
        if len(came) < masks.FEWEST:
            return Total(
                group,
                tuple(came),
                None,
                f"{len(came)} of {len(group)} members are left: a sum would be one member's update",
            )
        keys, width = self.took_part(KEYS), self.plan.numbers + 1
        own = {m: self._restored("own", m, keys[m]["own"], masks.commit) for m in came}
        gone = {m: self._restored("lost", m, keys[m]["mask"], masks.public) for m in lost}
        if bad := [m for m, secret in {**own, **gone}.items() if secret is None]:
            return Total(group, tuple(came), None, f"the shares of member {bad[0]} make no secret of its")
        vectors = {m: masks.unpack(self.took_part(VECTORS)[m]["sum"], width) for m in came}
        known = {m: keys[m]["mask"] for m in group if m in keys}
        return Total(group, tuple(came), masks.unmask(vectors, own, gone, known, self.start.id))  # type: ignore[arg-type]

    def _restored(self, which: str, member: int, expected: bytes, image: Callable[[bytes], bytes]) -> bytes | None:
        shares = {m: dict(body[which]).get(member) for m, body in self.took_part(REVEALS).items()}
        known = {m: share for m, share in shares.items() if share is not None}
        return masks.find(known, self.plan.quorum, expected, image)


# ---------------------------------------------------------------- bodies


def _fields(body: Any, **kinds: Any) -> None:
    if not isinstance(body, Mapping) or body.keys() != kinds.keys():
        raise Refused("shape", f"a message of this phase holds {', '.join(kinds)}, and nothing else")
    for name, kind in kinds.items():
        if not isinstance(body[name], kind):
            raise Refused("shape", f"{name}: {kind.__name__} is needed, not {type(body[name]).__name__}")


def _pairs(name: str, value: Any, allowed: Collection[int], size: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for item in value:
        right = isinstance(item, list) and len(item) == 2 and isinstance(item[0], int) and isinstance(item[1], bytes)
        if not right or item[0] not in allowed or item[0] in found or len(item[1]) != size:
            raise Refused("shape", f"{name}: pairs of a member that is asked about, once, and {size} bytes")
        found[item[0]] = item[1]
    return found


def _keys(_: Round, __: int, body: Any) -> None:
    _fields(body, cipher=bytes, mask=bytes, own=bytes)
    if any(len(body[name]) != 32 for name in body):
        raise Refused("shape", "keys and the commitment have 32 bytes each")


def _shares(of: Round, member: int, body: Any) -> None:
    _fields(body, to=list)
    others = of.expected() - {member}
    if _pairs("to", body["to"], others, SEALED).keys() != others:
        raise Refused("shape", "to: everybody else who gave keys gets a share")


def _vectors(of: Round, _: int, body: Any) -> None:
    if isinstance(body, Mapping) and isinstance(body.get("sum"), list):
        raise Refused("shape", "sum: a masked vector comes as bytes, 8 for a number; plain numbers are no secret")
    _fields(body, sum=bytes)
    masks.unpack(body["sum"], of.plan.numbers + 1)


def _consents(of: Round, _: int, body: Any) -> None:
    _fields(body, came=list)
    if body["came"] != sorted(of.took_part(VECTORS)):
        raise Refused("shape", "came: not the members whose vectors came")


def _reveals(of: Round, _: int, body: Any) -> None:
    _fields(body, own=list, lost=list)
    own, lost = revealed(of.groups, of.took_part(SHARES), of.took_part(VECTORS))
    _pairs("own", body["own"], own, SHARE)
    _pairs("lost", body["lost"], lost, SHARE)


_CHECKS = {KEYS: _keys, SHARES: _shares, VECTORS: _vectors, CONSENTS: _consents, REVEALS: _reveals}


def revealed(
    groups: list[tuple[int, ...]], shared: Collection[int], came: Collection[int]
) -> tuple[set[int], set[int]]:
    """Whose b_u, and whose key is restored: nothing of a group of which fewer than two vectors came."""
    safe = {m for group in groups if sum(m in came for m in group) >= masks.FEWEST for m in group}
    return safe & set(came), (safe & set(shared)) - set(came)
