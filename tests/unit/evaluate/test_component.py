"""The KFP component fills real KFP artifacts with the values that KFP's pages show."""

import json
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl
from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Metrics, Model

from components.contract.artifacts.evaluation import read_evaluation
from components.contract.params.pipeline import EvaluateParams, dump_section
from components.evaluate.component import evaluate
from tests.support.artifacts import CLASS_NAMES, make_bundle, make_dataset
from tests.unit.evaluate.datasets import rewrite_split


@pytest.fixture
def outputs(tmp_path: Path, mlflow_store: str) -> dict[str, Any]:
    """The component's output artifacts for a test split with three wrong labels."""
    make_bundle(tmp_path / "model", make_dataset(tmp_path / "dataset"))
    labels = [1, 1, 1, *[0] * 9, *[1] * 12, *[2] * 12]
    rewrite_split(tmp_path / "dataset", "test", indices=list(range(36)), labels=labels)
    artifacts: dict[str, Any] = {
        name: kind(name=name, uri=str(tmp_path / "out" / name))
        for name, kind in {
            "evaluation": Artifact,
            "metrics": Metrics,
            "confusion": ClassificationMetrics,
            "report": HTML,
        }.items()
    }
    (tmp_path / "out").mkdir()
    evaluate.python_func(
        dataset=Dataset(uri=str(tmp_path / "dataset")),
        model=Model(uri=str(tmp_path / "model")),
        params=dump_section(EvaluateParams(bootstrap_resamples=100)),
        model_name="colors",
        **artifacts,
    )
    return artifacts


def test_the_metrics_of_both_splits_are_finite_numbers(outputs: dict[str, Any]) -> None:
    info = read_evaluation(Path(outputs["evaluation"].path))
    metrics = outputs["metrics"].metadata
    assert metrics["validation_accuracy"] == metrics["validation_macro_f1"] == 1.0
    assert (metrics["test_accuracy"], metrics["test_macro_f1"]) == (info.test.accuracy.value, info.test.macro_f1.value)
    assert {"test_roc_auc", "test_log_loss", "test_cohen_kappa", "latency_p50_ms", "size_mb"} <= set(metrics)
    assert info.test.accuracy.value == pytest.approx(33 / 36)
    json.dumps(outputs["metrics"].metadata, allow_nan=False)


def test_the_confusion_matrix_counts_test_photos_in_plain_integers(outputs: dict[str, Any]) -> None:
    matrix = outputs["confusion"].metadata["confusionMatrix"]
    assert [annotation["displayName"] for annotation in matrix["annotationSpecs"]] == list(CLASS_NAMES)
    rows = [row["row"] for row in matrix["rows"]]
    assert rows == [[9, 0, 0], [3, 12, 0], [0, 0, 12]]
    assert {type(number) for row in rows for number in row} == {int}


def test_the_roc_curve_is_finite_and_rises_from_zero_to_one(outputs: dict[str, Any]) -> None:
    points = outputs["confusion"].metadata["confidenceMetrics"]
    json.dumps(points, allow_nan=False)
    rates = [(point["falsePositiveRate"], point["recall"]) for point in points]
    assert rates[0] == (0.0, 0.0)
    assert rates[-1] == (1.0, 1.0)
    assert rates == sorted(rates)
    assert 2 <= len(points) <= 100


def test_the_report_and_the_verdict_are_written_to_the_artifacts(outputs: dict[str, Any]) -> None:
    folder = Path(outputs["evaluation"].path)
    assert Path(outputs["report"].path).read_bytes() == (folder / "report.html").read_bytes()
    assert outputs["evaluation"].metadata == {"verdict": "first"}


def test_the_component_uses_the_container_image_of_the_step_and_installs_nothing() -> None:
    assert isinstance(evaluate, dsl.base_component.BaseComponent)
    container = evaluate.component_spec.implementation.container
    assert container is not None
    assert container.image == "darkroom-evaluate-python:0.2.0"
    assert "pip install" not in " ".join(map(str, container.command or []))
