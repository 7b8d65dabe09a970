"""Gas of whole transactions at the protocol's maximum sizes: each stays under a quarter of a block (threats, row 28)."""

import pytest

from tests.model import hashes
from tests.model.hashes import Key
from tests.model.play import Move
from tests.model.rules import Account
from tests.model.scene import Scene

BLOCK = 60_000_000  # the gas limit of the main network's blocks since 2025
QUARTER = BLOCK // 4
MOST_DEBITS, MOST_CLAIMS, MOST_MEMBERS = 512, 200, 31


def _gas(scene: Scene, move: Move) -> int:
    """Of the transaction, which succeeds; on the contracts alone."""
    done = scene.machine.send(move.sender, move.contract, move.name, move.args, move.value)
    assert not done.error, f"{move.name}: {done.error}"
    return done.gas


@pytest.fixture(scope="module")
def full() -> dict[str, int]:
    """512 jobs, all debited at once; 4,096 workers, 200 of whom claim, scattered, for the first time."""
    scene = Scene()
    move = scene.opening(reward=1000, tasks=10)
    for _ in range(MOST_DEBITS):
        _gas(scene, move)
        move.act(scene.rules)
    workers = 4096
    earned = [2 * MOST_DEBITS * 100 // workers] * workers
    gas = {}
    post = scene.posting(dict.fromkeys(range(1, MOST_DEBITS + 1), 100), earned)
    with scene.tried():
        gas["postEpoch with 512 debits"] = _gas(scene, post)
        post.act(scene.rules)
        gas["strike of 512 debits"] = _gas(scene, scene.striking())
    _gas(scene, post)
    post.act(scene.rules)
    scene.wait(scene.rules.window)
    final = scene.finalising()
    gas["finaliseEpoch"] = _gas(scene, final)
    final.act(scene.rules)
    gas["claimMany of 200 new holders"] = _gas(
        scene, scene.claiming_many(range(0, workers, workers // MOST_CLAIMS)[:MOST_CLAIMS])
    )
    return gas


def test_market__at_maximum_sizes__under_a_quarter_of_a_block(full: dict[str, int]) -> None:
    assert {name: gas for name, gas in full.items() if gas >= QUARTER} == {}


def test_committee__31_members__under_a_quarter_of_a_block() -> None:
    scene = Scene()
    s = scene.rules.state
    members = sorted((Key.of(f"new member {i}").address for i in range(MOST_MEMBERS)), key=lambda who: int(who, 16))
    for member in members:
        _gas(scene, Move(scene.stranger.address, scene.committee, "stake", (member,), lambda rules: None, 10**18))
        s.accounts[member] = Account(10**18)
    seal_keys = [hashes.keccak(member.encode()) for member in members]
    until = s.now
    domain = hashes.domain(scene.machine.chain, scene.committee.address)
    digest = hashes.change(domain, 1, hashes.committee(members, seal_keys, MOST_MEMBERS), until)
    args = (members, seal_keys, MOST_MEMBERS, until, scene.signatures(digest))
    gas = {
        "proposeChange": _gas(
            scene, Move(scene.stranger.address, scene.committee, "proposeChange", args, lambda rules: None)
        )
    }
    scene.wait(scene.rules.delay)
    gas["enactChange"] = _gas(
        scene, Move(scene.stranger.address, scene.committee, "enactChange", args[:3], lambda rules: None)
    )
    referee = scene.satellites[0].address
    gas["slash"] = _gas(
        scene, Move(referee, scene.committee, "slash", (members, scene.stranger.address), lambda rules: None)
    )
    assert {name: used for name, used in gas.items() if used >= QUARTER} == {}


def test_market__beyond_maximum_sizes__is_refused() -> None:
    scene = Scene()
    scene.do(scene.opening())
    packed = b"".join(i.to_bytes(4) + bytes(12) for i in range(1, MOST_DEBITS + 2))
    header, _, _ = scene.header({}, [0])
    post = scene.posting({}, [0])
    done = scene.machine.send(post.sender, scene.market, "postEpoch", (post.args[0], packed, post.args[2]))
    assert done.error == "MarketDebitsTooMany"
    assert header.debits == hashes.keccak(b"")
    scene.epoch({1: 100}, [0, *[1] * 100])
    claims = scene.claiming_many([1]).args
    many = ([claims[0][0]] * (MOST_CLAIMS + 1), claims[1])  # type: ignore[index]
    assert scene.machine.send(post.sender, scene.market, "claimMany", many).error == "MarketClaimsTooMany"
