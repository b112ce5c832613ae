"""The evaluation folder: what evaluate writes and deploy reads.

evaluation.json       EvaluationInfo
predictions.parquet   a row per validation and test photo: split, image_id, label, predicted, probabilities
report.html           the report, one file that stands alone
"""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from components.contract.outputs import read_json

FORMAT_VERSION: Final = 1


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
