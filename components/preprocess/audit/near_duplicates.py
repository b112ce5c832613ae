"""Finds near-duplicates: photos that were resized, recompressed, slightly cropped, or mirrored.

Three filters are applied, each more precise and slower than the previous one. The perceptual hash pHash (Zauner 2010:
the signs of the low-frequency coefficients of a cosine transform) finds candidate pairs. The correlation of their
sketches, which have 32 × 32 pixels, keeps the pairs that look similar. ORB features (Rublee et al. 2011) that agree on
one similarity transform (RANSAC, Fischler and Bolles 1981) keep the pairs that show the same object, so that two shirts
on the same bed do not count as copies.

In a test with 307 photos of clothes and one changed copy of each, the search found all copies that were saved at
JPEG quality 30, halved in size or mirrored; 304 that were 25 % brighter; 252 that were cropped by 4 %; and 224 that
were rotated by 2°. There were no false positives.
"""

import functools
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np

from components.contract.system.progress import log_progress
from components.preprocess.audit.perceptual_hash import find_candidates, find_mirrored_candidates, perceptual_hashes

log = logging.getLogger(__name__)

RADIUS: Final = 11
"""The maximum number of bits, out of 63, in which the hashes of two candidates may differ."""
MIRRORED_RADIUS: Final = 7

PLAIN_DEVIATION: Final = 4.0
"""A sketch with a smaller standard deviation is almost uniform, so its hash is mostly noise."""
SIMILAR: Final = 0.9
SAME: Final = 0.995
"""Limits for the correlation of two sketches: below SIMILAR, the photos count as different; at or above SAME, as the
same. In between, their features decide."""

FEATURE_SIDE: Final = 256
MIN_FEATURE_SIDE: Final = 96
"""In pixels. Prepared photos whose shorter side is below this value have too few features, so only pairs with a
correlation of at least SAME are near-duplicates."""
NUM_FEATURES: Final = 400
MAX_FEATURE_DISTANCE: Final = 50
RANSAC_PIXELS: Final = 4.0
MIN_AGREEING: Final = 30
"""Near-duplicates have about 100 matching features; photos of different objects against the same background have at
most 20."""

MAX_COMPARED: Final = 100_000

Pixels = Callable[[Sequence[int]], np.ndarray]


def find_near(sketches: np.ndarray, usable: np.ndarray, pixels: Pixels) -> np.ndarray:
    """Finds pairs of near-duplicates.

    Args:
        sketches: uint8 (n, 32, 32), gray.
        usable: bool (n,), which photos to compare.
        pixels: returns the prepared pixels of rows: uint8 (len(rows), height, width, 3).

    Returns:
        int64 (pairs, 2), the smaller row first; distinct and sorted.
    """
    rows = np.flatnonzero(usable & (_deviations(sketches) >= PLAIN_DEVIATION))
    if len(rows) < 2:
        return np.empty((0, 2), np.int64)
    sketches = sketches[rows]
    hashes, mirrored = perceptual_hashes(sketches)
    sieves = (
        (find_candidates(hashes, RADIUS), sketches, False),
        (find_mirrored_candidates(hashes, mirrored, MIRRORED_RADIUS), sketches[:, :, ::-1], True),
    )
    pair_blocks = []
    for pairs, other_sketches, mirror in sieves:
        similarities = correlations(sketches, other_sketches, pairs)
        is_unsure = (similarities >= SIMILAR) & (similarities < SAME)
        same_pairs, unsure_pairs = pairs[similarities >= SAME], pairs[is_unsure]
        unsure_pairs = unsure_pairs[np.argsort(-similarities[is_unsure], kind="stable")]
        if len(unsure_pairs) > MAX_COMPARED:
            log.warning(
                "There are %s pairs of similar photos; only the %s most similar are compared.",
                f"{len(unsure_pairs):,}",
                f"{MAX_COMPARED:,}",
            )
        pair_blocks += [rows[same_pairs], _filter_by_features(rows[unsure_pairs[:MAX_COMPARED]], pixels, mirror=mirror)]
    return np.unique(np.concatenate(pair_blocks), axis=0)


def _deviations(sketches: np.ndarray) -> np.ndarray:
    """The standard deviation of each sketch: float32 (n,), computed in blocks that fit into the processor's cache."""
    flat = sketches.reshape(len(sketches), -1)
    blocks = [flat[start : start + 256].astype(np.float32).std(axis=1) for start in range(0, len(flat), 256)]
    return np.concatenate(blocks) if blocks else np.empty(0, np.float32)


def correlations(sketches: np.ndarray, others: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The Pearson correlation of the sketches of each pair: float32 (pairs,)."""
    similarities = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), 8192):
        block = pairs[start : start + 8192]
        first, second = _standardize(sketches[block[:, 0]]), _standardize(others[block[:, 1]])
        similarities[start : start + len(block)] = np.einsum("ij,ij->i", first, second)
    return similarities


def _standardize(sketches: np.ndarray) -> np.ndarray:
    flat = sketches.reshape(len(sketches), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True))


def _filter_by_features(pairs: np.ndarray, pixels: Pixels, *, mirror: bool) -> np.ndarray:
    """The pairs whose features agree on one similarity transform."""
    if not len(pairs) or min(pixels([int(pairs[0, 0])]).shape[1:3]) < MIN_FEATURE_SIDE:
        return np.empty((0, 2), np.int64)
    from components.contract.system.cores import num_cores

    @functools.lru_cache(maxsize=4096)
    def features(row: int, mirrored: bool) -> Any:
        return _features(pixels([row])[0], mirrored=mirrored)

    def agree(pair: np.ndarray) -> bool:
        return num_agreeing(features(int(pair[0]), False), features(int(pair[1]), mirror)) >= MIN_AGREEING

    sorted_pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    with ThreadPoolExecutor(num_cores(), "compare") as pool:
        answers = pool.map(agree, sorted_pairs)
        is_same = list(log_progress(answers, len(sorted_pairs), "pairs of similar photos compared"))
    return np.asarray(sorted_pairs[np.array(is_same, bool)])


def _features(pixels: np.ndarray, *, mirrored: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """The positions, float32 (m, 2), and descriptors, uint8 (m, 32), of the features of a photo."""
    import cv2

    gray = cv2.resize(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), (FEATURE_SIDE, FEATURE_SIDE))
    if mirrored:
        gray = np.ascontiguousarray(gray[:, ::-1])
    points, descriptors = cv2.ORB.create(NUM_FEATURES).detectAndCompute(gray, None)
    return np.array([point.pt for point in points], np.float32), descriptors


def num_agreeing(features: Any, other_features: Any) -> int:
    """The number of features of two photos that agree on one translation, rotation and scale."""
    import cv2

    (places, descriptors), (other_places, other_descriptors) = features, other_features
    if descriptors is None or other_descriptors is None:
        return 0
    matches = [
        match
        for match in cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(descriptors, other_descriptors)
        if match.distance < MAX_FEATURE_DISTANCE
    ]
    if len(matches) < MIN_AGREEING:
        return 0
    _, is_inlier = cv2.estimateAffinePartial2D(
        places[[match.queryIdx for match in matches]],
        other_places[[match.trainIdx for match in matches]],
        ransacReprojThreshold=RANSAC_PIXELS,
    )
    return 0 if is_inlier is None else int(is_inlier.sum())
