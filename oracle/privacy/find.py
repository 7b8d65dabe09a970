"""Personal data and secrets in a text: str -> spans of the text as it was given, in order, none over another.

Three ways of looking, in this order: numbers and codes by shape and check digit (`structured`), addresses by the words that
streets have (`addresses`), names by lists and by what stands around them (`names`). English and Chinese. Before that a text is
folded as a reader sees it: zero-width characters and full-width digits hide nothing. Deterministic, and linear in the text.
"""

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from oracle.privacy import addresses, names, structured
from oracle.verification.content.texts import folded

NAME, ADDRESS = "name", "address"
KINDS = (*structured.KINDS, ADDRESS, NAME)  # what is found first keeps its place


@dataclass(frozen=True, slots=True)
class Found:
    """Of which kind, and where: characters `start` to `end` of the given text. The data itself is never repeated."""

    kind: str
    start: int
    end: int


def find(text: str, field: str = "", kinds: Collection[str] = KINDS) -> list[Found]:
    """Everything of these kinds. `field`: what the text is called where it stands, like `phone`: a whole value is judged by it."""
    if len(text) < 2 or not kinds:
        return []
    plain, places = _read(text)
    taken: list[tuple[int, int, str]] = []
    seen = bytearray(len(plain))  # which characters are somebody's already
    for kind, start, end in _spans(plain, field, kinds):
        if start < end and not any(seen[start:end]):
            seen[start:end] = b"\1" * (end - start)
            taken.append((start, end, kind))
    taken.sort()
    if places is None:
        return [Found(kind, start, end) for start, end, kind in taken]
    return [Found(kind, places[start], places[end - 1] + 1) for start, end, kind in taken]


def _spans(plain: str, field: str, kinds: Collection[str]) -> Iterable[tuple[str, int, int]]:
    yield from (one for one in structured.spans(plain, field) if one[0] in kinds)
    if ADDRESS in kinds:
        yield from ((ADDRESS, *span) for span in addresses.spans(plain, field))
    if NAME in kinds:
        yield from ((NAME, *span) for span in names.spans(plain, field))


def _read(text: str) -> tuple[str, list[int] | None]:
    """The text as it is read; offsets only where they differ from the given one's."""
    if text.isascii():
        return text, None
    signs = {c: unicodedata.normalize("NFKC", c) for c in set(text)}
    if any(len(plain) != 1 or unicodedata.category(c) in ("Cf", "Mn") for c, plain in signs.items()):
        return folded(text)
    return text.translate({ord(c): plain for c, plain in signs.items() if c != plain}), None
