"""Finds pairs of 64-bit hashes that differ in few bits, without comparing all pairs.

It uses multi-index hashing (Norouzi, Punjani and Fleet 2012): the bits are divided into chunks. If two hashes differ in
at most `radius` bits, they differ in at most `radius / chunks` bits in at least one chunk. Only pairs with such a
chunk are compared. If there are few hashes, or if most have equal chunks, all pairs are compared directly.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from typing import Final

import numpy as np

BITS: Final = 64
PAIRS_AT_ONCE: Final = 2**20
MIN_CHUNKS, MAX_CHUNKS = 3, 16
"""With fewer chunks, the table of a chunk's values would be too large; more chunks are hardly ever faster."""
COMPARED, LOOKED_UP, PROBED, TABLED = 1.0, 6.0, 10.0, 15.0
"""Approximate costs in nanoseconds, in this order: a pair that is compared directly, a pair that is found through a
chunk, one lookup of a hash, and one value in the table of a chunk."""


@dataclass(frozen=True)
class Chunk:
    """A range of adjacent bits; hashes that differ in at most `radius` of these bits are compared."""

    shift: int
    width: int
    radius: int

    def of(self, hashes: np.ndarray) -> np.ndarray:
        """The values of the chunk: int64 (n,)."""
        return ((hashes >> np.uint64(self.shift)) & np.uint64((1 << self.width) - 1)).astype(np.int64)

    def masks(self) -> Iterator[int]:
        """Yields all differences of at most `radius` bits, as bit masks."""
        for count in range(self.radius + 1):
            for bits in itertools.combinations(range(self.width), count):
                yield sum(1 << bit for bit in bits)

    @property
    def num_masks(self) -> int:
        """The number of masks that `masks` yields."""
        return sum(comb(self.width, count) for count in range(self.radius + 1))


class _Nearest:
    """Collects pairs as (first, second, distance); if there are more than `most`, keeps the nearest."""

    def __init__(self, radius: int, most: int):
        self.radius = radius
        self.is_cut = False
        self._most = most
        self._pairs = np.empty((0, 3), np.int64)
        self._new: list[np.ndarray] = []
        self._num_new = 0

    def add(self, first: np.ndarray, second: np.ndarray, distances: np.ndarray) -> None:
        self._new.append(np.stack([first, second, distances.astype(np.int64)], axis=1))
        self._num_new += len(first)
        if len(self._pairs) + self._num_new > 2 * self._most:
            self.gather()

    def gather(self) -> np.ndarray:
        """Returns the pairs, int64 (pairs, 3); if there are too many, drops the farthest and reduces the radius."""
        self._pairs = np.concatenate([self._pairs, *self._new])
        self._new, self._num_new = [], 0
        if len(self._pairs) > self._most:
            self.is_cut = True
            self._pairs = self._pairs[np.argsort(self._pairs[:, 2], kind="stable")[: self._most]]
            self.radius = int(self._pairs[-1, 2]) - 1
        return self._pairs


def find_near(hashes: np.ndarray, others: np.ndarray | None, radius: int, most: int) -> tuple[np.ndarray, bool]:
    """Finds pairs that differ in at most `radius` bits.

    Args:
        hashes: uint64 (n,), distinct; the first of each pair.
        others: uint64 (m,), distinct; the second of each pair. None to find pairs within `hashes`, each of which is
            returned once.
        radius: from 0 to 63.
        most: the maximum number of pairs; if there are more, the nearest are returned.

    Returns:
        int64 (pairs, 2), indices into the two arrays; and whether more such pairs exist.
    """
    nearest = _Nearest(radius, most)
    chunks = _plan(hashes, hashes if others is None else others, radius, is_same=others is None)
    if chunks:
        _look_up(hashes, others, chunks, nearest)
    else:
        _compare_all(hashes, others, nearest)
    return nearest.gather()[:, :2], nearest.is_cut


