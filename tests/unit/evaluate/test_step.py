"""The step on real folders: what it writes, what it refuses, and what it tells MLflow."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from PIL import Image

from components.contract.artifacts.bundle import read_bundle
from components.contract.artifacts.dataset import open_split, read_info
from components.contract.artifacts.evaluation import read_evaluation
from components.contract.artifacts.figures import read_figures
from components.contract.artifacts.study import StudyInfo, Trial
from components.contract.errors import ArtifactError
from components.contract.inference.calibration import read_calibration
from components.contract.inference.graph import InferenceGraph, export_sha256
from components.contract.params.pipeline import EvaluateParams, GateParams
from components.contract.system.atomic_files import write_json
from components.contract.system.program import exit_code
from components.contract.tracking.run import create_run
from components.evaluate.__main__ import main
from components.evaluate.step import evaluate
from tests.support.artifacts import CLASS_NAMES, make_bundle, make_dataset
from tests.support.tracking_server import hurry
from tests.unit.evaluate.datasets import rewrite_split

PARAMS = EvaluateParams(bootstrap_resamples=200)


@pytest.fixture
def folder(tmp_path: Path, mlflow_store: str) -> Path:
    """dataset/ and model/, of a model that names every photo rightly."""
    make_bundle(tmp_path / "model", make_dataset(tmp_path / "dataset"))
    return tmp_path


def run(folder: Path, **changes: Any) -> Path:
    evaluate(folder / "dataset", folder / "model", PARAMS.model_copy(update=changes), "colours", folder / "evaluation")
    return folder / "evaluation"


def change_bundle(folder: Path, **changes: Any) -> None:
    write_json(folder / "model" / "bundle.json", read_bundle(folder / "model").model_copy(update=changes))


def test_the_evaluation_folder_holds_all_that_is_promised(folder: Path) -> None:
    written = run(folder)
    assert {path.name for path in written.iterdir()} == {
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
        "report.pdf",
        "model_card.md",
    }
    info, all_figures = read_evaluation(written), read_figures(written)
    assert info.test.num_images == 36
    assert info.test.accuracy.value == info.test.macro_f1.value == 1.0
    assert info.test.model_dump() == all_figures.test.model_dump(include=set(info.test.model_dump()))
    assert info.gate.verdict == "first"
    assert info.export_sha256 == export_sha256(folder / "model" / "export")
    assert info.dataset_fingerprint == read_info(folder / "dataset").fingerprint
    rows = list(csv.reader(io.StringIO((written / "confusion_matrix.csv").read_text())))
    assert rows == [
        ["true class", *CLASS_NAMES],
        ["blue", "12", "0", "0"],
        ["green", "0", "12", "0"],
        ["red", "0", "0", "12"],
    ]
    for name in ("confusion_matrix", "loss_curve", "accuracy_curve"):
        with Image.open(written / f"{name}.png") as image:
            assert min(image.size) > 300


def test_the_same_inputs_give_the_same_files(folder: Path) -> None:
    rewrite_split(folder / "dataset", "test", indices=list(range(36)), labels=[0] * 20 + [1] * 8 + [2] * 8)
    first, again = ({path.name: path.read_bytes() for path in run(folder).iterdir()} for _ in range(2))
    timed = {"evaluation.json", "report.html", "report.pdf", "model_card.md"}  # these tell how long a photo takes
    assert first.keys() == again.keys()
    assert timed < first.keys()
    assert {name for name in first if first[name] != again[name]} <= timed
    untimed = [re.sub(rb'"latency_p50_ms": [0-9.]+', b"", one["evaluation.json"]) for one in (first, again)]
    assert untimed[0] == untimed[1]


def test_an_earlier_evaluation_is_replaced_whole_and_kept_where_the_new_one_fails(folder: Path) -> None:
    before = (run(folder) / "evaluation.json").read_bytes()
    (folder / "evaluation" / "left-over.txt").touch()
    change_bundle(folder, class_names=("a", "b", "c"))
    with pytest.raises(ArtifactError):
        run(folder)
    assert (folder / "evaluation" / "evaluation.json").read_bytes() == before
    change_bundle(folder, class_names=CLASS_NAMES)
    assert not (run(folder) / "left-over.txt").exists()
    assert [path.name for path in folder.glob(".evaluation*")] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": ("blue", "green", "yellow")}, "classes must be those of the data set, blue, green, red"),
        ({"class_names": ("red", "green", "blue")}, "found red, green, blue"),
        ({"image_size": (24, 16)}, "image size must be those of the data set, 16 × 16; found 24 × 16"),
        ({"resize": "crop"}, "resizing must be those of the data set, stretch; found crop"),
    ],
)
def test_a_model_made_for_other_photos_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    change_bundle(folder, **changes)
    with pytest.raises(ArtifactError, match=message):
        run(folder)
    assert not (folder / "evaluation").exists()


def test_an_export_of_another_size_than_its_bundle_says_is_refused(folder: Path, tmp_path: Path) -> None:
    make_bundle(tmp_path / "large", make_dataset(tmp_path / "photos", side=24))
    change_bundle(folder, export=read_bundle(tmp_path / "large").export)
    (folder / "model" / "export").rename(folder / "old")
    (tmp_path / "large" / "export").rename(folder / "model" / "export")
    with pytest.raises(ArtifactError, match="exported graph's image size must be those of the data set, 16 × 16"):
        run(folder)


def test_an_export_that_was_changed_is_refused(folder: Path) -> None:
    with (folder / "model" / "export" / "model.xml").open("a") as file:
        file.write("<!-- -->")
    with pytest.raises(ArtifactError, match="must be the one that train checked"):
        run(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bundle.json", "must hold bundle.json"),
        ("history.json", "must hold history.json"),
        ("export/model.xml", "model.xml"),
        ("export/model.bin", "model.xml"),
    ],
)
def test_a_bundle_that_lacks_a_file_is_refused(folder: Path, name: str, message: str) -> None:
    (folder / "model" / name).unlink()
    with pytest.raises(ArtifactError, match=message):
        run(folder)


def test_a_history_that_is_none_is_refused(folder: Path) -> None:
    (folder / "model" / "history.json").write_text('{"loss": "falling"}')
    with pytest.raises(ArtifactError, match=r"history\.json: expected a valid array"):
        run(folder)


def test_a_model_without_history_gets_a_report_without_curves(folder: Path) -> None:
    write_json(folder / "model" / "history.json", {})
    written = run(folder)
    assert "no training history" in (written / "report.html").read_text()
    assert not list(written.glob("*_curve.png"))


def test_nan_logits_end_in_a_message_and_leave_nothing(tmp_path: Path, mlflow_store: str) -> None:
    make_bundle(tmp_path / "model", make_dataset(tmp_path / "dataset", per_class=3), scale=float("nan"))
    with pytest.raises(ArtifactError, match="finite numbers; 9 of 9 validation photos"):
        run(tmp_path)
    assert not (tmp_path / "evaluation").exists()


def test_a_class_absent_from_a_split_is_named_everywhere(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    rewrite_split(folder / "dataset", "test", indices=list(range(24)), labels=[0] * 12 + [1] * 12)
    rewrite_split(folder / "dataset", "validation", indices=list(range(12)), labels=[0] * 12)
    written = run(folder)
    all_figures = read_figures(written)
    assert all_figures.test.absent_classes == ("red",)
    assert all_figures.validation.absent_classes == ("green", "red")
    assert all_figures.test.macro_f1.value == 1.0
    assert "The test split holds no photo of red" in caplog.text
    report = (written / "report.html").read_text()
    assert "The test split holds no photo of red" in report
    assert "The validation split holds no photo of green, red" in report


def test_a_single_test_photo_is_enough(folder: Path) -> None:
    rewrite_split(folder / "dataset", "test", indices=[0], labels=[0])
    written = run(folder)
    found = read_evaluation(written).test
    assert (found.num_images, found.accuracy.value) == (1, 1.0)
    assert found.accuracy.low < 0.25
    assert "There is only 1 test photo" in (written / "report.html").read_text()


def test_a_model_that_always_says_the_same_is_called_so(tmp_path: Path, mlflow_store: str) -> None:
    make_bundle(tmp_path / "model", make_dataset(tmp_path / "dataset"), scale=0.0)
    written = run(tmp_path)
    assert read_evaluation(written).test.accuracy.value == pytest.approx(1 / 3)
    assert "gave every test photo the same name, blue" in (written / "report.html").read_text()
    assert set(pq.read_table(written / "predictions.parquet")["predicted"].to_pylist()) == {0}


def test_a_model_of_another_version_of_the_data_is_scored_with_a_warning(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change_bundle(folder, dataset_fingerprint="f" * 64)
    report = (run(folder) / "report.html").read_text()
    assert "trained on another version of the data" in caplog.text
    assert "trained on another version of the data" in report


def test_figures_verdict_and_report_reach_the_run_that_made_the_model(folder: Path) -> None:
    trained = create_run(experiment="colours", name="train")
    change_bundle(folder, mlflow_run_id=trained.run_id)
    written = run(folder)
    assert read_evaluation(written).mlflow_run_id == trained.run_id
    stored = MlflowClient().get_run(str(trained.run_id))
    found = read_figures(written).test
    assert stored.data.metrics["test/accuracy"] == 1.0
    assert stored.data.metrics["test/accuracy_low"] == found.accuracy.low
    assert stored.data.metrics["test/macro_f1_high"] == found.macro_f1.high
    assert stored.data.metrics["validation/log_loss"] == pytest.approx(read_figures(written).validation.log_loss.value)
    assert stored.data.tags["darkroom.verdict"] == "first"
    assert stored.data.metrics["evaluation/num_looks"] == 1
    logged = {file.path for file in MlflowClient().list_artifacts(str(trained.run_id), "evaluation")}
    assert {"evaluation/report.html", "evaluation/confusion_matrix.png", "evaluation/loss_curve.png"} <= logged
    assert stored.info.status == "RUNNING", "the run's owner ends it"


@pytest.mark.parametrize("variable", ["MLFLOW_RUN_ID", "DARKROOM_RUN_KEY"])
def test_the_evaluation_survives_a_dead_mlflow_server(
    folder: Path, variable: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hurry(monkeypatch, 100)
    monkeypatch.setenv(variable, "0123456789abcdef0123456789abcdef")
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    info = read_evaluation(run(folder))
    assert info.gate.verdict == "not comparable"
    assert "could not be asked" in info.gate.reasons[0]
    assert info.test.accuracy.value == 1.0
    assert "127.0.0.1" in caplog.text


@pytest.mark.parametrize("num", [0, 2, 60])
def test_as_many_mistakes_are_shown_as_asked(folder: Path, num: int) -> None:
    labels = [1, 1, 1, *[0] * 9, *[1] * 12, *[2] * 12]
    rewrite_split(folder / "dataset", "test", indices=list(range(36)), labels=labels)
    report = (run(folder, report_photos=num) / "report.html").read_text()
    worst = report.partition('id="mistakes"')[2].partition("Some right answers")[0]
    assert worst.partition("</section>")[0].count("A test photo of green that was taken for blue") == min(num, 3)


def test_file_names_come_from_the_manifest(folder: Path) -> None:
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


def test_the_module_resolves_the_name_and_ends_with_a_code(
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
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["model_name"] == "colours"
    assert "[evaluate] Test accuracy 100 %" in done.stdout
    change_bundle(folder, image_size=(8, 8))
    monkeypatch.setattr(sys, "argv", command[2:])
    capsys.readouterr()
    assert exit_code(main) == 2
    said = capsys.readouterr().err
    assert said.startswith("darkroom: The model's image size must be")
    assert said.count("\n") == 1


def test_the_calibration_is_that_of_the_graph_and_its_answers_are_those_that_are_written(folder: Path) -> None:
    written = run(folder)
    calibration = read_calibration(written)
    assert calibration.facts.export_sha256 == read_evaluation(written).export_sha256
    split = open_split(folder / "dataset", "test")
    outputs = InferenceGraph(folder / "model" / "export").run(split.gather(np.arange(len(split))))
    rows = pq.read_table(written / "predictions.parquet", filters=[("split", "=", "test")])
    expected = np.array(rows["probabilities"].to_pylist(), np.float32)
    assert np.abs(calibration.probabilities(outputs.logits) - expected).max() < 1e-6
    flagged = read_figures(written).calibration
    assert flagged is not None
    assert flagged.familiarity[0].flagged.value == calibration.is_unfamiliar(outputs.embedding).mean()


def test_a_folder_without_training_photos_is_no_hindrance(folder: Path) -> None:
    rewrite_split(folder / "dataset", "train", indices=[], labels=[])
    assert read_calibration(run(folder)).facts.familiarity.num_reference == 36


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_class_absent_from_one_split_is_told_of_that_split(folder: Path, split: Any) -> None:
    rewrite_split(folder / "dataset", split, indices=list(range(24)), labels=[0] * 12 + [1] * 12)
    written = run(folder)
    found = read_figures(written)
    assert (found.test if split == "test" else found.validation).absent_classes == ("red",)
    assert f"The {split} split holds no photo of red" in (written / "report.html").read_text()


def test_a_single_validation_photo_calibrates_as_far_as_it_can(folder: Path) -> None:
    rewrite_split(folder / "dataset", "validation", indices=[0], labels=[0])
    facts = read_calibration(run(folder)).facts
    assert 0.1 <= facts.temperature <= 20
    assert facts.abstention.coverage == 1.0


def test_folds_are_told_in_figures_and_report(folder: Path) -> None:
    written = run(folder, folds=3)
    folds = read_figures(written).folds
    assert folds is not None
    assert (folds.num_folds, folds.num_images) == (3, 72)
    assert "so that only validation and test photos are divided" in folds.what, "a network that learnt its features"
    assert "3 folds" in (written / "report.html").read_text()


def test_folds_of_too_few_photos_are_left_out_with_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for split in ("validation", "test"):
        rewrite_split(folder / "dataset", split, indices=[0, 12, 24], labels=[0, 1, 2])
    assert read_figures(run(folder, folds=5)).folds is None
    assert "A cross-validation needs 5 photos of each of two classes" in caplog.text


def test_the_search_behind_the_params_is_told_in_the_report(folder: Path) -> None:
    trial = Trial(number=0, state="complete", values={"epochs": 3}, accuracy=0.75, epochs=3, seconds=1.0)
    study = StudyInfo(name="colours", dataset_fingerprint="a" * 64, trials=(trial,), best=0, importance={})
    for name, found in (("study", study), ("none", study.model_copy(update={"trials": (), "best": None}))):
        (folder / name).mkdir()
        write_json(folder / name / "study.json", found)
        evaluate(folder / "dataset", folder / "model", PARAMS, "colours", folder / "evaluation", folder / name)
        report = (folder / "evaluation" / "report.html").read_text()
        assert ("1 training was tried" in report) == (name == "study")
    with pytest.raises(ArtifactError, match=r"study\.json"):
        evaluate(folder / "dataset", folder / "model", PARAMS, "colours", folder / "evaluation", folder / "nowhere")


def test_doubtful_labels_are_written_for_relabelling(folder: Path) -> None:
    labels = [1, *[0] * 11, *[1] * 12, *[2] * 12]
    rewrite_split(folder / "dataset", "test", indices=list(range(36)), labels=labels)
    rows = list(csv.DictReader(io.StringIO((run(folder) / "label_errors.csv").read_text())))
    assert [(row["label"], row["suggested_label"], row["split"]) for row in rows] == [("green", "blue", "test")]
    assert {"path", "label", "suggested_label", "confidence"} <= set(rows[0])


def test_the_gates_floors_come_from_the_params(folder: Path) -> None:
    info = read_evaluation(run(folder, gate=GateParams(max_latency_ms=1e-6, max_size_mb=1e-6, min_accuracy=0.5)))
    assert info.gate.verdict == "worse"
    assert not info.gate.promotes
    assert sum("evaluate.gate.max_" in reason for reason in info.gate.reasons) == 2


def test_looks_at_a_test_set_are_counted_by_run(folder: Path) -> None:
    looks = []
    for name in ("first", "second"):
        change_bundle(folder, mlflow_run_id=create_run(experiment="colours", name=name).run_id)
        looks.append(read_evaluation(run(folder)).gate.looks)
    looks.append(read_evaluation(run(folder)).gate.looks)
    assert looks == [1, 2, 2], "the same model again is no new look"
    assert "With this one, 2 models have been scored" in (folder / "evaluation" / "report.html").read_text()
