"""Finds photos unlike all others: their embeddings are far from their nearest neighbors.

The k-nearest-neighbor distance follows Ramaswamy, Rastogi and Shim (2000), with cosine distances as in Sun et al.
(2022).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from components.contract.inference.calibration import to_unit_length
from components.contract.system.atomic_files import write_csv
from components.contract.text import csv_cell

COLUMNS: Final = ("path", "label", "distance", "split", "image_id")
NUM_NEIGHBORS: Final = 10
REACH: Final = 2.0
"""A photo is an outlier if its distance exceeds the median plus this many times the gap between the median and the 95th
percentile: 1 photo in 2,000 if the distances are normally distributed, 1 in 200 if they are exponentially distributed.
None of 3,781 photos of clothes is an outlier by this rule; if pictures of noise, plain colors, digits and the words
"no image" are added to them, all added pictures are outliers."""
MIN_PHOTOS: Final = 100
"""With fewer photos, every photo is far from all others."""
ROWS_AT_ONCE: Final = 512


@dataclass(frozen=True)
class Outlier:
    """A photo that is unlike all others.

    Attributes:
        split: the split that contains the photo.
        image_id: its content hash.
        label: its class.
        distance: mean cosine distance to its nearest neighbors, from 0 to 2.
    """

    split: str
    image_id: str
    label: int
    distance: float


def find_outliers(
    splits: Sequence[str], image_ids: Sequence[str], labels: np.ndarray, embeddings: np.ndarray
) -> list[Outlier]:
    """The outliers, the farthest first.

    Training photos are closer to each other than held-out photos are, because the network learned from them. The two
    groups therefore have separate thresholds.

    Args:
        splits: the split of each of the n photos.
        image_ids: the content hash of each photo.
        labels: int32 (n,).
        embeddings: float32 (n, features).
    """
    if len(labels) < MIN_PHOTOS:
        return []
    distances = neighbor_distances(to_unit_length(embeddings))
    is_training = np.array([split == "train" for split in splits])
    is_outlier = np.zeros(len(labels), bool)
    for group in (is_training, ~is_training):
        if group.sum() >= MIN_PHOTOS:
            is_outlier[group] = _far_out(distances[group])
    indices = np.flatnonzero(is_outlier)
    return [
        Outlier(splits[index], image_ids[index], int(labels[index]), float(distances[index]))
        for index in indices[np.argsort(-distances[indices], kind="stable")].tolist()
    ]


def neighbor_distances(unit_embeddings: np.ndarray) -> np.ndarray:
    """The mean cosine distance of each photo to its nearest neighbors: float32 (n,).

    Args:
        unit_embeddings: float32 (n, features), each of length 1.
    """
    num_neighbors = min(NUM_NEIGHBORS, len(unit_embeddings) - 1)
    distances = np.empty(len(unit_embeddings), np.float32)
    for start in range(0, len(unit_embeddings), ROWS_AT_ONCE):
        block = unit_embeddings[start : start + ROWS_AT_ONCE]
        similarity = block @ unit_embeddings.T
        similarity[np.arange(len(block)), start + np.arange(len(block))] = -np.inf
        nearest = np.partition(similarity, -num_neighbors, axis=1)[:, -num_neighbors:]
        distances[start : start + len(block)] = 1 - nearest.mean(axis=1)
    return np.clip(distances, 0, 2)


def _far_out(distances: np.ndarray) -> np.ndarray:
    median, high = np.quantile(distances, (0.5, 0.95))
    is_far: np.ndarray = distances > median + REACH * (high - median)
    return is_far


def write_outliers(
    target: Path, outliers: Sequence[Outlier], class_names: Sequence[str], paths: Mapping[str, str]
) -> None:
    """Writes the outliers as a table.

    Args:
        target: the CSV file.
        outliers: the farthest first.
        class_names: in the order of the labels.
        paths: paths of the original files, by image_id; if a path is unknown, the image_id is written instead.
    """
    rows = (
        (
            csv_cell(paths.get(outlier.image_id, outlier.image_id)),
            csv_cell(class_names[outlier.label]),
            f"{outlier.distance:.4f}",
            outlier.split,
            outlier.image_id,
        )
        for outlier in outliers
    )
    write_csv(target, COLUMNS, rows)
