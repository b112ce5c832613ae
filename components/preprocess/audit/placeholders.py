"""Finds the same picture in several classes: a placeholder such as "no image", or an error during collection.

A placeholder is recognized by its repetition. Its copies may be different files: shops serve them in several sizes and
qualities, and a plain graphic has too few features for the search for near-duplicates. In this check, photos count as
the same picture if both their 32 × 32 sketches and their colors agree almost everywhere.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from components.preprocess.audit.duplicates import Groups
from components.preprocess.audit.near_duplicates import Pixels
from components.preprocess.manifest import Record

MIN_SIDE: Final = 32
"""In pixels. Pictures whose shorter side is below this value, such as digits, can look the same although they differ,
so only equal pixels count."""
CELL: Final = 8
"""The width of a cell, in gray values. The mean gray values of a sketch's four quarters determine its cell; only
sketches in the same cell are compared."""
MAX_MEAN_DIFFERENCE: Final = 3.0
MAX_DIFFERENCE: Final = 20
"""The limits for the mean and the largest difference between two sketches of the same picture, in gray values. Saving a
picture of 64 px at JPEG quality 30 causes a mean difference of up to 2.3 and a largest difference of up to 19. If
something moves in an otherwise static scene, the largest difference exceeds its limit."""
MIN_CORRELATION: Final = 0.98
FLAT_DEVIATION: Final = 2.0
"""Photos of plain walls also differ little, but their noise is not correlated. Therefore, sketches must have a
correlation of at least MIN_CORRELATION, unless their standard deviation is below FLAT_DEVIATION."""
COLOR_SIDE: Final = 8
BLOCK_SIDE: Final = 4
"""Sketches are divided into a grid of 4 × 4 blocks, and the mean gray values of the blocks are compared first. This is
faster than comparing pixels and misses no pair, because the mean difference between blocks is never larger than
that between pixels."""
MAX_PAIRED: Final = 512
"""In cells with up to this many rows, the block means of all pairs are compared."""
ROWS_AT_ONCE: Final = 256
LOSSLESS: Final = frozenset(("PNG", "BMP", "TIFF"))
"""Copies of a picture with the same size and mode in the same lossless format have equal pixels. If the pixels of two
such files differ, as in similar X-rays, they are not copies."""
MAX_LEADERS: Final = 200
"""The maximum number of pictures in a cell that are compared with the others, those with the most common hashes first:
a cell may contain thousands of product photos on white."""
COPIES: Final = ((3, 3), (2, 5))
"""A picture with at least as many (classes, copies) as one of these pairs is a placeholder. In two classes, more copies
are required, because a photo that is in two classes by mistake is more common than a placeholder in two classes."""


def find_placeholders(records: Sequence[Record], sketches: np.ndarray, pixels: Pixels) -> list[tuple[int, ...]]:
    """Finds groups of rows that show the same picture in so many classes that it is a placeholder.

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
    """Groups of photos with equal pixels that are placeholders; the photos may have any size."""
    rows_of: dict[str | None, list[int]] = defaultdict(list)
    for row, record in enumerate(records):
        if record.is_kept:
            rows_of[record.pixel_hash].append(row)
    return (rows for rows in rows_of.values() if _is_placeholder(records, rows))


def _alike_groups(records: Sequence[Record], sketches: np.ndarray, pixels: Pixels) -> Iterator[list[int]]:
    """Groups of photos that are placeholders and differ no more than recompressed copies do."""
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
    for shift in (0, CELL / 2):  # copies that one grid separates are in the same cell of the other grid
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
    """The mean gray value of each block of each sketch: float32 (len(rows), 4, 4)."""
    side = sketches.shape[1] // BLOCK_SIDE
    means = np.empty((len(rows), BLOCK_SIDE, BLOCK_SIDE), np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        chunk = sketches[rows[start : start + ROWS_AT_ONCE]].reshape(-1, BLOCK_SIDE, side, BLOCK_SIDE, side)
        means[start : start + ROWS_AT_ONCE] = chunk.mean(axis=(2, 4))
    return means


def _has_near_blocks(blocks: np.ndarray) -> np.ndarray:
    """Which rows of a cell may show the same picture as another row: bool (n,); in a large cell, all rows."""
    if len(blocks) > MAX_PAIRED:
        return np.ones(len(blocks), bool)
    differences = np.abs(blocks[:, None] - blocks[None]).mean(axis=(2, 3))
    np.fill_diagonal(differences, np.inf)
    has_near: np.ndarray = differences.min(axis=1) <= MAX_MEAN_DIFFERENCE
    return has_near


def _cells(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the indices of each group of equal keys that is large enough for a placeholder."""
    _, inverse, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    for cell in np.split(order, np.cumsum(counts)[:-1]):
        if len(cell) >= COPIES[0][1]:
            yield cell


def _lossless_savings(records: Sequence[Record]) -> np.ndarray:
    """A number per file: int64 (files,); the same for lossless files with the same size, format and mode, else -1."""
    numbers: dict[tuple[object, ...], int] = {}
    keys = ((record.native_height, record.native_width, record.format, record.mode) for record in records)
    return np.array([numbers.setdefault(key, len(numbers)) if key[2] in LOSSLESS else -1 for key in keys], np.int64)


def _same_pairs(sketches: np.ndarray, savings: np.ndarray, rows: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yields (leader, row) for rows that show the same picture; the leader is the first row with which a row agrees."""
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
    """Which of the other sketches show the same picture as `sketch`: bool (n,)."""
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
    """The rows whose colors are the same as those of the first row."""
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
