"""A committee member that lies in every answer, with the real member's key and place: what f of 3f+1 may do."""

import secrets
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

from api import member as member_app
from api import serve as serving
from oracle.bootstrap import open_member
from oracle.config import Home
from oracle.ports import Evidence, Incomplete, OfferedAssignment, Proposal, StoredAnswer
from oracle.protocol.errors import Refused
from oracle.protocol.messages import Header, Receipt
from oracle.services.member import Member


def member(home: Path, number: int, listening: socket.socket) -> None:
    """In the place of `api.serve:member`."""
    place = Home(home)
    honest, content = open_member(place, number)
    liar: Any = Liar(honest)
    serving.run(member_app.create_app(liar, content, place.secret("token")), listening)


class Liar:
    """Offers with junk signatures, receipts what it does not keep, proposes and signs nonsense, denies all others' work."""

    def __init__(self, honest: Member) -> None:
        self._honest = honest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._honest, name)

    def assign(self, pairs: list[tuple[int, int, int]]) -> list[OfferedAssignment]:
        return [
            OfferedAssignment(j, t, w, 1 << 40, secrets.token_bytes(32), secrets.token_bytes(65)) for j, t, w in pairs
        ]

    def accept(self, answers: list[StoredAnswer]) -> tuple[Receipt, bytes]:
        return Receipt(secrets.token_bytes(32), len(answers)), secrets.token_bytes(65)

    def propose(self, evidence: Evidence) -> Proposal | None:
        """The real epoch, paid to nobody."""
        found = self._honest.propose(evidence)
        return replace(found, header=replace(found.header, balances=secrets.token_bytes(32))) if found else None

    def review(self, header: Header) -> None:
        raise Refused("wrong-epoch", "a lie")

    def approve(self, header: Header) -> bytes:
        raise Incomplete("a lie", Evidence(openings=((1, 0, 1, b"\0", secrets.token_bytes(32)),)))
