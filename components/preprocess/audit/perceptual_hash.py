"""Perceptual hashes of photos, and the search for those that differ in few bits.

The hash is pHash (Zauner 2010): the signs of the low frequencies of a cosine transform.
"""

import itertools
import logging
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from components.preprocess.image_statistics import SKETCH_SIDE

log = logging.getLogger(__name__)

MAX_CANDIDATES: Final = 2_000_000
ALL_PAIRS: Final = 50
"""Of photos with one hash, all pairs are compared up to so many; of more, each with the first."""


def perceptual_hashes(sketches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pHash of each photo, and of its mirror image: uint64 (n,) twice.

    Args:
        sketches: uint8 (n, 32, 32), gray.
    """
    places = np.arange(SKETCH_SIDE) + 0.5
    waves = np.cos(np.pi / SKETCH_SIDE * np.arange(8)[:, None] * places).astype(np.float32)
    spectra = np.empty((len(sketches), 8, 8), np.float32)
    for start in range(0, len(sketches), 4096):
        block = slice(start, start + 4096)
        spectra[block] = waves @ sketches[block].astype(np.float32) @ waves.T
    signs = np.where(np.arange(8) % 2, -1, 1).astype(np.float32)  # a mirrored wave of odd frequency turns its sign
    return _signs(spectra), _signs(spectra * signs)


def _signs(spectra: np.ndarray) -> np.ndarray:
    flat = spectra.reshape(len(spectra), 64)
    bits = flat > np.median(flat[:, 1:], axis=1, keepdims=True)
    bits[:, 0] = False  # the mean brightness says nothing of the picture
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def find_candidates(hashes: np.ndarray, radius: int) -> np.ndarray:
    """Pairs of hashes that differ in at most `radius` bits, by multi-index hashing (Norouzi, Punjani and Fleet 2012).

    The 64 bits are cut into radius + 1 chunks; hashes that differ in no more bits than that are equal in one chunk at
    least, so only hashes that share a chunk are compared.

    Args:
        hashes: uint64 (n,).
        radius: from 0 to 63.

    Returns:
        int64 (pairs, 2) of places in `hashes`, the smaller first; the nearest MAX_CANDIDATES where there are more.
    """
    distinct, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    counts = np.bincount(inverse, minlength=len(distinct))
    near = _near_distinct(distinct, radius)
    alone = (counts[near] == 1).all(axis=1)
    groups = _members(inverse, counts)
    pairs = [first[near[alone]], *_pair_equal(groups, counts), *_pair_groups(groups, near[~alone])]
    return np.unique(np.sort(np.concatenate(pairs).astype(np.int64), axis=1), axis=0)


def find_mirrored_candidates(hashes: np.ndarray, mirrored: np.ndarray, radius: int) -> np.ndarray:
    """As `candidates`, of a photo with another's mirror image."""
    num = len(hashes)
    pairs = find_candidates(np.concatenate([hashes, mirrored]), radius)
    pairs = pairs[(pairs[:, 0] < num) & (pairs[:, 1] >= num)] - [0, num]
    return np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)


def _near_distinct(distinct: np.ndarray, radius: int) -> np.ndarray:
    pair_blocks, distance_blocks = [np.empty((0, 2), np.int64)], [np.empty(0, np.uint8)]
    for shift, width in _chunks(radius + 1):
        chunk = (distinct >> np.uint64(shift)) & np.uint64((1 << width) - 1)
        order = np.argsort(chunk, kind="stable")
        starts = np.flatnonzero(np.diff(chunk[order], prepend=np.uint64(0)) != 0)
        for bucket in np.split(order, starts):
            for pairs, distances in _near_within(distinct, bucket, radius):
                pair_blocks.append(pairs)
                distance_blocks.append(distances)
    pairs, distances = np.concatenate(pair_blocks), np.concatenate(distance_blocks)
    if len(pairs) > MAX_CANDIDATES:
        log.warning("Very many photos look alike; the %s nearest pairs are compared.", f"{MAX_CANDIDATES:,}")
        pairs = pairs[np.argsort(distances, kind="stable")[:MAX_CANDIDATES]]
    return pairs


def _chunks(count: int) -> Iterator[tuple[int, int]]:
    """(shift, width) of chunks that cover 64 bits."""
    bounds = [64 * number // count for number in range(count + 1)]
    for low, high in itertools.pairwise(bounds):
        yield low, high - low


def _near_within(hashes: np.ndarray, bucket: np.ndarray, radius: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    values = hashes[bucket]
    rows_at_once = max(1, 2**20 // max(1, len(bucket)))
    for start in range(0, len(bucket), rows_at_once):
        block = values[start : start + rows_at_once, None]
        distances = np.bitwise_count(block ^ values[None, start:]).ravel()
        near = np.flatnonzero(distances <= radius)  # several times as fast as nonzero in two dimensions
        first, second = np.divmod(near, len(values) - start)
        is_ordered = first < second
        if is_ordered.any():
            first, second, near = first[is_ordered], second[is_ordered], near[is_ordered]
            yield np.stack([bucket[start + first], bucket[start + second]], axis=1), distances[near]


def _members(inverse: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    """The places of each distinct hash, in order."""
    return np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])


def _pair_equal(groups: Sequence[np.ndarray], counts: np.ndarray) -> Iterator[np.ndarray]:
    """Pairs within groups of one hash."""
    for group in np.flatnonzero(counts > 1).tolist():
        members = groups[group]
        if len(members) <= ALL_PAIRS:
            yield members[np.stack(np.triu_indices(len(members), 1), axis=1)]
        else:
            yield np.stack([np.full(len(members) - 1, members[0]), members[1:]], axis=1)


def _pair_groups(groups: Sequence[np.ndarray], near: np.ndarray) -> Iterator[np.ndarray]:
    """Pairs between groups whose hashes are near."""
    for group, other_group in near.tolist():
        first, second = groups[group][:ALL_PAIRS], groups[other_group][:ALL_PAIRS]
        yield np.stack(np.meshgrid(first, second), axis=-1).reshape(-1, 2)
