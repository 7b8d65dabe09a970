"""The hazards seen in deployed systems, each as a test that is named after it.

Those of Market, Committee and Workers are here, the others beside what judges or assigns; HAZARDS says where each stands.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.protocol import cids
from tests.model import hashes
from tests.model.play import Move
from tests.model.scene import Scene

HERE = "tests/model/test_hazards.py"
RULING = "tests/contracts/disputes/Ruling.t.sol"
HAZARDS = {  # each that was met in a system that is deployed, in the words that its test is named by
    "workers_reserved_pay_goes_back_to_the_launcher_at_expiry": HERE,
    "more_than_a_hundred_payees_revert": HERE,
    "fees_are_lost_to_rounding": HERE,
    "contents_are_named_by_sha1": HERE,
    "one_key_for_each_role_of_the_oracle": HERE,
    "disputing_oneself_gives_the_bond_back": RULING,
    "a_reverting_receiver_blocks_the_slashing": HERE,
    "a_reverting_arbitrator_blocks_settlement": RULING,
    "a_front_run_permit_makes_the_funding_revert": HERE,
    "a_blacklisted_payee_blocks_the_batch": HERE,
    "a_claim_root_is_replaced_before_everybody_claimed": HERE,
    "claim_and_abandon_of_assignments": "tests/services/test_assign.py",
    "an_operators_silence_refunds_the_client": RULING,
    "a_fee_on_transfer_leaves_the_pool_short": HERE,
    "an_old_signature_is_good_for_a_second_market": HERE,
}


@pytest.mark.parametrize("hazard", HAZARDS)
def test_hazards__each__has_a_test_of_its_name(hazard: str) -> None:
    text = (Path(__file__).parents[2] / HAZARDS[hazard]).read_text()
    assert f" test_hazard__{hazard}" in text


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.do(made.opening(0, fee_bps=250), made.opening(1, days=30))
    return made


def test_hazard__workers_reserved_pay_goes_back_to_the_launcher_at_expiry(scene: Scene) -> None:
    """Final pay, and pay that is still pending, outlive the job: a refund takes neither."""
    scene.epoch({1: 1000}, [25, 1000])
    scene.wait(86_400 - scene.rules.window + 3 * scene.rules.window - 1)
    scene.do(scene.posting({1: 2000}, [75, 3000]))
    scene.wait(scene.rules.window + 1)
    before = scene.tokens(scene.requesters[0].address)
    scene.do(scene.refunding(1))
    escrow = scene.rules.state.jobs[1].funded
    assert scene.tokens(scene.requesters[0].address) - before == (escrow - 1025 - 2050) * 100
    scene.wait(400 * 86_400)
    scene.do(scene.finalising())
    scene.do(scene.claiming(1))
    assert scene.tokens(scene.wallets[1].address) == 3000 * 100


def test_hazard__more_than_a_hundred_payees_revert(scene: Scene) -> None:
    scene.epoch({2: 400}, [0, *[2] * 200])
    scene.do(scene.claiming_many(range(1, 201)))
    assert scene.rules.state.total_claimed == 400


def test_hazard__fees_are_lost_to_rounding(scene: Scene) -> None:
    """Each fee is rounded down; what that leaves is still the job's, and comes back to the requester."""
    for total in (39, 78, 117):
        scene.epoch({1: 39}, [0, total])  # 2.5 % of 39 is 0.975
    job = scene.rules.state.jobs[1]
    assert job.debited == 117
    scene.wait(86_400 + 4 * scene.rules.window)
    scene.do(scene.refunding(1), scene.claiming(1))
    assert job.funded == scene.rules.state.jobs[1].refunded + scene.rules.state.total_claimed


def test_hazard__contents_are_named_by_sha1() -> None:
    """The digest that the chain stores, and every CID of ours, is sha2-256: there is no other in the protocol."""
    assert cids.digest_of(cids.cid_of(b"content", cids.Codec.RAW)) == hashlib.sha256(b"content").digest()


def test_hazard__one_key_for_each_role_of_the_oracle(scene: Scene) -> None:
    """Whichever one key is stolen, it posts nothing."""
    move = scene.posting({1: 10}, [0, 10])
    header, _, _ = scene.header({1: 10}, [0, 10])
    for member in scene.rules.state.members:
        alone = scene.by_address[member].sign(scene.rules.digest(header))
        done = scene.machine.send(move.sender, move.contract, move.name, (*move.args[:2], alone))
        assert done.error == "CommitteeQuorumMissing"


