"""The train step as a whole: from a prepared data set to a bundle, seen live in a real MLflow store."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from components.contract.artifacts.bundle import BundleInfo, read_bundle
from components.contract.artifacts.dataset import DatasetInfo, open_split
from components.contract.errors import ArtifactError, DataError, ModelError, TrackingError, WeightsError
from components.contract.inference.graph import InferenceGraph, export_sha256, softmax
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.params.training import EarlyStopping, TrainParams
from components.contract.system.atomic_files import write_json
from components.train.step import train
from tests.support.artifacts import CLASS_NAMES, make_dataset

EPOCHS = 12
CONVOLUTION = {"Conv2D": {"filters": 4, "kernel_size": 3}}
OWN = ModelParams(
    kind="layers", layers=tuple(map(parse_layer, [CONVOLUTION, "GlobalAveragePooling2D", {"Dropout": {"rate": 0.1}}]))
)
PARAMS = TrainParams(
    model=OWN,
    epochs=EPOCHS,
    batch_size=8,
    learning_rate=0.03,
    augmentation="light",
    early_stopping=None,
    seed=3,
    trainable="all",
)


@dataclass
class Trained:
    """What a run of the step left behind.

    Attributes:
        run_states: while it went on, (status, epochs) of the MLflow run, in order.
    """

    info: DatasetInfo
    dataset_dir: Path
    bundle_dir: Path
    bundle: BundleInfo
    store: str
    log: list[str]
    run_states: list[tuple[str, int]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Trained]:
    """One training, watched through MLflow as it goes on."""
    import shutil

    import mlflow

    folder = tmp_path_factory.mktemp("trained")
    (folder / "mlflow").mkdir()
    shutil.copy(empty_store, folder / "mlflow" / "mlflow.db")
    store = f"sqlite:///{folder / 'mlflow' / 'mlflow.db'}"
    info = make_dataset(folder / "dataset", per_class=40)
    run_states: list[tuple[str, int]] = []
    finished = threading.Event()
    watcher = threading.Thread(target=watch, args=(store, info.name, run_states, finished))
    records: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("components")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    mlflow.set_tracking_uri(store)
    watcher.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", store)
            patch.setattr("components.train.loop.callbacks.progress.SYSTEM_METRICS_SECONDS", 0.2)
            patch.setattr("components.train.loop.callbacks.progress.REPORT_SECONDS", 0)
            bundle = train(folder / "dataset", PARAMS, folder / "model")
    finally:
        finished.set()
        watcher.join()
        logger.removeHandler(handler)
    yield Trained(info, folder / "dataset", folder / "model", bundle, store, records, run_states)
    mlflow.set_tracking_uri(None)


def watch(store: str, experiment: str, run_states: list[tuple[str, int]], finished: threading.Event) -> None:
    """Looks at the run's status and epochs every tenth of a second."""
    from mlflow import MlflowClient

    client = MlflowClient(store)
    while not finished.is_set():
        time.sleep(0.1)
        experiment_info = client.get_experiment_by_name(experiment)
        for run in client.search_runs([experiment_info.experiment_id]) if experiment_info else []:
            epochs = len(client.get_metric_history(run.info.run_id, "val_loss"))
            run_states.append((run.info.status, epochs))


def test_the_bundle_says_what_it_is(trained: Trained) -> None:
    bundle = read_bundle(trained.bundle_dir)
    assert bundle == trained.bundle
    assert (bundle.dataset_name, bundle.dataset_fingerprint) == (trained.info.name, trained.info.fingerprint)
    assert (bundle.class_names, bundle.image_size, bundle.resize) == (CLASS_NAMES, (16, 16), "stretch")
    assert bundle.source == trained.info.source
    assert bundle.params == PARAMS.model_dump(mode="json")
    assert TrainParams.model_validate_json(json.dumps(bundle.params)) == PARAMS
    assert (bundle.model.kind, bundle.model.name) == ("layers", "own_network")
    assert bundle.model.num_parameters == bundle.model.num_trained_parameters == 112 + 15
    assert bundle.model.trained_layers == ("conv2d_1", "logits")
    assert bundle.epochs_run == EPOCHS
    assert bundle.library_versions.keys() >= {"python", "tensorflow", "keras", "numpy", "openvino"}
    assert bundle.export.outputs == ("logits", "embedding", "feature_map")
    assert bundle.export.num_compared == 68
    assert bundle.export.sha256 == export_sha256(trained.bundle_dir / "export")
    assert sorted(path.name for path in trained.bundle_dir.iterdir()) == [
        "augmentation.jpg",
        "bundle.json",
        "export",
        "history.json",
        "model.keras",
        "train_image_ids.txt",
    ]


def test_history_and_the_kept_epoch_agree(trained: Trained) -> None:
    history = json.loads((trained.bundle_dir / "history.json").read_text())
    assert {len(values) for values in history.values()} == {EPOCHS}
    assert min(history["val_loss"]) == history["val_loss"][trained.bundle.best_epoch - 1]


