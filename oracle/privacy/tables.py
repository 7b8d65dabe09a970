"""k-anonymity and l-diversity of a table: rows -> the groups that break them, by row.

A table is k-anonymous if each combination of its quasi-identifiers stands in k rows at least (Sweeney 2002,
https://doi.org/10.1142/S0218488502001648), and distinct l-diverse if the rows of each hold l values at least of each sensitive
column (Machanavajjhala et al. 2007, https://doi.org/10.1145/1217299.1217302). Neither bounds what those learn who know more.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oracle.privacy.policy import Table
from oracle.protocol.errors import BadInput


@dataclass(frozen=True, slots=True)
class Break:
    """Rows that share their quasi-identifiers and break a rule, and which rule."""

    rows: tuple[int, ...]
    rule: str
    what: str


def breaks(rows: Sequence[tuple[int, Mapping[str, Any]]], table: Table) -> list[Break]:
    """Of (number, fields). A row that lacks a column is in a group with those that lack it too; a column of none is refused."""
    wanted = (*table.quasi, *table.sensitive)
    known = {name for _, fields in rows for name in fields}
    if missing := [name for name in wanted if name not in known]:
        raise BadInput(
            f"policy.table: no row has the column {missing[0]!r}; there are {', '.join(sorted(known))[:300]}"
        )
    groups: dict[tuple[str, ...], list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
    for number, fields in rows:
        groups[tuple(_key(fields.get(name)) for name in table.quasi)].append((number, fields))
    found: list[Break] = []
    for group in groups.values():
        numbers = tuple(number for number, _ in group)
        if len(group) < table.k:
            found.append(
                Break(
                    numbers, "k-anonymity", f"{len(group)} of {table.k} rows that must share {', '.join(table.quasi)}"
                )
            )
            continue
        for name in table.sensitive:
            values = len({_key(fields.get(name)) for _, fields in group})
            if values < table.l:
                what = (
                    f"{values} of {table.l} values of {name} that rows with the same {', '.join(table.quasi)} must have"
                )
                found.append(Break(numbers, "l-diversity", what))
    return found


def _key(value: Any) -> str:
    return " ".join(str(value).casefold().split())
