"""A release of noisy statistics, in the order that keeps its promise: work out, then spend and store in one write, then tell.

What was worked out and not stored is never told, and what is stored is told again at no cost: cut off anywhere, nothing is half
released, and nothing is spent for nothing that cannot be had.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from oracle.ports import Database
from oracle.privacy import budget as money
from oracle.privacy import release
from oracle.privacy.budget import Budget, Cost, Entry
from oracle.privacy.release import Query, Row
from oracle.protocol.errors import Refused
from oracle.protocol.keys import Address


class LedgerKey(Protocol):
    """What signs the ledger."""

    @property
    def address(self) -> Address: ...
    def sign(self, digest: bytes) -> bytes: ...


def publish(
    database: Database,
    signer: LedgerKey,
    dataset: str,
    query: Query,
    rows: Iterable[Row],
    classes: Sequence[str],
    epochs: Sequence[int],
    now: int,
) -> Entry:
    """The entry with its result. Raises Refused("no-budget"), ("budget-spent"), ("too-few-workers"); BadInput for a misfit.

    What is refused for its budget is refused before noise is drawn, and once more in the turn in which it would be written.
    """
    known = database.budget(dataset)
    if known is None:
        raise Refused("no-budget", f"{dataset} has no budget: nothing of it is released")
    document, price, entries = query.document(), release.cost(query), database.entries(dataset)
    asked = next((entry for entry in entries if entry.query == document), None)
    if asked is not None:
        return asked
    money.require(known, [entry.cost for entry in entries], price)
    result = release.run(query, rows, classes, epochs)

    def make(budget: Budget, costs: Sequence[Cost], number: int, previous: bytes) -> Entry:
        money.require(budget, costs, price)
        entry = Entry(dataset, number, document, price, result, now, previous)
        return entry.signed(signer.sign(entry.digest()))

    return database.spend(dataset, document, make)
