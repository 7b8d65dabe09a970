"""Every signed message that a contract takes, replayed where it does not belong: all revert (threats, row 12)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.model import hashes
from tests.model.hashes import Header
from tests.model.play import Game, Move
from tests.model.scene import Scene

TWIN = "0x00000000000000000000000000000000000071d1"
FORK = 999


def _post(scene: Scene, digest: Callable[[Header], bytes]) -> Move:
    """A post whose signatures are over another digest than this chain's."""
    move = scene.posting({1: 10}, [0, 10])
    header, _, _ = scene.header({1: 10}, [0, 10])
    return replace(move, args=(*move.args[:2], scene.signatures(digest(header))))


def _error(scene: Scene, move: Move) -> str:
    """Sent to the contracts alone: what the model says of strangers' signatures is not the question."""
    return scene.machine.send(move.sender, move.contract, move.name, move.args, move.value).error


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.do(made.opening(0), made.opening(1))
    return made


STRANGE = {"CommitteeSignerUnknown", "CommitteeSignersUnordered"}


def test_header__of_a_twin_deployment__reverts(scene: Scene) -> None:
    domain = hashes.domain(scene.machine.chain, TWIN)
    assert _error(scene, _post(scene, lambda header: hashes.header(domain, header))) in STRANGE


def test_header__of_a_fork_with_another_chain_id__reverts(scene: Scene) -> None:
    domain = hashes.domain(FORK, scene.market.address)
    assert _error(scene, _post(scene, lambda header: hashes.header(domain, header))) in STRANGE


def test_header__right_here__is_taken(scene: Scene) -> None:
    assert _error(scene, _post(scene, scene.rules.digest)) == ""


def test_header__of_a_real_twin__reverts_there() -> None:
    """A second Market of the same parties: its own head and configuration differ, whatever was signed."""
    scene = Scene()
    at, rules = scene.rules.at, scene.rules
    parties = [at.token, at.workers, at.committee, at.referee, at.disputes, at.hatch]
    twin = scene.machine.deploy("Market", scene.stranger.address, [*parties, rules.window])
    scene.do(scene.opening(0))
    move = scene.posting({1: 10}, [0, 10])
    assert _error(scene, replace(move, contract=twin)) == "MarketHeadMismatch"
    assert _error(scene, move) == ""


@pytest.mark.parametrize("end", ["final", "struck", "pending"])
def test_header__of_an_old_epoch__reverts(scene: Scene, end: str) -> None:
    move = scene.posting({1: 10}, [0, 10])
    scene.do(move)
    if end == "final":
        scene.wait(scene.rules.window)
        scene.do(scene.finalising())
    if end == "struck":
        scene.do(scene.striking())
    assert scene.run(move) == ("MarketEpochPending" if end == "pending" else "MarketEpochUnexpected")


def test_header__of_the_committee_before__reverts(scene: Scene) -> None:
    """A change enacted between signing and posting voids what the former members signed."""
    move = scene.posting({1: 10}, [0, 10])
    _change(scene)
    assert scene.run(move) == "MarketConfigurationMismatch"


def _change(scene: Scene) -> Move:
    s = scene.rules.state
    members, seal_keys, quorum = s.members, [hashes.keccak(key) for key in s.seal_keys], s.quorum
    until, number = s.now + 100, s.last_change + 1
    domain = hashes.domain(scene.machine.chain, scene.committee.address)
    digest = hashes.change(domain, number, hashes.committee(members, seal_keys, quorum), until)
    args = (members, seal_keys, quorum, until, scene.signatures(digest))
    move = Move(scene.stranger.address, scene.committee, "proposeChange", args, lambda rules: None)
    assert _error(scene, move) == ""
    s.proposed, s.last_change, s.enacts_at = (members, seal_keys, quorum), number, s.now + scene.rules.delay
    scene.wait(scene.rules.delay)
    scene.do(
        Move(
            scene.stranger.address,
            scene.committee,
            "enactChange",
            (members, seal_keys, quorum),
            lambda rules: rules.enact_change(members, seal_keys, quorum),
        )
    )
    return move


def test_change__a_second_time__reverts(scene: Scene) -> None:
    assert _error(scene, replace(_change(scene))) == "CommitteeChangeExpired"


@pytest.mark.parametrize(("chain", "twin", "number"), [(FORK, False, 1), (0, True, 1), (0, False, 0), (0, False, 2)])
def test_change__elsewhere_or_of_another_number__reverts(scene: Scene, chain: int, twin: bool, number: int) -> None:
    s = scene.rules.state
    domain = hashes.domain(chain or scene.machine.chain, TWIN if twin else scene.committee.address)
    digest = hashes.change(domain, number, hashes.committee(s.members, s.seal_keys, s.quorum), s.now)
    args = (s.members, s.seal_keys, s.quorum, s.now, scene.signatures(digest))
    move = Move(scene.stranger.address, scene.committee, "proposeChange", args, lambda rules: None)
    assert _error(scene, move) in STRANGE


@pytest.mark.parametrize("name", ["registerMany", "addKeySigned"])
@pytest.mark.parametrize(("chain", "twin", "shift"), [(0, False, 0), (FORK, False, 0), (0, True, 0), (0, False, 1)])
def test_register__elsewhere_or_of_another_number__reverts(
    scene: Scene, name: str, chain: int, twin: bool, shift: int
) -> None:
    wallet = scene.wallets[3]
    known = name == "addKeySigned"
    if known:
        assert not scene.machine.send(wallet.address, scene.workers, "register", ()).error
    until = scene.rules.state.now
    domain = hashes.domain(chain or scene.machine.chain, TWIN if twin else scene.workers.address)
    number = (1 if known else 0) + shift
    signature = wallet.sign(hashes.register(domain, wallet.address, wallet.address, number, until))
    entry = (wallet.address, wallet.address, until, signature)
    error = scene.machine.send(scene.stranger.address, scene.workers, name, (entry if known else [entry],)).error
    assert error == ("WorkersSignatureInvalid" if chain or twin or shift else "")
    if not error and known:
        again = scene.machine.send(scene.stranger.address, scene.workers, name, (entry,)).error
        assert again == "WorkersSignatureInvalid"


def test_permit__of_another_chain_or_a_second_time__opens_nothing(scene: Scene) -> None:
    """Without an allowance only a permit that is good here, and new, funds a job."""
    game: Game = scene
    requester = scene.requesters[0]
    scene.do(game._approve(requester.address, 0))
    terms, deadline = scene.opening().args
    cost, until = 10_000 * 100, scene.rules.state.now
    for chain, expected in (
        (FORK, "ERC20InsufficientAllowance"),
        (scene.machine.chain, ""),
        (scene.machine.chain, "ERC20InsufficientAllowance"),
    ):
        domain = hashes.domain(chain, scene.token.address, "Play", "1")
        signature = requester.sign(hashes.permit(domain, requester.address, scene.market.address, cost, 0, until))
        permit = (until, signature[64], signature[:32], signature[32:64])
        done = scene.machine.send(requester.address, scene.market, "openJobWithPermit", (terms, deadline, permit))
        assert done.error == expected
