"""Compares choices made in the training loop with their alternatives, with and without oneDNN, on one and two threads.

Each training run uses its own process: `python -m benchmarks.processor CHOICE FOLDER` prints the duration of each
epoch except the first, in seconds.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

from benchmarks.frozen_backbone import build_mobilenet, train, write_dataset
from benchmarks.table import Row

ON_REQUEST = "it trains 32 times, which takes ten minutes; run it by name"
NUM_PHOTOS = 256
EPOCHS = 4
ROUNDS = 2
MACHINES = (("off", 1), ("off", 2), ("on", 1), ("on", 2))
"""Whether oneDNN is on, and the number of threads."""
CHOICES = {
    "convolutions": ("pointwise convolutions as products", "as convolutions", ">= 0.95"),
    "glibc": ("freed memory kept", "glibc's own settings", ">= 0.95"),
    "bfloat16": ("float32", "bfloat16", ">= 0.9"),
}
"""For each choice: our option, the alternative, and the target for the alternative's time divided by ours."""


def measure() -> list[Row]:
    """Times an epoch of training MobileNetV2 from block 13 on: with our choices, and with each of them reversed."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder), NUM_PHOTOS)
        for onednn, threads in MACHINES:
            seconds: dict[str, list[float]] = {choice: [] for choice in ("ours", *CHOICES)}
            for _ in range(ROUNDS):
                for choice, epochs in seconds.items():
                    epochs += _epochs(choice, Path(folder), onednn, threads)
            ours = statistics.median(seconds["ours"])
            for choice, (our_choice, other_choice, target) in CHOICES.items():
                other = statistics.median(seconds[choice])
                claim = f"{our_choice}, oneDNN {onednn}, threads {threads}"
                rows.append(Row(claim, f"{ours:.2f} s", f"{other:.2f} s, {other_choice}", other / ours, target))
    return rows


def _epochs(choice: str, dataset_dir: Path, onednn: str, threads: int) -> list[float]:
    """Measures the seconds of each epoch except the first, in a separate process."""
    environment = os.environ | {
        "TF_ENABLE_ONEDNN_OPTS": "1" if onednn == "on" else "0",
        "OMP_NUM_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "DARKROOM_CACHE": str(dataset_dir / "cache"),
    }
    command = [sys.executable, "-m", "benchmarks.processor", choice, str(dataset_dir)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout
    return [float(word) for word in printed.split()]


def train_once(choice: str, dataset_dir: Path) -> list[float]:
    """Trains in this process; returns the seconds of each epoch except the first."""
    with contextlib.ExitStack() as stack:
        if choice == "glibc":
            stack.enter_context(mock.patch("components.train.tensorflow.start.KEEP_FREED_MEMORY", {}))
        from components.train.tensorflow.start import start_tensorflow

        start_tensorflow(seed=0)
        from components.contract.params.training import TrainParams

        if choice == "convolutions":
            stack.enter_context(mock.patch("components.train.tensorflow.pointwise._is_pointwise", return_value=False))
        params = TrainParams(
            trainable="from block_13_expand",
            epochs=EPOCHS,
            augmentation="none",
            batch_size=32,
            early_stopping=None,
            precision="bfloat16" if choice == "bfloat16" else "float32",
        )
        history = train(build_mobilenet(), dataset_dir, params)
    return [NUM_PHOTOS / rate for rate in history["images_per_second"][1:]]


if __name__ == "__main__":
    print(*train_once(sys.argv[1], Path(sys.argv[2])))
