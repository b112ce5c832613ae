"""Inputs that the train step refuses, and outputs that it leaves unchanged."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.contract.errors import ArtifactError, DataError, ModelError, TrackingError
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.system.atomic_files import write_json
from components.train.step import train
from tests.unit.train.own_network import PARAMS


def test_an_existing_bundle_is_kept_when_training_fails(photos_of_32: Path, tmp_path: Path, mlflow_store: str) -> None:
    from mlflow import MlflowClient

    bundle_dir = tmp_path / "model"
    bundle_dir.mkdir()
    (bundle_dir / "bundle.json").write_text("the earlier one")
    hot = PARAMS.model_copy(update={"optimizer": "sgd", "learning_rate": 10.0, "epochs": 50, "schedule": "constant"})
    dense = ModelParams(kind="layers", layers=(parse_layer("Flatten"), *[parse_layer({"Dense": {"units": 64}})] * 8))
    with pytest.raises(ModelError, match=r"The loss became \w+ in epoch \d+, after \d+ of \d+ batches\."):
        train(photos_of_32, hot.model_copy(update={"model": dense}), bundle_dir)
    assert (bundle_dir / "bundle.json").read_text() == "the earlier one"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".model")] == []
    (experiment,) = MlflowClient().search_experiments(filter_string="name = 'colors'")
    assert [run.info.status for run in MlflowClient().search_runs([experiment.experiment_id])] == ["FAILED"]


def copy_with(dataset_dir: Path, target: Path, **values: Any) -> Path:
    """Copies a data set and changes these values in dataset.json."""
    import shutil

    shutil.copytree(dataset_dir, target)
    info = json.loads((target / "dataset.json").read_text())
    write_json(target / "dataset.json", info | values)
    return target


def test_data_that_cannot_be_used_for_training_is_rejected(photos_of_32: Path, tmp_path: Path) -> None:
    one_class = copy_with(photos_of_32, tmp_path / "one", class_names=["blue"])
    with pytest.raises(DataError, match=r"at least two classes; .* has 1"):
        train(one_class, PARAMS, tmp_path / "model")
    counts = json.loads((photos_of_32 / "dataset.json").read_text())["counts"]
    empty = copy_with(photos_of_32, tmp_path / "empty", counts=counts | {"validation": {"blue": 0}})
    with pytest.raises(DataError, match=r"photos in the validation split; .* has none"):
        train(empty, PARAMS, tmp_path / "model")
    with pytest.raises(ArtifactError, match=r"The data set must contain dataset\.json"):
        train(tmp_path, PARAMS, tmp_path / "model")


def test_a_store_that_cannot_be_written_is_refused_before_training(
    photos_of_32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/file/mlflow.db")
    with pytest.raises(TrackingError, match="cannot be reached or written"):
        train(photos_of_32, PARAMS, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_train_program_reports_invalid_params_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {uri: photos}\ntrain: {epochs: 0}\n")
    command = [sys.executable, "-m", "components.train", "--dataset", "dataset", "--output", "model"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == ("darkroom: params.yaml: train.epochs: expected greater than or equal to 1; found 0.\n")
    assert not (tmp_path / "model").exists()
