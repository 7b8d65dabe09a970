"""An epoch: one batch of work, decided, paid and bound by one header.

decisions + ledger -> Epoch -> blocks and header; blocks -> Epoch. Pure; `oracle.protocol.audit` says whether one obeys
the rules.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeAlias

from oracle.protocol import heads, leaves, pages, scoring, trees
from oracle.protocol.cids import Codec, Link, cid_of, decode, digest_of, encode, from_digest
from oracle.protocol.faults import Fault
from oracle.protocol.heads import Debit
from oracle.protocol.keys import Address
from oracle.protocol.leaves import Balance, Core, Opening, Status, Verdict, WeightRow
from oracle.protocol.ledger import Ledger, Pointer
from oracle.protocol.messages import Assignment, Header
from oracle.protocol.pages import Block, Source
from oracle.protocol.terms import Terms

VERSION = 0
TREES = ("balances", "weights", "verdicts", "assignments")
FIELDS = {"version", "epoch", "previous", "validUntil", "configuration"} | {"total", "model", "debits", "jobs", "trees"}
Row: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """An answer that arrived, with what became of it."""

    worker: int
    key: int
    label: int
    status: int
    opening: Opening


@dataclass(frozen=True, slots=True)
class Decision:
    """What the verifier says about a task: its prior and its complete list of answers, ascending by worker."""

    job: int
    task: int
    prior: Row
    listed: tuple[Listed, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an epoch hangs on the chain: number, head before it, until when it may be posted, for which committee."""

    epoch: int
    previous: bytes
    valid_until: int
    configuration: bytes


@dataclass(frozen=True, slots=True)
class Epoch:
    """The data of an epoch. `model`: digest of the block that says how weights and priors were made."""

    epoch: int
    previous: bytes
    valid_until: int
    configuration: bytes
    model: bytes
    total: int
    debits: tuple[Debit, ...]
    balances: tuple[Balance, ...]
    weights: tuple[WeightRow, ...]
    verdicts: tuple[Verdict, ...]
    assignments: tuple[Assignment, ...]

    @property
    def sealed(self) -> set[int]:
        """The jobs of which something stands here that who read it could not open."""
        return {one.job for tree in (self.weights, self.verdicts) for one in tree if leaves.is_sealed(one)}


@dataclass(frozen=True, slots=True)
class Packed:
    """An epoch as it travels: the header to sign and the blocks, the epoch's own block last."""

    header: Header
    blocks: list[Block]


def build(
    place: Place,
    model: bytes,
    terms: Mapping[int, Terms],
    wallets: Sequence[Address],
    ledger: Ledger,
    offers: Sequence[Assignment],
    decisions: Sequence[Decision],
    rows: Mapping[tuple[int, int, int], Row],
) -> Epoch:
    """The epoch that follows from decisions by the rules.

    wallets: by worker index, account 0 first. offers: assignments not yet committed, ascending by (job, task, worker).
    decisions: ascending by (job, task). rows: (job, worker, label) -> weights of every counted answer's row.
    """
    weights = tuple(WeightRow(*at, rows[at]) for at in sorted(_used(decisions)))
    verdicts = _verdicts(terms, decisions, weights, _pointers(place.epoch, ledger, offers))
    debits, earned, total = settle(terms, verdicts)
    balances = balances_after(ledger, wallets, earned)
    return Epoch(
        place.epoch,
        place.previous,
        place.valid_until,
        place.configuration,
        model,
        ledger.total + total,
        debits,
        balances,
        weights,
        verdicts,
        tuple(offers),
    )


