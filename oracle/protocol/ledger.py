"""What all epochs so far have settled, as a fold over their data: who earned what, what is decided, who was asked.

A struck epoch gives nothing, not even assignments to point to: its data may have been withheld, and whoever never had it must
come to the same ledger as whoever did. What it committed is committed again (docs/adr/0004).
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from oracle.protocol.messages import Assignment

if TYPE_CHECKING:
    from oracle.protocol.epoch import Epoch

Pointer: TypeAlias = tuple[int, int]  # epoch, index in its tree of assignments


@dataclass(slots=True)
class Ledger:
    """`cumulative`: units by worker; `total`: of all; `offers`: committed assignments by epoch, in tree order."""

    cumulative: list[int] = field(default_factory=list)
    total: int = 0
    decided: set[tuple[int, int]] = field(default_factory=set)
    offers: dict[int, tuple[Assignment, ...]] = field(default_factory=dict)
    pointers: dict[tuple[int, int, int], Pointer] = field(default_factory=dict)
    pays: dict[int, tuple[int, ...]] = field(default_factory=dict)  # job -> its debits, without the fees on them

    def offer(self, pointer: Pointer) -> Assignment | None:
        """The assignment at a pointer, None where there is none."""
        epoch, index = pointer
        offers = self.offers.get(epoch, ())
        return offers[index] if index < len(offers) else None


def apply(ledger: Ledger, epoch: "Epoch") -> None:
    """Moves the ledger on by one epoch that was not struck."""
    ledger.offers[epoch.epoch] = epoch.assignments
    for index, offer in enumerate(epoch.assignments):
        ledger.pointers.setdefault((offer.job, offer.task, offer.worker), (epoch.epoch, index))
    ledger.cumulative = [balance.cumulative for balance in epoch.balances]
    ledger.total = epoch.total
    for debit in epoch.debits:
        ledger.pays[debit.job] = (*ledger.pays.get(debit.job, ()), debit.pay)
    ledger.decided.update((verdict.job, verdict.task) for verdict in epoch.verdicts)
