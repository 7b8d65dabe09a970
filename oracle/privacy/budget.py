"""How much privacy a data set may lose, what was lost, and a ledger of it that anyone can check.

A budget (epsilon, delta) belongs to a data set and never changes. Two ways to add up, one of them fixed with the budget:

basic    sum of epsilons <= epsilon, sum of deltas <= delta (Dwork et al. 2006). Exact: epsilons are whole billionths.
renyi    every release is rho-zCDP, so alpha rho Renyi at each order (Bun and Steinke 2016, https://arxiv.org/abs/1605.02065);
         the sum at ONE order, fixed beforehand, converted to epsilon at delta. One order, because releases may be chosen
         after seeing earlier ones: the filter of Feldman and Zrnic 2021 (https://arxiv.org/abs/2008.11193) holds for that.
         By dp-accounting.

Renyi allows far more releases where each is small, and fewer where one takes a large part: basic is the default.

An entry of the ledger holds the release itself: what is spent and what is released are written together or not at all. Entries are
chained by hash and signed, so that whoever saw an entry sees if one was changed, dropped or put in between.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Any

from oracle.protocol.cids import encode
from oracle.protocol.errors import BadInput, Refused
from oracle.protocol.keys import Address, BadSignature, checksum, recover

NANO = 10**9  # parts of one epsilon
MOST_EPSILON, MOST_DELTA = 20.0, 1e-3
BASIC, RENYI = COMPOSITIONS = ("basic", "renyi")
DOMAIN = b"crowdproof release ledger\0"


@dataclass(frozen=True, slots=True)
class Budget:
    """`epsilon` in billionths."""

    dataset: str
    epsilon: int
    delta: float
    composition: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What one release may reveal: (epsilon in billionths, delta), and the same as zero-concentrated rho."""

    epsilon: int
    delta: float
    rho: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One release of a data set, `number` from 1; `at`: Unix time; `previous`: digest of the entry before, or 32 zero bytes."""

    dataset: str
    number: int
    query: Any  # JSON
    cost: Cost
    result: Any  # JSON
    at: int
    previous: bytes
    signature: bytes = b""

    def digest(self) -> bytes:
        price: list[Any] = [self.cost.epsilon, self.cost.delta, self.cost.rho]
        body: list[Any] = [self.dataset, self.number, self.query, price, self.result, self.at, self.previous]
        return sha256(DOMAIN + encode(body)).digest()

    def signed(self, signature: bytes) -> "Entry":
        return replace(self, signature=signature)


def read_budget(dataset: str, document: Any, where: str = "releases") -> Budget:
    """Of {"epsilon", "delta", "composition"}. Raises BadInput naming the field."""
    if not isinstance(document, dict) or not {"epsilon"} <= document.keys() <= {"epsilon", "delta", "composition"}:
        raise BadInput(f"{where}: an object with epsilon, and optionally delta and composition")
    delta = fraction(document.get("delta", 0), f"{where}.delta")
    composition = document.get("composition", BASIC)
    if composition not in COMPOSITIONS:
        raise BadInput(f"{where}.composition: one of {', '.join(COMPOSITIONS)}")
    if composition == RENYI and not delta:
        raise BadInput(f"{where}.delta: Renyi composition needs one above 0; or let the composition be basic")
    return Budget(dataset, nano(document["epsilon"], f"{where}.epsilon"), delta, composition)


def nano(epsilon: Any, where: str) -> int:
    """A privacy parameter in billionths. Raises BadInput for one that protects nobody, or is none."""
    if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not 0 < epsilon <= MOST_EPSILON:
        raise BadInput(f"{where}: {str(epsilon)[:40]} is no epsilon; above 0, and at most {MOST_EPSILON:g}")
    found = math.ceil(epsilon * NANO - 1e-6)
    if not found:
        raise BadInput(f"{where}: {epsilon} is below the smallest step, one billionth")
    return found


def fraction(delta: Any, where: str) -> float:
    if isinstance(delta, bool) or not isinstance(delta, int | float) or not 0 <= delta <= MOST_DELTA:
        raise BadInput(f"{where}: {str(delta)[:40]} is no delta; 0 to {MOST_DELTA:g}")
    return float(delta)


def spent(budget: Budget, costs: Sequence[Cost]) -> tuple[float, float]:
    """(epsilon, delta) that these releases together reveal at most, by the budget's way to add up."""
    if not costs:
        return 0.0, 0.0
    if budget.composition == BASIC:
        return sum(cost.epsilon for cost in costs) / NANO, math.fsum(cost.delta for cost in costs)
    return _renyi(order(budget), budget.delta, math.fsum(cost.rho for cost in costs)), budget.delta


def require(budget: Budget, costs: Sequence[Cost], new: Cost) -> None:
    """Raises Refused where one more release would be one too many."""
    after = [*costs, new]
    if budget.composition == BASIC:
        over = sum(c.epsilon for c in after) > budget.epsilon or math.fsum(c.delta for c in after) > budget.delta
    else:
        over = spent(budget, after)[0] > budget.epsilon / NANO
    if over:
        used = spent(budget, costs)
        may = f"{budget.dataset} may reveal epsilon {budget.epsilon / NANO:g}, delta {budget.delta:g} ({budget.composition})"
        asked = f"epsilon {new.epsilon / NANO:g}, delta {new.delta:g} more are too much"
        raise Refused("budget-spent", f"{may} and has revealed {used[0]:.6g}, {used[1]:.3g}: {asked}")


def order(budget: Budget) -> float:
    """The Renyi order at which rho-zCDP with the budget's (epsilon, delta) is the weakest: 1 + sqrt(log(1/delta) / rho)."""
    log = math.log(1 / budget.delta)
    return 1 + math.sqrt(log) / (math.sqrt(log + budget.epsilon / NANO) - math.sqrt(log))


@cache
def _accounting() -> Any:
    try:
        import dp_accounting  # noqa: PLC0415 - an extra
        from dp_accounting import rdp  # noqa: PLC0415
    except ImportError:
        raise BadInput("this needs the extra `privacy`: pip install 'crowdproof[privacy]'") from None
    return dp_accounting, rdp


def _renyi(alpha: float, delta: float, rho: float) -> float:
    dp, rdp = _accounting()
    accountant = rdp.RdpAccountant([alpha], dp.NeighboringRelation.ADD_OR_REMOVE_ONE)
    return float(accountant.compose(dp.ZCDpEvent(rho)).get_epsilon(delta))


def verify(budget: Budget, entries: Sequence[Entry], signer: Address) -> None:
    """Raises Refused for a ledger that is not whole: a gap, a changed entry, another's signature, or more than the budget."""
    previous = bytes(32)
    for at, entry in enumerate(entries, 1):
        if (entry.dataset, entry.number, entry.previous) != (budget.dataset, at, previous):
            raise Refused("ledger-broken", f"entry {entry.number} of {entry.dataset} does not follow the one before it")
        try:
            found = recover(entry.digest(), entry.signature)
        except BadSignature:
            found = None
        if found != signer:
            raise Refused("ledger-broken", f"entry {at} of {entry.dataset} is not signed by {checksum(signer)}")
        require(budget, [one.cost for one in entries[: at - 1]], entry.cost)
        previous = entry.digest()
