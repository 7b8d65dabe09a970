"""What a federation agrees on before anything is trained: who takes part, the model, how it is learned, what privacy is spent.

A plan is a block of the store; its CID binds every message, so that nobody trains under another plan than the others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from oracle.protocol.cids import encode
from oracle.protocol.errors import BadInput
from oracle.protocol.keys import Address, checksum

MEAN, MEDIAN = RULES = ("mean", "median")
MOST_MEMBERS = 1_000
MOST_NUMBERS = 100_000  # of a model: a block of the store holds it
MOST_STEPS = 100_000


@dataclass(frozen=True, slots=True)
class Plan:
    """`members`: their wallets; the place in the list is a member's number. Lengths of time in seconds."""

    members: tuple[Address, ...]
    width: int  # of a text vector
    classes: int = 2
    rounds: int = 20
    steps: int = 5  # of each member in a round
    rate: float = 2.0  # of learning
    momentum: float = 0.9  # share of a round's change that goes on in the next
    sample: float = 0.5  # share of the records that a step sees, each by its own luck (Poisson)
    clip: float = 1.0  # longest gradient of a record
    bound: float = 4.0  # longest update of a member
    full: int = 100  # records from which a member has full weight
    epsilon: float = 8.0  # of a record, over all rounds; 0: no noise
    delta: float = 1e-5
    groups: int = 1  # in which updates are added up before anybody sees them
    rule: str = MEAN  # that joins the groups
    threshold: int = 0  # members without whom a round fails, and who restore a secret; 0: two thirds and one
    patience: float = 30.0  # that a phase waits for the slow

    @property
    def quorum(self) -> int:
        return self.threshold or 2 * len(self.members) // 3 + 1

    @property
    def numbers(self) -> int:
        """D, of the model: weights and constants."""
        return (self.width + 1) * self.classes

    def block(self) -> bytes:
        return encode(asdict(self) | {"members": list(self.members)})

    def document(self) -> dict[str, Any]:
        return asdict(self) | {"members": [checksum(member) for member in self.members]}


def read_plan(document: Any, where: str = "plan") -> Plan:
    """Of JSON. Raises BadInput naming the field."""
    if not isinstance(document, dict):
        raise BadInput(f"{where}: a JSON object is needed")
    known = {field.name for field in fields(Plan)}
    if strange := sorted(map(str, document.keys() - known)):
        raise BadInput(f"{where}: {strange[0][:40]!r} is no field; there are {', '.join(sorted(known))}")
    values = {"members": (), **document}
    values["members"] = _members(values["members"], f"{where}.members")
    for name, (kind, least, most) in _BOUNDS.items():
        if name in values:
            values[name] = _number(values[name], kind, least, most, f"{where}.{name}")
    if "width" not in values:
        raise BadInput(f"{where}.width: the length of a text vector is needed")
    plan = Plan(**values)
    _together(plan, where)
    return plan


_BOUNDS: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    "width": (int, 1, 1 << 16),
    "classes": (int, 2, 64),
    "rounds": (int, 1, 10_000),
    "steps": (int, 1, 10_000),
    "rate": (float, 1e-6, 1e3),
    "momentum": (float, 0, 0.99),
    "sample": (float, 1e-4, 1),
    "clip": (float, 1e-6, 1e3),
    "bound": (float, 1e-6, 1e3),
    "full": (int, 1, 1 << 30),
    "epsilon": (float, 0, 20),
    "delta": (float, 0, 1e-3),
    "groups": (int, 1, MOST_MEMBERS // 2),
    "threshold": (int, 0, MOST_MEMBERS),
    "patience": (float, 0.1, 86_400),
}


def _number(value: Any, kind: Callable[[Any], Any], least: float, most: float, where: str) -> Any:
    right = isinstance(value, int) if kind is int else isinstance(value, int | float)
    if not right or isinstance(value, bool) or not (math.isfinite(value) and least <= value <= most):
        what = "a whole number" if kind is int else "a number"
        raise BadInput(f"{where}: {str(value)[:40]} is not {what} from {least:g} to {most:g}")
    return kind(value)


def _members(value: Any, where: str) -> tuple[Address, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not 2 <= len(value) <= MOST_MEMBERS:
        raise BadInput(f"{where}: a list of 2 to {MOST_MEMBERS} wallets is needed")
    found = []
    for at, member in enumerate(value):
        if not isinstance(member, str) or not re.fullmatch(r"0x[0-9a-fA-F]{40}", member):
            raise BadInput(f"{where}[{at}]: {str(member)[:60]!r} is no wallet (0x and 40 hex digits)")
        found.append(bytes.fromhex(member[2:]))
    if len(set(found)) < len(found):
        raise BadInput(f"{where}: a wallet stands there twice")
    return tuple(found)


def _together(plan: Plan, where: str) -> None:
    count = len(plan.members)
    if plan.rule not in RULES:
        raise BadInput(f"{where}.rule: one of {', '.join(RULES)}, not {str(plan.rule)[:40]!r}")
    if plan.groups * 2 > count:
        raise BadInput(f"{where}.groups: {plan.groups} groups of {count} members: each needs two, or it hides nobody")
    if not count // 2 < plan.quorum <= count:
        raise BadInput(f"{where}.threshold: {plan.quorum}; more than half of the {count} members, and no more than all")
    if plan.rule == MEDIAN and plan.groups < 3:
        raise BadInput(f"{where}.groups: a median of {plan.groups} groups stops nobody; at least 3")
    if plan.epsilon and not plan.delta:
        raise BadInput(f"{where}.delta: noise is Gaussian; it needs a delta above 0")
    if plan.numbers > MOST_NUMBERS:
        raise BadInput(f"{where}: a model of {plan.numbers} numbers; at most {MOST_NUMBERS}")
    if plan.rounds * plan.steps > MOST_STEPS:
        raise BadInput(f"{where}: {plan.rounds} rounds of {plan.steps} steps; at most {MOST_STEPS} steps")
