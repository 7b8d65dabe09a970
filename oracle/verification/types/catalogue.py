"""From a type's words, as in a manifest's `answer`, to the type: `number`, or {"type": "number", "low": 0, "high": 100}."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema

from oracle.protocol.errors import BadInput
from oracle.verification.types.answer import AnswerType
from oracle.verification.types.number import number
from oracle.verification.types.text import text

_LIMITS = {"low": {"type": "number"}, "high": {"type": "number"}}

# the parameters of each type, as JSON Schema, and what makes it of them
TYPES: dict[str, tuple[dict[str, Any], Callable[..., AnswerType]]] = {
    "number": (_LIMITS, number),
    "text": ({"unit": {"enum": ["word", "character"]}}, text),
}


def type_of(words: str | Mapping[str, Any], where: str = "answer type") -> AnswerType:
    """The type that a name or a JSON object describes. Raises BadInput naming the parameter and what it must be."""
    document = _document(words, where) if isinstance(words, str) else dict(words)
    name = document.pop("type", None)
    if not isinstance(name, str) or name not in TYPES:
        raise BadInput(f"{where}: {str(name)[:40]!r} is no type of answer; choose one of {', '.join(TYPES)}")
    parameters, make = TYPES[name]
    schema = {"type": "object", "properties": parameters, "additionalProperties": False}
    problem = next(iter(jsonschema.Draft202012Validator(schema).iter_errors(document)), None)
    if problem:
        field = ".".join(map(str, problem.absolute_path)) or "its parameters"
        raise BadInput(f"{where}: {name}: {field}: {problem.message[:200]}")
    try:
        return make(**document)
    except ValueError as reason:
        raise BadInput(f"{where}: {name}: {reason}") from None


def _document(words: str, where: str) -> dict[str, Any]:
    if not words.lstrip().startswith("{"):
        return {"type": words}
    try:
        found = json.loads(words)
    except (ValueError, RecursionError) as problem:
        raise BadInput(
            f'{where}: not readable as JSON ({problem}); write a name, or like {{"type": "number"}}'
        ) from None
    return dict(found)
