"""The evaluate step on real folders: its outputs, the inputs that it refuses, and what it logs to MLflow."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from PIL import Image

from components.contract.artifacts.dataset import open_split, read_info
from components.contract.artifacts.evaluation import read_evaluation
from components.contract.artifacts.figures import read_figures
from components.contract.artifacts.study import StudyInfo, Trial
from components.contract.errors import ArtifactError
from components.contract.inference.calibration import read_calibration
from components.contract.inference.graph import InferenceGraph, export_sha256
from components.contract.params.pipeline import GateParams
from components.contract.system.atomic_files import write_json
from components.contract.system.program import exit_code
from components.contract.tracking.run import create_run
from components.evaluate.__main__ import main
from components.evaluate.formatting import estimate
from components.evaluate.measure.tracked_metrics import describe_run
from components.evaluate.step import evaluate
from tests.support.artifacts import CLASS_NAMES
from tests.support.tracking_server import hurry
from tests.unit.evaluate.datasets import rewrite_split
from tests.unit.evaluate.step_run import PARAMS, change_bundle, run


def test_the_evaluation_folder_contains_all_documented_files(folder: Path) -> None:
    evaluation_dir = run(folder)
    assert {path.name for path in evaluation_dir.iterdir()} == {
        "evaluation.json",
        "figures.json",
        "predictions.parquet",
        "report.html",
        "confusion_matrix.csv",
        "confusion_matrix.png",
        "loss_curve.png",
        "accuracy_curve.png",
        "architecture.png",
        "reliability.png",
        "coverage.png",
        "robustness.png",
        "calibration.json",
        "familiarity.npz",
        "label_errors.csv",
        "outliers.csv",
        "embedding_map.parquet",
        "report.pdf",
        "model_card.md",
    }
    info, all_figures = read_evaluation(evaluation_dir), read_figures(evaluation_dir)
    assert info.test.num_images == 36
    assert info.test.accuracy.value == info.test.macro_f1.value == 1.0
    assert info.test.model_dump() == all_figures.test.model_dump(include=set(info.test.model_dump()))
    assert info.gate.verdict == "first"
    assert info.export_sha256 == export_sha256(folder / "model" / "export")
    assert info.dataset_fingerprint == read_info(folder / "dataset").fingerprint
    rows = list(csv.reader(io.StringIO((evaluation_dir / "confusion_matrix.csv").read_text())))
    assert rows == [
        ["true class", *CLASS_NAMES],
        ["blue", "12", "0", "0"],
        ["green", "0", "12", "0"],
        ["red", "0", "0", "12"],
    ]
    for name in ("confusion_matrix", "loss_curve", "accuracy_curve"):
        with Image.open(evaluation_dir / f"{name}.png") as image:
            assert min(image.size) > 300


def test_the_same_inputs_produce_the_same_files(folder: Path) -> None:
    rewrite_split(folder / "dataset", "test", indices=list(range(36)), labels=[0] * 20 + [1] * 8 + [2] * 8)
    first, again = ({path.name: path.read_bytes() for path in run(folder).iterdir()} for _ in range(2))
    timed = {"evaluation.json", "report.html", "report.pdf", "model_card.md"}  # these report the time per photo
    assert first.keys() == again.keys()
    assert timed < first.keys()
    assert {name for name in first if first[name] != again[name]} <= timed
    untimed = [re.sub(rb'"latency_p50_ms": [0-9.]+', b"", files["evaluation.json"]) for files in (first, again)]
    assert untimed[0] == untimed[1]


def test_a_model_without_history_gets_a_report_without_curves(folder: Path) -> None:
    write_json(folder / "model" / "history.json", {})
    evaluation_dir = run(folder)
    assert "no training history" in (evaluation_dir / "report.html").read_text()
    assert not list(evaluation_dir.glob("*_curve.png"))


def test_metrics_verdict_and_report_are_logged_to_the_run_of_the_model(folder: Path) -> None:
    trained = create_run(experiment="colors", name="train")
    change_bundle(folder, mlflow_run_id=trained.run_id)
    evaluation_dir = run(folder)
    assert read_evaluation(evaluation_dir).mlflow_run_id == trained.run_id
    stored = MlflowClient().get_run(str(trained.run_id))
    figures = read_figures(evaluation_dir).test
    assert stored.data.metrics["test/accuracy"] == 1.0
    assert stored.data.metrics["test/accuracy_low"] == figures.accuracy.low
    assert stored.data.metrics["test/macro_f1_high"] == figures.macro_f1.high
    assert stored.data.metrics["validation/log_loss"] == pytest.approx(
        read_figures(evaluation_dir).validation.log_loss.value
    )
    assert stored.data.tags["darkroom.verdict"] == "first"
    note = stored.data.tags["mlflow.note.content"]
    assert note.startswith("**Verdict: first.** ")
    assert f"| test | {estimate(figures.accuracy)} |" in note
    assert f"run_uuid={trained.run_id}" in note
    assert stored.data.metrics["evaluation/num_looks"] == 1
    (dataset,) = stored.inputs.dataset_inputs
    assert [(tag.key, tag.value) for tag in dataset.tags] == [("mlflow.data.context", "evaluation")]
    logged = {file.path for file in MlflowClient().list_artifacts(str(trained.run_id), "evaluation")}
    assert {"evaluation/report.html", "evaluation/confusion_matrix.png", "evaluation/loss_curve.png"} <= logged
    assert stored.info.status == "RUNNING", "only the owner of the run may end it"


def test_the_note_links_to_the_report_by_the_run_id_in_mlflow(folder: Path) -> None:
    """If a run begins while MLflow is unavailable, the steps identify the run by its key."""
    trained = create_run(experiment="colors", name="pipeline-7", key="pipeline-7")
    change_bundle(folder, mlflow_run_id="key:pipeline-7")
    run(folder)
    note = MlflowClient().get_run(str(trained.run_id)).data.tags["mlflow.note.content"]
    assert f"run_uuid={trained.run_id})" in note


def test_markdown_in_names_and_reasons_is_escaped_in_the_note(folder: Path) -> None:
    info, dataset = read_evaluation(run(folder)), read_info(folder / "dataset")
    reason = "The recall of *all* [photos](http://x) | falls."
    gate = info.gate.model_copy(update={"reasons": (reason,)})
    note = describe_run(info.model_copy(update={"gate": gate}), dataset.model_copy(update={"name": "<img>_1_"}), None)
    assert r"**Verdict: first.** The recall of \*all\* \[photos\](http://x) \| falls." in note
    assert r"Data: &lt;img&gt;\_1\_, " in note


@pytest.mark.parametrize("variable", ["MLFLOW_RUN_ID", "DARKROOM_RUN_KEY"])
def test_the_evaluation_continues_without_the_mlflow_server(
    folder: Path, variable: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hurry(monkeypatch, 100)
    monkeypatch.setenv(variable, "0123456789abcdef0123456789abcdef")
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    info = read_evaluation(run(folder))
    assert info.gate.verdict == "not comparable"
    assert "The model registry did not report whether colors has a champion" in info.gate.reasons[0]
    assert info.test.accuracy.value == 1.0
    assert "127.0.0.1" in caplog.text


@pytest.mark.parametrize("num", [0, 2, 60])
def test_at_most_the_requested_number_of_mistakes_is_shown(folder: Path, num: int) -> None:
    labels = [1, 1, 1, *[0] * 9, *[1] * 12, *[2] * 12]
    rewrite_split(folder / "dataset", "test", indices=list(range(36)), labels=labels)
    report = (run(folder, report_photos=num) / "report.html").read_text()
    worst = report.partition('id="mistakes"')[2].partition("Some correct answers")[0]
    assert worst.partition("</section>")[0].count("A test photo of green that was predicted as blue") == min(num, 3)


def test_file_names_in_the_report_come_from_the_manifest(folder: Path) -> None:
    import pyarrow as pa

    split = open_split(folder / "dataset", "test")
    rewrite_split(folder / "dataset", "test", indices=[0, 12], labels=[1, 1])
    pq.write_table(
        pa.table(
            {
                "path": ["blue/a <b>.png", "lost.png"],
                "split": ["test", None],
                "sha256": [split.image_ids[0] + "0" * 32, None],
            }
        ),
        folder / "dataset" / "manifest.parquet",
    )
    assert "blue/a &lt;b&gt;.png" in (run(folder) / "report.html").read_text()


def test_the_evaluate_program_resolves_the_model_name_and_returns_an_exit_code(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").write_text("data: {uri: photos}\nevaluate: {bootstrap_resamples: 100}\n")
    command = [
        sys.executable,
        "-m",
        "components.evaluate",
        "--params",
        str(tmp_path / "params.yaml"),
        "--dataset",
        str(folder / "dataset"),
        "--model",
        str(folder / "model"),
        "--output",
        str(tmp_path / "out"),
    ]
    process = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert process.returncode == 0, process.stderr
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["model_name"] == "colors"
    assert "[evaluate] Test accuracy 100 %" in process.stdout
    change_bundle(folder, image_size=(8, 8))
    monkeypatch.setattr(sys, "argv", command[2:])
    capsys.readouterr()
    assert exit_code(main) == 2
    message = capsys.readouterr().err
    assert message.startswith("darkroom: The model's image size must match the data set's (16 × 16); found 8 × 8.")
    assert message.count("\n") == 1


def test_the_calibration_belongs_to_the_graph_and_the_written_predictions_are_calibrated(folder: Path) -> None:
    evaluation_dir = run(folder)
    calibration = read_calibration(evaluation_dir)
    assert calibration.facts.export_sha256 == read_evaluation(evaluation_dir).export_sha256
    split = open_split(folder / "dataset", "test")
    outputs = InferenceGraph(folder / "model" / "export").run(split.gather(np.arange(len(split))))
    rows = pq.read_table(evaluation_dir / "predictions.parquet", filters=[("split", "=", "test")])
    expected = np.array(rows["probabilities"].to_pylist(), np.float32)
    assert np.abs(calibration.probabilities(outputs.logits) - expected).max() < 1e-6
    flagged = read_figures(evaluation_dir).calibration
    assert flagged is not None
    assert flagged.familiarity[0].flagged.value == calibration.is_unfamiliar(outputs.embedding).mean()


def test_folds_are_reported_in_the_figures_and_in_the_report(folder: Path) -> None:
    evaluation_dir = run(folder, folds=3)
    folds = read_figures(evaluation_dir).folds
    assert folds is not None
    assert (folds.num_folds, folds.num_images) == (3, 72)
    assert "so only validation and test photos are divided" in folds.what, (
        "the network has learned its features from the training photos, so these must be excluded"
    )
    assert "3 folds" in (evaluation_dir / "report.html").read_text()


def test_the_search_that_found_the_params_is_in_the_report(folder: Path) -> None:
    trial = Trial(number=0, state="complete", values={"epochs": 3}, accuracy=0.75, epochs=3, seconds=1.0)
    study = StudyInfo(name="colors", dataset_fingerprint="a" * 64, trials=(trial,), best=0, importance={})
    for name, figures in (("study", study), ("none", study.model_copy(update={"trials": (), "best": None}))):
        (folder / name).mkdir()
        write_json(folder / name / "study.json", figures)
        evaluate(folder / "dataset", folder / "model", PARAMS, "colors", folder / "evaluation", folder / name)
        report = (folder / "evaluation" / "report.html").read_text()
        assert ("1 training run was compared" in report) == (name == "study")
    with pytest.raises(ArtifactError, match=r"study\.json"):
        evaluate(folder / "dataset", folder / "model", PARAMS, "colors", folder / "evaluation", folder / "nowhere")


def test_doubtful_labels_are_written_for_relabeling(folder: Path) -> None:
    labels = [1, *[0] * 11, *[1] * 12, *[2] * 12]
    rewrite_split(folder / "dataset", "test", indices=list(range(36)), labels=labels)
    rows = list(csv.DictReader(io.StringIO((run(folder) / "label_errors.csv").read_text())))
    assert [(row["label"], row["suggested_label"], row["split"]) for row in rows] == [("green", "blue", "test")]
    assert {"path", "label", "suggested_label", "confidence"} <= set(rows[0])


def test_the_limits_of_the_gate_come_from_the_params(folder: Path) -> None:
    info = read_evaluation(run(folder, gate=GateParams(max_latency_ms=1e-6, max_size_mb=1e-6, min_accuracy=0.5)))
    assert info.gate.verdict == "worse"
    assert not info.gate.promotes
    assert sum("evaluate.gate.max_" in reason for reason in info.gate.reasons) == 2


def test_uses_of_a_test_set_are_counted_once_per_run(folder: Path) -> None:
    looks = []
    for name in ("first", "second"):
        change_bundle(folder, mlflow_run_id=create_run(experiment="colors", name=name).run_id)
        looks.append(read_evaluation(run(folder)).gate.looks)
    looks.append(read_evaluation(run(folder)).gate.looks)
    assert looks == [1, 2, 2], "evaluating the same model again must not count"
    assert "With this one, 2 models have been scored" in (folder / "evaluation" / "report.html").read_text()
