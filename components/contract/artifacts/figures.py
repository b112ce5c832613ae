"""The figures of an evaluation: figures.json, and the headline figures of evaluation.json."""

import math
from pathlib import Path
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
from pydantic import Field, model_validator

from components.contract.record import StrictRecord
from components.contract.system.atomic_files import read_json

FORMAT_VERSION: Final = 1
CONFIDENCE: Final = 0.95
"""The confidence level of every interval."""


class Interval(StrictRecord):
    """A figure with its 95 % confidence interval."""

    value: float
    low: float
    high: float


def wilson_interval(num_correct: int, num_images: int) -> Interval:
    """A proportion with its 95 % score interval (Wilson, 1927).

    For a model that made no mistake on 30 photos, a bootstrap interval would be [1, 1], because every resample of 30
    correct answers consists of 30 correct answers. Wilson's interval is [0.89, 1], which reflects the small sample.

    Args:
        num_correct: the number of correct predictions, from 0 to num_images.
        num_images: the number of predictions, at least 1.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    center = num_correct + z**2 / 2
    half_width = z * math.sqrt(num_correct * (num_images - num_correct) / num_images + z**2 / 4)
    value = num_correct / num_images
    low, high = ((center + sign * half_width) / (num_images + z**2) for sign in (-1, 1))
    return Interval(value=value, low=max(0.0, min(low, value)), high=min(1.0, max(high, value)))


class SplitFigures(StrictRecord):
    """The headline figures of one split."""

    num_images: int
    accuracy: Interval
    macro_f1: Interval


class ClassFigures(StrictRecord):
    """The figures of one class on one split.

    Recall and F1 are None if the class has no photos; precision is None if the class was never predicted.
    """

    class_name: str
    num_images: int
    num_predicted: int
    precision: float | None
    recall: Interval | None
    f1: float | None
    roc_auc: float | None = None
    """One versus rest; None if the split contains only photos of this class, or no photos of it."""
    average_precision: float | None = None
    """One versus rest; None as for roc_auc."""


class Averages(StrictRecord):
    """Means over the classes; the precision of a class that was never predicted counts as 0."""

    precision: float
    recall: float
    f1: float


class ConfusedPair(StrictRecord):
    """Photos of one class that were predicted as another."""

    class_name: str
    predicted_as: str
    num_images: int
    share: float
    """The fraction of the photos of the class that were predicted as the other class."""


class Figures(SplitFigures):
    """All figures of one split."""

    num_correct: int
    macro: Averages
    """Each class of the split has the same weight."""
    weighted: Averages
    """Each photo has the same weight."""
    balanced_accuracy: Interval
    """The mean recall of the classes that occur in the split."""
    cohen_kappa: Interval
    """0 means chance agreement, and 1 perfect agreement."""
    roc_auc: Interval | None
    """One versus rest, the mean over the classes that occur in the split; None if only one class occurs."""
    average_precision: Interval | None
    log_loss: Interval
    calibration_error: float
    """The difference between confidence and accuracy: the expected calibration error over 15 bins of equal width."""
    top_2_accuracy: float | None
    """None if there are only two classes."""
    top_5_accuracy: float | None
    """None if there are five classes or fewer."""
    absent_classes: tuple[str, ...]
    """Classes without photos in this split; they are left out of the macro figures."""
    per_class: tuple[ClassFigures, ...]
    confusions: tuple[tuple[int, int, int], ...] = ()
    """The nonzero cells of the confusion matrix: true class, predicted class, number of photos. With 1,000 classes, the
    matrix has a million cells, and nearly all of them are 0."""
    whole_matrix: tuple[tuple[int, ...], ...] = Field((), alias="confusion_matrix", exclude=True)
    """All cells of the confusion matrix; only in files written by earlier versions."""
    most_confused: tuple[ConfusedPair, ...]
    """At most ten, the most common first."""

    @property
    def confusion_matrix(self) -> np.ndarray:
        """Number of photos by true class (rows) and predicted class (columns): int64 (classes, classes)."""
        matrix = np.zeros((len(self.per_class), len(self.per_class)), np.int64)
        true_labels, predicted_labels, counts = np.array(self.confusions, np.int64).reshape(-1, 3).T
        matrix[true_labels, predicted_labels] = counts
        return matrix

    @model_validator(mode="after")
    def _read_whole_matrix(self) -> "Figures":
        if self.whole_matrix:
            object.__setattr__(self, "confusions", matrix_cells(np.array(self.whole_matrix)))
        return self


def matrix_cells(matrix: np.ndarray) -> tuple[tuple[int, int, int], ...]:
    """The nonzero cells of a confusion matrix, as in `Figures.confusions`."""
    true_labels, predicted_labels = np.nonzero(matrix)
    counts = matrix[true_labels, predicted_labels]
    return tuple(zip(true_labels.tolist(), predicted_labels.tolist(), counts.tolist(), strict=True))


class ReliabilityBin(StrictRecord):
    """Predictions with similar confidence."""

    num_images: int
    sureness: float
    """The mean confidence of these predictions."""
    accuracy: Interval


class CoveragePoint(StrictRecord):
    """Coverage and accuracy if the model abstains when its confidence is below a threshold."""

    threshold: float
    coverage: float
    accuracy: float


class FamiliarityCheck(StrictRecord):
    """How often photos of one kind, such as pure noise, are flagged as unfamiliar."""

    kind: str
    num_images: int
    flagged: Interval
    roc_auc: float | None
    """How well the distance from the training photos separates these from the test photos; None for the test photos."""


class CalibrationFigures(StrictRecord):
    """The effect of calibration.json on the test photos, which were not used to fit it."""

    temperature: float
    error_before: float
    error_after: float
    log_loss_before: float
    log_loss_after: float
    bins: tuple[ReliabilityBin, ...]
    """After calibration, from the lowest to the highest confidence."""
    curve: tuple[CoveragePoint, ...]
    """From full coverage to low coverage."""
    target_accuracy: float
    threshold: float | None
    coverage: Interval
    """The fraction of test photos for which the model does not abstain."""
    answered_accuracy: Interval | None
    """The accuracy on those photos; None if there are none."""
    familiarity: tuple[FamiliarityCheck, ...]


class SliceFigures(StrictRecord):
    """The accuracy on the test photos that share a property, such as low brightness."""

    trait: str
    """The property: brightness, sharpness, size, shape or folder."""
    part: str
    num_images: int
    accuracy: Interval
    p_value: float
    """P-value of the difference from the accuracy on all other test photos, by Fisher's exact test."""


