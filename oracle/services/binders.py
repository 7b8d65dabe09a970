"""Who bound an assignment by signature: recovered once, then remembered.

digest, signature -> a member's or not. What is remembered is exactly what was recovered, or signed here: the 32 bytes and the
signature under them, so nothing passes that a recovery would not pass.
"""

from collections.abc import Collection

from oracle.protocol.keys import Address, BadSignature, recover

KEPT = 1 << 17  # pairs; the oldest make room


class Binders:
    """Knows the committee; safe between threads."""

    def __init__(self, members: Collection[Address]) -> None:
        self._members = frozenset(members)
        self._known: dict[tuple[bytes, bytes], None] = {}

    def remember(self, digest: bytes, signature: bytes) -> None:
        """To be called for what a member signed, and nothing else."""
        self._known[digest, signature] = None
        while len(self._known) > KEPT:
            self._known.pop(next(iter(self._known)), None)

    def bound(self, digest: bytes, signature: bytes) -> bool:
        """Whether a member of the committee signed the digest."""
        if (digest, signature) in self._known:
            return True
        try:
            found = recover(digest, signature) in self._members
        except BadSignature:
            return False
        if found:
            self.remember(digest, signature)
        return found
