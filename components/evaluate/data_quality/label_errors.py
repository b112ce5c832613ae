"""Finds photos whose label is doubtful, by confident learning (Northcutt, Jiang and Chuang, 2021).

A label is doubtful if a different class is more probable, and its probability is at least the threshold of that class:
the mean probability of the class over the photos that are labeled with it. The probabilities must come from a model
that was not trained on the photo.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.contract.system.atomic_files import write_csv
from components.contract.text import csv_cell

COLUMNS = ("path", "label", "suggested_label", "confidence", "split", "image_id")
"""`darkroom data relabel` needs the first two columns; `label` is the current label."""


@dataclass(frozen=True)
class HeldOutPredictions:
    """Photos with probabilities from a model that was not trained on them.

    Attributes:
        splits: the split of each of the n photos.
        image_ids: the content hash of each photo.
        labels: int32 (n,).
        probabilities: float32 (n, classes).
    """

    splits: Sequence[str]
    image_ids: Sequence[str]
    labels: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class LabelError:
    """A photo whose label is doubtful.

    Attributes:
        split: the split that contains the photo.
        image_id: its content hash.
        label: the current label.
        suggested: the class that the photo looks like.
        confidence: the probability of that class, from 0 to 1.
        margin: how much more probable that class is than the label.
    """

    split: str
    image_id: str
    label: int
    suggested: int
    confidence: float
    margin: float = 0.0


def find_label_errors(held_out: HeldOutPredictions) -> list[LabelError]:
    """The photos with doubtful labels, ranked by how much more probable the suggested class is than the label."""
    labels, probabilities = held_out.labels, held_out.probabilities.astype(np.float64)
    num, num_classes = probabilities.shape
    present = np.unique(labels)
    thresholds = np.full(num_classes, np.inf)
    for label in present:
        thresholds[label] = probabilities[labels == label, label].mean()
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    suggested = confident.argmax(axis=1)
    doubtful = (confident.max(axis=1) >= 0) & (suggested != labels)
    rows = np.arange(num)
    margin = probabilities[rows, suggested] - probabilities[rows, labels]
    indices = np.flatnonzero(doubtful & (margin > 0))
    return [
        LabelError(
            split=held_out.splits[index],
            image_id=held_out.image_ids[index],
            label=int(labels[index]),
            suggested=int(suggested[index]),
            confidence=float(probabilities[index, suggested[index]]),
            margin=float(margin[index]),
        )
        for index in indices[np.argsort(-margin[indices], kind="stable")]
    ]


def rank_errors(errors: Sequence[LabelError]) -> list[LabelError]:
    """Merges the errors from several searches into one ranking."""
    return sorted(errors, key=lambda error: -error.margin)


def write_label_errors(
    target: Path, errors: Sequence[LabelError], class_names: Sequence[str], paths: Mapping[str, str]
) -> None:
    """Writes the table that `darkroom data relabel` accepts after its labels have been corrected.

    Args:
        target: the CSV file.
        errors: the most doubtful first.
        class_names: in the order of the labels.
        paths: paths of the original files, relative to the data folder, by image_id; if a path is unknown, the
            image_id is written instead.
    """
    rows = (
        (
            csv_cell(paths.get(error.image_id, error.image_id)),
            csv_cell(class_names[error.label]),
            csv_cell(class_names[error.suggested]),
            f"{error.confidence:.4f}",
            error.split,
            error.image_id,
        )
        for error in errors
    )
    write_csv(target, COLUMNS, rows)
