"""Reports how much of their range photos with more than 8 bits per value use, and the effect of the pixel range."""

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from components.contract.artifacts.dataset import FULL_RANGE, PixelRange
from components.contract.image.sample_depth import OUTLIER_BITS, Depth
from components.contract.text import pluralize
from components.preprocess.audit.findings import Reporter
from components.preprocess.manifest import Record

FEW_LEVELS: Final = 64
"""With fewer gray levels, a photo shows visible steps."""
SAMPLED_PHOTOS: Final = 100
OUTLIER_QUANTILE: Final = 0.9


def describe_range(depths: Sequence[Depth], pixel_range: PixelRange) -> str:
    """Explains the resolved value of `pixel_range: auto`."""
    black, white = pixel_range
    value = white if black == 0 else [black, white]
    return (
        f"preprocess.pixel_range: auto became {value}, because the values of {pluralize(len(depths))} with more "
        f"than 8 bits per value need {white.bit_length()} bits{' and a sign' if black < 0 else ''}."
    )


def report_depth(
    reporter: Reporter,
    records: Sequence[Record],
    depths: Sequence[Depth | None],
    pixel_range: PixelRange,
    read_pixels: Callable[[Sequence[int]], np.ndarray],
) -> None:
    """Reports how much of their range 16-bit photos use, and which are clipped or need a larger range than the others.

    Args:
        reporter: the reporter to which the finding is added.
        records: one per file.
        depths: the depth of each file; None if it has at most 8 bits per value.
        pixel_range: the values that became black and white.
        read_pixels: returns the prepared pixels of rows, uint8 (rows, height, width, 3).
    """
    rows = [row for row, record in enumerate(records) if record.is_kept and depths[row] is not None]
    if not rows:
        return
    depth_of = {row: depth for row in rows if (depth := depths[row]) is not None}
    sample = rows[:: math.ceil(len(rows) / SAMPLED_PHOTOS)]
    num_levels = round(statistics.median(_num_levels(read_pixels([row])) for row in sample))
    clipped_rows = [row for row, depth in depth_of.items() if _is_outside(depth, pixel_range)]
    outlier_rows = _outliers(depth_of)
    if pixel_range == FULL_RANGE and num_levels >= FEW_LEVELS and not outlier_rows:
        return
    lowest = min(depth.lowest for depth in depth_of.values())
    highest = max(depth.highest for depth in depth_of.values())
    num_values = round(statistics.median(depth.num_values for depth in depth_of.values()))
    black, white = pixel_range
    sentences = [
        f"{pluralize(len(rows))} with more than 8 bits per value: values from {lowest:,} to {highest:,}; the median "
        f"photo uses {num_values:,} different values.",
        f"{black:,} becomes black and {white:,} white; the median prepared photo has {num_levels} of 256 gray levels.",
    ]
    if clipped_rows:
        photos = "photo has" if len(clipped_rows) == 1 else "photos have"
        sentences.append(f"{len(clipped_rows):,} {photos} values outside this range, which are clipped.")
    elif outlier_rows:
        sentences.append(
            f"Only {pluralize(len(outlier_rows))} {'needs' if len(outlier_rows) == 1 else 'need'} such a large range."
        )
    notes = {
        row: f"Values from {depth_of[row].lowest:,} to {depth_of[row].highest:,}."
        for row in clipped_rows or outlier_rows
    }
    reporter.add("pixel_depth", " ".join(sentences), [([records[row].path], note) for row, note in notes.items()])


def _is_outside(depth: Depth, pixel_range: PixelRange) -> bool:
    return depth.lowest < pixel_range[0] or depth.highest > pixel_range[1]


def _outliers(depths: dict[int, Depth]) -> list[int]:
    """The few photos that need far more bits than the others."""
    num_bits = {row: depth.highest.bit_length() for row, depth in depths.items()}
    usual_bits = int(np.quantile(list(num_bits.values()), OUTLIER_QUANTILE, method="inverted_cdf"))
    return [row for row, bits in num_bits.items() if bits - usual_bits >= OUTLIER_BITS]


def _num_levels(pixels: np.ndarray) -> int:
    """The number of distinct values in uint8 pixels."""
    return int(np.count_nonzero(np.bincount(pixels.ravel())))