class RobustnessFigures(StrictRecord):
    """The figures for a sample of the test photos after one kind of disturbance, such as blur."""

    disturbance: str
    num_images: int
    accuracy: Interval
    num_lost: int
    """Number of photos that are classified correctly only without the disturbance."""
    num_won: int
    """Number of photos that are classified correctly only with the disturbance."""


class FoldFigures(StrictRecord):
    """A cross-validation on the network's features, for data sets so small that one test split is unreliable."""

    num_folds: int
    num_images: int
    what: str
    """A sentence that explains which photos and features were used, and why."""
    accuracy: Interval
    """The mean over the folds. The interval follows Nadeau and Bengio (2003), because the folds share training
    photos."""
    macro_f1: Interval
    accuracies: tuple[float, ...]


class AllFigures(StrictRecord):
    """The content of figures.json."""

    format_version: Literal[1] = FORMAT_VERSION
    class_names: tuple[str, ...]
    validation: Figures
    test: Figures
    calibration: CalibrationFigures | None = None
    slices: tuple[SliceFigures, ...] = ()
    """The worst first."""
    robustness: tuple[RobustnessFigures, ...] = ()
    """The first entry is for the unchanged photos."""
    folds: FoldFigures | None = None
    num_label_errors: int = 0
    """Number of photos in label_errors.csv."""
    num_outliers: int = 0
    """Number of photos in outliers.csv."""
    num_searched: int = 0
    """Number of photos, of all splits, that were checked for label errors and outliers; 0 if only held-out photos were
    checked, and only for label errors."""


def read_figures(evaluation_dir: Path) -> AllFigures:
    """Reads figures.json.

    Raises:
        ArtifactError: the file is missing or damaged, or has an unsupported format version.
    """
    return read_json(evaluation_dir / "figures.json", AllFigures, "evaluation")
