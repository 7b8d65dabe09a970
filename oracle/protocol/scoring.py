"""The decision of record and the pay of record: small integer arithmetic that a contract can repeat.

score[c] = prior[c] + sum over counted answers of row[c]; the verdict is the lowest c of the highest score. It is the
E-step of Dawid & Skene (1979, doi:10.2307/2346806) in fixed point: nats x 2^16. The clear twin of the vectorised
oracle.verification.record.
"""

import math
from collections.abc import Sequence

from oracle.protocol.faults import Kind
from oracle.protocol.terms import NAT, Terms


def scores(prior: Sequence[int], rows: Sequence[Sequence[int]]) -> list[int]:
    """One score a class, in nats x 2^16."""
    return [b + sum(row[c] for row in rows) for c, b in enumerate(prior)]


def decide(prior: Sequence[int], rows: Sequence[Sequence[int]]) -> int:
    """The label of record; ties go to the lowest."""
    score = scores(prior, rows)
    return score.index(max(score))


def confidence(prior: Sequence[int], rows: Sequence[Sequence[int]]) -> float:
    """The confidence of record: the softmax of the scores at the verdict."""
    score = scores(prior, rows)
    best = max(score)
    return 1 / sum(math.exp((s - best) / NAT) for s in score)


def pay(terms: Terms, label: int, verdict: int) -> int:
    """Units earned by one counted answer."""
    return terms.base + (terms.bonus if label == verdict else 0)


def vote_row(classes: int, label: int) -> list[int]:
    """The only row of a job that is fixed to the plain vote."""
    return [NAT if c == label else 0 for c in range(classes)]


def row_fault(terms: Terms, label: int, row: Sequence[int], tail: bytes = b"") -> tuple[Kind, str] | None:
    """Why a weight row breaks the rules, or None. `tail`: what follows its last whole weight."""
    if len(row) != terms.classes or tail:
        return Kind.RowLength, f"has {_length(row, tail)} weights for {terms.classes} classes"
    if terms.weight_cap == 0:
        is_vote = list(row) == vote_row(terms.classes, label)
        return None if is_vote else (Kind.RowNotVote, "is not the plain vote that the job fixes")
    if any(abs(w) > terms.weight_cap for w in row):
        return Kind.RowBeyondCap, f"has a weight beyond the cap of {terms.weight_cap}"
    if any(w > row[label] for w in row):
        return Kind.RowAgainstItself, f"counts against its own label {label}"
    return None


def prior_fault(terms: Terms, prior: Sequence[int], tail: bytes = b"") -> tuple[Kind, str] | None:
    """Why a task's prior breaks the rules, or None."""
    if len(prior) != terms.classes or tail:
        return Kind.PriorLength, f"has {_length(prior, tail)} classes instead of {terms.classes}"
    cap = terms.prior_cap if terms.weight_cap else 0
    beyond = any(abs(b) > cap for b in prior)
    return (Kind.PriorBeyondCap, f"is beyond the cap of {cap}") if beyond else None


def _length(numbers: Sequence[int], tail: bytes) -> str:
    return f"{len(numbers)} and a part" if tail else str(len(numbers))
