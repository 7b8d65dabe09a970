"""What a refutation costs: the proof, the strike and the slashing of three signers, in one transaction.

`refute_r1_10x2`: a wrong label over 10 answers and 2 classes in an epoch of 1,000 tasks, real to the last leaf, by somebody who
never struck before. `refute_dearest`: over 64 answers and 64 classes, 2^24 tasks and as many rows, in an epoch that debits the most
jobs; of its trees only the leaves that are shown are real, the other nodes are any hashes: the chain sees no more of them.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from oracle.bench.town import TERMS, Town
from oracle.protocol import epoch as ep
from oracle.protocol import refutations as rf
from oracle.protocol import scoring, trees
from oracle.protocol import state as st
from oracle.protocol.epoch import Epoch
from oracle.protocol.evidence import Evidence, VerdictLeaf
from oracle.protocol.faults import Fault, Kind
from oracle.protocol.hashing import ZERO, keccak, pack_int32, tagged
from oracle.protocol.hashing import leaf as leaf_hash
from oracle.protocol.heads import Debit
from oracle.protocol.leaves import Core, Opening, Status, Verdict, WeightRow
from oracle.protocol.ledger import Ledger
from oracle.protocol.messages import Assignment, Header
from oracle.protocol.refutations import Case, Refutation

TASKS, ANSWERS, CROWD = 1_000, 10, 100
MOST, MOST_LEAVES, MOST_JOBS = 64, 1 << 24, 512  # answers and classes, leaves of a tree, debits


def refutations(town: Town) -> dict[str, int]:
    return {"refute_r1_10x2": _small(town), "refute_dearest": _dearest(town)}


# --------------------------------------------------------------------------------------------------- a real epoch


def _small(town: Town) -> int:
    epoch = _mislabelled(town, random.Random(1))
    header = town.header(epoch.debits, len(epoch.balances), ep.roots_of(epoch))
    town.put(header, epoch.debits)
    return town.strike(header, epoch.debits, _proof(town, header, epoch))


def _mislabelled(town: Town, chance: random.Random) -> Epoch:
    """Two classes; the verdict in the middle says the wrong one."""
    rows = [WeightRow(1, who, label, _row(who, label)) for who in range(1, 1 + CROWD) for label in (0, 1)]
    offers, verdicts = [], []
    for task in range(TASKS):
        who = sorted(chance.sample(range(1, 1 + CROWD), ANSWERS))
        said = [chance.randrange(2) for _ in who]
        cores = [
            Core(w, 0, label, Status.COUNTED, 2 * (w - 1) + label, town.epoch + 1, ANSWERS * task + k)
            for k, (w, label) in enumerate(zip(who, said, strict=True))
        ]
        label = scoring.decide((3_000, -3_000), [rows[core.row].row for core in cores])
        openings = tuple(_opening(task, w) for w in who)
        verdicts.append(Verdict(1, task, label, (3_000, -3_000), 12_345, tuple(cores), openings))
        offers += [Assignment(1, TERMS.hash(), task, w, 1 << 40) for w in who]
    wrong = verdicts[TASKS // 2]
    verdicts[TASKS // 2] = replace(wrong, label=1 - wrong.label)
    trees_ = (tuple(town.balances[:128]), tuple(rows), tuple(verdicts), tuple(offers))
    return Epoch(town.epoch + 1, town.head, 0, b"", b"", 0, (), *trees_)


def _row(worker: int, label: int) -> tuple[int, ...]:
    own = 65_536 + 1_000 * worker
    return (own, -own) if label == 0 else (-own, own)


def _opening(task: int, worker: int) -> Opening:
    """Any 65 bytes for its signature: nothing here asks who signed."""
    some = keccak(b"%d %d" % (task, worker))
    return Opening(some, keccak(some), b"\0", some, ZERO, some + some + b"\x1b")


def _proof(town: Town, header: Header, epoch: Epoch) -> Refutation:
    """As a refuter makes it."""
    deployment = town.deployment
    logs = town.chain.logs(deployment, 0, town.chain.latest().number)
    state = st.fold(deployment.digest(), logs)

    def unasked(number: int) -> NoReturn:
        raise LookupError(number)

    case = Case(header, epoch, state, Ledger(), deployment.domain(), unasked, unasked)
    fault = Fault(header.epoch, "verdicts", TASKS // 2, "a wrong label", Kind.WrongLabel)
    return Refutation(fault, Kind.WrongLabel, rf.evidence(case, Kind.WrongLabel, fault))


# --------------------------------------------------------------------------------------------------- at the limits


def _dearest(town: Town) -> int:
    while town.jobs < MOST_JOBS:
        town.open()
    debits = [Debit(job, 10_000, at) for at, job in enumerate(range(town.jobs - MOST_JOBS + 1, town.jobs + 1))]
    rows = [WeightRow(1, 1 + k, k, _numbers(k)) for k in range(MOST)]
    weights, rows_proof = _sparse({k * (MOST_LEAVES // MOST): row.leaf() for k, row in enumerate(rows)})
    leaf = _full(MOST_LEAVES // 2)
    listed = tagged("list", keccak(leaf.cores), keccak(leaf.openings))
    hashed = leaf_hash("verdict", leaf.job, leaf.task, leaf.label, keccak(leaf.prior), leaf.pay, listed)
    verdicts, proof = _sparse({leaf.index: hashed})
    header = town.header(debits, 128, {"weights": (weights, MOST_LEAVES), "verdicts": (verdicts, MOST_LEAVES)})
    town.put(header, debits)
    shown = Evidence(
        verdicts=(replace(leaf, proof=tuple(proof)),),
        rows=b"".join(row.packed() for row in rows),
        rows_proof=tuple(rows_proof),
    )
    fault = Fault(header.epoch, "verdicts", leaf.index, "a wrong label", Kind.WrongLabel)
    return town.strike(header, debits, Refutation(fault, Kind.WrongLabel, shown))


def _full(index: int) -> VerdictLeaf:
    """A verdict of the most answers and classes; no score gives its label."""
    cores = [Core(1 + k, 0, k, Status.COUNTED, k * (MOST_LEAVES // MOST), 1, k) for k in range(MOST)]
    packed = b"".join(core.pack() for core in cores)
    openings = b"".join(keccak(b"opening %d" % k) for k in range(MOST))
    return VerdictLeaf(index, 1, 500, 255, pack_int32(_numbers(77)), 12_345, packed, openings, ())


def _numbers(salt: int) -> tuple[int, ...]:
    """Without zero bytes, which calldata would have cheaper."""
    return tuple(0x01010101 + salt + c for c in range(MOST))


def _sparse(known: Mapping[int, bytes]) -> tuple[bytes, Sequence[bytes]]:
    """Root and multiproof of a tree of the most leaves, all of whose other nodes are any hashes."""
    level, steps = dict(known), []
    for height in range(trees.depth(MOST_LEAVES)):
        above: dict[int, bytes] = {}
        for index in sorted(level):
            if index >> 1 in above:
                continue
            if index ^ 1 not in level:
                steps.append(keccak(b"node %d %d" % (height, index)))
            pair = level.get(index ^ 1) or steps[-1]
            above[index >> 1] = keccak(pair + level[index] if index & 1 else level[index] + pair)
        level = above
    return level[0], steps
