"""Positional Merkle trees: a proof says at which index a leaf stands, so neighbours prove order and absence.

leaves -> root, proofs. `node(l, r) = keccak(l || r)`; an odd last node is paired with 32 zero bytes; a proof in a tree
of size n has exactly ceil(log2 n) steps, bottom up. Leaves and steps are 32 bytes each: no node can be cut elsewhere.
"""

from collections.abc import Sequence
from typing import TypeAlias

from oracle.protocol.hashing import ZERO, keccak

Levels: TypeAlias = list[list[bytes]]


def build(leaves: Sequence[bytes]) -> Levels:
    """All levels, leaves first; the last level holds the root alone (a tree without leaves has one empty level)."""
    levels: Levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        if len(below) % 2:
            below = [*below, ZERO]
        levels.append([keccak(below[i] + below[i + 1]) for i in range(0, len(below), 2)])
    return levels


def root(leaves: Sequence[bytes]) -> bytes:
    """The root; of no leaves 32 zero bytes, of one leaf the leaf."""
    return top(build(leaves))


def top(levels: Levels) -> bytes:
    return levels[-1][0] if levels[-1] else ZERO


def depth(size: int) -> int:
    """ceil(log2 size): the steps of every proof in a tree of that size."""
    return max(size - 1, 0).bit_length()


def proof(levels: Levels, index: int) -> list[bytes]:
    """The siblings of leaf `index`, bottom up. Raises IndexError outside the tree."""
    if not 0 <= index < len(levels[0]):
        raise IndexError(f"no leaf {index} in a tree of {len(levels[0])}")
    steps = []
    for level in levels[:-1]:
        sibling = index ^ 1
        steps.append(level[sibling] if sibling < len(level) else ZERO)
        index >>= 1
    return steps


def verify(root: bytes, size: int, index: int, leaf: bytes, steps: Sequence[bytes]) -> bool:
    """True if `leaf` stands at `index` in the tree of `size` leaves with that root."""
    if not 0 <= index < size or len(steps) != depth(size) or any(len(hash_) != 32 for hash_ in (leaf, *steps)):
        return False
    node = leaf
    for bit, step in enumerate(steps):
        node = keccak(step + node) if index >> bit & 1 else keccak(node + step)
    return node == root
