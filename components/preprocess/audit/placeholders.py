"""One picture in several classes: a placeholder such as "no image", or an error during collection.

A placeholder is recognized by its repetition. Its copies need not be the same file: shops serve them in several sizes
and qualities, and a plain graphic has too few features for the search for near-duplicates. So here photos are the same
if their 32 × 32 sketches agree nearly everywhere, and their colors too.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from components.preprocess.audit.duplicates import Groups
from components.preprocess.audit.near_duplicates import Pixels
from components.preprocess.manifest import Record

MIN_SIDE: Final = 32
"""Smaller pictures, such as digits, look the same without being the same; only equal pixels count there."""
CELL: Final = 8
"""Gray values; sketches whose four quarters fall into the same cells are compared."""
MAX_MEAN_DIFFERENCE: Final = 3.0
MAX_DIFFERENCE: Final = 20
"""Gray values between two sketches, on average and at most. Saving 64 px again at quality 30 makes up to 2.3 and 19; a
static scene in which something moved differs by more in one place."""
MIN_CORRELATION: Final = 0.98
FLAT_DEVIATION: Final = 2.0
"""Plain walls differ by little too, but their noise is not the same; only pictures of one color need not correlate."""
COLOR_SIDE: Final = 8
BLOCK_SIDE: Final = 4
"""The mean difference of two pictures is at least that of their means in 4 × 4 blocks, which is faster to calculate."""
MAX_PAIRED: Final = 512
"""Rows of one cell up to which the blocks of all pairs are compared."""
ROWS_AT_ONCE: Final = 256
LOSSLESS: Final = frozenset(("PNG", "BMP", "TIFF"))
"""Copies of such a file of one size and mode have equal pixels; X-rays of one kind look the same and have others."""
MAX_LEADERS: Final = 200
"""Of one cell; thousands of products on white may share one. The most common hashes come first."""

COPIES: Final = ((3, 3), (2, 5))
"""(classes, copies) from which a picture is a placeholder. One photo filed under two classes by mistake is more common
than a placeholder in two classes only, so those need more copies."""


def find_placeholders(records: Sequence[Record], sketches: np.ndarray, pixels: Pixels) -> list[tuple[int, ...]]:
    """Groups of rows that show the same picture in more classes than a photo can have.

    Args:
        records: one per file.
        sketches: uint8 (files, 32, 32), gray.
        pixels: returns the prepared pixels of rows: uint8 (len(rows), height, width, 3), RGB.
    """
    groups = [*_equal_groups(records), *_alike_groups(records, sketches, pixels)]
    members: dict[int, set[int]] = defaultdict(set)
    union = Groups(len(records))
    for group in groups:
        for row in group[1:]:
            union.join(group[0], row)
    for group in groups:
        members[union.find(group[0])].update(group)
    return sorted(tuple(sorted(rows)) for rows in members.values())


def _is_placeholder(records: Sequence[Record], rows: Sequence[int]) -> bool:
    num_classes = len({records[row].class_name for row in rows})
    return any(num_classes >= classes and len(rows) >= copies for classes, copies in COPIES)


def _equal_groups(records: Sequence[Record]) -> Iterator[list[int]]:
    """Groups of equal pixels, whatever their size."""
    rows_of: dict[str | None, list[int]] = defaultdict(list)
    for row, record in enumerate(records):
        if record.is_kept:
            rows_of[record.pixel_hash].append(row)
    return (rows for rows in rows_of.values() if _is_placeholder(records, rows))


def _alike_groups(records: Sequence[Record], sketches: np.ndarray, pixels: Pixels) -> Iterator[list[int]]:
    """Groups of photos that differ as little as a saved copy does."""
    sides = (min(record.native_height or 0, record.native_width or 0) if record.is_kept else 0 for record in records)
    rows = np.flatnonzero(np.fromiter(sides, np.int64, len(records)) >= MIN_SIDE)
    hashes = [records[row].perceptual_hash for row in rows.tolist()]
    hash_counts = Counter(hashes)
    commonness = np.array([hash_counts[text] for text in hashes], np.int64)
    rows = rows[np.argsort(-commonness, kind="stable")]
    union = Groups(len(records))
    savings = _lossless_savings(records)
    blocks = _block_means(sketches, rows)
    quarters = blocks.reshape(-1, 2, BLOCK_SIDE // 2, 2, BLOCK_SIDE // 2).mean(axis=(2, 4)).reshape(-1, 4)
    for shift in (0, CELL / 2):  # two copies on either side of one grid's line are in one cell of the other
        for cell in _cells(np.floor((quarters + shift) / CELL)):
            for leader, row in _same_pairs(sketches, savings, rows[cell[_has_near_blocks(blocks[cell])]]):
                union.join(leader, row)
    members: dict[int, list[int]] = defaultdict(list)
    for row in rows.tolist():
        members[union.find(row)].append(row)
    for group in members.values():
        if _is_placeholder(records, group):
            same_color = _filter_by_color(group, pixels)
            if _is_placeholder(records, same_color):
                yield same_color


def _block_means(sketches: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Mean gray values of the blocks of each row's sketch: float32 (len(rows), 4, 4)."""
    side = sketches.shape[1] // BLOCK_SIDE
    means = np.empty((len(rows), BLOCK_SIDE, BLOCK_SIDE), np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        chunk = sketches[rows[start : start + ROWS_AT_ONCE]].reshape(-1, BLOCK_SIDE, side, BLOCK_SIDE, side)
        means[start : start + ROWS_AT_ONCE] = chunk.mean(axis=(2, 4))
    return means


def _has_near_blocks(blocks: np.ndarray) -> np.ndarray:
    """Which rows of a cell can be the same picture as another one of it: bool (n,); all of a large cell."""
    if len(blocks) > MAX_PAIRED:
        return np.ones(len(blocks), bool)
    differences = np.abs(blocks[:, None] - blocks[None]).mean(axis=(2, 3))
    np.fill_diagonal(differences, np.inf)
    has_near: np.ndarray = differences.min(axis=1) <= MAX_MEAN_DIFFERENCE
    return has_near


def _cells(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Places of equal keys, of those that are common enough."""
    _, inverse, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    for cell in np.split(order, np.cumsum(counts)[:-1]):
        if len(cell) >= COPIES[0][1]:
            yield cell


def _lossless_savings(records: Sequence[Record]) -> np.ndarray:
    """A number of the size, format and mode of files without loss, -1 of others: int64 (files,)."""
    numbers: dict[tuple[object, ...], int] = {}
    keys = ((record.native_height, record.native_width, record.format, record.mode) for record in records)
    return np.array([numbers.setdefault(key, len(numbers)) if key[2] in LOSSLESS else -1 for key in keys], np.int64)


def _same_pairs(sketches: np.ndarray, savings: np.ndarray, rows: np.ndarray) -> Iterator[tuple[int, int]]:
    """(leader, other) of the same picture: each row belongs to the first leader that it agrees with."""
    for _ in range(MAX_LEADERS):
        if len(rows) < 2:
            return
        leader, others = int(rows[0]), rows[1:]
        may_differ = (savings[others] != savings[leader]) | (savings[others] < 0)
        is_same = may_differ & _agree(sketches[leader], sketches[others])
        for row in others[is_same].tolist():
            yield leader, row
        rows = others[~is_same]


def _agree(sketch: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which sketches show the same picture as the first: bool (n,)."""
    first, rest = sketch.ravel().astype(np.float32), others.reshape(len(others), -1).astype(np.float32)
    differences = np.abs(rest - first)
    first_residuals, residuals = first - first.mean(), rest - rest.mean(axis=1, keepdims=True)
    deviations = residuals.std(axis=1)
    scale = np.maximum(first_residuals.std() * deviations, np.finfo(np.float32).tiny)
    correlations = (residuals @ first_residuals) / first.size / scale
    is_flat = (deviations < FLAT_DEVIATION) & (first_residuals.std() < FLAT_DEVIATION)
    is_near = (differences.max(axis=1) <= MAX_DIFFERENCE) & (differences.mean(axis=1) <= MAX_MEAN_DIFFERENCE)
    agrees: np.ndarray = is_near & (is_flat | (correlations >= MIN_CORRELATION))
    return agrees


def _filter_by_color(rows: Sequence[int], pixels: Pixels) -> list[int]:
    """Those whose colors are the first one's."""
    import cv2

    reference: np.ndarray | None = None
    same_rows: list[int] = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        block = rows[start : start + ROWS_AT_ONCE]
        for row, photo in zip(block, pixels(block), strict=True):
            small = cv2.resize(photo, (COLOR_SIDE, COLOR_SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
            reference = small if reference is None else reference
            if np.abs(small - reference).max() <= MAX_DIFFERENCE:
                same_rows.append(row)
    return same_rows
