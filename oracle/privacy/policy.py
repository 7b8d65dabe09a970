"""What is done with which kind of personal data: JSON -> Policy. Whatever it does not know is refused, with what there is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from oracle.privacy.find import KINDS
from oracle.privacy.structured import SECRET, SEED
from oracle.protocol.errors import BadInput

REDACT, MASK, PSEUDONYM, KEEP = METHODS = ("redact", "mask", "pseudonym", "keep")
PLACES = ("strip", "refuse", "keep")  # of where a picture was taken
MOST_COLUMNS = 50


@dataclass(frozen=True, slots=True)
class Table:
    """Columns by which people could be singled out, columns that would tell something of them, and how well they must hide.

    k: rows that share each combination of `quasi` at least. l: different values of each of `sensitive` among them.
    """

    quasi: tuple[str, ...]
    sensitive: tuple[str, ...] = ()
    k: int = 5
    l: int = 2  # noqa: E741 - the name that it has everywhere


@dataclass(frozen=True, slots=True)
class Policy:
    """`default` for each kind that `kinds` does not name; fields in `skip` are left as they are."""

    default: str = REDACT
    kinds: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    skip: frozenset[str] = frozenset()
    location: str = PLACES[0]
    table: Table | None = None

    def method(self, kind: str) -> str:
        return self.kinds.get(kind, self.default)

    @property
    def sought(self) -> frozenset[str]:
        """The kinds that are not kept: what is kept need not be found."""
        return frozenset(kind for kind in KINDS if self.method(kind) != KEEP)

    @property
    def needs_key(self) -> bool:
        return any(self.method(kind) == PSEUDONYM for kind in KINDS)


def read_policy(document: Any, where: str = "policy") -> Policy:
    """Raises BadInput that names the field and what is allowed there."""
    _object(document, where, {"default", "kinds", "skip", "location", "table"})
    kinds = document.get("kinds", {})
    _object(kinds, f"{where}.kinds", set(KINDS))
    default = _one_of(document.get("default", REDACT), METHODS, f"{where}.default")
    for kind, method in kinds.items():
        _one_of(method, METHODS, f"{where}.kinds.{kind}")
    for kind in (SECRET, SEED):
        if kinds.get(kind) == MASK or (default == MASK and kind not in kinds):
            raise BadInput(f"{where}.kinds.{kind}: a part of a key is too much of it: redact, pseudonym or keep")
    location = _one_of(document.get("location", PLACES[0]), PLACES, f"{where}.location")
    table = _table(document["table"], f"{where}.table") if "table" in document else None
    return Policy(default, MappingProxyType(dict(kinds)), frozenset(_names(document, "skip", where)), location, table)


def _table(document: Any, where: str) -> Table:
    _object(document, where, {"quasi", "sensitive", "k", "l"})
    found = Table(_names(document, "quasi", where), _names(document, "sensitive", where), *_sizes(document, where))
    if not found.quasi:
        raise BadInput(f"{where}.quasi: name at least one column, like age or postcode")
    if twice := set(found.quasi) & set(found.sensitive):
        raise BadInput(f"{where}: {min(twice)!r} is either a quasi-identifier or sensitive")
    return found


def _sizes(document: dict[str, Any], where: str) -> tuple[int, int]:
    for name, least in (("k", 2), ("l", 1)):
        value = document.get(name, 2)
        if type(value) is not int or not least <= value <= 1_000_000:
            raise BadInput(f"{where}.{name}: a whole number from {least} to 1,000,000")
    return document.get("k", 5), document.get("l", 2)


def _names(document: dict[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = document.get(name, [])
    if (
        not isinstance(value, list)
        or len(value) > MOST_COLUMNS
        or not all(isinstance(one, str) and one for one in value)
    ):
        raise BadInput(f"{where}.{name}: a list of at most {MOST_COLUMNS} names of fields")
    if len(set(value)) != len(value):
        raise BadInput(f"{where}.{name}: a field stands twice")
    return tuple(value)


def _object(value: Any, where: str, known: set[str]) -> None:
    if not isinstance(value, dict):
        raise BadInput(f"{where}: an object is expected")
    if unknown := [str(name) for name in value if name not in known]:
        raise BadInput(f"{where}: {min(unknown)[:40]!r} is not known; there are {', '.join(sorted(known))}")


def _one_of(value: Any, known: tuple[str, ...], where: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise BadInput(f"{where}: {str(value)[:40]!r} is not one of {', '.join(known)}")
    return value