def settle(
    terms: Mapping[int, Terms], verdicts: Sequence[Verdict]
) -> tuple[tuple[Debit, ...], dict[int, list[tuple[int, int]]], int]:
    """(debits, (verdict index, units) by worker with the fees of account 0, units in all) of verdicts in tree order."""
    paid: dict[int, int] = {}
    last: dict[int, int] = {}
    earned: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for index, verdict in enumerate(verdicts):
        for core in verdict.cores:
            if core.status is Status.COUNTED:
                earned[core.worker].append((index, scoring.pay(terms[verdict.job], core.label, verdict.label)))
        paid[verdict.job] = paid.get(verdict.job, 0) + pay_of(terms[verdict.job], verdict.label, verdict.cores)
        last[verdict.job] = index
    debits = tuple(Debit(job, paid[job], last[job]) for job in sorted(paid))
    fees = [(debit.last, terms[debit.job].fee(debit.pay)) for debit in debits]
    earned[0] = [(index, fee) for index, fee in fees if fee]
    return debits, earned, sum(paid.values()) + sum(fee for _, fee in fees)


def pay_of(terms: Terms, label: int, cores: Sequence[Core]) -> int:
    """Units that one verdict's counted answers earn."""
    return sum(scoring.pay(terms, core.label, label) for core in cores if core.status is Status.COUNTED)


def balances_after(
    ledger: Ledger, wallets: Sequence[Address], earned: Mapping[int, list[tuple[int, int]]]
) -> tuple[Balance, ...]:
    """Every account's cumulative balance with what this epoch gave it."""
    before = ledger.cumulative + [0] * (len(wallets) - len(ledger.cumulative))
    return tuple(
        Balance(
            worker,
            wallet,
            before[worker] + sum(pay for _, pay in earned.get(worker, ())),
            leaves.pack_earnings(earned.get(worker, ())),
        )
        for worker, wallet in enumerate(wallets)
    )


def _used(decisions: Sequence[Decision]) -> set[tuple[int, int, int]]:
    return {(d.job, a.worker, a.label) for d in decisions for a in d.listed if a.status is Status.COUNTED}


def _pointers(epoch: int, ledger: Ledger, offers: Sequence[Assignment]) -> dict[tuple[int, int, int], Pointer]:
    fresh = {(o.job, o.task, o.worker): (epoch, index) for index, o in enumerate(offers)}
    return {**fresh, **ledger.pointers}


def _verdicts(
    terms: Mapping[int, Terms],
    decisions: Sequence[Decision],
    weights: Sequence[WeightRow],
    pointers: Mapping[tuple[int, int, int], Pointer],
) -> tuple[Verdict, ...]:
    row_of = {(w.job, w.worker, w.label): index for index, w in enumerate(weights)}
    running: dict[int, int] = defaultdict(int)
    out = []
    for d in decisions:
        cores = []
        for a in d.listed:
            pointer = pointers[d.job, d.task, a.worker]
            row = row_of[d.job, a.worker, a.label] if a.status is Status.COUNTED else leaves.NO_ROW
            cores.append(Core(a.worker, a.key, a.label, a.status, row, *pointer))
        label = scoring.decide(d.prior, [weights[c.row].row for c in cores if c.status is Status.COUNTED])
        running[d.job] += pay_of(terms[d.job], label, cores)
        openings = tuple(a.opening for a in d.listed)
        out.append(Verdict(d.job, d.task, label, d.prior, running[d.job], tuple(cores), openings))
    return tuple(out)


# ------------------------------------------------------------------------------------------------------- in the store


def pack(epoch: Epoch, manifests: Mapping[int, bytes], keys: Mapping[int, bytes] | None = None) -> Packed:
    """The epoch's blocks and header. manifests: job -> digest, so that an export carries what it is about.

    keys: of the sealed jobs of which it says something. Roots and header are those without.
    """
    blocks: list[Block] = []
    nodes: dict[str, Any] = {}
    for name in TREES:
        nodes[name], more = pages.pack(getattr(epoch, name), keys)
        blocks += more
    jobs = sorted({v.job for v in epoch.verdicts} | {o.job for o in epoch.assignments})
    root = encode(
        {
            "version": VERSION,
            "epoch": epoch.epoch,
            "previous": epoch.previous,
            "validUntil": epoch.valid_until,
            "configuration": epoch.configuration,
            "total": epoch.total,
            "model": Link(from_digest(Codec.DAG_CBOR, epoch.model)),
            "debits": [[d.job, d.pay, d.last] for d in epoch.debits],
            "jobs": [[job, Link(from_digest(Codec.DAG_CBOR, manifests[job]))] for job in jobs],
            "trees": nodes,
        }
    )
    blocks.append((root, Codec.DAG_CBOR))
    roots = {name: (node["root"], node["size"]) for name, node in nodes.items()}
    return Packed(header_of(epoch, digest_of(cid_of(root, Codec.DAG_CBOR)), roots), blocks)