def test_keras_file_export_and_labels_agree_on_the_validation_photos(trained: Trained) -> None:
    validation = open_split(trained.dataset_dir, "validation")
    photos = validation.gather(np.arange(len(validation)))
    model = keras.saving.load_model(trained.bundle_dir / "model.keras")
    assert model.input.dtype == "uint8"
    assert not model.compiled, "what training needs is not kept"
    from_keras = softmax(model.predict(photos, verbose=0))
    from_export = softmax(InferenceGraph(trained.bundle_dir / "export").run(photos).logits)
    assert np.abs(from_keras - from_export).max() < 1e-4
    history = json.loads((trained.bundle_dir / "history.json").read_text())
    accuracy = float((from_export.argmax(axis=1) == validation.labels).mean())
    assert accuracy == pytest.approx(history["val_accuracy"][trained.bundle.best_epoch - 1])
    assert accuracy > 0.9


def test_epochs_are_seen_in_mlflow_while_training_goes_on(trained: Trained) -> None:
    assert any(status == "RUNNING" and 0 < epochs < EPOCHS for status, epochs in trained.run_states), trained.run_states


def test_mlflow_holds_params_data_figures_load_and_the_bundle(trained: Trained) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(trained.store)
    run = client.get_run(trained.bundle.mlflow_run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["train.epochs"] == str(EPOCHS)
    assert run.data.params["train.model.kind"] == "layers"
    assert run.data.params["model.num_parameters"] == "127"
    steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "accuracy")]
    assert sorted(steps) == list(range(1, EPOCHS + 1))
    assert run.data.metrics["best_epoch"] == trained.bundle.best_epoch
    assert run.data.metrics.keys() >= {"loss", "val_loss", "val_accuracy", "learning_rate", "images_per_second"}
    assert run.data.metrics.keys() >= {f"step/{name}" for name in ("loss", "images_per_second", "learning_rate")}
    within = [metric.step for metric in client.get_metric_history(run.info.run_id, "step/loss")]
    assert sorted(within) == sorted(set(within)), "each step has one"
    assert max(within) == EPOCHS * 15
    assert 0 <= run.data.metrics["input_wait"] <= 1
    assert any(name.startswith("system/cpu") for name in run.data.metrics)
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == (trained.info.name, trained.info.fingerprint[:36])
    assert [(tag.key, tag.value) for tag in dataset.tags] == [("mlflow.data.context", "training")]
    bundle_files = {Path(file.path).name for file in client.list_artifacts(run.info.run_id, "bundle")}
    assert bundle_files == {path.name for path in trained.bundle_dir.iterdir()}
    assert "augmentation.jpg" in bundle_files, "what the run's own settings make of a photo is seen in its MLflow run"


def test_the_network_is_shown_before_it_is_trained(trained: Trained) -> None:
    table = next(place for place, line in enumerate(trained.log) if line.startswith("layer "))
    first_epoch = next(place for place, line in enumerate(trained.log) if line.startswith("Epoch "))
    assert table < first_epoch
    table_text = "\n".join(trained.log[table:first_epoch])
    assert "conv2d_1 (Conv2D)" in table_text
    assert "14 × 14 × 4" in table_text
    assert "trains 2 of 2 layers with weights, 127 of 127 parameters." in table_text


def test_equal_params_data_and_seed_give_equal_weights(trained: Trained, tmp_path: Path, mlflow_store: str) -> None:
    train(trained.dataset_dir, PARAMS, tmp_path / "again")
    bundles = (trained.bundle_dir, tmp_path / "again")
    first, again = (keras.saving.load_model(folder / "model.keras").get_weights() for folder in bundles)
    assert all(np.array_equal(weight_a, weight_b) for weight_a, weight_b in zip(first, again, strict=True))
    export = "export/model.bin"
    assert (trained.bundle_dir / export).read_bytes() == (tmp_path / "again" / export).read_bytes()


@pytest.fixture(scope="module")
def photos_of_32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "dataset"
    make_dataset(folder, per_class=8, side=32)
    return folder


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    """MobileNetV2 as it is before any training."""
    keras.utils.set_random_seed(5)
    return keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3))


