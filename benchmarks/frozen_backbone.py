"""The time per epoch of MobileNetV2 at 224 px, frozen completely or up to block 13, compared with plain Keras."""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.table import Row, peak_memory_mb

if TYPE_CHECKING:
    from components.contract.params.training import TrainParams
    from components.train.network.architecture import Network

NUM_PHOTOS = 512
SIDE = 224
NUM_CLASSES = 10
BATCH_SIZE = 32
NUM_VALIDATION = 32
NUM_PLAIN = 192
"""The number of photos on which plain `fit` is timed; the time of its epochs is scaled up to NUM_PHOTOS."""
ROUNDS = 2


def measure() -> list[Row]:
    """Measures the epochs after the first, which includes compilation; random weights are as fast as trained ones.

    The baseline, plain_fit.py, runs in separate processes, alternating with Darkroom.
    """
    from components.train.tensorflow.start import start_tensorflow

    start_tensorflow(seed=0)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DARKROOM_CACHE"] = folder
        photos, labels = write_dataset(Path(folder))
        np.save(Path(folder) / "photos.npy", photos[:NUM_PLAIN])
        np.save(Path(folder) / "labels.npy", labels[:NUM_PLAIN])
        return [
            _against_plain(Path(folder), trainable=trainable, epochs=epochs, description=description, target=target)
            for trainable, epochs, description, target in (
                ("head", 7, "the head of a frozen MobileNetV2", ">= 150"),
                ("from block_13_expand", 4, "MobileNetV2 from block 13 on", ">= 4"),
            )
        ]


def build_mobilenet() -> "Network":
    """Builds MobileNetV2 with random weights and a head for NUM_CLASSES."""
    from components.contract.layers.stack import parse_layer
    from components.contract.params.model import ModelParams
    from components.train.network.architecture import build_network

    head = (parse_layer("GlobalAveragePooling2D"), parse_layer({"Dropout": {"rate": 0.2}}))
    params = ModelParams(kind="pretrained", name="MobileNetV2", weights="imagenet", head=head)
    return build_network(params, image_size=(SIDE, SIDE), num_classes=NUM_CLASSES, batch_size=BATCH_SIZE)


def _against_plain(dataset_dir: Path, *, trainable: str, epochs: int, description: str, target: str) -> Row:
    our_seconds, plain_seconds = [], []
    for _ in range(ROUNDS):
        our_seconds += _our_epochs(dataset_dir, trainable, epochs)
        plain_seconds.append(_plain_epoch(dataset_dir, trainable.removeprefix("from ")) * NUM_PHOTOS / NUM_PLAIN)
    our_median, plain_median = statistics.median(our_seconds), statistics.median(plain_seconds)
    return Row(
        f"an epoch (not the first) of {NUM_PHOTOS} photos, training {description} at {SIDE} px",
        f"{our_median:.1f} s" if our_median > 1 else f"{1000 * our_median:.0f} ms",
        f"{plain_median:.1f} s, plain fit",
        plain_median / our_median,
        target,
        peak_memory_mb(),
    )


def _our_epochs(dataset_dir: Path, trainable: str, epochs: int) -> list[float]:
    """Returns the seconds of each epoch except the first, excluding the time for validation."""
    from components.contract.params.training import TrainParams

    params = TrainParams(
        trainable=trainable, epochs=epochs, augmentation="none", batch_size=BATCH_SIZE, early_stopping=None
    )
    history = train(build_mobilenet(), dataset_dir, params)
    return [NUM_PHOTOS / rate for rate in history["images_per_second"][1:]]


def train(network: "Network", dataset_dir: Path, params: "TrainParams") -> dict[str, list[float]]:
    """Trains on all photos of a data set, and validates on a few of them; returns the metrics of each epoch."""
    from components.contract.artifacts.dataset import Split, open_split
    from components.contract.tracking.run import Run
    from components.train.loop.phases import train_phases
    from components.train.setup import Photographs

    photos = open_split(dataset_dir, "train")
    validation_rows = np.arange(NUM_VALIDATION)
    validation = Split(
        [photos.gather(validation_rows)], photos.labels[validation_rows], photos.image_ids[:NUM_VALIDATION]
    )
    return train_phases(network, Photographs(photos, validation, "random"), params, Run(None)).history


def _plain_epoch(folder: Path, first_trained: str) -> float:
    command = [sys.executable, str(Path(__file__).with_name("plain_fit.py")), first_trained, str(folder)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    return float(printed.split()[-1])


def write_dataset(dataset_dir: Path, num_photos: int = NUM_PHOTOS) -> tuple[np.ndarray, np.ndarray]:
    """Writes a data set of random photos; returns the photos, uint8 (n, 224, 224, 3), and the labels, int32 (n,)."""
    from components.contract.artifacts.dataset import DatasetInfo, Source, write_shard
    from components.contract.system.atomic_files import write_json

    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (num_photos, SIDE, SIDE, 3), dtype=np.uint8)
    labels = rng.integers(0, NUM_CLASSES, num_photos).astype(np.int32)
    write_shard(dataset_dir / "train-00000.arrow", photos, labels, [f"{number:032x}" for number in range(num_photos)])
    class_names = tuple(f"class {number}" for number in range(NUM_CLASSES))
    counts = dict(zip(class_names, np.bincount(labels, minlength=NUM_CLASSES).tolist(), strict=True))
    info = DatasetInfo(
        name="random",
        class_names=class_names,
        image_size=(SIDE, SIDE),
        resize="stretch",
        native_size=(SIDE, SIDE),
        counts={"train": counts},
        rejected={},
        fingerprint="0" * 64,
        source=Source(uri="random"),
    )
    write_json(dataset_dir / "dataset.json", info)
    return photos, labels
