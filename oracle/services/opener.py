"""How a member opens answers: alone, or with what others tell it of answers whose key is split.

its own key + Shares of others -> openings. A member tells its shares of a task when a quorum says that it is closed with the very
answers that it holds itself. They are sealed to the members and signed: who passes them on reads nothing. Of an answer that its
worker sealed rightly, and signed no other beside it, every honest member that holds it has a right share. So it is unopened only
when a quorum has told what it holds there, and f+1 shares of that do not open it: its worker, and nobody else, is to blame.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from secrets import token_bytes
from threading import Lock
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from oracle.ports import Holding, Shares, Signer, StoredAnswer
from oracle.protocol import jobkey, sealing
from oracle.protocol.cids import decode, encode
from oracle.protocol.deployment import Deployment
from oracle.protocol.errors import BadInput, CrowdproofError
from oracle.protocol.hashing import keccak, tagged
from oracle.protocol.jobkey import Wrapped
from oracle.protocol.keys import Address, recover
from oracle.protocol.sealing import OVERHEAD, is_threshold
from oracle.protocol.sharing import SECRET
from oracle.services import draft
from oracle.services.draft import Opened

ABOUT, HELD = b"shares", b"held"
ONCE = bytes(12)  # the nonce of a key that is used once
Place = tuple[int, int, int]  # job, task, worker
Told = dict[Place, tuple[int, bytes]]  # a member's position and its share, empty where it has none
Said = dict[tuple[int, int], tuple[bool, bytes]]  # (job, task) -> whether it is closed, the hash of the answers held


class Opener:
    """Holds a member's key, and the last that each member told; all of it can be told again. Safe between threads."""

    def __init__(
        self, deployment: Deployment, signer: Signer, committees: Callable[[], Iterable[Sequence[Address]]]
    ) -> None:
        """`committees`: the members of each that was before."""
        self._deployment, self._signer, self._before = deployment, signer, committees
        self._told: Mapping[Address, Told] = {}  # replaced, never changed: others may be reading
        self._turn = Lock()

    def open(self, place: Place, commitment: bytes, envelope: bytes) -> Opened | None:
        """What opens the commitment, as far as it is known here."""
        if is_threshold(envelope):
            found = (self._joined(place, members, commitment, envelope) for members in self._sizes())
        else:
            found = (self._signer.unseal(*seat, commitment, envelope) for seat in self._seats())
        return next((opened for opened in found if draft.fits(*place, commitment, opened)), None)

    def unseal(self, bound: bytes, envelope: bytes) -> Opened | None:
        """What was sealed to each member alone, whatever it is bound to."""
        opened = (self._signer.unseal(*seat, bound, envelope) for seat in self._seats())
        return next((found for found in opened if found is not None), None)

    def is_known(self, place: Place, commitment: bytes, envelope: bytes) -> bool:
        """Whether it can be said by now if this opens: it does, or a quorum has told what it holds of this worker there."""
        if not is_threshold(envelope) or self.open(place, commitment, envelope):
            return True
        return sum(place in told for told in self._told.values()) >= self._deployment.committee.quorum

    def unwrap(self, wrapped: Wrapped, requester: Address) -> bytes | None:
        """The key of a job that this requester sealed to a committee with this member in it."""
        for position, members in self._seats():
            if len(wrapped.parts) == members * jobkey.PART:
                found = self._signer.open(*jobkey.about_part(wrapped, requester, position))
                if found and jobkey.hash_of(found) == wrapped.hash:
                    return found
        return None

    # ------------------------------------------------------------------------------------------------------ shares

    def attest(self, said: Said) -> Holding:
        """Signs what this member holds."""
        blob = encode([[*place, *row] for place, row in said.items()])
        return Holding(blob, self._signer.sign(self._digest(HELD, blob)))

    def holders(self, holdings: Iterable[Holding]) -> Counter[tuple[int, int, bool, bytes]]:
        """How many members say so, for each (job, task, closed, hash). What is of no member, or nonsense, counts as not said."""
        said = {signer: one.said for one in holdings if (signer := self._by(HELD, one.said, one.signature))}
        return Counter(row for blob in said.values() for row in _rows(blob))

    def tell(self, answers: Iterable[StoredAnswer], keys: Mapping[int, bytes]) -> Shares | None:
        """This member's shares of closed answers, and keys of sealed jobs; None where there are neither."""
        own, known = self._signer.address, self._told.get(self._signer.address, {})
        split = {(a.job, a.task, a.worker): a for a in answers if is_threshold(a.envelope)}
        told = {place: known.get(place) or self._share(a) for place, a in split.items()}
        self._keep({own: told})
        if not told and not keys:
            return None
        said: list[Any] = [
            [[*place, *row] for place, row in told.items()],
            [list(pair) for pair in sorted(keys.items())],
        ]
        key, plain = token_bytes(SECRET), encode(said)
        about = ABOUT + self._deployment.configuration()
        parts = [sealing.to_one(seal_key, about, key) for seal_key in self._deployment.committee.seal_keys]
        sealed = b"".join([*parts, ChaCha20Poly1305(key).encrypt(ONCE, plain, about)])
        return Shares(sealed, self._signer.sign(self._digest(ABOUT, sealed)))

    def learn(self, told: Iterable[Shares]) -> list[tuple[int, bytes]]:
        """Keeps the shares that members tell, and gives the (job, key) that they say; passes over what is of nobody else: one

        liar's junk among it keeps nobody from the rest.
        """
        found = {signer: one for one in told if (signer := self._by(ABOUT, one.sealed, one.signature))}
        read = {member: self._read(one.sealed) for member, one in found.items()}
        self._keep({member: shares for member, (shares, _) in read.items()})
        return [pair for _, keys in read.values() for pair in keys]

    def _by(self, about: bytes, blob: bytes, signature: bytes) -> Address | None:
        """The member who signed it."""
        with suppress(CrowdproofError):
            signer = recover(self._digest(about, blob), signature)
            return signer if signer in self._deployment.committee.members else None
        return None

    def _keep(self, told: Mapping[Address, Told]) -> None:
        with self._turn:
            self._told = {**self._told, **told}

    def _read(self, sealed: bytes) -> tuple[Told, list[tuple[int, bytes]]]:
        """What one member told; nothing where it is nonsense: that is its own problem."""
        members = self._deployment.committee.members
        size, about = OVERHEAD + SECRET, ABOUT + self._deployment.configuration()
        at = members.index(self._signer.address) * size
        key = self._signer.open(about, sealed[at : at + size])
        try:
            plain = ChaCha20Poly1305(key or b"").decrypt(ONCE, sealed[len(members) * size :], about)
            said: Any = decode(plain)
            rows, keys = said
            shares = {(j, t, w): (at, share) for j, t, w, at, share in rows if type(at) is int and type(share) is bytes}
            return shares, [(job, key) for job, key in keys if type(job) is int and type(key) is bytes]
        except (InvalidTag, ValueError, TypeError, BadInput):
            return {}, []

    def _joined(self, place: Place, members: int, commitment: bytes, envelope: bytes) -> Opened | None:
        rows = [told[place] for told in self._told.values() if place in told]
        shares = {at: share for at, share in rows if sealing.is_share(at, members, commitment, envelope, share)}
        return sealing.joined(shares, members, commitment, envelope)

    def _share(self, a: StoredAnswer) -> tuple[int, bytes]:
        for seat in self._seats():
            if found := self._signer.share(*seat, a.commitment, a.envelope):
                return seat[0], found
        return 0, b""

    def _digest(self, about: bytes, blob: bytes) -> bytes:
        return tagged(about.decode(), self._deployment.configuration(), keccak(blob))

    # ------------------------------------------------------------------------------------------------------- seats

    def _committees(self) -> list[Sequence[Address]]:
        return [self._deployment.committee.members, *self._before()]

    def _seats(self) -> dict[tuple[int, int], None]:
        """Which part of how many is ours: as it is now, and in each committee before that we were in."""
        own = self._signer.address
        return dict.fromkeys((ms.index(own), len(ms)) for ms in self._committees() if own in ms)

    def _sizes(self) -> dict[int, None]:
        return dict.fromkeys(len(members) for members in self._committees())


def _rows(blob: bytes) -> set[tuple[int, int, bool, bytes]]:
    """What one member says; nothing where it is nonsense."""
    try:
        rows: Any = decode(blob)
        return {(job, task, closed, held) for job, task, closed, held in rows}
    except (ValueError, TypeError, BadInput):
        return set()
