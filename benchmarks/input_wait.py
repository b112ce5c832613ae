"""How long training steps wait for their input: photos that are augmented on the fly, and cached features."""

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.frozen_backbone import BATCH_SIZE, build_mobilenet, train, write_dataset
from benchmarks.table import Row, peak_memory_mb

if TYPE_CHECKING:
    from components.train.network.architecture import Network

MAX_WAIT_SHARE = 0.05
"""The maximum share of its time that a step may spend waiting for its batch."""
TRAININGS = (
    ("all", "a whole MobileNetV2", 128, 2),
    ("from block_13_expand", "MobileNetV2 from block 13 on", 256, 4),
    ("head", "the head of MobileNetV2", 1024, 40),
)
"""For each training: the trained layers, their description, the number of photos and the number of epochs."""


def measure() -> list[Row]:
    """Trains with augmentation `medium`, and measures all epochs but the first, in which TensorFlow compiles."""
    from components.train.tensorflow.start import start_tensorflow

    start_tensorflow(seed=0)
    rows = []
    for trainable, description, num_photos, epochs in TRAININGS:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["DARKROOM_CACHE"] = folder
            write_dataset(Path(folder), num_photos)
            rows.append(_measure_wait(build_mobilenet(), Path(folder), trainable, description, epochs))
    return rows


def _measure_wait(network: "Network", dataset_dir: Path, trainable: str, description: str, epochs: int) -> Row:
    from components.contract.params.training import TrainParams

    params = TrainParams(
        trainable=trainable,
        epochs=epochs + 1,
        augmentation="medium",
        batch_size=BATCH_SIZE,
        views=1,
        early_stopping=None,
    )
    history = train(network, dataset_dir, params)
    rows = range(1, epochs + 1)
    wait_share = float(np.mean([history["input_wait"][row] for row in rows]))
    rate = float(np.median([history["images_per_second"][row] for row in rows]))
    return Row(
        f"waiting for input while training {description} at 224 px",
        f"{wait_share:.1%}, {rate:,.0f} images/s",
        f"{MAX_WAIT_SHARE:.0%} of the time, the limit",
        wait_share / MAX_WAIT_SHARE,
        "<= 1",
        peak_memory_mb(),
    )
