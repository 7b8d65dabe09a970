"""A record in words: the sections of a model card (Mitchell et al. 2019, https://doi.org/10.1145/3287560.3287596).

Made from the fields, so that the same record has the same card.
"""

from __future__ import annotations

import json

from oracle.models.measure import FEW
from oracle.models.registry import Record
from oracle.models.tables import HeldOut
from oracle.protocol.cids import Cid, digest_of
from oracle.verification.scores import Interval


def card(record: Record, held: HeldOut) -> str:
    """Markdown."""
    sections = {
        "Model details": _details(record),
        "Intended use": record.intended_use,
        "Factors": _factors(record),
        "Metrics": "Accuracy, log-loss (nats), AUC (two classes), ECE (15 bins); 95 % bootstrap intervals over tasks.",
        "Evaluation data": _evaluation(record, held),
        "Training data": f"{record.data}\n\nDigest: {record.data_digest}",
        "Quantitative analyses": _figures(record),
        "Ethical considerations": _ethics(record),
        "Caveats and recommendations": record.limits,
    }
    return "\n\n".join([f"# {record.name}", *(f"## {name}\n\n{text}" for name, text in sections.items())]) + "\n"


def _details(record: Record) -> str:
    return "\n".join(
        [
            f"- Method: {record.method}, classes {', '.join(record.classes)}",
            f"- Settings: {json.dumps(record.settings, sort_keys=True)}",
            f"- Model digest (SHA-256): {digest_of(Cid(record.model)).hex()}",
            f"- Code: crowdproof {record.code.version}, source digest {record.code.source}",
        ]
    )


def _factors(record: Record) -> str:
    if not record.groups:
        return "The held-out tasks are in no groups: nothing is known of fairness between them."
    return f"Groups of tasks: {', '.join(one.name for one in record.groups)}."


def _evaluation(record: Record, held: HeldOut) -> str:
    folds = len(set(held.fold))
    return f"{len(held.task)} held-out tasks in {folds} fold{'s' * (folds > 1)}, digest {digest_of(Cid(record.held_out)).hex()}."


def _figures(record: Record) -> str:
    found = record.measures
    rows = ["| measure | value | 95 % interval |", "|---|---|---|"]
    named = {"accuracy": found.accuracy, "log-loss": found.log_loss, "AUC": found.auc, "ECE": found.ece}
    rows += [_row(name, one) for name, one in named.items() if one]
    if record.groups:
        rows += ["", "| group | tasks | accuracy | log-loss |", "|---|---|---|---|"]
        rows += [f"| {one.name} | {one.tasks} | {one.accuracy:.4f} | {one.log_loss:.4f} |" for one in record.groups]
    return "\n".join(rows)


def _row(name: str, one: Interval) -> str:
    return f"| {name} | {one.mean:.4f} | {one.low:.4f} to {one.high:.4f} |"


def _ethics(record: Record) -> str:
    gap = "is not known" if record.gap is None else f"is {record.gap:.4f}"
    spent = "Training added no noise that would protect its records."
    if record.privacy:
        spent = (
            f"Training has spent epsilon {record.privacy.epsilon:.4g} at delta {record.privacy.delta:g} of a record."
        )
    return f"{spent} The largest gap of accuracy between groups of at least {FEW} tasks {gap}."