def test_hazard__disputing_oneself_gives_the_bond_back(scene: Scene) -> None:
    """Members who have their own epoch struck lose at least half of what they staked on it."""
    referee, s = scene.satellites[0].address, scene.rules.state
    signers = s.members[: s.quorum]
    accomplice = scene.stranger.address
    before = {who: scene.rules.state.accounts[who].stake for who in signers}
    scene.do(
        Move(
            referee,
            scene.committee,
            "slash",
            (signers, accomplice),
            lambda rules: rules.slash(referee, signers, accomplice),
        )
    )
    lost = sum(before[who] - scene.rules.state.accounts[who].stake for who in signers)
    assert lost == len(signers) * scene.rules.stake_unit
    assert scene.rules.state.rewards[accomplice] <= lost // 2
    assert scene.rules.state.burnt >= lost - lost // 2


def test_hazard__a_reverting_receiver_blocks_the_slashing(scene: Scene) -> None:
    """Rewards are pulled: a beneficiary that cannot be paid, a contract without a receive function, only hurts itself."""
    referee, s = scene.satellites[0].address, scene.rules.state
    signers, token = s.members[: s.quorum], scene.token.address
    scene.do(
        Move(referee, scene.committee, "slash", (signers, token), lambda rules: rules.slash(referee, signers, token))
    )
    assert scene.rules.state.rewards[token] == len(signers) * scene.rules.stake_unit // 2


def test_hazard__a_front_run_permit_makes_the_funding_revert() -> None:
    scene = Scene()
    requester = scene.requesters[0]
    scene.do(scene._approve(requester.address, 0))
    terms, deadline = scene.opening(0).args
    cost, until = 10_000 * 100, scene.rules.state.now
    domain = hashes.domain(scene.machine.chain, scene.token.address, "Play", "1")
    signature = requester.sign(hashes.permit(domain, requester.address, scene.market.address, cost, 0, until))
    permit = (until, signature[64], signature[:32], signature[32:64])
    ahead = (requester.address, scene.market.address, cost, *permit)
    assert not scene.machine.send(scene.stranger.address, scene.token, "permit", ahead).error
    done = scene.machine.send(requester.address, scene.market, "openJobWithPermit", (terms, deadline, permit))
    assert done.error == ""


def test_hazard__a_blacklisted_payee_blocks_the_batch(scene: Scene) -> None:
    scene.epoch({2: 600}, [0, 200, 200, 200])
    blocked = scene.wallets[2].address
    scene._token("setBlocked", blocked, True)
    scene.rules.state.blocked.add(blocked)
    scene.do(scene.claiming_many([1, 2, 3]))
    assert [scene.tokens(scene.wallets[i].address) for i in (1, 2, 3)] == [20_000, 0, 20_000]
    scene._token("setBlocked", blocked, False)
    scene.rules.state.blocked.clear()
    scene.do(scene.claiming(2))
    assert scene.tokens(blocked) == 20_000


def test_hazard__a_claim_root_is_replaced_before_everybody_claimed(scene: Scene) -> None:
    """Claims are cumulative: the next root contains what the one before gave."""
    scene.epoch({2: 600}, [0, 300, 300])
    scene.do(scene.claiming(1))
    scene.epoch({2: 100}, [0, 300, 400])
    scene.epoch({2: 100}, [0, 400, 400])
    scene.do(scene.claiming_many([1, 2]))
    assert [scene.tokens(scene.wallets[i].address) for i in (1, 2)] == [40_000, 40_000]


def test_hazard__a_fee_on_transfer_leaves_the_pool_short(scene: Scene) -> None:
    scene._token("setMood", 2)
    scene.rules.state.mood = 2
    assert scene.run(scene.opening(0)) == "MarketReceivedOther"


def test_hazard__an_old_signature_is_good_for_a_second_market(scene: Scene) -> None:
    at, rules = scene.rules.at, scene.rules
    parties = [at.token, at.workers, at.committee, at.referee, at.disputes, at.hatch]
    twin = scene.machine.deploy("Market", scene.stranger.address, [*parties, rules.window])
    move = replace(scene.posting({1: 10}, [0, 10]), contract=twin)
    assert scene.machine.send(move.sender, twin, move.name, move.args).error == "MarketHeadMismatch"
