"""The study: what a search writes, and train and the report read.

study.json    StudyInfo
best.json     the section train of params.yaml with the best values found
study.html    its history, importance, slices and parallel coordinates, interactive, in one file
"""

from pathlib import Path
from typing import Any, Final, Literal

from components.contract.record import StrictRecord
from components.contract.system.atomic_files import read_json

FORMAT_VERSION: Final = 1


class Trial(StrictRecord):
    """One training of a search.

    Attributes:
        values: by keys of train.
        accuracy: on the validation photos, at the kept epoch; None where the trial has none.
        latency_ms: of one photo through its network, on the machine that searched; None where nobody asked.
        size_mb: of the network's weights; None where nobody asked.
        reason: why it was ended early or failed.
    """

    number: int
    state: Literal["complete", "pruned", "failed"]
    values: dict[str, Any]
    accuracy: float | None
    epochs: int
    seconds: float
    latency_ms: float | None = None
    size_mb: float | None = None
    reason: str | None = None


class StudyInfo(StrictRecord):
    """What study.json holds."""

    format_version: Literal[1] = FORMAT_VERSION
    name: str
    dataset_fingerprint: str
    trials: tuple[Trial, ...]
    best: int | None
    """The number of the trial that train takes; None where nothing was searched."""
    objectives: tuple[str, ...] = ("accuracy",)
    front: tuple[int, ...] = ()
    """The numbers of the trials that no other beats in all objectives, the most accurate first."""
    choice: str = ""
    """Why train takes the best, in a sentence."""
    importance: dict[str, float]
    """How much of the differences in accuracy each key explains, from 0 to 1; empty for fewer than some ten trials."""
    mlflow_run_id: str | None = None


def read_study(study_dir: Path) -> StudyInfo:
    """What study.json says.

    Raises:
        ArtifactError: it is missing, damaged, or of another format version.
    """
    return read_json(study_dir / "study.json", StudyInfo, "study")
