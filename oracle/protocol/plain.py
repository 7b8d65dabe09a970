"""Values as JSON and back: how dataclasses travel between processes and rest in tables and files.

dataclass <-> JSON: a field is its name, bytes are hex (read with or without 0x), a tuple is a list, an enum its value.
Reading is strict: a missing, unknown or mistyped field raises BadInput that names it. A reader is made once for each type:
thousands of answers a second are read with it.
"""

from binascii import unhexlify
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from itertools import repeat
from types import UnionType
from typing import Any, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from oracle.protocol.errors import BadInput

T = TypeVar("T")
Reader: TypeAlias = Callable[[Any], Any]


class _Misfit(Exception):
    """Says what is wrong with a value, and on its way up where the value stands."""

    def __init__(self, what: str, path: str = "") -> None:
        super().__init__(what)
        self.what, self.path = what, path

    def within(self, place: str) -> "_Misfit":
        return _Misfit(self.what, place + self.path)


def to_json(value: Any) -> Any:
    """JSON of a dataclass, or of what dataclasses hold."""
    kind: Any = type(value)
    if isinstance(value, bytes):
        return value.hex()
    if names := _names(kind):
        return {name: to_json(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    return [to_json(item) for item in value] if isinstance(value, tuple | list) else value


def from_json(kind: type[T], value: Any, where: str = "") -> T:
    """The `kind` (a dataclass, or what one holds) in a JSON value. Raises BadInput naming the field."""
    wanted: Any = kind
    try:
        found: T = _reader(wanted)(value)
    except _Misfit as problem:
        raise BadInput(f"{where or getattr(kind, '__name__', 'value')}{problem.path}: {problem.what}") from None
    return found


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()


@cache
def _reader(kind: Any) -> Reader:
    if is_dataclass(kind):
        return _fields_reader(kind)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _optional(_reader(next(k for k in get_args(kind) if k is not type(None))))
    if origin in (tuple, list):
        return _items_reader(kind)
    if kind is bytes:
        return _read_bytes
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum_reader(kind)
    return _as_it_is if kind is Any else _scalar_reader(kind)


def _optional(one: Reader) -> Reader:
    return lambda value: None if value is None else one(value)


def _as_it_is(value: Any) -> Any:
    return value


def _scalar_reader(kind: Any) -> Reader:
    expected = f"expected {'an unsigned integer' if kind is int else kind.__name__}"

    def read(value: Any) -> Any:
        if type(value) is not kind or (kind is int and not 0 <= value < 1 << 64):
            raise _Misfit(expected)
        return value

    return read


def _fields_reader(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    readers = {name: _reader(hints[name]) for name in _names(kind)}

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _Misfit("expected an object")
        if value.keys() != readers.keys():
            wrong = min(map(str, value.keys() ^ readers.keys()))
            raise _Misfit(f"{'missing' if wrong in readers else 'unknown'} field", f".{wrong[:40]}")
        found: dict[str, Any] = {}
        try:
            for name, one in readers.items():
                found[name] = one(value[name])
        except _Misfit as problem:
            raise problem.within(f".{name}") from None
        return kind(**found)

    return read


def _items_reader(kind: Any) -> Reader:
    whole, kinds = get_origin(kind), get_args(kind)
    many = whole is list or kinds[1:] == (...,)
    readers = tuple(_reader(k) for k in kinds if k is not ...)

    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise _Misfit("expected a list")
        if not many and len(value) != len(readers):
            raise _Misfit(f"expected {len(readers)} items")
        found: list[Any] = []
        try:
            for one, item in zip(repeat(readers[0]) if many else readers, value, strict=False):
                found.append(one(item))
        except _Misfit as problem:
            raise problem.within(f"[{len(found)}]") from None
        return whole(found)

    return read


def _read_bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise _Misfit("expected hex text")
    try:
        return unhexlify(value.removeprefix("0x"))
    except ValueError:
        raise _Misfit("not hex") from None


def _enum_reader(kind: type[Enum]) -> Reader:
    values = [member.value for member in kind]

    def read(value: Any) -> Enum:
        for member in kind:
            if type(member.value) is type(value) and member.value == value:
                return member
        raise _Misfit(f"expected one of {values}")

    return read
