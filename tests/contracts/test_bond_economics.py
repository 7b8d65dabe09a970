"""Whether contests, the court and the hatch can be abused at a profit, over a grid of prices and adversaries.

Each attack is written out as the contracts pay it (Disputes.settle, Court.execute, Hatch.void), with exact probabilities of
hypergeometric draws. A deployment is sound at the prices of `sound`; the tests walk the grid and, outside it, show an
attack that pays: so that the bounds are bounds, and not slack.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

import pytest

FIRST, APPEAL = 3, 7


@dataclass(frozen=True, slots=True)
class Prices:
    """Everything in one coin. `stake` is what a contest is about: the largest earning, or base, in that coin."""

    stake: float
    fee: float  # of one vote
    bond: float  # of a contester
    fine: float  # of a vote that was not the last word
    gas: float  # of the cheapest transaction that an attack needs


def draws(bad: int, bench: int, seats: int) -> Iterator[tuple[int, float]]:
    """Probability of each number of the attacker's seats among those drawn, without replacement."""
    for k in range(max(0, seats - (bench - bad)), min(bad, seats) + 1):
        yield k, comb(bad, k) * comb(bench - bad, seats - k) / comb(bench, seats)


def corrupt_ruling(bad: int, bench: int) -> float:
    """Chance that the attacker's seats have the last word, the honest side appealing each time it loses the first round.

    The first round's three serve and are off the bench when the seven are drawn.
    """
    total = 0.0
    for k, chance in draws(bad, bench, FIRST):
        if 2 * k > FIRST:
            total += chance * sum(p for j, p in draws(bad - k, bench - FIRST, APPEAL) if 2 * j > APPEAL)
    return total


def fines_when_overruled(bad: int, bench: int, fine: float) -> float:
    """What the attacker's seats lose on average: all that were drawn and voted against the last word."""
    lost = 0.0
    for k, chance in draws(bad, bench, FIRST):
        if 2 * k <= FIRST:
            lost += chance * k * fine
            continue
        for j, p in draws(bad - k, bench - FIRST, APPEAL):
            if 2 * j <= APPEAL:
                lost += chance * p * (k + j) * fine
    return lost


def spam_contest(prices: Prices) -> tuple[float, float]:
    """Freezing a worker's pay and losing the ruling: cost, and what it gains if freezing is worth all that is frozen.

    The gain is an upper bound: the worker has its pay in the end, and half the bond for the wait.
    """
    return FIRST * prices.fee + prices.bond + prices.gas, 0.0


def self_dispute(prices: Prices) -> tuple[float, float]:
    """A worker with a wrong earning contests it itself, so that nobody else can, and never raises.

    It pays the burnt half of the bond; it gains only if nobody raises the contest, which whoever would have contested does
    for nothing: the deposit is there. So it changes no chance of losing the earning.
    """
    return prices.bond / 2 + prices.gas, 0.0


def false_rejection_contest(prices: Prices, bad: int, bench: int) -> tuple[float, float]:
    """A worker contests a right rejection. Honest jurors refuse; the attacker's seats vote for it."""
    win = corrupt_ruling(bad, bench)
    cost = FIRST * prices.fee + (1 - win) * prices.bond + fines_when_overruled(bad, bench, prices.fine) + prices.gas
    return cost, win * prices.stake


def corrupt_pay_contest(prices: Prices, bad: int, bench: int) -> tuple[float, float]:
    """A requester with seats on the bench contests right pay, to have it back."""
    return false_rejection_contest(prices, bad, bench)


def false_hatch_claim(prices: Prices, watched: float) -> tuple[float, float]:
    """Base claimed again for a listed answer: with chance `watched` somebody voids it, with the data that it published."""
    return watched * prices.bond + prices.gas, (1 - watched) * prices.stake


STAKES = (0.001, 0.01, 0.1, 1.0)
BENCHES = (12, 30, 100, 1000)
SHARES = (0.0, 0.1, 0.2, 1 / 3)
GAS = 1e-5


def sound(stake: float) -> Prices:
    """The least prices that docs/protocol.md asks of a deployment, where a third of the seats may be the attacker's."""
    return Prices(stake=stake, fee=stake / 10, bond=stake / 4, fine=stake / 10, gas=GAS)


@pytest.mark.parametrize(("stake", "bench", "share"), list(itertools.product(STAKES, BENCHES, SHARES)))
def test_contests__up_to_a_third_of_the_bench__cost_more_than_they_gain(stake: float, bench: int, share: float) -> None:
    prices = sound(stake)
    bad = int(bench * share)
    for cost, gain in (
        spam_contest(prices),
        self_dispute(prices),
        false_rejection_contest(prices, bad, bench),
        corrupt_pay_contest(prices, bad, bench),
    ):
        assert cost > gain


@pytest.mark.parametrize("bench", BENCHES)
def test_contests__two_thirds_of_the_bench__pay(bench: int) -> None:
    cost, gain = corrupt_pay_contest(sound(1.0), bench * 2 // 3, bench)
    assert gain > cost


@pytest.mark.parametrize("stake", STAKES)
def test_contests__hardly_any_fee__pay_a_third_of_the_bench(stake: float) -> None:
    cheap = Prices(stake=stake, fee=stake / 1000, bond=stake / 1000, fine=stake / 1000, gas=0)
    cost, gain = corrupt_pay_contest(cheap, 33, 100)
    assert gain > cost


@pytest.mark.parametrize(("stake", "watched"), list(itertools.product(STAKES, (0.9, 0.95, 0.99, 1.0))))
def test_hatch__nine_of_ten_false_claims_voided__cost_more_than_they_gain(stake: float, watched: float) -> None:
    cost, gain = false_hatch_claim(sound(stake), watched)
    assert cost > gain


def test_hatch__nobody_watches__pays() -> None:
    cost, gain = false_hatch_claim(sound(1.0), 0.1)
    assert gain > cost


def test_voider__gas_paid_from_its_half__gains() -> None:
    for stake in STAKES:
        assert sound(stake).bond / 2 > GAS


@pytest.mark.parametrize("bench", BENCHES)
def test_corrupt_ruling__more_seats__more_chance(bench: int) -> None:
    """The probability of no corrupt seat is 0, of all of them 1, and grows between."""
    chances = [corrupt_ruling(bad, bench) for bad in range(0, bench + 1, max(1, bench // 12))]
    assert chances[0] == 0
    assert chances == sorted(chances)
    assert corrupt_ruling(bench, bench) == pytest.approx(1)
