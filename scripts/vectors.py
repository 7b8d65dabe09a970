"""Writes tests/vectors/protocol.json: one example of every encoding, read by the Python tests and by forge.

usage: python -m scripts.vectors [--check]     (--check: exit 1 if the file is not what would be written)
"""

import json
import sys
from pathlib import Path
from typing import Any

from coincurve import PrivateKey

from oracle.protocol import heads, leaves, messages, sealing, trees
from oracle.protocol.deployment import Committee, Deployment
from oracle.protocol.hashing import ZERO, keccak, leaf, pack_int32, tag
from oracle.protocol.keys import address_of, checksum, sign
from oracle.protocol.scoring import decide, scores
from oracle.protocol.terms import Terms

FILE = Path(__file__).parent.parent / "tests" / "vectors" / "protocol.json"
TAGS = ["terms", "balance", "weight", "verdict", "assignment", "task", "receipt", "list", "opening", "commitment"]
TAGS += ["committee", "deployment", "configuration", "head", "struck"]


def fill(name: str) -> bytes:
    """32 bytes that name what they stand for."""
    return keccak(name.encode())


def person(name: str) -> PrivateKey:
    return PrivateKey(fill("key of " + name))


MEMBERS = sorted((person(f"member {i}") for i in range(4)), key=address_of)
TERMS = Terms(3, 5, 4, 10_000, 2_500, 250, 6 << 16, 1 << 16, fill("task root"), fill("manifest"), 2, True)
COMMITTEE = Committee(
    fill("committee")[12:], tuple(map(address_of, MEMBERS)), tuple(fill(f"seal key {i}") for i in range(4)), 3
)
DEPLOYMENT = Deployment(
    chain_id=31337,
    market=fill("market")[12:],
    workers=fill("workers")[12:],
    committee=COMMITTEE,
    referee=fill("referee")[12:],
    token=fill("token")[12:],
    unit=1,
    window=3600,
    block=0,
    disputes=fill("disputes")[12:],
    hatch=bytes(20),
)
DEBITS = [heads.Debit(1, 45_000, 2), heads.Debit(7, 12_500, 3)]


def hexed(value: Any) -> Any:
    """Bytes as 0x text, everywhere inside."""
    if isinstance(value, bytes):
        return checksum(value) if len(value) == 20 else "0x" + value.hex()
    if isinstance(value, dict):
        return {k: hexed(v) for k, v in value.items()}
    return [hexed(v) for v in value] if isinstance(value, list | tuple) else value


def tree_vectors() -> list[dict[str, Any]]:
    out = []
    for size in [*range(10), 17]:
        items = [fill(f"leaf {i}") for i in range(size)]
        levels = trees.build(items)
        proofs = [trees.proof(levels, i) for i in range(size)]
        out.append({"size": size, "leaves": items, "root": trees.top(levels), "proofs": proofs})
    return out


def multiproof_vectors() -> dict[str, Any]:
    """Choices of leaves in the trees of `tree_vectors`; `tree` is the place there."""
    sizes = [*range(10), 17]
    choices = [
        (1, [0]),
        (2, [0, 1]),
        (5, [4]),
        (5, [0, 4]),
        (7, [1, 2, 6]),
        (9, list(range(9))),
        (17, [0, 3, 4, 15, 16]),
    ]
    cases = []
    for size, indexes in choices:
        levels = trees.build([fill(f"leaf {i}") for i in range(size)])
        proof = trees.multiproof(levels, indexes)
        cases.append({"tree": sizes.index(size), "indexes": indexes, "proof": proof})
    return {"count": len(cases), "cases": cases}


def leaf_vectors() -> dict[str, Any]:
    core = leaves.Core(7, 1, 2, leaves.Status.COUNTED, 5, 1, 9)
    other = leaves.uncounted(8, 0, leaves.Status.UNOPENED, 1, 10)
    salt, seal_hash, signature = fill("salt"), fill("seal"), bytes(range(65))
    bound = sealing.commitment(1, 4, 7, b"\x02", salt)
    opening = leaves.Opening(bound, seal_hash, b"\x02", salt, ZERO, signature)
    closed = leaves.unopened(fill("closed"), seal_hash, signature, b"envelope")
    verdict = leaves.Verdict(1, 4, 2, (0, -5, 70000), 12_500, (core, other), (opening, closed))
    balance = leaves.Balance(7, fill("wallet")[12:], 25_000, leaves.pack_earnings([(0, 12_500), (3, 10_000)]))
    row = leaves.WeightRow(1, 7, 2, (-100, -65536, 65636))
    offer = messages.Assignment(1, TERMS.hash(), 4, 7, 1_800_000_000)
    return {
        "commitment": {
            "job": 1,
            "task": 4,
            "worker": 7,
            "payloadHash": keccak(b"\x02"),
            "salt": salt,
            "hash": bound,
        },
        "opening": {
            "commitment": bound,
            "sealHash": seal_hash,
            "payloadHash": keccak(b"\x02"),
            "salt": salt,
            "reason": ZERO,
            "signature": signature,
            "hash": opening.hash(),
        },
        "unopenedHash": closed.hash(),
        "cores": core.pack() + other.pack(),
        "openings": opening.hash() + closed.hash(),
        "listHash": leaves.list_hash((core, other), (opening, closed)),
        "verdict": {
            "job": 1,
            "task": 4,
            "label": 2,
            "prior": pack_int32(verdict.prior),
            "pay": 12_500,
            "leaf": verdict.leaf(),
        },
        "balance": {
            "worker": 7,
            "wallet": balance.wallet,
            "cumulative": 25_000,
            "earnings": balance.earnings,
            "leaf": balance.leaf(),
        },
        "weight": {"job": 1, "worker": 7, "label": 2, "row": pack_int32(row.row), "leaf": row.leaf()},
        "assignment": {
            "job": 1,
            "task": 4,
            "worker": 7,
            "expiry": offer.expiry,
            "terms": offer.terms,
            "leaf": leaves.assignment_leaf(offer),
        },
        "task": {"task": 4, "hash": fill("task record"), "leaf": leaf("task", 4, fill("task record"))},
        "receipt": {"answer": fill("answer"), "leaf": leaves.receipt_leaf(fill("answer"))},
    }


