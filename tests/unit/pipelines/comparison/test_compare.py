"""`darkroom compare` compares finished runs and newly trained models on the same validation photos."""

import json
from html import escape
from pathlib import Path

import pytest

from components.contract.artifacts.bundle import read_bundle
from components.contract.artifacts.leaderboard import Leaderboard
from components.contract.errors import ArtifactError, ParamsError
from components.contract.params.pipeline import load_params
from components.contract.system.atomic_files import write_json
from pipelines.comparison.compare import compare
from pipelines.comparison.models import Model, model_of_run
from pipelines.runners.run_params import write_params
from pipelines.runners.runs import RunFolder, RunState
from tests.support.artifacts import make_bundle, make_dataset, make_photos


def finished_run(folder: Path, *, scale: float = 0.05, seed: int = 0, side: int = 16) -> Model:
    """Creates the files of a run that `compare` reads; with a negative scale, the model misclassifies every photo."""
    info = make_dataset(folder / "dataset", side=side, seed=seed)
    make_bundle(folder / "model", info, scale=scale)
    write_params(folder / "params.yaml", load_params(None, ("data.uri=made",)), "made")
    write_json(folder / "run.json", RunState(run_id=folder.name, status="finished", started="now", data="made"))
    write_json(folder / "summary.json", {"model": {"name": "mean color"}, "seconds": {"train": 90.0}})
    return model_of_run(RunFolder(folder))


def test_finished_runs_are_compared_and_logged(tmp_path: Path, mlflow_store: str) -> None:
    from mlflow import MlflowClient

    models = [finished_run(tmp_path / "one", scale=-0.05), finished_run(tmp_path / "two")]
    board = compare(models, 1, tmp_path / "comparison")
    assert [row.name for row in board.rows] == ["mean color of two", "mean color of one"]
    assert [row.accuracy.value for row in board.rows] == [1.0, 0.0]
    assert board.pick == "mean color of two"
    assert board.rows[0].train_minutes == 1.5
    assert board.rows[0].num_parameters == 9
    assert all(row.latency_ms > 0 and row.latency_of_8_ms > 0 and row.bundle_mb > 0 for row in board.rows)
    stored_board = Leaderboard.model_validate_json((tmp_path / "comparison" / "leaderboard.json").read_bytes())
    assert stored_board == board
    assert escape(board.reason) in (tmp_path / "comparison" / "leaderboard.html").read_text()

    pick_params = load_params(tmp_path / "comparison" / "pick.yaml")
    assert pick_params.evaluate.leaderboard == board
    assert pick_params.data.uri == "made"

    client = MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("auto").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.note.content"] == board.reason
    files = {file.path for file in client.list_artifacts(run.info.run_id, "leaderboard")}
    assert files == {"leaderboard/leaderboard.html", "leaderboard/leaderboard.json", "leaderboard/pick.yaml"}


def test_a_run_with_different_validation_photos_is_left_out_with_a_reason(tmp_path: Path, mlflow_store: str) -> None:
    models = [finished_run(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("other", 7))]
    board = compare(models, 1, tmp_path / "comparison")
    assert len(board.rows) == 2
    (reason,) = board.left_out
    assert reason == (
        "mean color of other: its validation photos differ from those of mean color of a; they have 0 of "
        "36 photos in common."
    )
    with pytest.raises(
        ArtifactError,
        match=r"at least two models with the same photos; there is only one\. mean color of other: its validation",
    ):
        compare([models[0], models[2]], 1, tmp_path / "another")


def test_an_output_folder_with_unrelated_content_is_left_unchanged(tmp_path: Path) -> None:
    models = [finished_run(tmp_path / name) for name in ("a", "b")]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pick.yaml").write_text("precious")
    with pytest.raises(ArtifactError, match=r"mine has other content\. Choose another one with --output"):
        compare(models, 1, tmp_path / "mine")
    assert (tmp_path / "mine" / "pick.yaml").read_text() == "precious"


def test_a_comparison_of_one_model_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="at least two models; there is one"):
        compare([finished_run(tmp_path / "a")], 1, tmp_path / "comparison")


@pytest.mark.proof
def test_models_are_trained_once_per_seed_and_untrainable_ones_are_left_out(
    tmp_path: Path, mlflow_store: str, caplog: pytest.LogCaptureFixture
) -> None:
    from mlflow import MlflowClient

    from components.contract.params.resolve import resolve

    photos = make_photos(tmp_path / "photos", per_class=12, size=(16, 16))
    settings = ("data.uri=" + json.dumps(str(photos)), "train.epochs=2", "train.augmentation=none")
    layers = "[{Conv2D: {filters: 4, kernel_size: 3}}, GlobalAveragePooling2D]"
    settings_by_name = {
        "small": (*settings, f"train.model.layers={layers}"),
        "flat": (*settings, "train.model.layers=[Flatten]"),
        "without weights": (
            *settings,
            "train.model.name=MobileNetV2",
            "train.model.weights=absent.h5",
            "preprocess.image_size=32",
        ),
    }
    models = [
        Model(name, resolve(load_params(None, values), native_size=(16, 16), data_name="photos").params)
        for name, values in settings_by_name.items()
    ]
    board = compare(models, 2, tmp_path / "comparison")
    assert {row.name for row in board.rows} == {"small", "flat"}
    assert all(row.seeds == (42, 43) and len(row.accuracies) == 2 for row in board.rows)
    assert board.left_out[0].startswith("without weights: train.model.weights must be imagenet, none or the path")
    bundles = sorted((tmp_path / "comparison" / "models").glob("*/bundle"))
    assert len(bundles) == 4
    client = MlflowClient()
    runs = client.search_runs([client.get_experiment_by_name("photos").experiment_id])
    children = {run.info.run_id: run for run in runs if "mlflow.parentRunId" in run.data.tags}
    assert {read_bundle(bundle).mlflow_run_id for bundle in bundles} == {
        run_id for run_id, run in children.items() if run.info.status == "FINISHED"
    }

    caplog.set_level("INFO")
    again = compare(models[:2], 2, tmp_path / "comparison")
    assert caplog.text.count("is already trained") == 4
    assert [row.accuracies for row in again.rows] == [row.accuracies for row in board.rows]