def divide(radius: int, count: int) -> list[Chunk]:
    """Divides the bits into chunks so that hashes that differ in at most `radius` bits match in at least one chunk.

    Two hashes match in a chunk if they differ in at most `chunk.radius` of its bits.
    """
    bounds = [BITS * number // count for number in range(count + 1)]
    each, rest = divmod(radius, count)
    radii = [each] * (rest + 1) + [each - 1] * (count - rest - 1)
    return [
        Chunk(low, high - low, chunk_radius)
        for (low, high), chunk_radius in zip(itertools.pairwise(bounds), radii, strict=True)
    ]


def _plan(hashes: np.ndarray, others: np.ndarray, radius: int, *, is_same: bool) -> list[Chunk]:
    """The chunks with the lowest estimated cost for these hashes; empty if it is cheaper to compare all pairs."""
    half = 0.5 if is_same else 1.0
    least = COMPARED * half * len(hashes) * len(others)
    best: list[Chunk] = []
    for count in range(MIN_CHUNKS, MAX_CHUNKS + 1):
        chunks = divide(radius, count)
        cost = sum(PROBED * len(hashes) * chunk.num_masks + TABLED * 2**chunk.width for chunk in chunks)
        if cost >= least:
            continue
        for chunk in chunks:
            sizes, other_sizes = (
                np.bincount(chunk.of(values), minlength=1 << chunk.width).astype(np.float64)
                for values in (hashes, others)
            )
            num_pairs = half * np.sqrt((sizes @ sizes) * (other_sizes @ other_sizes))
            cost += chunk.num_masks * LOOKED_UP * num_pairs
        if cost < least:
            least, best = cost, chunks
    return best


def _compare_all(hashes: np.ndarray, others: np.ndarray | None, nearest: _Nearest) -> None:
    rows_at_once = max(1, PAIRS_AT_ONCE // max(1, len(hashes if others is None else others)))
    for start in range(0, len(hashes), rows_at_once):
        skipped = start if others is None else 0
        block = hashes[start : start + rows_at_once, None]
        second_values = hashes[skipped:] if others is None else others
        distances = np.bitwise_count(block ^ second_values[None]).ravel()
        near = np.flatnonzero(distances <= nearest.radius)  # much faster than nonzero in two dimensions
        first, second = np.divmod(near, len(second_values))
        first, second, distances = first + start, second + skipped, distances[near]
        if others is None:
            is_once = first < second
            first, second, distances = first[is_once], second[is_once], distances[is_once]
        if len(first):
            nearest.add(first, second, distances)


def _look_up(hashes: np.ndarray, others: np.ndarray | None, chunks: list[Chunk], nearest: _Nearest) -> None:
    for number, chunk in enumerate(chunks):
        order, keys = _sorted(chunk.of(hashes))
        other_order, other_keys = (order, keys) if others is None else _sorted(chunk.of(others))
        values, other_values = hashes[order], (hashes if others is None else others)[other_order]
        starts = np.searchsorted(other_keys, np.arange((1 << chunk.width) + 1))
        for mask in chunk.masks():
            rows = np.arange(len(keys))
            if others is None and mask:  # visit each pair of buckets once: from the key without the mask's top bit
                rows = rows[keys & (1 << (mask.bit_length() - 1)) == 0]
            lows, highs = starts[keys[rows] ^ mask], starts[(keys[rows] ^ mask) + 1]
            if others is None and not mask:
                lows = rows + 1
            for first, second, distances in _compare_ranges(values, other_values, rows, lows, highs, nearest.radius):
                is_new = _is_new(values[first] ^ other_values[second], chunks[:number])
                first, second = order[first[is_new]], other_order[second[is_new]]
                if others is None:
                    first, second = np.minimum(first, second), np.maximum(first, second)
                nearest.add(first, second, distances[is_new])


def _sorted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(keys, kind="stable")
    return order, keys[order]


def _is_new(differences: np.ndarray, earlier_chunks: list[Chunk]) -> np.ndarray:
    """Which pairs were not found through an earlier chunk: bool (n,)."""
    is_new = np.ones(len(differences), bool)
    for chunk in earlier_chunks:
        is_new &= np.bitwise_count(chunk.of(differences)) > chunk.radius
    return is_new


def _compare_ranges(
    values: np.ndarray, other_values: np.ndarray, rows: np.ndarray, lows: np.ndarray, highs: np.ndarray, radius: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Compares the value of each row with other_values[low:high]; yields near pairs as (rows, others, distances)."""
    has_others = highs > lows
    rows, lows, lengths = rows[has_others], lows[has_others], (highs - lows)[has_others]
    ends = np.cumsum(lengths)
    start = 0
    while start < len(rows):
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + PAIRS_AT_ONCE, "right")))
        counts, total = lengths[start:stop], int(ends[stop - 1]) - done
        begins = ends[start:stop] - counts - done
        others = np.arange(total) + np.repeat(lows[start:stop] - begins, counts)
        distances = np.bitwise_count(np.repeat(values[rows[start:stop]], counts) ^ other_values[others])
        near = np.flatnonzero(distances <= radius)
        if len(near):
            owners = np.searchsorted(ends[start:stop] - done, near, "right")
            yield rows[start:stop][owners], others[near], distances[near]
        start = stop
