"""The contracts do what their model says; and a model that is wrong in one rule is found out."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.model import rules
from tests.model.play import Difference, campaign, play

CALLS = 2000
# Each must be tried, and succeed, in the quick share already.
TRANSACTIONS = [
    *["openJob", "openJobWithPermit", "topUp", "closeJob", "refund", "postEpoch", "finaliseEpoch", "strike"],
    *["claim", "claimMany", "freeze", "thaw", "forfeit", "reserve", "release", "award"],
    *["stake", "withdraw", "slash", "collect", "proposeChange", "enactChange"],
    *["register", "registerMany", "addKey", "addKeySigned", "revokeKey"],
]


def test_campaign__quick_share__contracts_and_model_agree() -> None:
    ends = campaign(CALLS)
    assert sum(ends.values()) == CALLS
    assert [name for name in TRANSACTIONS if not ends[f"{name} done"]] == []


def _never(*_: object) -> None:
    """A rule that forgets what it should do."""


def _anyone(self: Any, number: int, requester: str, terms: bytes) -> Any:
    return self._job(number)


DEFECTS: dict[str, tuple[type, str, Callable[..., Any]]] = {
    "a fee that is rounded up": (rules, "with_fee", lambda pay, fee: pay - -pay * fee // 10_000),  # type: ignore[dict-item]
    "refunds a second late": (
        rules.Rules,
        "refund_opens_at",
        lambda s, j: max(j.deadline, s.state.last_strike) + 4 * s.window + 1,
    ),
    "a refund to anyone": (rules.Rules, "_job_of", _anyone),
    "claims beyond what is final": (
        rules.Rules,
        "_allocate",
        lambda s, n: setattr(s.state, "total_claimed", s.state.total_claimed + n),
    ),
    "thawing more than is frozen": (
        rules.Rules,
        "_unfreeze",
        lambda s, n: setattr(s.state, "frozen", s.state.frozen - n),
    ),
    "a claim whose proof is wrong": (rules.Rules, "_stands", lambda s, balance: True),
    "a quorum that nobody counts": (
        rules.Rules,
        "check",
        lambda s, signed, least: sum(1 << s.state.members.index(w) for w in signed.by if w in s.state.members),
    ),
    "slashing that does nothing": (rules.Rules, "slash", _never),
    "an event that is forgotten": (rules.Rules, "emit", _never),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_play__model_with_a_defect__is_found(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the comparison cannot see in the model it could not see in the contracts either."""
    where, name, wrong = DEFECTS[defect]
    monkeypatch.setattr(where, name, wrong)
    with pytest.raises(Difference):
        for seed in range(1, 9):
            play(seed, 250)
