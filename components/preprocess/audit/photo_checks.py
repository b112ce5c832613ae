"""Photos that hold little, or differ from the others in size or color: checks of CleanVision, with our own bounds."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from components.preprocess.manifest import Record

MIN_PHOTOS: Final = 30
"""Quartiles of fewer photos say little."""
MAX_BITS: Final = 3.0
"""Entropy of the gray values below which a photo of an ordinary data set is a plain graphic or a blank frame; 3,781
photos of clothes have 4.2 to 7.9."""
MEDIAN_SHARE: Final = 0.5
"""Data sets of drawings have little information throughout: only photos below half of the median are reported."""
FENCE: Final = 3.0
"""Interquartile ranges beyond the quartiles: Tukey's "far out" values."""
MIN_SIZE_RATIO: Final = 3.0
"""Cameras of one generation differ by less in the length of a side."""
MAX_GRAY_CHROMA: Final = 2.0
"""Differences of the color channels up to this are rounding in a JPEG file; 3,781 photos of clothes have 7 and more."""
MAX_GRAY_SHARE: Final = 0.5
"""Where most photos are gray, gray is the rule."""


def find_low_information(records: Sequence[Record]) -> dict[int, str]:
    """Rows of photos with few different gray values: blank frames, plain graphics, covered lenses."""
    rows, bits = _values(records, lambda record: record.information)
    if not rows:
        return {}
    limit = min(MAX_BITS, MEDIAN_SHARE * float(np.median(bits)))
    indices = np.flatnonzero(bits < limit)
    ranked = indices[np.argsort(bits[indices], kind="stable")].tolist()
    return {rows[index]: f"{bits[index]:.1f} bits; the median is {np.median(bits):.1f}." for index in ranked}


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
