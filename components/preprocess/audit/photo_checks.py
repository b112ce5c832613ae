"""Finds photos with little information, odd sizes or missing color: like CleanVision, with different thresholds."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from components.preprocess.manifest import Record

MIN_PHOTOS: Final = 30
"""With fewer photos, quartiles are unreliable."""
ROWS_AT_ONCE: Final = 1024
GRAY_LEVELS: Final = 4
"""The number of adjacent gray values that count as one level, so that sensor noise and JPEG artifacts are ignored."""
MAX_BITS: Final = 2.0
"""A photo is reported if the entropy of its sketch is below this value. Blank frames and plain graphics have up to 1.8
bits, and 3,781 photos of clothes have 3.1 to 5.8. CleanVision uses the entropy of all pixels, which noise increases."""
MEDIAN_SHARE: Final = 0.5
"""Only photos below this fraction of the median entropy are reported, since drawings always have a low entropy."""
FENCE: Final = 3.0
"""Values that are more than this number of interquartile ranges outside the quartiles are "far out" (Tukey)."""
MIN_SIZE_RATIO: Final = 3.0
"""A photo is reported only if its side length is larger or smaller than the median by at least this factor; photos from
cameras of one generation differ by less."""
MAX_GRAY_CHROMA: Final = 2.0
"""A photo counts as gray if its chroma is at most this value. Rounding in JPEG files gives gray photos a small
chroma; each of 3,781 color photos of clothes has a chroma of at least 7."""
MAX_GRAY_SHARE: Final = 0.5
"""If at least this fraction of the photos is gray, gray photos are not reported."""


def find_low_information(records: Sequence[Record], sketches: np.ndarray) -> dict[int, str]:
    """Finds photos with few different gray values: blank frames, plain graphics, covered lenses. Returns notes by row.

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
    return {rows[index]: f"Entropy: {bits[index]:.1f} bits; the median is {median:.1f}." for index in ranked}


def _entropy(sketches: np.ndarray) -> np.ndarray:
    """The Shannon entropy of the gray levels of each sketch, in bits: float64 (len(sketches),)."""
    num_sketches, num_levels = len(sketches), 256 // GRAY_LEVELS
    levels = sketches.reshape(num_sketches, -1) // GRAY_LEVELS + num_levels * np.arange(num_sketches)[:, None]
    counts = np.bincount(levels.ravel(), minlength=num_sketches * num_levels).reshape(num_sketches, num_levels)
    shares = counts / sketches[0].size
    bits: np.ndarray = -(shares * np.log2(np.where(counts, shares, 1))).sum(axis=1)
    return bits


def find_odd_sizes(records: Sequence[Record]) -> dict[int, str]:
    """Finds photos that are far larger or smaller than the others. Returns notes by row.

    The measure is the logarithm of the square root of the area; CleanVision uses the square root itself.
    """
    rows, sides = _values(records, lambda record: ((record.native_height or 0) * (record.native_width or 0)) ** 0.5)
    if len(rows) < MIN_PHOTOS:
        return {}
    logs = np.log(np.maximum(sides, 1))
    low, middle, high = np.quantile(logs, (0.25, 0.5, 0.75))
    reach = FENCE * (high - low)
    is_odd = ((logs < low - reach) | (logs > high + reach)) & (np.abs(logs - middle) >= np.log(MIN_SIZE_RATIO))
    return {
        rows[index]: f"{records[rows[index]].native_width} × {records[rows[index]].native_height} px; the median area "
        f"is that of a square with sides of {np.exp(middle):.0f} px."
        for index in np.flatnonzero(is_odd).tolist()
    }


def find_gray_among_color(records: Sequence[Record]) -> dict[int, str]:
    """Finds photos without color, if most photos have color. Returns their rows, each with an empty note."""
    rows, chroma = _values(records, lambda record: record.chroma)
    is_gray = chroma <= MAX_GRAY_CHROMA
    if is_gray.sum() >= MAX_GRAY_SHARE * len(rows):
        return {}
    return {rows[index]: "" for index in np.flatnonzero(is_gray).tolist()}


def _values(records: Sequence[Record], figure: Callable[[Record], float | None]) -> tuple[list[int], np.ndarray]:
    """The rows of kept photos for which `figure` is not None, and its values: float64 (rows,)."""
    figures = [
        (row, value) for row, record in enumerate(records) if record.is_kept and (value := figure(record)) is not None
    ]
    return [row for row, _ in figures], np.array([value for _, value in figures], np.float64)
