"""The search for similar hashes finds exactly the pairs within the radius, although it compares chunks of the hashes.

The number of pairs is limited even if all photos look the same.
"""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from components.preprocess.audit import hash_search
from components.preprocess.audit.hash_search import divide, find_near

MANY = 10**9


def make_hashes(seed: int, num_bases: int = 60) -> np.ndarray:
    """Distinct hashes; many of them have a neighbor that differs in at most 12 bits: uint64 (n,)."""
    rng = np.random.default_rng(seed)
    bases = rng.integers(0, 2**64, num_bases, dtype=np.uint64)
    flips = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, (num_bases, 12), dtype=np.uint64), axis=1)
    return np.unique(np.concatenate([bases, bases ^ flips, bases ^ np.uint64(1 << 63), bases ^ np.uint64(1)]))


def by_all_pairs(hashes: np.ndarray, others: np.ndarray | None, radius: int) -> set[tuple[int, int]]:
    is_near = np.bitwise_count(hashes[:, None] ^ (hashes if others is None else others)[None]) <= radius
    return set(map(tuple, np.argwhere(np.triu(is_near, 1) if others is None else is_near).tolist()))


@pytest.mark.parametrize("between", [False, True])
@pytest.mark.parametrize("count", [3, 4, 5, 7, 12])
@given(seed=st.integers(0, 2**32 - 1), radius=st.integers(0, 13))
@settings(max_examples=4, deadline=None)
def test_lookups_find_the_same_pairs_as_an_exhaustive_search(seed: int, radius: int, count: int, between: bool) -> None:
    hashes = make_hashes(seed)
    others = make_hashes(seed + 1)[::2] if between else None
    if others is not None:
        others[: len(hashes) // 2 : 3] = hashes[: len(hashes) // 2 : 3][: len(others[: len(hashes) // 2 : 3])]
        others = np.unique(others)
    assume(radius // count <= 3)  # otherwise the lookup would need too many bit masks
    nearest = hash_search._Nearest(radius, MANY)
    hash_search._look_up(hashes, others, divide(radius, count), nearest)
    pairs = [tuple(pair) for pair in nearest.gather()[:, :2].tolist()]
    assert len(pairs) == len(set(pairs)), "each pair must be found only once"
    assert set(pairs) == by_all_pairs(hashes, others, radius)


@pytest.mark.parametrize(("radius", "count"), [(11, 4), (7, 4), (11, 12), (3, 7), (0, 3)])
def test_hashes_within_the_radius_match_in_at_least_one_chunk(radius: int, count: int) -> None:
    """If each chunk had more differing bits than its radius, the hashes would differ in more than `radius` bits."""
    chunks = divide(radius, count)
    assert sum(chunk.width for chunk in chunks) == 64
    assert [chunk.shift for chunk in chunks] == [0, *itertools.accumulate(chunk.width for chunk in chunks[:-1])]
    assert sum(chunk.radius + 1 for chunk in chunks) == radius + 1


def test_many_hashes_are_looked_up_and_few_or_similar_ones_are_compared_directly() -> None:
    rng = np.random.default_rng(1)
    many = rng.integers(0, 2**64, 60_000, dtype=np.uint64)
    similar = np.unique(np.uint64(0x5A5A5A5A5A5A5A5A) ^ (np.uint64(1) << rng.integers(0, 64, 60_000, dtype=np.uint64)))
    assert hash_search._plan(many, many, 11, is_same=True)
    assert not hash_search._plan(many[:1000], many[:1000], 11, is_same=True)
    assert not hash_search._plan(similar, similar, 11, is_same=True)


@pytest.mark.parametrize("most", [1, 10, 100])
def test_if_there_are_too_many_pairs_the_nearest_are_kept(most: int) -> None:
    """Hashes with a single set bit differ from each other in two bits, and from 0 in one."""
    hashes = np.array([0, *(1 << bit for bit in range(60))], np.uint64)
    pairs, is_cut = find_near(hashes, None, 11, most)
    assert is_cut
    assert len(pairs) == most
    distances = np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
    assert sorted(distances.tolist()) == ([1] * 60 + [2] * 1770)[:most]


def test_no_pair_is_dropped_if_the_limit_is_reached_exactly() -> None:
    hashes = np.array([0, *(1 << bit for bit in range(60))], np.uint64)
    pairs, is_cut = find_near(hashes, None, 11, 60 + 1770)
    assert (len(pairs), is_cut) == (1830, False)


@pytest.mark.parametrize("num_hashes", [0, 1])
def test_fewer_than_two_hashes_have_no_pairs(num_hashes: int) -> None:
    assert find_near(np.zeros(num_hashes, np.uint64), None, 11, MANY)[0].tolist() == []