def message_vectors() -> list[dict[str, Any]]:
    wallet, key = person("worker"), person("answer key")
    samples: list[messages.Message] = [
        messages.Assignment(1, TERMS.hash(), 4, 7, 1_800_000_000),
        messages.Answer(1, TERMS.hash(), 4, 7, fill("commitment"), fill("seal")),
        messages.Receipt(fill("receipt root"), 100),
        messages.Register(address_of(wallet), address_of(key), 0, 1_800_000_000),
        messages.Claim(7, 25_000, 1_800_000_000),
        header(),
        messages.Change(3, COMMITTEE.digest(), 1_800_000_000),
        messages.BandKey(1, TERMS.hash(), 2, fill("key of a band")),
        messages.BandWish(1, TERMS.hash(), 2, fill("blinded point")),
        messages.Band(1, TERMS.hash(), 2, address_of(wallet)),
    ]
    domains = {"Register": DEPLOYMENT.workers_domain(), "Change": DEPLOYMENT.committee_domain()}
    out = []
    for message in samples:
        domain = domains.get(type(message).__name__, DEPLOYMENT.domain())
        names = [name for _, name in messages.parse_type(message.TYPE)[1]]
        digest = messages.digest(domain, message)
        out.append(
            {
                "type": message.TYPE,
                "kind": type(message).__name__,
                "contract": domain.contract,
                "values": dict(zip(names, messages.values(message), strict=True)),
                "digest": digest,
                "signer": address_of(wallet),
                "signature": sign(wallet, digest),
            }
        )
    return out


def header() -> messages.Header:
    roots: list[Any] = []
    for i, name in enumerate(("balances", "weights", "verdicts", "assignments")):
        roots += [fill(name), i + 3]
    total = sum(d.pay + TERMS.fee(d.pay) for d in DEBITS)
    values: list[Any] = [
        1,
        DEPLOYMENT.digest(),
        1_800_000_000,
        DEPLOYMENT.configuration(),
        *roots,
        heads.debits_hash(DEBITS),
        total,
        fill("content"),
        fill("model"),
    ]
    return messages.Header(*values)


def head_vectors() -> dict[str, Any]:
    digest = messages.digest(DEPLOYMENT.domain(), header())
    first = DEPLOYMENT.digest()
    after = heads.posted(first, digest, 0b1011)
    signers = [MEMBERS[i] for i in (0, 1, 3)]
    return {
        "first": first,
        "headerDigest": digest,
        "signers": 0b1011,
        "signatures": b"".join(sign(key, digest) for key in signers),
        "posted": after,
        "struck": heads.struck(after),
    }


def vectors() -> dict[str, Any]:
    prior, rows = (0, -5, 70000), [[-100, -65536, 65636], [30, 10, -40]]
    document: dict[str, Any] = hexed(
        {
            "tags": {name: tag(name) for name in TAGS},
            "chainId": DEPLOYMENT.chain_id,
            "terms": {
                "classes": TERMS.classes,
                "tasks": TERMS.tasks,
                "answers": TERMS.answers,
                "base": TERMS.base,
                "bonus": TERMS.bonus,
                "feeBps": TERMS.fee_bps,
                "weightCap": TERMS.weight_cap,
                "priorCap": TERMS.prior_cap,
                "taskRoot": TERMS.task_root,
                "manifest": TERMS.manifest,
                "parent": TERMS.parent,
                "free": TERMS.free,
                "hash": TERMS.hash(),
                "escrow": TERMS.escrow(),
            },
            "committee": {
                "address": COMMITTEE.address,
                "members": COMMITTEE.members,
                "sealKeys": COMMITTEE.seal_keys,
                "quorum": COMMITTEE.quorum,
                "digest": COMMITTEE.digest(),
            },
            "deployment": {
                "market": DEPLOYMENT.market,
                "workers": DEPLOYMENT.workers,
                "referee": DEPLOYMENT.referee,
                "disputes": DEPLOYMENT.disputes,
                "hatch": DEPLOYMENT.hatch,
                "token": DEPLOYMENT.token,
                "unit": DEPLOYMENT.unit,
                "window": DEPLOYMENT.window,
                "digest": DEPLOYMENT.digest(),
                "configuration": DEPLOYMENT.configuration(),
            },
            "debits": {
                "jobs": [d.job for d in DEBITS],
                "pays": [d.pay for d in DEBITS],
                "lasts": [d.last for d in DEBITS],
                "packed": heads.pack_debits(DEBITS),
                "hash": heads.debits_hash(DEBITS),
            },
            "leaves": leaf_vectors(),
            "messages": message_vectors(),
            "heads": head_vectors(),
            "trees": tree_vectors(),
            "multiproofs": multiproof_vectors(),
            "decision": {
                "prior": prior,
                "rows": rows,
                "scores": scores(prior, rows),
                "label": decide(prior, rows),
            },
        }
    )
    return document


def main() -> None:
    text = json.dumps(vectors(), indent=1) + "\n"
    if "--check" in sys.argv[1:]:
        sys.exit(0 if FILE.read_text() == text else f"{FILE} is stale: run python -m scripts.vectors")
    FILE.write_text(text)


if __name__ == "__main__":
    main()
