"""Whoever orders the transactions of a block, everybody is paid the same in the end (threats, row 5)."""

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import pytest

from tests.model.play import Move
from tests.model.scene import Scene

BLOCKS = 6


def _scene() -> Scene:
    """Job 1 is over and can be refunded; an epoch over job 2 is past its window; one before it is final and half claimed."""
    scene = Scene()
    scene.do(scene.opening(0, fee_bps=250), scene.opening(1, days=30))
    scene.epoch({1: 900, 2: 700}, [22, 500, 600, 500])
    scene.do(scene.claiming(1))
    scene.wait(90_000 + 4 * scene.rules.window)
    scene.do(scene.posting({2: 1000}, [22, 800, 900, 900]))
    scene.wait(scene.rules.window)
    return scene


def _pool(scene: Scene) -> list[Move]:
    """What anybody may send now: also a searcher's copies, and claims against the epoch that is not final yet."""
    pending = scene.rules.state.pending
    assert pending is not None
    moves = [scene.finalising(), scene.refunding(1)]
    for tree in (scene.rules.state.tree, pending.tree):
        moves += [scene.claiming(worker, tree) for worker in (1, 2, 3)]
        moves += [scene.claiming_many(workers, tree) for workers in ([0, 1], [2, 3])]
    searcher = scene.members[0].address
    return moves + [replace(move, sender=searcher) for move in moves]


def _final_pay(scene: Scene, block: tuple[Move, ...]) -> list[int]:
    """After the block, everyone who has something coming takes it."""
    with scene.tried():
        for move in block:
            scene.run(move)
        rest: list[Callable[[], Move]] = [scene.finalising] if scene.rules.state.pending else []
        for sweep in (*rest, lambda: scene.refunding(1), lambda: scene.claiming_many([0, 1, 2, 3])):
            scene.run(sweep())
        return [
            scene.tokens(key.address) for key in (*scene.wallets, *scene.requesters, *scene.members, scene.stranger)
        ]


@pytest.mark.parametrize("seed", range(BLOCKS))
def test_block__all_orders_of_up_to_five_transactions__same_final_pay(seed: int) -> None:
    scene = _scene()
    rng = random.Random(seed)
    block = rng.sample(_pool(scene), 2 + seed % 4)
    pays = {tuple(_final_pay(scene, order)) for order in permutations(block)}
    assert len(pays) == 1
    assert pays == {tuple(_final_pay(scene, ()))}


def test_block__a_strike_among_them__pays_what_was_final_before_or_after() -> None:
    """A strike only comes within the window, where nobody can make the epoch final: no order of the two matters."""
    scene = Scene()
    scene.do(scene.opening(0))
    scene.epoch({1: 900}, [0, 900])
    scene.do(scene.posting({1: 1000}, [0, 1900]))
    pending = scene.rules.state.pending
    assert pending is not None
    block = (
        scene.striking(),
        scene.finalising(),
        scene.claiming(1),
        scene.claiming(1, pending.tree),
        scene.refunding(1),
    )

    def paid(order: tuple[Move, ...]) -> int:
        with scene.tried():
            for move in order:
                scene.run(move)
            return scene.tokens(scene.wallets[1].address)

    assert {paid(order) for order in permutations(block)} == {90_000}