@pytest.fixture(scope="module")
def random_weights(backbone: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its weights, in Keras' format for them."""
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    backbone.save_weights(path)
    return path


def pretrained(**model: Any) -> TrainParams:
    head = (parse_layer("GlobalAveragePooling2D"), parse_layer({"Dense": {"units": 8, "activation": "relu"}}))
    model_params = ModelParams(**{"kind": "pretrained", "name": "MobileNetV2", "head": head} | model)
    stopping = EarlyStopping(patience=2)
    return TrainParams(
        model=model_params,
        epochs=3,
        batch_size=8,
        augmentation="medium",
        views=2,
        early_stopping=stopping,
        trainable="head",
    )


def test_a_frozen_backbone_is_exported_from_pixels_and_keeps_its_weights(
    photos_of_32: Path, backbone: keras.Model, random_weights: Path, tmp_path: Path, mlflow_store: str
) -> None:
    import hashlib

    bundle = train(photos_of_32, pretrained(weights=str(random_weights)), tmp_path / "model")
    assert (bundle.model.kind, bundle.model.name) == ("pretrained", "MobileNetV2")
    assert bundle.model.trained_layers == ("dense_1", "logits")
    assert bundle.model.num_trained_parameters == 1280 * 8 + 8 + 8 * 3 + 3
    assert bundle.model.weights_sha256 == hashlib.sha256(random_weights.read_bytes()).hexdigest()
    model = keras.saving.load_model(tmp_path / "model" / "model.keras")
    for layer in backbone.layers[1:]:
        saved_weights = model.get_layer(layer.name).get_weights()
        assert all(
            np.array_equal(weight_a, weight_b)
            for weight_a, weight_b in zip(layer.get_weights(), saved_weights, strict=True)
        )
    outputs = InferenceGraph(tmp_path / "model" / "export").run(np.zeros((2, 32, 32, 3), np.uint8))
    assert (outputs.logits.shape, outputs.embedding.shape) == ((2, 3), (2, 8))
    assert outputs.feature_map is not None
    assert outputs.feature_map.shape == (2, 1, 1, 1280)
    assert not list((tmp_path / "model").glob("features-*"))


def test_an_existing_bundle_stays_when_training_fails(photos_of_32: Path, tmp_path: Path, mlflow_store: str) -> None:
    from mlflow import MlflowClient

    bundle_dir = tmp_path / "model"
    bundle_dir.mkdir()
    (bundle_dir / "bundle.json").write_text("the earlier one")
    hot = PARAMS.model_copy(update={"optimizer": "sgd", "learning_rate": 10.0, "epochs": 50, "schedule": "constant"})
    dense = ModelParams(kind="layers", layers=(parse_layer("Flatten"), *[parse_layer({"Dense": {"units": 64}})] * 8))
    with pytest.raises(
        ModelError, match=r"The loss must stay a number; in epoch \d+, after \d+ of \d+ batches, it became"
    ):
        train(photos_of_32, hot.model_copy(update={"model": dense}), bundle_dir)
    assert (bundle_dir / "bundle.json").read_text() == "the earlier one"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".model")] == []
    (experiment,) = MlflowClient().search_experiments(filter_string="name = 'colours'")
    assert [run.info.status for run in MlflowClient().search_runs([experiment.experiment_id])] == ["FAILED"]


def test_missing_weights_are_told_before_tensorflow_starts(photos_of_32: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no file at"):
        train(photos_of_32, pretrained(weights=str(tmp_path / "absent.h5")), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_head_that_cannot_build_is_told_with_layer_and_shape(
    photos_of_32: Path, random_weights: Path, tmp_path: Path
) -> None:
    head = (parse_layer({"Dense": {"units": 8}}),)
    with pytest.raises(ModelError, match=r"train\.model\.head\[0\] Dense\(units=8\) .* Its input is 1 × 1 × 1280\."):
        train(photos_of_32, pretrained(weights=str(random_weights), head=head), tmp_path / "model")


def copy_with(dataset_dir: Path, target: Path, **values: Any) -> Path:
    """A copy of a data set whose dataset.json says something else."""
    import shutil

    shutil.copytree(dataset_dir, target)
    info = json.loads((target / "dataset.json").read_text())
    write_json(target / "dataset.json", info | values)
    return target


def test_data_that_cannot_be_trained_on_are_refused(photos_of_32: Path, tmp_path: Path) -> None:
    one_class = copy_with(photos_of_32, tmp_path / "one", class_names=["blue"])
    with pytest.raises(DataError, match=r"at least two classes; .* has 1"):
        train(one_class, PARAMS, tmp_path / "model")
    counts = json.loads((photos_of_32 / "dataset.json").read_text())["counts"]
    empty = copy_with(photos_of_32, tmp_path / "empty", counts=counts | {"validation": {"blue": 0}})
    with pytest.raises(DataError, match=r"photos in the validation split; .* has none"):
        train(empty, PARAMS, tmp_path / "model")
    with pytest.raises(ArtifactError, match=r"A data set must hold dataset\.json"):
        train(tmp_path, PARAMS, tmp_path / "model")


def test_a_store_that_cannot_be_written_is_refused_before_training(
    photos_of_32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/file/mlflow.db")
    with pytest.raises(TrackingError, match="must be reachable and writable"):
        train(photos_of_32, PARAMS, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_program_tells_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {uri: photos}\ntrain: {epochs: 0}\n")
    command = [sys.executable, "-m", "components.train", "--dataset", "dataset", "--output", "model"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == ("darkroom: params.yaml: train.epochs: expected greater than or equal to 1; found 0.\n")
    assert not (tmp_path / "model").exists()
