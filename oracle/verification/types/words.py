"""Sequences of words: how far two are apart, and several laid side by side.

`edits` is the Levenshtein distance over words by Myers' bit vectors, in Hyyro's form: one step a word on whole-number bit
masks. `Lattice` is the word transition network of ROVER: slots in a row, in each the words that stand there, "" where one has
none.

Myers (1999), https://doi.org/10.1145/316542.316550; Hyyro (2003), A bit-vector algorithm for computing Levenshtein and Damerau
edit distances, Nordic J. Comput. 10(1); Fiscus (1997), https://doi.org/10.1109/ASRU.1997.659110.
"""

from __future__ import annotations

from collections.abc import Sequence

Words = tuple[str, ...]


def edits(left: Sequence[str], right: Sequence[str]) -> int:
    """The fewest insertions, deletions and substitutions of words that turn one into the other."""
    if not left or not right:
        return len(left) + len(right)
    places: dict[str, int] = {}
    for i, word in enumerate(left):
        places[word] = places.get(word, 0) | 1 << i
    full, last = (1 << len(left)) - 1, 1 << (len(left) - 1)
    up, down, total = full, 0, len(left)  # where the column rises and falls, and its foot
    for word in right:
        equal = places.get(word, 0)
        vertical = equal | down
        horizontal = (((equal & up) + up) ^ up) | equal
        rises, falls = (down | ~(horizontal | up)) & full, up & horizontal
        total += bool(rises & last) - bool(falls & last)
        rises = (rises << 1 | 1) & full
        up = (falls << 1 | ~(vertical | rises)) & full
        down = rises & vertical
    return total


def apart(left: Sequence[str], right: Sequence[str]) -> float:
    """Edits as a share of the longer one's words, 0..1."""
    return edits(left, right) / max(len(left), len(right), 1)


class Lattice:
    """Sequences laid side by side, one after the other; `rows` are the sequences over the slots, "" for none."""

    def __init__(self, first: Words) -> None:
        self.rows: list[list[str]] = [list(first)]
        self.slots: list[dict[str, int]] = [{word: 1} for word in first]

    def add(self, words: Words) -> None:
        """Lays one more sequence beside the others: the cheapest alignment, where a step costs the share of those that differ."""
        many = len(self.rows)
        placed = self._align(words)
        rows: list[list[str]] = [[] for _ in self.rows]
        slots: list[dict[str, int]] = []
        mine: list[str] = []
        for slot, word in placed:
            if slot < 0:
                slots.append({"": many, word: 1})
                for row in rows:
                    row.append("")
            else:
                counts = self.slots[slot]
                counts[word] = counts.get(word, 0) + 1
                slots.append(counts)
                for row, old in zip(rows, self.rows, strict=True):
                    row.append(old[slot])
            mine.append(word)
        self.rows, self.slots = [*rows, mine], slots

    def _align(self, words: Words) -> list[tuple[int, str]]:
        """(slot, word) in order; the word is "" where the sequence has none, the slot -1 where it has one more."""
        many, wide = float(len(self.rows)), len(words)
        skip = [1 - slot.get("", 0) / many for slot in self.slots]
        cost = [[float(j) for j in range(wide + 1)]]
        for slot, gap in zip(self.slots, skip, strict=True):
            above = cost[-1]
            row = [above[0] + gap]
            left = row[0]
            for j, word in enumerate(words):
                found = slot.get(word)
                best = above[j] + (1 - found / many if found else 1.0)
                best = min(best, above[j + 1] + gap, left + 1)
                row.append(best)
                left = best
            cost.append(row)
        placed: list[tuple[int, str]] = []
        i, j = len(self.slots), wide
        while i or j:
            here = cost[i][j]
            if i and j and here == cost[i - 1][j - 1] + _step(self.slots[i - 1], words[j - 1], many):
                i, j = i - 1, j - 1
                placed.append((i, words[j]))
            elif i and here == cost[i - 1][j] + skip[i - 1]:
                i -= 1
                placed.append((i, ""))
            else:
                j -= 1
                placed.append((-1, words[j]))
        return placed[::-1]


def _step(slot: dict[str, int], word: str, many: float) -> float:
    found = slot.get(word)
    return 1 - found / many if found else 1.0
