"""The whole train step: from a prepared data set to a bundle, watched live in a real MLflow store."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest

from components.contract.artifacts.bundle import BundleInfo, read_bundle
from components.contract.artifacts.dataset import DatasetInfo, open_split
from components.contract.inference.graph import InferenceGraph, export_sha256, softmax
from components.contract.params.training import TrainParams
from components.contract.system.atomic_files import write_json
from components.train.step import train
from tests.support.artifacts import CLASS_NAMES, make_dataset
from tests.unit.train.own_network import EPOCHS, PARAMS


@dataclass
class Trained:
    """The results of one run of the train step.

    Attributes:
        run_states: (status, number of logged epochs) of the MLflow run, read repeatedly during training.
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
    """One training run, watched through MLflow while it runs."""
    import shutil

    import mlflow

    folder = tmp_path_factory.mktemp("trained")
    (folder / "mlflow").mkdir()
    shutil.copy(empty_store, folder / "mlflow" / "mlflow.db")
    store = f"sqlite:///{folder / 'mlflow' / 'mlflow.db'}"
    info = make_dataset(folder / "dataset", per_class=40).model_copy(update={"pixel_range": (0, 4095)})
    write_json(folder / "dataset" / "dataset.json", info)
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
    """Records the status and the number of logged epochs of each run every tenth of a second."""
    from mlflow import MlflowClient

    client = MlflowClient(store)
    while not finished.is_set():
        time.sleep(0.1)
        experiment_info = client.get_experiment_by_name(experiment)
        for run in client.search_runs([experiment_info.experiment_id]) if experiment_info else []:
            epochs = len(client.get_metric_history(run.info.run_id, "val_loss"))
            run_states.append((run.info.status, epochs))


def test_the_bundle_describes_the_model(trained: Trained) -> None:
    bundle = read_bundle(trained.bundle_dir)
    assert bundle == trained.bundle
    assert (bundle.dataset_name, bundle.dataset_fingerprint) == (trained.info.name, trained.info.fingerprint)
    assert (bundle.class_names, bundle.image_size, bundle.resize) == (CLASS_NAMES, (16, 16), "stretch")
    assert bundle.pixel_range == (0, 4095)
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


def test_the_best_epoch_of_the_bundle_has_the_lowest_validation_loss(trained: Trained) -> None:
    history = json.loads((trained.bundle_dir / "history.json").read_text())
    assert {len(values) for values in history.values()} == {EPOCHS}
    assert min(history["val_loss"]) == history["val_loss"][trained.bundle.best_epoch - 1]


def test_the_keras_file_the_export_and_the_history_agree_on_the_validation_photos(trained: Trained) -> None:
    validation = open_split(trained.dataset_dir, "validation")
    photos = validation.gather(np.arange(len(validation)))
    model = keras.saving.load_model(trained.bundle_dir / "model.keras")
    assert model.input.dtype == "uint8"
    assert not model.compiled, "the optimizer and the loss must not be saved: only training needs them"
    from_keras = softmax(model.predict(photos, verbose=0))
    from_export = softmax(InferenceGraph(trained.bundle_dir / "export").run(photos).logits)
    assert np.abs(from_keras - from_export).max() < 1e-4
    history = json.loads((trained.bundle_dir / "history.json").read_text())
    accuracy = float((from_export.argmax(axis=1) == validation.labels).mean())
    assert accuracy == pytest.approx(history["val_accuracy"][trained.bundle.best_epoch - 1])
    assert accuracy > 0.9


def test_epochs_appear_in_mlflow_during_training(trained: Trained) -> None:
    assert any(status == "RUNNING" and 0 < epochs < EPOCHS for status, epochs in trained.run_states), trained.run_states


def test_mlflow_contains_params_data_metrics_system_load_and_the_bundle(trained: Trained) -> None:
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
    assert sorted(within) == sorted(set(within)), "each step must have one value"
    assert max(within) == EPOCHS * 15
    assert 0 <= run.data.metrics["input_wait"] <= 1
    assert any(name.startswith("system/cpu") for name in run.data.metrics)
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == (trained.info.name, trained.info.fingerprint[:36])
    assert [(tag.key, tag.value) for tag in dataset.tags] == [("mlflow.data.context", "training")]
    bundle_files = {Path(file.path).name for file in client.list_artifacts(run.info.run_id, "bundle")}
    assert bundle_files == {path.name for path in trained.bundle_dir.iterdir()}
    assert "augmentation.jpg" in bundle_files, "the MLflow run must show augmented variants of a photo"


def test_the_network_summary_is_logged_before_training(trained: Trained) -> None:
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
