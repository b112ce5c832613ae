"""The study: written by a search; read by train and by the report.

study.json    StudyInfo
best.json     the section `train` of params.yaml with the best values
study.html    interactive plots in one file: history, importance, slices and parallel coordinates
"""

from pathlib import Path
from typing import Any, Final, Literal

from components.contract.record import StrictRecord
from components.contract.system.atomic_files import read_json

FORMAT_VERSION: Final = 1


class Trial(StrictRecord):
    """One trial of a search.

    Attributes:
        state: pruned if other trials were better or the params are invalid; interrupted if the process was terminated,
            in which case another trial repeats the params.
        values: the values of this trial, by key of the section `train`.
        accuracy: the validation accuracy at the kept epoch; None if no epoch finished.
        latency_ms: the network's latency for one photo, on the machine that ran the search; None if not measured.
        size_mb: the size of the network's weights; None if not measured.
        reason: why the trial was stopped early or failed.
    """

    number: int
    state: Literal["complete", "pruned", "failed", "interrupted"]
    values: dict[str, Any]
    accuracy: float | None
    epochs: int
    seconds: float
    latency_ms: float | None = None
    size_mb: float | None = None
    reason: str | None = None


class StudyInfo(StrictRecord):
    """The content of study.json."""

    format_version: Literal[1] = FORMAT_VERSION
    name: str
    dataset_fingerprint: str
    trials: tuple[Trial, ...]
    best: int | None
    """The number of the trial that train uses; None if there was no search."""
    objectives: tuple[str, ...] = ("accuracy",)
    front: tuple[int, ...] = ()
    """The numbers of the trials on the Pareto front, the most accurate first."""
    choice: str = ""
    """Why train uses the trial `best`, in one sentence."""
    importance: dict[str, float]
    """The fraction of the variation in accuracy that each key explains, from 0 to 1; empty if there are too few
    trials."""
    mlflow_run_id: str | None = None


def read_study(study_dir: Path) -> StudyInfo:
    """Reads study.json.

    Raises:
        ArtifactError: the file is missing or damaged, or has an unsupported format version.
    """
    return read_json(study_dir / "study.json", StudyInfo, "study")
