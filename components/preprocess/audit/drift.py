"""Tests whether the photos of two splits come from the same source, by comparing their measurements and classes."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from components.preprocess.manifest import Record

SIGNIFICANCE: Final = 0.001
MIN_DISTANCE: Final = 0.2
"""The smallest distance between two distributions that is reported, from 0 to 1; smaller ones are ignored even if they
are significant."""
MIN_SHIFT: Final = 0.2
"""The minimum difference between the means, in standard deviations of the training photos; smaller ones are
hardly visible."""


def describe_drifts(train: Sequence[Record], other: Sequence[Record], num_tests: int) -> Iterator[str]:
    """Yields a description of each relevant difference between the photos in a split and the training photos.

    Args:
        train: the kept training photos.
        other: the kept photos in the split.
        num_tests: the total number of comparisons, for the Bonferroni correction.
    """
    for what, values in _figures(train, other).items():
        distance = ks_distance(*values)
        if (
            mean_shift(*values) >= MIN_SHIFT
            and distance >= MIN_DISTANCE
            and distance >= ks_bound(len(train), len(other), SIGNIFICANCE / num_tests)
        ):
            means = [float(np.mean(side)) for side in values]
            yield f"{what}: mean {means[1]:,.3g}, but {means[0]:,.3g} in train (distance {distance:.2f})"
    distance, bound = class_distance(train, other, SIGNIFICANCE / num_tests)
    if distance >= max(MIN_DISTANCE, bound):
        yield f"classes: {100 * distance:.0f} % of the photos would need a different class to match train"


def _figures(*sides: Sequence[Record]) -> dict[str, list[np.ndarray]]:
    measures: dict[str, Callable[[Any], Any]] = {
        "brightness": lambda record: record.brightness,
        "sharpness": lambda record: record.sharpness,
        "aspect ratio": lambda record: record.native_height / record.native_width,
        "megapixels": lambda record: record.native_height * record.native_width / 1e6,
    }
    return {
        what: [_round_to_two_digits(np.array([measure(record) for record in side], float)) for side in sides]
        for what, measure in measures.items()
    }


def _round_to_two_digits(values: np.ndarray) -> np.ndarray:
    """Rounds to two significant digits, so that invisible differences are ignored."""
    scale = 10.0 ** (1 - np.floor(np.log10(np.maximum(np.abs(values), 1e-12))))
    return np.asarray(np.rint(values * scale) / scale)


def mean_shift(reference: np.ndarray, other: np.ndarray) -> float:
    """The difference between two means, in standard deviations of the reference."""
    return float(abs(reference.mean() - other.mean()) / max(reference.std(), 1e-12))


def ks_distance(reference: np.ndarray, other: np.ndarray) -> float:
    """The Kolmogorov–Smirnov distance: the largest difference between two distribution functions, from 0 to 1."""
    values = np.concatenate([reference, other])
    shares = [np.searchsorted(np.sort(side), values, side="right") / len(side) for side in (reference, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def ks_bound(num_reference: int, num_other: int, significance: float) -> float:
    """The distance that two large samples from one source exceed with probability `significance` (Smirnov 1948)."""
    return math.sqrt(-math.log(significance / 2) / 2 * (num_reference + num_other) / (num_reference * num_other))


def class_distance(train: Sequence[Record], other: Sequence[Record], significance: float) -> tuple[float, float]:
    """The total variation distance between the class frequencies, and its bound for samples from one source.

    Such samples exceed the bound (Bretagnolle–Huber–Carol inequality) with a probability of at most `significance`.
    """
    counts = [Counter(record.class_name for record in side) for side in (train, other)]
    names = counts[0].keys() | counts[1].keys()
    distance = sum(abs(counts[0][name] / len(train) - counts[1][name] / len(other)) for name in names) / 2
    per_side = [
        math.sqrt((len(names) * math.log(2) - math.log(significance / 2)) / (2 * len(side))) for side in (train, other)
    ]
    return distance, sum(per_side)
