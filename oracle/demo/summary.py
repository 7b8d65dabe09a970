"""What came of a demo, as numbers: quality, money, gas, audit, and one digest of all verdicts."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from oracle import labels as lb
from oracle.bootstrap import Oracle
from oracle.demo.recording import Recording
from oracle.ports import Sent
from oracle.protocol import epoch as ep
from oracle.protocol.state import State
from oracle.services.audit import Report

WORK = ("fund", "open", "close", "post", "finalise", "claim", "refund")  # kinds of transactions that every job has
AUDITED = ("epochs", "verdicts", "answers", "balances", "blocks", "matches", "matched", "gap")
Verdicts = list[tuple[int, int, int]]  # task, label, units of pay; ascending by task


def summarise(
    oracle: Oracle, state: State, job: int, recording: Recording, sent: Sequence[Sent], report: Report
) -> dict[str, Any]:
    """Money is in the token's smallest unit; `debited` = `paid` + `claimable`, `escrowed` = `debited` + `refunded`."""
    unit, answers = oracle.deployment.unit, recording.answers
    verdicts = verdicts_of(oracle, state, job)
    debited, paid = state.final_total * unit, sum(state.claimed.values()) * unit
    committee = oracle.deployment.committee
    bought = report.answers
    return {
        "tasks": len(answers.tasks),
        "workers": len(answers.workers),
        "answers": bought,
        "answers_bought": bought,
        "answers_recorded": len(answers.label),
        **_quality(recording, verdicts),
        "epochs": state.last_epoch,
        "committee": {"members": len(committee.members), "quorum": committee.quorum},
        **_gas(sent, bought, len(answers.workers)),
        "escrowed": state.jobs[job].escrow * unit,
        "debited": debited,
        "paid": paid,
        "claimable": debited - paid,
        "fee": state.claimed.get(0, 0) * unit,
        "refunded": state.jobs[job].refunded * unit,
        "audit": {
            "ok": report.ok,
            **{name: getattr(report, name) for name in AUDITED},
            "faults": [str(fault) for fault in report.faults[:20]],
        },
        "verdicts_digest": digest(recording, verdicts),
        "notes": recording.notes,
    }


def verdicts_of(oracle: Oracle, state: State, job: int) -> Verdicts:
    """This job's verdicts in epochs that stand."""
    terms = state.jobs[job].terms
    return sorted(
        (verdict.task, verdict.label, ep.pay_of(terms, verdict.label, verdict.cores))
        for post in state.unstruck()
        for verdict in oracle.books.epoch(post.epoch, post.content).verdicts
        if verdict.job == job
    )


def digest(recording: Recording, verdicts: Verdicts) -> str:
    """SHA-256 over lines of task id, label and pay: the same for the same input and seed, however often interrupted."""
    answers = recording.answers
    lines = [f"{answers.tasks[task]}\t{answers.classes[label]}\t{pay}\n" for task, label, pay in verdicts]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _quality(recording: Recording, verdicts: Verdicts) -> dict[str, Any]:
    found = np.full(len(recording.answers.tasks), lb.NO_TRUTH, np.int32)
    for task, label, _ in verdicts:
        found[task] = label
    gold, consensus = recording.gold, recording.consensus
    return {
        "accuracy": None if gold is None else lb.accuracy(found, gold),
        "agreement": None if consensus is None else lb.accuracy(found, consensus),
    }


def _gas(sent: Sequence[Sent], answers: int, workers: int) -> dict[str, Any]:
    """By kind; `per_answer` without deploying, coin for the demo's accounts, and registration, which is once a worker."""
    kinds: dict[str, int] = {}
    for one in sent:
        if one.outcome:
            kinds[one.kind] = kinds.get(one.kind, 0) + one.outcome.gas
    work = sum(kinds.get(kind, 0) for kind in WORK)
    per = {"per_answer": round(work / answers, 1), "per_registration": round(kinds.get("register", 0) / workers, 1)}
    return {"transactions": sum(one.outcome is not None for one in sent), "gas": {**kinds, **per}}
