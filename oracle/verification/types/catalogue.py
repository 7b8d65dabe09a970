"""From the words for a type, as in a manifest's `answer`, to the type: `number`, or {"type": "number", "low": 0, "high": 100}."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema

from oracle.protocol.errors import BadInput
from oracle.verification.types.answer import AnswerType
from oracle.verification.types.boxes import boxes
from oracle.verification.types.choice import choice, ordinal
from oracle.verification.types.form import form
from oracle.verification.types.multi import multi
from oracle.verification.types.number import number
from oracle.verification.types.ranking import ranking
from oracle.verification.types.spans import spans
from oracle.verification.types.text import text

_CLASSES = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": 500},
    "minItems": 2,
    "maxItems": 1000,
    "uniqueItems": True,
}
_LABELS = _CLASSES | {"minItems": 1}
_FIELDS = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 50,
    "additionalProperties": {"type": ["object", "string"]},
}
_END = {"type": "number", "minimum": -1e100, "maximum": 1e100}

# the parameters of each type, as JSON Schema, and what makes it of them
TYPES: dict[str, tuple[dict[str, Any], Callable[..., AnswerType]]] = {
    "choice": ({"classes": _CLASSES}, choice),
    "multi": ({"classes": _LABELS}, multi),
    "ordinal": ({"classes": _CLASSES}, ordinal),
    "number": ({"low": _END, "high": _END}, number),
    "ranking": ({"items": {"enum": ["task", "job"]}}, ranking),
    "text": ({"unit": {"enum": ["word", "character"]}}, text),
    "spans": ({"labels": _LABELS}, spans),
    "boxes": ({"labels": _LABELS}, boxes),
    "form": ({"fields": _FIELDS}, form),
}


def type_of(words: str | Mapping[str, Any], where: str = "answer type") -> AnswerType:
    """The type that a name or a JSON object describes. Raises BadInput naming the parameter and what it must be."""
    document = _document(words, where) if isinstance(words, str) else dict(words)
    name = document.pop("type", None)
    if not isinstance(name, str) or name not in TYPES:
        raise BadInput(f"{where}: {str(name)[:40]!r} is no type of answer; choose one of {', '.join(TYPES)}")
    parameters, make = TYPES[name]
    schema = {"type": "object", "properties": parameters, "additionalProperties": False}
    if name == "form":
        schema["required"] = ["fields"]
    problem = next(iter(jsonschema.Draft202012Validator(schema).iter_errors(document)), None)
    if problem:
        field = ".".join(map(str, problem.absolute_path)) or "its parameters"
        raise BadInput(f"{where}: {name}: {field}: {problem.message[:200]}")
    if name == "form":
        document["fields"] = {
            key: _field(one, f"{where}: field {key[:40]!r}") for key, one in document["fields"].items()
        }
    if document.get("low", -1e100) >= document.get("high", 1e100):
        raise BadInput(f"{where}: {name}: low is {document['low']}, not below high ({document['high']})")
    return make(**document)


def asked_of(words: str | Mapping[str, Any], where: str = "answer type") -> dict[str, Any]:
    """The same as a manifest says it, in `answer.asked`. Raises BadInput."""
    document = _document(words, where) if isinstance(words, str) else dict(words)
    if document.get("type") == "multi" and "classes" in document:
        document["labels"] = document.pop("classes")
    if document.get("type") == "form":
        document["fields"] = {name: list(one.get("classes", ())) for name, one in document["fields"].items()}
    return document


def _field(words: str | Mapping[str, Any], where: str) -> AnswerType:
    kind = type_of(words, where)
    if kind.name == "form":
        raise BadInput(f"{where}: a form holds no form; give its fields to the outer one")
    return kind


def _document(words: str, where: str) -> dict[str, Any]:
    if not words.lstrip().startswith("{"):
        return {"type": words}
    try:
        return dict(json.loads(words))
    except (ValueError, RecursionError) as problem:
        raise BadInput(
            f'{where}: not readable as JSON ({problem}); write a name, or like {{"type": "number"}}'
        ) from None
