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
from oracle.services.candidates import kind_of

WORK = ("fund", "open", "close", "post", "finalise", "claim", "refund")  # kinds of transactions that every job has
AUDITED = ("epochs", "verdicts", "answers", "balances", "blocks", "matches", "matched", "gap")
Verdicts = list[tuple[int, str, int]]  # task, what is decided, units of pay; ascending by task


def summarise(
    oracle: Oracle, state: State, job: int, recording: Recording, sent: Sequence[Sent], report: Report
) -> dict[str, Any]:
    """Money is in the token's smallest unit; `debited` = `paid` + `claimable`, `escrowed` = `debited` + `refunded`."""
    unit, answers = oracle.deployment.unit, recording.answers
    verdicts = verdicts_of(oracle, state, job, recording)
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


def verdicts_of(oracle: Oracle, state: State, job: int, recording: Recording) -> Verdicts:
    """This job's verdicts in epochs that stand."""
    terms, found = state.jobs[job].terms, []
    for post in state.unstruck():
        epoch = oracle.books.epoch(post.epoch, post.content)
        named = oracle.books.candidates(epoch.model) if terms.free else {}
        for v in [v for v in epoch.verdicts if v.job == job]:
            names = (named[job, v.task] or ()) if terms.free else recording.answers.classes
            said = names[v.label] if v.label < len(names) else ""
            found.append((v.task, said, ep.pay_of(terms, v.label, v.cores)))
    return sorted(found)


def digest(recording: Recording, verdicts: Verdicts) -> str:
    """SHA-256 over lines of task id, label and pay: the same for the same input and seed, however often interrupted."""
    lines = [f"{recording.answers.tasks[task]}\t{said}\t{pay}\n" for task, said, pay in verdicts]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _quality(recording: Recording, verdicts: Verdicts) -> dict[str, Any]:
    if recording.asked:
        return {"accuracy": None, "agreement": None, "score": _score(recording, verdicts)}
    found = np.full(len(recording.answers.tasks), lb.NO_TRUTH, np.int32)
    labels = {name: label for label, name in enumerate(recording.answers.classes)}
    for task, said, _ in verdicts:
        found[task] = labels[said]
    gold, consensus = recording.gold, recording.consensus
    return {
        "accuracy": None if gold is None else lb.accuracy(found, gold),
        "agreement": None if consensus is None else lb.accuracy(found, consensus),
    }


def _score(recording: Recording, verdicts: Verdicts) -> dict[str, float]:
    """The type's metrics over the tasks whose answer is known."""
    kind, truth = kind_of(recording.asked or {}), recording.truth
    known = {} if truth is None else truth.labels
    names = recording.answers.tasks
    pairs = [(kind.read(said), kind.read(known[names[task]])) for task, said, _ in verdicts if names[task] in known]
    return {"tasks": len(pairs), **(kind.score(*zip(*pairs, strict=True)) if pairs else {})}


def _gas(sent: Sequence[Sent], answers: int, workers: int) -> dict[str, Any]:
    """By kind; `per_answer` without deploying, coin for the demo's accounts, and registration, which is once a worker."""
    kinds: dict[str, int] = {}
    for one in sent:
        if one.outcome:
            kinds[one.kind] = kinds.get(one.kind, 0) + one.outcome.gas
    work = sum(kinds.get(kind, 0) for kind in WORK)
    per = {"per_answer": round(work / answers, 1), "per_registration": round(kinds.get("register", 0) / workers, 1)}
    return {"transactions": sum(one.outcome is not None for one in sent), "gas": {**kinds, **per}}
