"""Positional Merkle trees: a proof says at which index a leaf stands, so neighbours prove order and absence.

leaves -> root, proofs, one proof of many leaves. `node(l, r) = keccak(l || r)`; an odd last node is paired with 32 zero
bytes; a proof in a tree of size n has exactly ceil(log2 n) steps, bottom up. Leaves and steps are 32 bytes each: no node
can be cut elsewhere.
"""

from collections.abc import Sequence
from itertools import pairwise
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


def multiproof(levels: Levels, indexes: Sequence[int]) -> list[bytes]:
    """What the leaves at `indexes` (strictly ascending) lack to give the root: level by level, from left to right.

    Of one index it is its proof. Raises IndexError outside the tree or out of order.
    """
    if not _ascending(indexes, len(levels[0])):
        raise IndexError(f"{list(indexes)[:5]} are no ascending leaves of a tree of {len(levels[0])}")
    steps, known = [], list(indexes)
    for level in levels[:-1]:
        held = set(known)
        siblings = [index ^ 1 for index in known if index ^ 1 not in held]
        steps += [level[sibling] if sibling < len(level) else ZERO for sibling in siblings]
        known = list(dict.fromkeys(index >> 1 for index in known))
    return steps


def verify_many(
    root: bytes, size: int, indexes: Sequence[int], leaves: Sequence[bytes], steps: Sequence[bytes]
) -> bool:
    """True if each leaf stands at its index, the indexes strictly ascend, and every step is needed."""
    if not indexes or len(leaves) != len(indexes) or not _ascending(indexes, size):
        return False
    if any(len(hash_) != 32 for hash_ in (*leaves, *steps)):
        return False
    left, nodes = list(steps), dict(zip(indexes, leaves, strict=True))
    for _ in range(depth(size)):
        above: dict[int, bytes] = {}
        for index, node in nodes.items():
            if index >> 1 in above:
                continue
            other = nodes.get(index ^ 1)
            if other is None:
                if not left:
                    return False
                other = left.pop(0)
            above[index >> 1] = keccak(other + node) if index & 1 else keccak(node + other)
        nodes = above
    return not left and list(nodes.values()) == [root]


def _ascending(indexes: Sequence[int], size: int) -> bool:
    return all(one < two for one, two in pairwise([-1, *indexes, size]))
