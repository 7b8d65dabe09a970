"""A federation in one process: owners with made records, and a clock that only moves when it is looked at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.adapters.content import MemoryStore
from oracle.adapters.signer import KeySigner
from oracle.federated import train
from oracle.federated.member import Member
from oracle.federated.plan import MEDIAN, Plan
from oracle.federated.server import Server
from oracle.federated.train import Records

WIDTH = 6
Float = NDArray[np.float64]


def signers(count: int) -> list[KeySigner]:
    return [KeySigner((i + 1).to_bytes(32, "big")) for i in range(count)]


def a_plan(count: int, **settings: Any) -> Plan:
    plan = Plan(tuple(s.address for s in signers(count)), WIDTH, rounds=1, epsilon=0.0, patience=1.0)
    if settings.get("groups", 1) > 2:
        settings.setdefault("rule", MEDIAN)
    return replace(plan, **settings)


def made(count: int, seed: int = 0, size: int = 40) -> list[Records]:
    """Records whose class is the sign of their first number."""
    luck = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        text = luck.normal(size=(size, WIDTH)).astype(np.float32)
        found.append(Records(text, np.eye(2, dtype=np.float32)[(text[:, 0] > 0).astype(int)]))
    return found


def fixed(member: int, seed: int = 0) -> Callable[..., Float]:
    """Training whose luck is that of `simulate.plain` in round 1."""
    luck = int(np.random.SeedSequence((seed, 1, member)).generate_state(1, np.uint64)[0] >> 1)
    return lambda plan, model, records, noise: train.update(plan, model, records, noise, luck)


@dataclass
class Federation:
    plan: Plan
    server: Server
    members: list[Member]
    store: MemoryStore
    journal: Path

    def updates(self) -> list[Float]:
        """What each learned in the last round that it trained, in the clear: only tests see it."""
        return [np.frombuffer(member._recall()[2], np.float64) for member in self.members]

    def reopened(self) -> Server:
        return Server(self.plan, self.store, self.journal)


def federation(plan: Plan, folder: Path, trainers: Sequence[Callable[..., Float]] | None = None) -> Federation:
    now = [0.0]

    def clock() -> float:
        now[0] += 0.1
        return now[0]

    count = len(plan.members)
    trainers = trainers or [fixed(i) for i in range(count)]
    people = zip(signers(count), made(count), trainers, strict=True)
    members = [Member(plan, key, mine, folder / f"memory-{i}", how) for i, (key, mine, how) in enumerate(people)]
    store = MemoryStore()
    return Federation(plan, Server(plan, store, folder / "journal", clock), members, store, folder / "journal")
