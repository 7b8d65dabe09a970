"""Positional trees against a naive reference written from docs/protocol.md."""

import pytest
from eth_utils.crypto import keccak
from hypothesis import assume, given
from hypothesis import strategies as st

from oracle.protocol import trees
from oracle.protocol.hashing import leaf
from tests.support.epochs import fill

LEAVES = [fill(f"leaf {i}") for i in range(41)]
hashes = st.binary(min_size=32, max_size=32)


def naive_root(leaves: list[bytes]) -> bytes:
    """By definition: the root of a tree padded with zero on each level."""
    if len(leaves) < 2:
        return leaves[0] if leaves else bytes(32)
    padded = leaves + [bytes(32)] * (len(leaves) % 2)
    return naive_root([keccak(padded[i] + padded[i + 1]) for i in range(0, len(padded), 2)])


def naive_depth(size: int) -> int:
    steps, reach = 0, 1
    while reach < size:
        steps, reach = steps + 1, reach * 2
    return steps


@pytest.mark.parametrize("size", range(41))
def test_proof__each_leaf_of_a_size__proves_its_own_place_and_no_other(size: int) -> None:
    leaves = LEAVES[:size]
    levels = trees.build(leaves)
    root = trees.top(levels)
    assert root == trees.root(leaves) == naive_root(leaves)
    for index in range(size):
        steps = trees.proof(levels, index)
        assert len(steps) == trees.depth(size) == naive_depth(size)
        places = [at for at in range(size) if trees.verify(root, size, at, leaves[index], steps)]
        assert places == [index]
        assert not trees.verify(root, size, index, LEAVES[(index + 1) % 41], steps)


@pytest.mark.parametrize("index", [-1, 5, 6, 1 << 40])
def test_proof__no_such_leaf__raises(index: int) -> None:
    levels = trees.build(LEAVES[:5])
    with pytest.raises(IndexError):
        trees.proof(levels, index)
    assert not trees.verify(trees.top(levels), 5, index, LEAVES[0], [LEAVES[0]] * 3)


@pytest.mark.parametrize("size", [1, 5, 8])
def test_verify__an_index_with_the_same_low_bits_beyond_the_tree__is_refused(size: int) -> None:
    levels = trees.build(LEAVES[:size])
    root, steps = trees.top(levels), trees.proof(levels, 0)
    assert trees.verify(root, size, 0, LEAVES[0], steps)
    assert not any(trees.verify(root, size, 1 << bit, LEAVES[0], steps) for bit in range(len(steps), 70))


def test_verify__a_proof_of_another_length__is_refused() -> None:
    levels = trees.build(LEAVES[:5])
    root, steps = trees.top(levels), trees.proof(levels, 2)
    assert trees.verify(root, 5, 2, LEAVES[2], steps)
    for wrong in (steps[:-1], [*steps, bytes(32)], []):
        assert not trees.verify(root, 5, 2, LEAVES[2], wrong)


def test_verify__a_size_of_another_depth__is_refused() -> None:
    levels = trees.build(LEAVES[:5])
    root, steps = trees.top(levels), trees.proof(levels, 2)
    taken = [size for size in range(41) if trees.verify(root, size, 2, LEAVES[2], steps)]
    assert taken == [5, 6, 7, 8]  # the same depth: there the header's size and the list's hash tell


def test_verify__a_node_given_as_a_leaf__needs_a_size_of_less_depth() -> None:
    levels = trees.build(LEAVES[:8])
    root, node = trees.top(levels), levels[1][2]
    upper = [levels[1][3], levels[2][0]]
    assert trees.verify(root, 4, 2, node, upper)  # without the size that the header fixes the attack works
    assert not any(trees.verify(root, 8, at, node, steps) for at in range(8) for steps in (upper, [*upper, bytes(32)]))


def test_verify__two_leaves_glued_into_one__are_refused() -> None:
    left, right = LEAVES[:2]
    root = trees.root([left, right])
    assert keccak(left + right + b"") == root  # what a check without lengths would compute
    assert not trees.verify(root, 2, 0, left + right, [b""])
    assert not trees.verify(root, 2, 0, left[:31], [left[31:] + right])


def test_leaf__the_words_of_a_node__do_not_hash_to_it() -> None:
    left, right = LEAVES[:2]
    assert leaf("receipt", left, right) != trees.root([left, right])
    assert leaf("receipt", left) != leaf("task", left)


@given(st.lists(hashes, max_size=70))
def test_root__any_leaves__is_the_naive_one(leaves: list[bytes]) -> None:
    assert trees.root(leaves) == naive_root(leaves)


