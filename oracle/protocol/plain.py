"""Values as JSON and back: how dataclasses travel between processes and rest in tables and files.

dataclass <-> JSON: a field is its name, bytes are hex (read with or without 0x), a tuple is a list, an enum its value.
Reading is strict: a missing, unknown or mistyped field raises BadInput that names it.
"""

import re
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from oracle.protocol.errors import BadInput

T = TypeVar("T")
_HEX = re.compile("(0x)?([0-9a-fA-F]{2})*")


def to_json(value: Any) -> Any:
    """JSON of a dataclass, or of what dataclasses hold."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    return [to_json(item) for item in value] if isinstance(value, tuple | list) else value


def from_json(kind: type[T], value: Any, where: str = "") -> T:
    """The `kind` (a dataclass, or what one holds) in a JSON value. Raises BadInput naming the field."""
    found: T = _read(kind, value, where or getattr(kind, "__name__", "value"))
    return found


def _read(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind):
        return _read_fields(kind, value, where)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return None if value is None else _read(next(k for k in get_args(kind) if k is not type(None)), value, where)
    if origin in (tuple, list):
        return _read_items(kind, value, where)
    if kind is bytes:
        return _read_bytes(value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _read_enum(kind, value, where)
    return value if kind is Any else _read_scalar(kind, value, where)


def _read_scalar(kind: Any, value: Any, where: str) -> Any:
    if type(value) is not kind or (kind is int and not 0 <= value < 1 << 64):
        raise BadInput(f"{where}: expected {'an unsigned integer' if kind is int else kind.__name__}")
    return value


def _read_fields(kind: Any, value: Any, where: str) -> Any:
    hints = _hints(kind)
    if not isinstance(value, dict):
        raise BadInput(f"{where}: expected an object")
    if wrong := sorted(map(str, value.keys() ^ hints.keys())):
        raise BadInput(f"{where}.{wrong[0][:40]}: {'missing' if wrong[0] in hints else 'unknown'} field")
    return kind(**{name: _read(hint, value[name], f"{where}.{name}") for name, hint in hints.items()})


def _read_items(kind: Any, value: Any, where: str) -> Any:
    kinds = get_args(kind)
    if not isinstance(value, list):
        raise BadInput(f"{where}: expected a list")
    if get_origin(kind) is list or kinds[1:] == (...,):
        items = [_read(kinds[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
    elif len(value) != len(kinds):
        raise BadInput(f"{where}: expected {len(kinds)} items")
    else:
        items = [_read(k, item, f"{where}[{i}]") for i, (k, item) in enumerate(zip(kinds, value, strict=True))]
    return items if get_origin(kind) is list else tuple(items)


def _read_bytes(value: Any, where: str) -> bytes:
    if not isinstance(value, str):
        raise BadInput(f"{where}: expected hex text")
    if not _HEX.fullmatch(value):
        raise BadInput(f"{where}: not hex")
    return bytes.fromhex(value.removeprefix("0x"))


def _read_enum(kind: type[Enum], value: Any, where: str) -> Enum:
    for member in kind:
        if type(member.value) is type(value) and member.value == value:
            return member
    raise BadInput(f"{where}: expected one of {[member.value for member in kind]}")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
