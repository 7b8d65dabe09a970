"""A federation of many members in one process: the same server, members and messages, or their arithmetic without the secrecy.

`secure` runs the protocol as it stands. `plain` adds up the same fixed-point numbers in the same groups without masks, for
studies of learning; a test holds the two together bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from oracle.federated import masks, rounds, train
from oracle.federated.combine import combine, moved
from oracle.federated.member import Member
from oracle.federated.plan import Plan
from oracle.federated.rounds import Start, Total
from oracle.federated.server import Server
from oracle.federated.train import Records
from oracle.protocol.cids import Codec, cid_of
from oracle.protocol.errors import Refused

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Bends = Callable[[Float, int], Float]  # what a liar makes of its update, in this round


def secure(
    server: Server, members: Sequence[Member], silent: Callable[[int, str, int], bool] = lambda *_: False
) -> None:
    """Runs to the end. `silent`: (round, phase, member) that is not answered; the server's clock must move by itself."""
    while not server.over:
        view = server.view()
        for number in view["waits"]:
            if server.over or (view := server.view())["phase"] == rounds.DONE or number not in view["waits"]:
                break
            if not silent(view["start"][1], view["phase"], number):
                message = members[number].answer(view)
                if message is not None:
                    server.take(message.block())
        server.tick()


def plain(
    plan: Plan, records: Sequence[Records], *, liars: Collection[int] = (), bend: Bends | None = None, seed: int = 0
) -> Float32:
    """The model after all rounds, by the seed; a round whose groups all fail changes nothing."""
    model, noise = train.begin(plan), train.noise(plan)
    last = model
    name, previous = cid_of(plan.block(), Codec.DAG_CBOR), None
    for number in range(1, plan.rounds + 1):
        start = Start(name, number, 1, cid_of(train.packed(model), Codec.RAW), previous)
        words = []
        for member, mine in enumerate(records):
            luck = int(np.random.SeedSequence((seed, number, member)).generate_state(1, np.uint64)[0] >> 1)
            found = train.update(plan, model, mine, noise, luck)
            words.append(masks.quantise(bend(found, number) if bend and member in liars else found))
        totals = [
            Total(group, group, np.sum([words[m] for m in group], axis=0, dtype=np.uint64))
            for group in masks.groups(range(len(records)), plan.groups, start.id)
        ]
        try:
            after, _ = combine(plan, last, model, totals)
        except Refused:
            continue
        last, model = model, after
    return model


def alone(plan: Plan, records: Records, seed: int = 0) -> Float32:
    """The model of one owner, or of all data in one place: the same steps, nobody to add up with."""
    model, noise = train.begin(plan), train.noise(plan)
    last = model
    for number in range(1, plan.rounds + 1):
        luck = int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0] >> 1)
        found = train.update(replace(plan, full=1), model, records, noise, luck)
        last, model = model, moved(plan, last, model, found[:-1])
    return model
