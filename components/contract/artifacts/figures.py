"""The figures of an evaluation: figures.json, and the headline figures of evaluation.json."""

from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import Field, model_validator

from components.contract.record import StrictRecord
from components.contract.system.atomic_files import read_json

FORMAT_VERSION: Final = 1


class Interval(StrictRecord):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class SplitFigures(StrictRecord):
    """The headline figures of one split."""

    num_images: int
    accuracy: Interval
    macro_f1: Interval


class ClassFigures(StrictRecord):
    """One class on one split. Recall and F1 are None without photos, precision if the class was never predicted."""

    class_name: str
    num_images: int
    num_predicted: int
    precision: float | None
    recall: Interval | None
    f1: float | None
    roc_auc: float | None = None
    """One versus rest, as the next; None if the split has only this class or only others."""
    average_precision: float | None = None


class Averages(StrictRecord):
    """Means over the classes; a class that was never predicted counts with precision 0."""

    precision: float
    recall: float
    f1: float


class ConfusedPair(StrictRecord):
    """Photos of one class that were predicted as another."""

    class_name: str
    predicted_as: str
    num_images: int
    share: float
    """Of the class's photos."""


class Figures(SplitFigures):
    """Every figure of one split."""

    num_correct: int
    macro: Averages
    """Each class of the split has the same weight."""
    weighted: Averages
    """Each photo has the same weight."""
    balanced_accuracy: Interval
    """The mean recall of the classes that the split holds."""
    cohen_kappa: Interval
    """0: chance agreement; 1: always correct."""
    roc_auc: Interval | None
    """One versus rest, the mean over the classes of the split; None if it has only one class."""
    average_precision: Interval | None
    log_loss: Interval
    calibration_error: float
    """The difference between confidence and accuracy: the expected calibration error over 15 bins of equal width."""
    top_2_accuracy: float | None
    """None if there are only two classes."""
    top_5_accuracy: float | None
    """None if there are five classes or fewer."""
    absent_classes: tuple[str, ...]
    """Classes without a photo in this split; the macro figures leave them out."""
    per_class: tuple[ClassFigures, ...]
    confusions: tuple[tuple[int, int, int], ...] = ()
    """The cells of the confusion matrix that hold photos: true class, predicted class, photos. With 1,000 classes the
    matrix has a million cells, nearly all of them empty."""
    whole_matrix: tuple[tuple[int, ...], ...] = Field((), alias="confusion_matrix", exclude=True)
    """Every cell, in files of earlier versions."""
    most_confused: tuple[ConfusedPair, ...]
    """At most ten, the most common first."""

    @property
    def confusion_matrix(self) -> np.ndarray:
        """Photos, by true and by predicted class: int64 (classes, classes)."""
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
    """The cells of a confusion matrix that hold photos, as `Figures.confusions`."""
    true_labels, predicted_labels = np.nonzero(matrix)
    counts = matrix[true_labels, predicted_labels]
    return tuple(zip(true_labels.tolist(), predicted_labels.tolist(), counts.tolist(), strict=True))


class ReliabilityBin(StrictRecord):
    """Answers of about the same confidence."""

    num_images: int
    sureness: float
    """Their mean probability."""
    accuracy: Interval


class CoveragePoint(StrictRecord):
    """Coverage and accuracy if the model abstains below a threshold."""

    threshold: float
    coverage: float
    accuracy: float


class FamiliarityCheck(StrictRecord):
    """How often photos of one kind are detected as unfamiliar."""

    kind: str
    num_images: int
    flagged: Interval
    roc_auc: float | None
    """How well the distance separates them from the test photos; None for the test photos themselves."""


class CalibrationFigures(StrictRecord):
    """The effect of calibration.json on the test photos, which were not used to fit it."""

    temperature: float
    error_before: float
    error_after: float
    log_loss_before: float
    log_loss_after: float
    bins: tuple[ReliabilityBin, ...]
    """After calibration, the least confident first."""
    curve: tuple[CoveragePoint, ...]
    """From all photos answered to few."""
    target_accuracy: float
    threshold: float | None
    coverage: Interval
    """The share of test photos that are answered at the threshold."""
    answered_accuracy: Interval | None
    """Of these; None if none is answered."""
    familiarity: tuple[FamiliarityCheck, ...]


class SliceFigures(StrictRecord):
    """Test photos with a common property."""

    trait: str
    """brightness, sharpness, size, shape, folder."""
    part: str
    num_images: int
    accuracy: Interval
    p_value: float
    """P-value of Fisher's exact test against the other photos."""


class RobustnessFigures(StrictRecord):
    """The same test photos under one disturbance."""

    disturbance: str
    num_images: int
    accuracy: Interval
    num_lost: int
    """Correct before, wrong now."""
    num_won: int
    """Wrong before, correct now."""


class FoldFigures(StrictRecord):
    """A cross-validation on the network's features, for data so small that one test split is unreliable."""

    num_folds: int
    num_images: int
    what: str
    """Which photos and which features, and why, in a sentence."""
    accuracy: Interval
    """The mean over the folds; its interval is that of Nadeau and Bengio (2003): folds share their training photos."""
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
    """The first is of the unchanged photos."""
    folds: FoldFigures | None = None
    num_label_errors: int = 0
    """Photos in label_errors.csv."""
    num_outliers: int = 0
    """Photos in outliers.csv."""
    num_searched: int = 0
    """Photos of all splits in which both were looked for; 0 if only held-out photos were, for labels alone."""


def read_figures(evaluation_dir: Path) -> AllFigures:
    """Reads figures.json.

    Raises:
        ArtifactError: it is missing, damaged, or of another format version.
    """
    return read_json(evaluation_dir / "figures.json", AllFigures, "evaluation")
