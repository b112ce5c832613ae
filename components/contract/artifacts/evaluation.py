"""The evaluation folder: written by evaluate; read by deploy.

evaluation.json        EvaluationInfo: the headline figures and the verdict
figures.json           AllFigures: all figures of both splits
calibration.json       CalibrationFacts, with familiarity.npz: see components/contract/inference/calibration.py
predictions.parquet    one row per validation and test photo: split, image_id, label, predicted, probabilities
label_errors.csv       probable label errors, the most probable first: path, label, suggested_label, confidence
outliers.csv           photos unlike the others, the farthest first: path, label, distance
embedding_map.parquet  a map on which similar photos are close: split, image_id, path, label, predicted, x, y, from 0 to
                       1; missing if there are too few photos
report.html            the report, one self-contained file
report.pdf             the report for printing
model_card.md          a summary for users of the model
confusion_matrix.csv   of the test split: one row per true class, one column per predicted class
confusion_matrix.png   the same as a picture, if there are at most 60 classes
architecture.png       and reliability.png, coverage.png, robustness.png: figures of the report
loss_curve.png         per epoch, and accuracy_curve.png; missing if the bundle has no history
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
"""The registry alias of the latest version that was not clearly worse than the champion, or not comparable with it."""
BUNDLE_TAG: Final = "darkroom.bundle"
"""The tag of a registered version that contains the address of its model bundle."""

VerdictWord = Literal["first", "better", "worse", "cannot tell", "not comparable"]


class Comparison(StrictRecord):
    """Candidate and champion, scored on the same photos."""

    num_images: int
    """Number of test photos that both models were scored on; neither was trained on them."""
    num_left_out: int = 0
    """Number of test photos left out because one of the models was trained on them or on a near-duplicate."""
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
    """How many models have been scored on these test photos, including this model; None if MLflow does not answer."""

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
    """SHA-256 of the graph that was scored; the service must use the same graph."""
    validation: SplitFigures
    test: SplitFigures
    gate: Verdict
    latency_p50_ms: float | None = None
    """Median latency of the exported graph for one photo, on the machine that evaluated it."""
    size_bytes: int | None = None
    """Size of the files of the exported graph."""
    mlflow_run_id: str | None = None


def read_evaluation(evaluation_dir: Path) -> EvaluationInfo:
    """Reads evaluation.json.

    Raises:
        ArtifactError: it is missing, damaged, or of another format version.
    """
    return read_json(evaluation_dir / "evaluation.json", EvaluationInfo, "evaluation")
