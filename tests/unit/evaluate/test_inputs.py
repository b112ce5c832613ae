"""Inputs that the evaluate step refuses, and unusual inputs that it scores."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from components.contract.artifacts.bundle import read_bundle
from components.contract.artifacts.evaluation import read_evaluation
from components.contract.artifacts.figures import read_figures
from components.contract.errors import ArtifactError
from components.contract.inference.calibration import read_calibration
from tests.support.artifacts import CLASS_NAMES, make_bundle, make_dataset
from tests.unit.evaluate.datasets import rewrite_split
from tests.unit.evaluate.step_run import change_bundle, run


def test_an_earlier_evaluation_is_replaced_completely_or_kept_on_failure(folder: Path) -> None:
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
        ({"class_names": ("blue", "green", "yellow")}, r"classes must match the data set's \(blue, green, red\)"),
        ({"class_names": ("red", "green", "blue")}, "found red, green, blue"),
        ({"image_size": (24, 16)}, r"image size must match the data set's \(16 × 16\); found 24 × 16"),
        ({"resize": "crop"}, r"resizing must match the data set's \(stretch\); found crop"),
        ({"pixel_range": (0, 4095)}, r"pixel range must match the data set's \(0 to 65535\); found 0 to 4095"),
    ],
)
def test_a_model_that_mismatches_the_data_set_is_rejected(folder: Path, changes: dict[str, Any], message: str) -> None:
    change_bundle(folder, **changes)
    with pytest.raises(ArtifactError, match=message):
        run(folder)
    assert not (folder / "evaluation").exists()


def test_an_export_whose_size_differs_from_its_bundle_is_rejected(folder: Path, tmp_path: Path) -> None:
    make_bundle(tmp_path / "large", make_dataset(tmp_path / "photos", side=24))
    change_bundle(folder, export=read_bundle(tmp_path / "large").export)
    (folder / "model" / "export").rename(folder / "old")
    (tmp_path / "large" / "export").rename(folder / "model" / "export")
    with pytest.raises(ArtifactError, match=r"image size in the exported graph must match the data set's \(16 × 16\)"):
        run(folder)


def test_an_export_that_was_changed_is_refused(folder: Path) -> None:
    with (folder / "model" / "export" / "model.xml").open("a") as file:
        file.write("<!-- -->")
    with pytest.raises(ArtifactError, match=r"SHA-256 of the exported graph must be the one in bundle\.json"):
        run(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bundle.json", "must contain bundle.json"),
        ("history.json", "must contain history.json"),
        ("export/model.xml", "model.xml"),
        ("export/model.bin", "model.xml"),
    ],
)
def test_a_bundle_that_lacks_a_file_is_refused(folder: Path, name: str, message: str) -> None:
    (folder / "model" / name).unlink()
    with pytest.raises(ArtifactError, match=message):
        run(folder)


def test_an_invalid_history_is_rejected(folder: Path) -> None:
    (folder / "model" / "history.json").write_text('{"loss": "falling"}')
    with pytest.raises(ArtifactError, match=r"history\.json: expected a valid array"):
        run(folder)


def test_nan_logits_are_reported_and_nothing_is_written(tmp_path: Path, mlflow_store: str) -> None:
    make_bundle(tmp_path / "model", make_dataset(tmp_path / "dataset", per_class=3), scale=float("nan"))
    with pytest.raises(
        ArtifactError, match="finite numbers for every photo; for 9 of 9 validation photos it returned NaN"
    ):
        run(tmp_path)
    assert not (tmp_path / "evaluation").exists()


def test_a_class_absent_from_a_split_is_reported_everywhere(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    rewrite_split(folder / "dataset", "test", indices=list(range(24)), labels=[0] * 12 + [1] * 12)
    rewrite_split(folder / "dataset", "validation", indices=list(range(12)), labels=[0] * 12)
    evaluation_dir = run(folder)
    all_figures = read_figures(evaluation_dir)
    assert all_figures.test.absent_classes == ("red",)
    assert all_figures.validation.absent_classes == ("green", "red")
    assert all_figures.test.macro_f1.value == 1.0
    assert "The test split has no photos of red" in caplog.text
    report = (evaluation_dir / "report.html").read_text()
    assert "The test split has no photos of red" in report
    assert "The validation split has no photos of green and red" in report


def test_a_single_test_photo_is_enough(folder: Path) -> None:
    rewrite_split(folder / "dataset", "test", indices=[0], labels=[0])
    evaluation_dir = run(folder)
    test_figures = read_evaluation(evaluation_dir).test
    assert (test_figures.num_images, test_figures.accuracy.value) == (1, 1.0)
    assert test_figures.accuracy.low < 0.25
    assert "There is only 1 test photo" in (evaluation_dir / "report.html").read_text()


def test_a_model_that_predicts_one_class_for_every_photo_is_reported(tmp_path: Path, mlflow_store: str) -> None:
    make_bundle(tmp_path / "model", make_dataset(tmp_path / "dataset"), scale=0.0)
    evaluation_dir = run(tmp_path)
    assert read_evaluation(evaluation_dir).test.accuracy.value == pytest.approx(1 / 3)
    assert "predicted blue for every test photo" in (evaluation_dir / "report.html").read_text()
    assert set(pq.read_table(evaluation_dir / "predictions.parquet")["predicted"].to_pylist()) == {0}


def test_a_model_trained_on_another_version_of_the_data_is_scored_with_a_warning(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change_bundle(folder, dataset_fingerprint="f" * 64)
    report = (run(folder) / "report.html").read_text()
    assert "trained on a different version of the data" in caplog.text
    assert "trained on a different version of the data" in report


def test_a_data_set_without_training_photos_is_accepted(folder: Path) -> None:
    rewrite_split(folder / "dataset", "train", indices=[], labels=[])
    assert read_calibration(run(folder)).facts.familiarity.num_reference == 36


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_class_absent_from_one_split_is_reported_for_that_split(folder: Path, split: Any) -> None:
    rewrite_split(folder / "dataset", split, indices=list(range(24)), labels=[0] * 12 + [1] * 12)
    evaluation_dir = run(folder)
    figures = read_figures(evaluation_dir)
    assert (figures.test if split == "test" else figures.validation).absent_classes == ("red",)
    assert f"The {split} split has no photos of red" in (evaluation_dir / "report.html").read_text()


def test_a_single_validation_photo_is_enough_for_calibration(folder: Path) -> None:
    rewrite_split(folder / "dataset", "validation", indices=[0], labels=[0])
    facts = read_calibration(run(folder)).facts
    assert 0.1 <= facts.temperature <= 20
    assert facts.abstention.coverage == 1.0


def test_cross_validation_of_too_few_photos_is_skipped_with_a_warning(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for split in ("validation", "test"):
        rewrite_split(folder / "dataset", split, indices=[0, 12, 24], labels=[0, 1, 2])
    assert read_figures(run(folder, folds=5)).folds is None
    assert "Cross-validation is skipped: at least two classes must have 5 or more photos" in caplog.text
