"""The evaluation folder: what evaluate writes and deploy reads.

evaluation.json        EvaluationInfo: the headline figures and the verdict
figures.json           AllFigures: every figure of both splits
calibration.json       CalibrationFacts, and familiarity.npz beside it; see components/contract/inference/calibration.py
predictions.parquet    a row per validation and test photo: split, image_id, label, predicted, calibrated probabilities
label_errors.csv       probable label errors, the most probable first: path, label, suggested_label, confidence
outliers.csv           photos unlike the others, the farthest first: path, label, distance
report.html            the report, one self-contained file
report.pdf             the same for paper
model_card.md          the same in short, for those who use the model
confusion_matrix.csv   of the test split: a row per true class, a column per predicted class
confusion_matrix.png   the same as a picture, if there are at most 60 classes
architecture.png       and so reliability.png, coverage.png, robustness.png
loss_curve.png         per epoch, and accuracy_curve.png; missing where the bundle holds no history
"""

from pathlib import Path
from typing import Final, Literal

from components.contract.artifacts.figures import Interval, SplitFigures
from components.contract.record import StrictRecord
from components.contract.system.atomic_files import read_json

FORMAT_VERSION: Final = 1

CHAMPION: Final = "champion"
"""The registry alias of the version that was promoted last."""

CHALLENGER: Final = "challenger"
"""The registry alias of the last version that might be as good as the champion, or could not be compared with it."""

BUNDLE_TAG: Final = "darkroom.bundle"
"""The tag of a registered version that contains the address of its model bundle."""

VerdictWord = Literal["first", "better", "worse", "cannot tell", "not comparable"]


class Comparison(StrictRecord):
    """Candidate and champion on the same photos, scored now."""

    num_images: int
    """Test photos that neither model was trained on and both were scored on."""
    num_left_out: int = 0
    """Test photos that one of the models was trained on, or on one that shows nearly the same."""
    candidate_accuracy: float
    champion_accuracy: float
    num_won: int
    """Photos that only the candidate classifies correctly."""
    num_lost: int
    """Photos that only the champion classifies correctly."""
    p_value: float
    """P-value of McNemar's mid-p test."""
    accuracy_difference: Interval
    """Candidate minus champion, by Bonett and Price (2012)."""
    macro_f1_difference: Interval
    """Candidate minus champion, by paired bootstrap."""


class Verdict(StrictRecord):
    """The verdict of the gate on a model, and its reasons."""

    verdict: VerdictWord
    reasons: tuple[str, ...]
    promoting: tuple[VerdictWord, ...] = ("first", "better")
    """The verdicts that make a model champion, from the params."""
    champion: str | None = None
    """The champion at the time of the verdict; if there is another champion now, the verdict is outdated."""
    comparison: Comparison | None = None
    looks: int | None = None
    """How many models have been scored on these test photos, including this one; None if MLflow does not answer."""

    @property
    def promotes(self) -> bool:
        """Whether the verdict makes the model champion."""
        return self.verdict in self.promoting


class EvaluationInfo(StrictRecord):
    """The content of evaluation.json."""

    format_version: Literal[1] = FORMAT_VERSION
    model_name: str
    class_names: tuple[str, ...]
    dataset_fingerprint: str
    export_sha256: str
    """Of the graph that was scored; the service must have the same one."""
    validation: SplitFigures
    test: SplitFigures
    gate: Verdict
    latency_p50_ms: float | None = None
    """Of one photo through the exported graph on the machine that evaluated it."""
    size_bytes: int | None = None
    """Of the exported graph's files."""
    mlflow_run_id: str | None = None


def read_evaluation(evaluation_dir: Path) -> EvaluationInfo:
    """Reads evaluation.json.

    Raises:
        ArtifactError: it is missing, damaged, or of another format version.
    """
    return read_json(evaluation_dir / "evaluation.json", EvaluationInfo, "evaluation")
