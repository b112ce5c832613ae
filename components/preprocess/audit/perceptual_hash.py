"""Perceptual hashes of photos, and the search for pairs that differ in few bits.

The hash is pHash (Zauner 2010): the signs of the low-frequency coefficients of a cosine transform.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from components.preprocess.audit.hash_search import find_near
from components.preprocess.image_statistics import SKETCH_SIDE

log = logging.getLogger(__name__)

MAX_CANDIDATES: Final = 2_000_000
ALL_PAIRS: Final = 50
"""If more photos than this have the same hash, each is paired only with the first of them."""


def perceptual_hashes(sketches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pHash of each photo, and of its mirror image: two arrays of uint64 (n,).

    Args:
        sketches: uint8 (n, 32, 32), gray.
    """
    places = np.arange(SKETCH_SIDE) + 0.5
    waves = np.cos(np.pi / SKETCH_SIDE * np.arange(8)[:, None] * places).astype(np.float32)
    spectra = np.empty((len(sketches), 8, 8), np.float32)
    for start in range(0, len(sketches), 4096):
        block = slice(start, start + 4096)
        spectra[block] = waves @ sketches[block].astype(np.float32) @ waves.T
    signs = np.where(np.arange(8) % 2, -1, 1).astype(np.float32)  # mirroring changes the sign of odd frequencies
    return _signs(spectra), _signs(spectra * signs)


def _signs(spectra: np.ndarray) -> np.ndarray:
    flat = spectra.reshape(len(spectra), 64)
    bits = flat > np.median(flat[:, 1:], axis=1, keepdims=True)
    bits[:, 0] = False  # the mean brightness does not describe the picture
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def find_candidates(hashes: np.ndarray, radius: int) -> np.ndarray:
    """Finds pairs of hashes that differ in at most `radius` bits.

    Args:
        hashes: uint64 (n,).
        radius: from 0 to 63.

    Returns:
        int64 (pairs, 2) of indices into `hashes`, the smaller first; if there are more pairs than MAX_CANDIDATES, only
        the nearest.
    """
    distinct, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    groups = _Members(inverse)
    near = _find_near(distinct, None, radius)
    alone = (groups.counts[near] == 1).all(axis=1)
    pairs = [first[near[alone]], *_pair_equal(groups), *_pair_groups(groups, groups, near[~alone])]
    return _ordered(pairs)


def find_mirrored_candidates(hashes: np.ndarray, mirrored: np.ndarray, radius: int) -> np.ndarray:
    """Like `find_candidates`, but compares photos with the mirror images of other photos."""
    distinct, inverse = np.unique(hashes, return_inverse=True)
    others, other_inverse = np.unique(mirrored, return_inverse=True)
    near = _find_near(distinct, others, radius)
    groups, other_groups = _Members(inverse), _Members(other_inverse)
    is_equal = distinct[near[:, 0]] == others[near[:, 1]]
    with_first = [
        np.stack([np.full(len(other_groups[other]), groups[group][0]), other_groups[other]], axis=1)
        for group, other in near[is_equal].tolist()
    ]
    return _ordered([*_pair_groups(groups, other_groups, near), *with_first])


def _find_near(hashes: np.ndarray, others: np.ndarray | None, radius: int) -> np.ndarray:
    pairs, is_cut = find_near(hashes, others, radius, MAX_CANDIDATES)
    if is_cut:
        log.warning("Very many photos are similar; only the %s most similar pairs are compared.", f"{MAX_CANDIDATES:,}")
    return pairs


def _ordered(pair_blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Combines blocks of pairs: int64 (pairs, 2), sorted, smaller index first; drops repetitions and equal indices."""
    pairs = np.sort(np.concatenate([np.empty((0, 2), np.int64), *pair_blocks]).astype(np.int64), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


class _Members:
    """The indices of the photos with each distinct hash, in order."""

    def __init__(self, inverse: np.ndarray):
        self.counts = np.bincount(inverse)
        self._order = np.argsort(inverse, kind="stable")
        self._ends = np.cumsum(self.counts)

    def __getitem__(self, group: int) -> np.ndarray:
        end = self._ends[group]
        return np.asarray(self._order[end - self.counts[group] : end])


def _pair_equal(groups: _Members) -> Iterator[np.ndarray]:
    """Yields pairs within groups of photos with the same hash."""
    for group in np.flatnonzero(groups.counts > 1).tolist():
        members = groups[group]
        if len(members) <= ALL_PAIRS:
            yield members[np.stack(np.triu_indices(len(members), 1), axis=1)]
        else:
            yield np.stack([np.full(len(members) - 1, members[0]), members[1:]], axis=1)


def _pair_groups(groups: _Members, other_groups: _Members, near: np.ndarray) -> Iterator[np.ndarray]:
    """Yields pairs between groups of photos whose hashes are near."""
    for group, other_group in near.tolist():
        first, second = groups[group][:ALL_PAIRS], other_groups[other_group][:ALL_PAIRS]
        yield np.stack(np.meshgrid(first, second), axis=-1).reshape(-1, 2)
