"""The evaluation folder: what evaluate writes and deploy reads.

evaluation.json        EvaluationInfo: the headline figures and the verdict
figures.json           AllFigures: every figure of both splits
predictions.parquet    a row per validation and test photo: split, image_id, label, predicted, probabilities
report.html            the report, one file that stands alone
confusion_matrix.csv   of the test split: a row per true class, a column per predicted class
confusion_matrix.png   the same as a picture
loss_curve.png         per epoch, and accuracy_curve.png; missing where the bundle holds no history
"""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from components.contract.outputs import read_json

FORMAT_VERSION: Final = 1

CHAMPION: Final = "champion"
"""The registry alias of the version that was promoted last."""


class Interval(BaseModel):
    """A figure with its 95 % interval; all three within 0 and 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    value: float
    low: float
    high: float


class SplitFigures(BaseModel):
    """The headline figures of one split."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    num_images: int
    accuracy: Interval
    macro_f1: Interval


class ClassFigures(BaseModel):
    """One class on one split. Without a photo there is no recall and no F1; never predicted, there is no precision."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    class_name: str
    num_images: int
    num_predicted: int
    precision: float | None
    recall: Interval | None
    f1: float | None


class Averages(BaseModel):
    """Means over the classes; a class that was never predicted counts with precision 0."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    precision: float
    recall: float
    f1: float


class ConfusedPair(BaseModel):
    """Photos of one class that were taken for another."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    class_name: str
    predicted_as: str
    num_images: int
    share: float
    """Of the class's photos."""


class Figures(SplitFigures):
    """Every figure of one split."""

    num_correct: int
    macro: Averages
    """Each class that the split holds weighs alike."""
    weighted: Averages
    """Each photo weighs alike."""
    log_loss: float
    top_2_accuracy: float | None
    """None where there are two classes only."""
    top_5_accuracy: float | None
    """None where there are five classes or fewer."""
    absent_classes: tuple[str, ...]
    """Classes without a photo in this split; the macro figures leave them out."""
    per_class: tuple[ClassFigures, ...]
    confusion_matrix: tuple[tuple[int, ...], ...]
    """Photos, [true class][predicted class]."""
    most_confused: tuple[ConfusedPair, ...]
    """At most ten, the commonest first."""


class AllFigures(BaseModel):
    """What figures.json holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format_version: Literal[1] = FORMAT_VERSION
    class_names: tuple[str, ...]
    validation: Figures
    test: Figures


class Verdict(BaseModel):
    """What the gate says of a model, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    verdict: Literal["first", "better", "worse", "cannot tell", "not comparable"]
    reasons: tuple[str, ...]

    @property
    def promotes(self) -> bool:
        return self.verdict in ("first", "better")


class EvaluationInfo(BaseModel):
    """What evaluation.json holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format_version: Literal[1] = FORMAT_VERSION
    model_name: str
    class_names: tuple[str, ...]
    dataset_fingerprint: str
    export_sha256: str
    """Of the graph that was scored; the service must hold the same."""
    validation: SplitFigures
    test: SplitFigures
    gate: Verdict
    mlflow_run_id: str | None = None


def read_evaluation(evaluation_dir: Path) -> EvaluationInfo:
    """What evaluation.json says.

    Raises:
        ArtifactError: it is missing, damaged, or of another format version.
    """
    return read_json(evaluation_dir / "evaluation.json", EvaluationInfo, "evaluation")


def read_figures(evaluation_dir: Path) -> AllFigures:
    """What figures.json says.

    Raises:
        ArtifactError: it is missing, damaged, or of another format version.
    """
    return read_json(evaluation_dir / "figures.json", AllFigures, "evaluation")
