"""A structured answer in one cell: a JSON document, checked against a schema before anything looks into it."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import jsonschema

from oracle.verification.types.answer import Unreadable

MOST_ITEMS = 1_000  # of one answer
NAME = {"type": "string", "minLength": 1, "maxLength": 500}
COORDINATE = 1e9


def parsed(text: str, schema: dict[str, Any], example: str) -> Any:
    """The document in `text`. Raises Unreadable with the first field that is wrong, and an example of a right one."""
    try:
        document = json.loads(text, parse_constant=_no_number, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as problem:
        raise Unreadable(f"{text[:40]!r} is not readable as JSON ({problem}); write it like {example}") from None
    found = next(iter(jsonschema.Draft202012Validator(schema).iter_errors(document)), None)
    if found is not None:
        place = ".".join(map(str, found.absolute_path)) or "the whole"
        raise Unreadable(f"{text[:40]!r}: {place}: {_reason(found)}; write it like {example}")
    return document


def written(document: Any) -> str:
    """The one way to write a document: sorted keys, no white space."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _reason(found: jsonschema.ValidationError) -> str:
    short = found.message if len(found.message) <= 120 else f"breaks {found.validator} {found.validator_value}"
    return short[:120]


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field stands twice")
    return found
