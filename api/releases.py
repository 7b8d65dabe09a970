"""Differentially private releases of a job on the chain: its final answers, its manifest's budget, the ledger's key."""

import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from api.reader import Reader
from oracle.adapters.signer import KeySigner
from oracle.config import Home
from oracle.privacy.budget import Budget, Entry, read_budget, spent
from oracle.privacy.release import Query, Row
from oracle.protocol.leaves import Status
from oracle.protocol.plain import to_json
from oracle.protocol.state import EpochStatus
from oracle.services import releases


def dataset(job: int) -> str:
    return f"job {job}"


def ledger_key(home: Home) -> KeySigner:
    """Signs ledgers and nothing else: it has no money and no say."""
    return KeySigner(sha256(b"crowdproof ledger key\0" + home.secret("ledger").encode()).digest())


def budget_of(reader: Reader, job: int) -> Budget | None:
    """As the job's manifest has it, which its terms fix: written down when it is first asked for."""
    known = reader.oracle.database.budget(dataset(job))
    document = reader.content(reader.job(job))[0].document.get("releases")
    if known is None and document is not None:
        known = read_budget(dataset(job), document, "manifest: releases")
        reader.oracle.database.set_budget(known)
    return known


def publish(reader: Reader, signer: KeySigner, job: int, query: Query, groups: Mapping[str, str]) -> Entry:
    """Over the answers that final epochs count. The epochs up to now are part of what is asked: later ones are another question.

    `groups`: worker's number -> group, which its requester knows.
    """
    budget_of(reader, job)
    classes = reader.content(reader.job(job))[0].classes
    rows = [
        Row(str(core.worker), str(verdict.task), classes[core.label], core.label == verdict.label, post.epoch, group)
        for post, _, verdict in reader.verdicts(job)
        if post.status is EpochStatus.FINAL
        for core in verdict.cores
        if core.status is Status.COUNTED
        for group in (groups.get(str(core.worker), ""),)
    ]
    epochs = sorted({row.epoch for row in rows})
    asked = query.within(epochs[0], epochs[-1]) if epochs else query
    database = reader.oracle.database
    return releases.publish(database, signer, dataset(job), asked, rows, classes, epochs, int(time.time()))


def shown(budget: Budget | None, entries: list[Entry], signer: KeySigner) -> dict[str, Any]:
    """The ledger for everyone: what may be revealed, what was, and every entry with its signature."""
    used = spent(budget, [entry.cost for entry in entries]) if budget else (0.0, 0.0)
    return {
        "budget": to_json(budget),
        "spent": {"epsilon": used[0], "delta": used[1]},
        "signer": "0x" + signer.address.hex(),
        "entries": [{**to_json(entry), "digest": entry.digest().hex()} for entry in entries],
    }
