"""A requester's job: its content to those who need it, then its escrow. Nothing is spent before everything is stored.

manifest, tasks -> blocks at the oracle and at every member -> permit or allowance -> job. Each step may be repeated: the same
manifest with the same tasks is the same job.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from secrets import token_bytes

from oracle.adapters.car import write_car
from oracle.bootstrap import PAYLOAD_KEY, Oracle
from oracle.ports import FOREVER, Kept, Peer, Permit, Signer
from oracle.protocol import gold, jobkey, payloads
from oracle.protocol.cids import Codec, encode, from_digest
from oracle.protocol.errors import BadInput, Refused, Retryable
from oracle.protocol.jobkey import Wrapped
from oracle.protocol.keys import Address, checksum
from oracle.protocol.leaves import Task
from oracle.protocol.manifest import Manifest, make_job
from oracle.protocol.plain import from_json, to_json
from oracle.protocol.terms import Terms, check_terms
from oracle.services import outbox
from oracle.services.panel import Panel

GRACE_S = 2.0  # for members beyond the quorum
PATIENCE_S = 120.0
GOLD, KEY = (
    "gold",
    "job-key",
)  # kinds of what is kept: a job's sealed labels, its key, by the hash of all that it is made of


def store(oracle: Oracle, manifest: Manifest, tasks: Sequence[Task], where: str) -> Terms:
    """Keeps the job's blocks here and at a quorum of members; the others get them when they need them.

    Raises BadInput naming the field, Retryable when too few members answer.
    """
    if manifest.is_sealed and manifest.key is None:
        raise BadInput(f"{where}: visibility: a sealed job is stored with its key")
    terms, blocks = make_job(manifest, tasks, oracle.deployment.unit, where)
    oracle.content.put_many(blocks)
    out = BytesIO()
    write_car(oracle.content, [from_digest(Codec.DAG_CBOR, terms.manifest)], out)

    def keep(peer: Peer) -> tuple[int, None]:
        peer.store(out.getvalue())
        return id(peer), None

    quorum = oracle.deployment.committee.quorum
    kept = Panel(oracle.peers).ask(keep, quorum, GRACE_S, PATIENCE_S)
    if len(kept.found) < quorum:
        why = "; ".join(dict.fromkeys(map(str, kept.problems)))
        raise Retryable(f"{len(kept.found)} of {quorum} members keep the job's content: {why}")
    return terms


def seal_gold(
    oracle: Oracle, manifest: Manifest, tasks: Sequence[Task], known: Mapping[int, int], requester: Address
) -> Manifest:
    """The manifest with the labels that its requester knows, by task, sealed to the committee: once, so that the same job stays

    the same. Only a job that this requester opens opens them.
    """
    if not known:
        return manifest
    name = _name(requester, manifest, tasks, encode(sorted(map(list, known.items()))))
    parts = gold.make(known, requester, oracle.deployment.committee.seal_keys)
    oracle.database.keep(Kept(GOLD, name, requester.hex(), {"parts": to_json(parts)}, FOREVER))
    kept = oracle.database.kept(GOLD, name)
    if kept is None:
        raise Retryable("the job's sealed gold is gone from the database: run this again")
    return replace(manifest, gold=from_json(tuple[gold.Part, ...], kept.value["parts"]))


def seal(
    oracle: Oracle, manifest: Manifest, tasks: Sequence[Task], requester: Address
) -> tuple[Manifest, list[Task], bytes | None]:
    """The job as everybody may see it, and the key that opens the rest; as it is, and None, where it is public.

    The same job of the same requester has the same key under one committee: once drawn it is kept. Who leaves the committee
    is told the key of no job that is made later.
    """
    if manifest.is_public:
        return manifest, list(tasks), None
    seal_keys, drawn = oracle.deployment.committee.seal_keys, token_bytes(jobkey.KEY)
    name, wrapped = _name(requester, manifest, tasks, b"".join(seal_keys)), jobkey.wrap(drawn, requester, seal_keys)
    value = {"key": drawn.hex(), "wrapped": to_json(wrapped)}
    oracle.database.keep(Kept(KEY, name, requester.hex(), value, FOREVER))
    kept = oracle.database.kept(KEY, name)
    if kept is None:
        raise Retryable("the job's key is gone from the database: run this again")
    key = bytes.fromhex(kept.value["key"])
    if manifest.is_sealed:
        manifest = replace(manifest, key=from_json(Wrapped, kept.value["wrapped"]))
    return manifest, payloads.seal_tasks(tasks, key), key


def keep_key(oracle: Oracle, terms: Terms, requester: Address, key: bytes | None) -> None:
    """By which the oracle opens the payloads of the job with these terms to its workers, and its epochs to its requester."""
    if key is not None:
        oracle.database.put(Kept(PAYLOAD_KEY, terms.hash().hex(), requester.hex(), {"key": key.hex()}, FOREVER))


def _name(requester: Address, manifest: Manifest, tasks: Sequence[Task], more: bytes = b"") -> str:
    """Of a job, by all that it is made of."""
    plain = hashlib.sha256(requester + encode(manifest.document) + more)
    for task in tasks:
        plain.update(encode(task.record()))
    return plain.hexdigest()


def fund(oracle: Oracle, requester: Signer, terms: Terms, deadline: int) -> int:
    """Escrows the whole budget from the requester's tokens; the job's number. Raises Refused when they do not suffice.

    In one transaction where the token takes permits (ERC-2612): the Market passes over one that somebody sent ahead. Else the
    Market is allowed the escrow first.
    """
    deployment, calls = oracle.deployment, oracle.calls
    outbox.reconcile(oracle.database, oracle.chain, requester)  # a block with the job in it may have gone again
    amount = terms.escrow() * deployment.unit
    opening = calls.open_job(terms, deadline)
    known = oracle.database.sent(requester.address, what=opening.what)
    held = oracle.chain.token_balance(deployment.token, requester.address)
    if not known and held < amount:
        raise Refused("no-funds", f"{checksum(requester.address)} has {held} of the token; the escrow is {amount}")
    asked = (deployment.token, requester.address, deployment.market, amount, deadline)
    if digest := oracle.chain.permit_digest(*asked):
        opening = calls.open_job(terms, deadline, Permit(deadline, requester.sign(digest)))
    else:
        purpose = f"the job with terms 0x{terms.hash().hex()} until {deadline}"
        allowance = calls.approve(deployment.token, deployment.market, amount, purpose)
        outbox.run(oracle.database, oracle.chain, requester, allowance, "fund")
    outbox.run(oracle.database, oracle.chain, requester, opening, "open")
    return number_of(oracle, requester, terms)


def number_of(oracle: Oracle, requester: Signer, terms: Terms) -> int:
    """The newest job of the requester with these terms. Raises Retryable while it is not in a finalised block."""
    jobs = oracle.index.advance().jobs
    mine = [n for n, job in jobs.items() if job.requester == requester.address and job.terms == terms]
    if not mine:
        raise Retryable("the job is on chain, and not yet in a finalised block: run this again")
    return max(mine)


def quote(terms: Terms, unit: int) -> dict[str, int]:
    """Exact, in the token's smallest unit; `escrow` = `pay` + `fee` is what a job locks, and gets back what is not earned."""
    pay = terms.tasks * terms.answers * (terms.base + terms.bonus)
    return {
        "tasks": terms.tasks,
        "answers": terms.answers,
        "classes": terms.classes,
        "base": terms.base * unit,
        "bonus": terms.bonus * unit,
        "pay": pay * unit,
        "fee": terms.fee(pay) * unit,
        "escrow": terms.escrow() * unit,
    }


def with_tasks(terms: Terms, tasks: int) -> Terms:
    """The same terms for so many tasks, to be priced. Raises BadInput for an escrow that no job can have."""
    found = replace(terms, tasks=tasks)
    check_terms(found)
    return found
