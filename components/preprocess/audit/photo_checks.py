"""Photos with little information or of odd size or color: checks of CleanVision, with our own thresholds."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from components.preprocess.manifest import Record

MIN_PHOTOS: Final = 30
"""Quartiles of fewer photos are unreliable."""
ROWS_AT_ONCE: Final = 1024
GRAY_LEVELS: Final = 4
"""Gray values that count as one, so that the noise of a sensor or of a JPEG file is no information."""
MAX_BITS: Final = 2.0
"""Entropy of a sketch below which a photo of an ordinary data set is a blank frame or a plain graphic: these have up to
1.8 bits, 3,781 photos of clothes 3.1 to 5.8. CleanVision takes the entropy of all pixels, which noise raises."""
MEDIAN_SHARE: Final = 0.5
"""Drawings have little information throughout: only those below half of the median are reported."""
FENCE: Final = 3.0
"""Interquartile ranges beyond the quartiles: Tukey's "far out" values."""
MIN_SIZE_RATIO: Final = 3.0
"""Cameras of one generation differ by less in the length of a side."""
MAX_GRAY_CHROMA: Final = 2.0
"""Differences of the color channels up to this are rounding in a JPEG file; 3,781 photos of clothes have 7 and more."""
MAX_GRAY_SHARE: Final = 0.5
"""Where most photos are gray, gray is the rule."""


def find_low_information(records: Sequence[Record], sketches: np.ndarray) -> dict[int, str]:
    """Rows of photos with few different gray values: blank frames, plain graphics, covered lenses.

    Args:
        records: one per file.
        sketches: uint8 (files, 32, 32), gray.
    """
    rows = [row for row, record in enumerate(records) if record.is_kept]
    if not rows:
        return {}
    bits = np.concatenate(
        [_entropy(sketches[rows[at : at + ROWS_AT_ONCE]]) for at in range(0, len(rows), ROWS_AT_ONCE)]
    )
    median = float(np.median(bits))
    indices = np.flatnonzero(bits < min(MAX_BITS, MEDIAN_SHARE * median))
    ranked = indices[np.argsort(bits[indices], kind="stable")].tolist()
    return {rows[index]: f"{bits[index]:.1f} bits; the median is {median:.1f}." for index in ranked}


def _entropy(sketches: np.ndarray) -> np.ndarray:
    """Shannon's entropy of the gray values of each sketch, in bits: float64 (len(sketches),)."""
    num_sketches, num_levels = len(sketches), 256 // GRAY_LEVELS
    levels = sketches.reshape(num_sketches, -1) // GRAY_LEVELS + num_levels * np.arange(num_sketches)[:, None]
    counts = np.bincount(levels.ravel(), minlength=num_sketches * num_levels).reshape(num_sketches, num_levels)
    shares = counts / sketches[0].size
    bits: np.ndarray = -(shares * np.log2(np.where(counts, shares, 1))).sum(axis=1)
    return bits


def find_odd_sizes(records: Sequence[Record]) -> dict[int, str]:
    """Rows of photos far larger or smaller than the others.

    The measure is the square root of the area, as in CleanVision; its logarithm, as sizes differ by factors.
    """
    rows, sides = _values(records, lambda record: ((record.native_height or 0) * (record.native_width or 0)) ** 0.5)
    if len(rows) < MIN_PHOTOS:
        return {}
    logs = np.log(np.maximum(sides, 1))
    low, middle, high = np.quantile(logs, (0.25, 0.5, 0.75))
    reach = FENCE * (high - low)
    is_odd = ((logs < low - reach) | (logs > high + reach)) & (np.abs(logs - middle) >= np.log(MIN_SIZE_RATIO))
    return {
        rows[index]: f"{records[rows[index]].native_width} × {records[rows[index]].native_height} px; the median is "
        f"{np.exp(middle):.0f} px square."
        for index in np.flatnonzero(is_odd).tolist()
    }


def find_gray_among_color(records: Sequence[Record]) -> dict[int, str]:
    """Rows of photos without color, if most photos have some."""
    rows, chroma = _values(records, lambda record: record.chroma)
    is_gray = chroma <= MAX_GRAY_CHROMA
    if is_gray.sum() >= MAX_GRAY_SHARE * len(rows):
        return {}
    return {rows[index]: "" for index in np.flatnonzero(is_gray).tolist()}


def _values(records: Sequence[Record], figure: Callable[[Record], float | None]) -> tuple[list[int], np.ndarray]:
    """The rows of kept photos with a figure, and the figures: float64 (rows,)."""
    figures = [
        (row, value) for row, record in enumerate(records) if record.is_kept and (value := figure(record)) is not None
    ]
    return [row for row, _ in figures], np.array([value for _, value in figures], np.float64)
