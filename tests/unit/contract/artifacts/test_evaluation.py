"""evaluation.json and figures.json: written files can be read again, and damaged or missing ones are reported."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.contract.artifacts.evaluation import EvaluationInfo, Verdict, read_evaluation
from components.contract.artifacts.figures import Interval, SplitFigures, read_figures
from components.contract.errors import ArtifactError
from components.contract.system.atomic_files import write_json

HEADLINE = SplitFigures(
    num_images=10, accuracy=Interval(value=0.9, low=0.6, high=0.98), macro_f1=Interval(value=0.8, low=0.5, high=0.9)
)
INFO = EvaluationInfo(
    model_name="pets",
    class_names=("cat", "dog"),
    dataset_fingerprint="a" * 64,
    export_sha256="b" * 64,
    validation=HEADLINE,
    test=HEADLINE,
    gate=Verdict(verdict="cannot tell", reasons=("Too few photos.",)),
)


def test_a_written_evaluation_can_be_read_again(tmp_path: Path) -> None:
    write_json(tmp_path / "evaluation.json", INFO)
    assert read_evaluation(tmp_path) == INFO


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"format_version": 2}, "format_version"),
        ({"test": None}, "test"),
        ({"gate": {"verdict": "splendid", "reasons": []}}, "gate.verdict"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_damaged_evaluation_is_reported_with_the_reason(tmp_path: Path, changes: dict[str, Any], where: str) -> None:
    (tmp_path / "evaluation.json").write_text(json.dumps(INFO.model_dump(mode="json") | changes))
    with pytest.raises(ArtifactError, match=f"evaluation.json: {where}"):
        read_evaluation(tmp_path)


@pytest.mark.parametrize("read_file", [read_evaluation, read_figures])
def test_a_folder_without_an_evaluation_is_reported_with_the_step_to_run(tmp_path: Path, read_file: Any) -> None:
    with pytest.raises(ArtifactError, match="Run the step that writes it"):
        read_file(tmp_path)


@pytest.mark.parametrize(
    ("verdict", "promotes"),
    [("first", True), ("better", True), ("worse", False), ("cannot tell", False), ("not comparable", False)],
)
def test_only_the_verdicts_first_and_better_promote_a_model(verdict: Any, promotes: bool) -> None:
    assert Verdict(verdict=verdict, reasons=()).promotes is promotes
