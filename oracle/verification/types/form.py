"""Several questions in one task, each with a type of its own.

Fields are aggregated one by one; an answer may leave a field out. The confidence is the product over the fields, so that all of
them are right if they are right independently; agreement is the mean over the fields where it is defined.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.verification.types.answer import AnswerType, Categorical, Consensus, Given, Unreadable
from oracle.verification.types.documents import parsed, written

_SCHEMA = {"type": "object"}

Fields = Mapping[str, AnswerType]


def form(fields: Fields) -> AnswerType:
    """A form of named fields."""
    kind = _Form(fields)
    return AnswerType(
        name="form",
        read=kind.read,
        write=kind.write,
        aggregate=kind.aggregate,
        near=0.0,
        distance=lambda left, right: float(left != right),
        agreement=kind.agreement,
        measure="mean over the fields: " + "; ".join(f"{name}: {field.measure}" for name, field in fields.items()),
        score=kind.score,
    )


@dataclass(frozen=True, slots=True)
class _Form:
    fields: Fields

    def read(self, text: str) -> dict[str, Any]:
        """A JSON object with a value for each field answered. Raises Unreadable naming the field."""
        document = parsed(text, _SCHEMA, f'{{"{next(iter(self.fields))}": ...}}')
        values = {}
        for name, value in document.items():
            if name not in self.fields:
                raise Unreadable(
                    f"{text[:40]!r}: there is no field {name[:40]!r}; the form has {', '.join(self.fields)[:200]}"
                )
            try:
                values[name] = self.fields[name].read(value if isinstance(value, str) else json.dumps(value))
            except Unreadable as reason:
                raise Unreadable(f"{text[:40]!r}: field {name[:40]!r}: {reason}") from None
        return values

    def write(self, value: Mapping[str, Any]) -> str:
        """JSON; each field as its own type writes it."""
        return written({name: self.fields[name].write(one) for name, one in value.items()})

    def aggregate(self, given: Given, engine: Categorical) -> Consensus:
        """More columns: `confidence:FIELD`. Quality: the mean rank of the worker's quality over the fields, 0..1."""
        parts = {name: field.aggregate(self._given(given, name), engine) for name, field in self.fields.items()}
        answered = np.bincount(given.task, minlength=given.tasks) > 0
        values = [
            {name: part.value[t] for name, part in parts.items() if part.value[t] is not None} if answered[t] else None
            for t in range(given.tasks)
        ]
        ranks = [
            np.argsort(np.argsort(part.quality, kind="stable")) / max(given.workers - 1, 1) for part in parts.values()
        ]
        return Consensus(
            value=values,
            confidence=np.prod([part.confidence for part in parts.values()], axis=0),
            quality=np.mean(ranks, axis=0),
            columns={f"confidence:{name}": part.confidence for name, part in parts.items()},
        )

    def agreement(self, given: Given) -> float | None:
        found = [field.agreement(self._given(given, name)) for name, field in self.fields.items()]
        known = [one for one in found if one is not None]
        return float(np.mean(known)) if known else None

    def score(self, values: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """The metrics of each field, as FIELD.METRIC, over the tasks that have both."""
        figures: dict[str, float] = {}
        for name, field in self.fields.items():
            pairs = [(v[name], k[name]) for v, k in zip(values, known, strict=True) if name in v and name in k]
            if pairs:
                figures |= {f"{name}.{metric}": one for metric, one in field.score(*zip(*pairs, strict=True)).items()}
        return figures

    def _given(self, given: Given, name: str) -> Given:
        keep = [n for n, value in enumerate(given.value) if name in value]
        return Given(
            given.task[keep], given.worker[keep], [given.value[n][name] for n in keep], given.tasks, given.workers
        )
