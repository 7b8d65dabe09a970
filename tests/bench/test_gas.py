"""The benchmark of gas: each figure of a real chain within what was promised."""

import pytest

from oracle.bench import gas

CEILINGS = {
    "open": 120_000,
    "open_with_permit": 150_000,
    "post_3_signatures": 90_000,
    "post_extra_job": 6_600,
    "finalise": 50_000,
    "claim_many_50_steady": 15_000,
    "claim_many_50_existing": 19_000,
    "claim_many_50_new": 37_000,
    "claim_many_50_random_4096": 26_000,
    "claim_single_1024": 61_000,
    "S1": 18_000,
    "S4": 330,
    "refute_r1_10x2": 230_000,
    "refute_dearest": 6_000_000,
    "fresh_slots_open": 2,
    "fresh_slots_steady_post": 0,
    "fresh_slots_steady_claim": 0,
}


@pytest.mark.sockets
def test_gas__every_figure__is_within_its_ceiling() -> None:
    found = gas.gas()
    assert found.keys() == CEILINGS.keys()
    assert {name: used for name, used in found.items() if used > CEILINGS[name]} == {}
    assert found["fresh_slots_open"] == 2  # else none would be seen at all
    assert len(gas.text(found).splitlines()) == len(found)
