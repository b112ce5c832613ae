"""The complete evaluation of a MobileNetV2, with its report, on as many held-out photos as the clothing data has."""

import importlib
import logging
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.pictures import jpeg
from benchmarks.table import Row, peak_memory_mb
from components.contract.artifacts.dataset import DatasetInfo, Source, SplitName, write_shard
from components.contract.params.pipeline import EvaluateParams
from components.contract.system.atomic_files import write_json

SIDE, NUM_CLASSES, FEATURES = 224, 10, 1280
NUM_PHOTOS: dict[SplitName, int] = {"train": 500, "validation": 341, "test": 372}
"""The number of photos in each split; for train, only as many as the evaluation uses."""
NUM_PICTURES = 40
ALLOWED_SECONDS = 30.0
IMPORTED = ("matplotlib.figure", "mlflow", "pyarrow.parquet", "reportlab.platypus", "scipy.stats", "sklearn.metrics")


def measure() -> list[Row]:
    """Measures the duration of the step without imports; random weights take the same time as trained ones."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
        info = _write_dataset(folder / "dataset")
        _write_bundle(folder / "model", info)
        for module in IMPORTED:
            importlib.import_module(module)
        from mlflow import MlflowClient

        from components.evaluate.step import evaluate

        MlflowClient().search_experiments()  # creates the store's tables, which happens only once
        logging.disable(logging.WARNING)
        start_time = time.perf_counter()
        evaluate(folder / "dataset", folder / "model", EvaluateParams(), "random", folder / "evaluation")
        seconds = time.perf_counter() - start_time
    num_photos = NUM_PHOTOS["test"]
    return [
        Row(
            f"evaluation of MobileNetV2 on {num_photos} test photos at {SIDE} px, report and PDF included",
            f"{seconds:.1f} s",
            f"{ALLOWED_SECONDS:.0f} s allowed",
            seconds / ALLOWED_SECONDS,
            "<= 1",
            peak_memory_mb(),
        ),
    ]


def _write_dataset(dataset_dir: Path) -> DatasetInfo:
    from components.contract.image.decode import decode

    dataset_dir.mkdir()
    rng = np.random.default_rng(0)
    pictures = np.stack([decode(jpeg(SIDE, SIDE, seed), (SIDE, SIDE)).pixels for seed in range(NUM_PICTURES)])
    names = tuple(f"class {number}" for number in range(NUM_CLASSES))
    counts = {}
    for split, num_photos in NUM_PHOTOS.items():
        photos = np.roll(pictures[rng.integers(0, NUM_PICTURES, num_photos)], int(rng.integers(SIDE)), axis=1)
        labels = rng.integers(0, NUM_CLASSES, num_photos).astype(np.int32)
        write_shard(dataset_dir / f"{split}-00000.arrow", photos, labels, [f"{split} {at}" for at in range(num_photos)])
        counts[split] = dict(zip(names, np.bincount(labels, minlength=NUM_CLASSES).tolist(), strict=True))
    info = DatasetInfo(
        name="random",
        class_names=names,
        image_size=(SIDE, SIDE),
        resize="stretch",
        native_size=(SIDE, SIDE),
        counts=counts,
        rejected={},
        fingerprint="0" * 64,
        source=Source(uri="random"),
    )
    write_json(dataset_dir / "dataset.json", info)
    return info


def _write_bundle(bundle_dir: Path, info: DatasetInfo) -> None:
    from components.train.tensorflow.start import start_tensorflow

    start_tensorflow(seed=0)
    from components.contract.artifacts.bundle import BundleInfo
    from components.contract.layers.stack import parse_layer
    from components.contract.params.model import ModelParams
    from components.train.export.graph import export_network
    from components.train.network.architecture import build_network, model_facts

    head = (parse_layer("GlobalAveragePooling2D"), parse_layer({"Dropout": {"rate": 0.2}}))
    params = ModelParams(kind="pretrained", name="MobileNetV2", weights="imagenet", head=head)
    network = build_network(params, image_size=(SIDE, SIDE), num_classes=NUM_CLASSES, batch_size=32)
    photos = np.random.default_rng(0).integers(0, 256, (8, SIDE, SIDE, 3), dtype=np.uint8)
    facts = model_facts(network, params, None, trained=("logits",), num_trained=NUM_CLASSES * (FEATURES + 1))
    export = export_network(network, bundle_dir / "export", photos)
    write_json(bundle_dir / "history.json", {})
    write_json(
        bundle_dir / "bundle.json",
        BundleInfo(
            dataset_name=info.name,
            dataset_fingerprint=info.fingerprint,
            source=info.source,
            class_names=info.class_names,
            image_size=info.image_size,
            resize=info.resize,
            model=facts,
            params={"model": params.model_dump(mode="json")},
            export=export,
            library_versions={},
            epochs_run=1,
            best_epoch=1,
        ),
    )
