"""The terms of a job: what the escrow promises, fixed by one hash for the life of the job.

Amounts are in units (uint64), weights in nats x 2^16. Limits: docs/protocol.md, design limits of the protocol.
"""

from dataclasses import astuple, dataclass
from functools import lru_cache

from oracle.protocol.errors import BadInput
from oracle.protocol.hashing import tagged

MAX_ANSWERS = 64
MAX_CLASSES = 64
MAX_TASKS = 1 << 24
MAX_EARNINGS = 4096  # of one worker in one epoch
MAX_DEBITS = 512
MAX_CLAIMS = 200
MAX_LEAF = 50_000  # bytes of a revealed leaf
MAX_AMOUNT = (1 << 64) - 1
MAX_CAP = 16 << 16
NAT = 1 << 16
NO_LABEL = 255


@dataclass(frozen=True, slots=True)
class Terms:
    """Field order is the encoding order. `manifest` is the digest of the manifest's dag-cbor block.

    `parent`: 0, or an earlier job that must be over before this one is offered. `free`: answers are free, and which of its task's
    candidates each stands for is judgement; else a payload is its label.
    """

    classes: int
    tasks: int
    answers: int
    base: int
    bonus: int
    fee_bps: int
    weight_cap: int
    prior_cap: int
    task_root: bytes
    manifest: bytes
    parent: int = 0
    free: bool = False

    def hash(self) -> bytes:
        return _hash(self)

    def fee(self, pay: int) -> int:
        """Units owed to account 0 for `pay` units of pay."""
        return pay * self.fee_bps // 10_000

    def escrow(self) -> int:
        """Units that the job locks: all its pay if every answer came and every one agreed, and the fee."""
        pay = self.tasks * self.answers * (self.base + self.bonus)
        return pay + self.fee(pay)


@lru_cache(maxsize=1 << 12)
def _hash(terms: Terms) -> bytes:
    return tagged("terms", *astuple(terms))


_RANGES = {
    "classes": (2, MAX_CLASSES),
    "tasks": (1, MAX_TASKS),
    "answers": (1, MAX_ANSWERS),
    "base": (0, MAX_AMOUNT),
    "bonus": (0, MAX_AMOUNT),
    "fee_bps": (0, 10_000),
    "weight_cap": (0, MAX_CAP),
    "prior_cap": (0, MAX_CAP),
    "parent": (0, (1 << 32) - 1),
}


def check_terms(terms: Terms) -> None:
    """Raises BadInput for what the Market would refuse, naming field and range."""
    for name, (low, high) in _RANGES.items():
        value = getattr(terms, name)
        if type(value) is not int or not low <= value <= high:
            raise BadInput(f"terms.{name} is {value}; it must be a whole number from {low} to {high}")
    if type(terms.free) is not bool:
        raise BadInput(f"terms.free is {terms.free}; it must be true or false")
    if terms.prior_cap and not terms.weight_cap:
        raise BadInput(f"terms.prior_cap is {terms.prior_cap}; with weight_cap 0 (the plain vote) it must be 0")
    if terms.base + terms.bonus == 0:
        raise BadInput("terms.base and terms.bonus are both 0: an answer must earn something")
    if terms.escrow() > MAX_AMOUNT:
        raise BadInput(f"the escrow of {terms.escrow()} units does not fit 64 bits: fewer tasks or a lower reward")
