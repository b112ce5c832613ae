"""The evaluation folder: written by evaluate; read by deploy.

evaluation.json        EvaluationInfo: the headline figures and the verdict
figures.json           AllFigures: all figures of both splits
calibration.json       and familiarity.npz: see components/contract/inference/calibration.py
predictions.parquet    one row per validation and test photo: split, image_id, label, predicted, probabilities
label_errors.csv       probable label errors, the most probable first: path, label, suggested_label, confidence
outliers.csv           photos far from all others, the farthest first: path, label, distance
embedding_map.parquet  a map on which similar photos are close: split, image_id, path, label, predicted, x and y
                       from 0 to 1; missing if there are too few photos
report.html            the report, one self-contained file
report.pdf             the report for printing
model_card.md          a summary for users of the model
confusion_matrix.csv   for the test split: one row per true class, one column per predicted class
confusion_matrix.png   the same matrix as a picture, if there are at most 60 classes
architecture.png       and reliability.png, coverage.png and robustness.png: the pictures of the report
loss_curve.png         and accuracy_curve.png: the values of each epoch; missing if the bundle has no history
"""

from pathlib import Path
from typing import Final, Literal

from components.contract.artifacts.figures import Interval, SplitFigures
from components.contract.record import StrictRecord
from components.contract.system.atomic_files import read_json

FORMAT_VERSION: Final = 1

CHAMPION: Final = "champion"
"""The registry alias of the most recently promoted version."""

CHALLENGER: Final = "challenger"
"""The registry alias of the latest version that was neither promoted nor found to be clearly worse."""
BUNDLE_TAG: Final = "darkroom.bundle"
"""The tag that holds the address of a registered version's model bundle."""

VerdictWord = Literal["first", "better", "worse", "cannot tell", "not comparable"]


class Comparison(StrictRecord):
    """The candidate and the champion, scored on the same photos."""

    num_images: int
    """Number of test photos that both models were scored on; neither model was trained on them."""
    num_left_out: int = 0
    """Number of test photos left out because one of the models was trained on them or on near-duplicates of them."""
    candidate_accuracy: float
    champion_accuracy: float
    num_won: int
    """Number of photos that only the candidate classifies correctly."""
    num_lost: int
    """Number of photos that only the champion classifies correctly."""
    p_value: float
    """P-value of McNemar's mid-p test."""
    accuracy_difference: Interval
    """Candidate minus champion; the interval follows Bonett and Price (2012)."""
    macro_f1_difference: Interval
    """Candidate minus champion; the interval is from a paired bootstrap."""


class Verdict(StrictRecord):
    """The gate's verdict on a model, and the reasons for it."""

    verdict: VerdictWord
    reasons: tuple[str, ...]
    promoting: tuple[VerdictWord, ...] = ("first", "better")
    """The verdicts that, according to the params, make a model the champion."""
    champion: str | None = None
    """The champion at the time of the verdict; if the champion has changed since, the verdict is outdated."""
    comparison: Comparison | None = None
    looks: int | None = None
    """How many models have been scored on these test photos, including this model; None if MLflow did not answer."""

    @property
    def promotes(self) -> bool:
        """Whether the verdict makes the model the champion."""
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
    """Total size of the files of the exported graph."""
    mlflow_run_id: str | None = None


def read_evaluation(evaluation_dir: Path) -> EvaluationInfo:
    """Reads evaluation.json.

    Raises:
        ArtifactError: the file is missing or damaged, or has an unsupported format version.
    """
    return read_json(evaluation_dir / "evaluation.json", EvaluationInfo, "evaluation")