@given(st.lists(hashes, min_size=1, max_size=33, unique=True), st.data())
def test_verify__one_bit_changed_anywhere__is_refused(leaves: list[bytes], data: st.DataObject) -> None:
    levels = trees.build(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    parts = [trees.top(levels), leaves[index], *trees.proof(levels, index)]
    assert trees.verify(parts[0], len(leaves), index, parts[1], parts[2:])
    which, bit = data.draw(st.integers(0, len(parts) - 1)), data.draw(st.integers(0, 255))
    parts[which] = (int.from_bytes(parts[which], "big") ^ 1 << bit).to_bytes(32, "big")
    assert not trees.verify(parts[0], len(leaves), index, parts[1], parts[2:])


@given(st.lists(hashes, min_size=1, max_size=40), st.data())
def test_root__one_leaf_changed__differs(leaves: list[bytes], data: st.DataObject) -> None:
    index, other = data.draw(st.integers(0, len(leaves) - 1)), data.draw(hashes)
    changed = [*leaves[:index], other, *leaves[index + 1 :]]
    assert (trees.root(changed) == trees.root(leaves)) == (other == leaves[index])


def test_build__the_leaves_given__are_not_changed() -> None:
    given_leaves = LEAVES[:5]
    trees.build(given_leaves)
    assert given_leaves == LEAVES[:5]


def naive_multiproof(leaves: list[bytes], indexes: list[int]) -> list[bytes]:
    """By marking: on each level, from left to right, each sibling that is not known."""
    level, known, steps = list(leaves), [i in indexes for i in range(len(leaves))], []
    while len(level) > 1:
        if len(level) % 2:
            level, known = [*level, bytes(32)], [*known, False]
        steps += [level[i ^ 1] for i in range(len(level)) if known[i] and not known[i ^ 1]]
        known = [known[i] or known[i + 1] for i in range(0, len(level), 2)]
        level = [keccak(level[i] + level[i + 1]) for i in range(0, len(level), 2)]
    return steps


@pytest.mark.parametrize("size", range(1, 8))
def test_multiproof__every_choice_of_a_small_tree__proves_it_and_no_other(size: int) -> None:
    levels = trees.build(LEAVES[:size])
    root = trees.top(levels)
    choices = [[i for i in range(size) if choice >> i & 1] for choice in range(1, 1 << size)]
    for indexes in choices:
        steps = trees.multiproof(levels, indexes)
        assert steps == naive_multiproof(LEAVES[:size], indexes)
        known = [LEAVES[i] for i in indexes]
        assert trees.verify_many(root, size, indexes, known, steps)
        same = [other for other in choices if len(other) == len(indexes) and other != indexes]
        assert not any(trees.verify_many(root, size, other, known, steps) for other in same)


@given(st.sets(st.integers(0, 40), min_size=1), st.integers(0, 400), st.binary(min_size=32, max_size=32))
def test_verify_many__anything_changed__is_refused(chosen: set[int], place: int, other: bytes) -> None:
    levels, indexes = trees.build(LEAVES), sorted(chosen)
    root, steps, known = trees.top(levels), trees.multiproof(levels, indexes), [LEAVES[i] for i in indexes]
    assume(other not in (root, *known, *steps))  # a step may be the empty leaf, 32 zeros
    assert trees.verify_many(root, 41, indexes, known, steps)
    assert not trees.verify_many(other, 41, indexes, known, steps)
    assert not trees.verify_many(root, 41, indexes, known, [*steps, other])
    at = place % len(known)
    assert not trees.verify_many(root, 41, indexes, [*known[:at], other, *known[at + 1 :]], steps)
    assert not trees.verify_many(root, 41, [*indexes, indexes[-1]], [*known, known[-1]], steps)
    if steps:
        at = place % len(steps)
        assert not trees.verify_many(root, 41, indexes, known, steps[:-1])
        assert not trees.verify_many(root, 41, indexes, known, [*steps[:at], other, *steps[at + 1 :]])


@pytest.mark.parametrize("index", range(17))
def test_multiproof__of_one_leaf__is_its_proof(index: int) -> None:
    levels = trees.build(LEAVES[:17])
    assert trees.multiproof(levels, [index]) == trees.proof(levels, index)


@pytest.mark.parametrize("indexes", [[], [5], [-1], [1, 0], [2, 2]])
def test_multiproof__no_such_leaves_or_out_of_order__are_refused(indexes: list[int]) -> None:
    levels = trees.build(LEAVES[:5])
    assert not trees.verify_many(trees.top(levels), 5, indexes, [LEAVES[0]] * len(indexes), [])
    if indexes:
        with pytest.raises(IndexError):
            trees.multiproof(levels, indexes)


def test_verify_many__one_leaf_twice_in_a_tree_of_one__is_refused() -> None:
    """No level is folded there: only the order says so."""
    assert trees.verify_many(LEAVES[0], 1, [0], [LEAVES[0]], [])
    assert not trees.verify_many(LEAVES[0], 1, [0, 0], [LEAVES[0], LEAVES[1]], [])