def header_of(epoch: Epoch, content: bytes, roots: Mapping[str, tuple[bytes, int]]) -> Header:
    """The header that a quorum signs; content: digest of the epoch's block, roots: (root, size) by tree."""
    fields = {f: v for name, (root, size) in roots.items() for f, v in ((name, root), (f"{name}_size", size))}
    return Header(
        epoch=epoch.epoch,
        previous=epoch.previous,
        valid_until=epoch.valid_until,
        configuration=epoch.configuration,
        debits=heads.debits_hash(epoch.debits),
        total=epoch.total,
        content=content,
        model=epoch.model,
        **fields,  # type: ignore[arg-type]
    )


def roots_of(epoch: Epoch) -> dict[str, tuple[bytes, int]]:
    """(root, size) by tree, from the leaves."""
    return {name: (trees.root(leaves_of(epoch, name)), len(getattr(epoch, name))) for name in TREES}


def leaves_of(epoch: Epoch, tree: str) -> list[bytes]:
    """The leaves of one of the epoch's trees, as proofs need them."""
    return [leaves.leaf_of(value) for value in getattr(epoch, tree)]


def load(
    source: Source, number: int, content: bytes, known: Mapping[str, Mapping[int, leaves.Leaf]] | None = None
) -> tuple[Epoch | None, list[Fault]]:
    """Epoch `number` under a content digest, or None and everything that is wrong with its blocks.

    known: leaves by tree and index that were learnt elsewhere: they stand in for records that cannot be read.
    """
    source = replace(source, keys=cache(source.keys))
    try:
        node: Any = decode(source.read(from_digest(Codec.DAG_CBOR, content)))
        place, model, total, debits = _read_root(node, number)
        nodes = [(name, node["trees"][name]) for name in TREES]
    except pages.UNREADABLE as problem:
        return None, [Fault(number, "epoch", 0, f"the epoch's block cannot be read: {problem}")]
    read = [pages.read(source, number, name, below, (known or {}).get(name)) for name, below in nodes]
    if faults := [fault for reading in read for fault in reading.faults]:
        return None, faults
    values: list[Any] = [reading.values for reading in read]
    return Epoch(*place, model, total, debits, *values), []


def _read_root(node: Any, number: int) -> tuple[tuple[int, bytes, int, bytes], bytes, int, tuple[Debit, ...]]:
    """((epoch, previous, valid until, configuration), model, total, debits) of an epoch's block."""
    if node.keys() != FIELDS or (_amount(node["version"]), _amount(node["epoch"])) != (VERSION, number):
        raise ValueError(f"it is not epoch {number} in version {VERSION}")
    for job, manifest in node["jobs"]:
        _amount(job)
        pages.linked(manifest, Codec.DAG_CBOR)
    place = (number, _digest(node["previous"]), _amount(node["validUntil"]), _digest(node["configuration"]))
    model = digest_of(pages.linked(node["model"], Codec.DAG_CBOR))
    return place, model, _amount(node["total"]), tuple(Debit(*map(_amount, debit)) for debit in node["debits"])


def _amount(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 64:
        raise ValueError(f"{str(value)[:40]} is not a uint64")
    return value


def _digest(value: Any) -> bytes:
    if type(value) is not bytes or len(value) != 32:
        raise ValueError("a digest has 32 bytes")
    return value
