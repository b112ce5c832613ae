"""Finds pairs of mirror-image classes, such as left and right arrows, whose photos training must not mirror."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from components.preprocess.manifest import Record

MAX_PER_CLASS: Final = 100
MAX_PHOTOS: Final = 5_000
NUM_CELLS: Final = 4
NUM_DIRECTIONS: Final = 12
NUM_FOLDS: Final = 5
SHRINKAGE: Final = 0.5
"""How much the covariance shrinks toward a multiple of the identity, since there may be fewer photos than features."""
MIN_EXCHANGED: Final = 0.5
"""The minimum fraction of the photos of each class that are classified as the other class when mirrored."""
MAX_CONFUSED: Final = 0.5
"""The maximum number of photos that are confused without mirroring, as a fraction of those confused when mirrored."""
MIN_DEVIATIONS: Final = 3.0
"""The minimum difference between the numbers of photos confused with and without mirroring, in standard deviations of a
sign test."""


def find_mirror_pairs(records: Sequence[Record], sketches: np.ndarray) -> list[tuple[str, str]]:
    """Finds pairs of classes in which the mirrored photos of each class look like photos of the other class.

    Photos and their mirror images are classified by a linear discriminant analysis of histograms of oriented
    gradients (HOG, Dalal and Triggs 2005), with cross-validation: no photo is classified by a model that was trained on
    it.

    Args:
        records: one per file, with its split; only training photos are used.
        sketches: uint8 (files, side, side), gray.
    """
    rows_of_class: dict[str, list[int]] = {}
    for row, record in enumerate(records):
        if record.is_kept and record.split == "train":
            rows_of_class.setdefault(str(record.class_name), []).append(row)
    names = sorted(name for name, rows in rows_of_class.items() if len(rows) >= 2)
    if len(names) < 2:
        return []
    most = min(MAX_PER_CLASS, max(2, MAX_PHOTOS // len(names)))
    chosen_rows = [sorted(rows_of_class[name], key=lambda row: str(records[row].image_id))[:most] for name in names]
    rows = np.concatenate([np.array(class_rows, np.intp) for class_rows in chosen_rows])
    labels = np.repeat(np.arange(len(names)), [len(class_rows) for class_rows in chosen_rows])
    folds = np.concatenate([np.arange(len(class_rows)) % NUM_FOLDS for class_rows in chosen_rows])
    originals = gradient_histograms(sketches[rows])
    mirrored = gradient_histograms(sketches[rows][:, :, ::-1])
    confusions = np.zeros((2, len(names), len(names)))
    for fold in range(NUM_FOLDS):
        held_out = folds == fold
        weights, offsets = _discriminant(originals[~held_out], labels[~held_out], len(names))
        for confusion, features in zip(confusions, (originals, mirrored), strict=True):
            np.add.at(confusion, (labels[held_out], (features[held_out] @ weights + offsets).argmax(axis=1)), 1)
    exchanged = _are_exchanged(confusions[0], confusions[1], np.bincount(labels)[:, None])
    return [(names[first], names[second]) for first, second in np.argwhere(np.triu(exchanged, 1))]


def _are_exchanged(without_mirror: np.ndarray, in_mirror: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Which pairs of classes are exchanged by mirroring: bool (classes, classes); `counts` is (classes, 1)."""
    is_other = in_mirror >= MIN_EXCHANGED * counts
    num_confused, num_exchanged = without_mirror + without_mirror.T, in_mirror + in_mirror.T
    is_more = num_confused <= MAX_CONFUSED * num_exchanged
    is_no_chance = num_exchanged - num_confused >= MIN_DEVIATIONS * np.sqrt(num_exchanged + num_confused)
    return np.asarray(is_other & is_other.T & is_more & is_no_chance)


def gradient_histograms(sketches: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients (HOG): the strength of the gradients in each cell of a picture, by direction.

    Args:
        sketches: uint8 (n, side, side), gray.

    Returns:
        float32 (n, NUM_CELLS² · NUM_DIRECTIONS); the norm of each row is 1, or 0 for a picture of one color.
    """
    num_photos, side, _ = sketches.shape
    histograms = np.zeros((num_photos, NUM_CELLS, NUM_CELLS, NUM_DIRECTIONS), np.float32)
    for start in range(0, num_photos, 500):
        down, right = np.gradient(sketches[start : start + 500].astype(np.float32), axis=(1, 2))
        strength = np.hypot(down, right)
        direction = np.arctan2(down, right) * np.float32(NUM_DIRECTIONS / (2 * np.pi))
        for number in range(NUM_DIRECTIONS):
            distance = np.abs((direction - number + NUM_DIRECTIONS / 2) % NUM_DIRECTIONS - NUM_DIRECTIONS / 2)
            part = strength * np.maximum(0, 1 - distance)
            cells = part.reshape(-1, NUM_CELLS, side // NUM_CELLS, NUM_CELLS, side // NUM_CELLS).sum(axis=(2, 4))
            histograms[start : start + 500, ..., number] = cells
    sums = histograms.sum(axis=(1, 2, 3), keepdims=True)
    return np.asarray(np.sqrt(histograms / np.maximum(sums, 1e-6)).reshape(num_photos, -1))


def _discriminant(features: np.ndarray, labels: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (features, classes) and offsets (classes,) of a linear discriminant analysis with equal priors."""
    means = np.zeros((num_classes, features.shape[1]))
    np.add.at(means, labels, features)
    means /= np.maximum(np.bincount(labels, minlength=num_classes), 1)[:, None]
    centered = features - means[labels]
    covariance = centered.T @ centered / len(features)
    size = len(covariance)
    target = np.eye(size) * max(float(np.trace(covariance)) / size, 1e-6)
    weights = np.linalg.solve((1 - SHRINKAGE) * covariance + SHRINKAGE * target, means.T)
    return weights, -0.5 * np.einsum("kd,dk->k", means, weights)
