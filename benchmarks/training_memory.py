"""The memory for training on 20,000 photos of 224 px, in a separate process.

This benchmark takes minutes and 5 GB of disk, so it runs only when named: `python -m benchmarks training_memory`.
"""

import hashlib
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.table import Row, peak_memory_mb

ON_REQUEST = "it takes minutes and 5 GB of disk; run it by name"
NUM_PHOTOS = 20_000
NUM_VALIDATION = 2_000
SIDE = 224
PHOTOS_PER_SHARD = 500
CLASS_NAMES = ("dark", "bright")
ALLOWED_MB = 4096.0


def measure() -> list[Row]:
    """Trains on augmented photos, then on features of 14 × 14 × 96, as large as the input of MobileNetV2's block 13."""
    from components.train.tensorflow.start import start_tensorflow

    start_tensorflow(seed=0)
    from components.contract.artifacts.dataset import open_split, read_info
    from components.contract.layers.stack import parse_layer
    from components.contract.params.model import ModelParams
    from components.contract.params.training import Phase, TrainParams
    from components.contract.tracking.run import Run
    from components.train.loop.phases import train_phases
    from components.train.network.architecture import build_network
    from components.train.setup import Photographs

    eye = {"Conv2D": {"filters": 96, "kernel_size": 16, "strides": 16}}
    layers = tuple(map(parse_layer, [eye, {"Conv2D": {"filters": 16, "kernel_size": 3}}, "GlobalAveragePooling2D"]))
    params = TrainParams(
        model=ModelParams(kind="layers", layers=layers),
        augmentation="medium",
        views=1,
        phases=(Phase(epochs=1, trainable="all"), Phase(epochs=2, trainable="last 2")),
    )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DARKROOM_CACHE"] = str(Path(folder) / "cache")
        write_dataset(Path(folder))
        mb_before = peak_memory_mb()
        info = read_info(Path(folder))
        network = build_network(params.model, image_size=info.image_size, num_classes=2, batch_size=32)
        photos = Photographs(open_split(Path(folder), "train"), open_split(Path(folder), "validation"), "random")
        start_time = time.perf_counter()
        training = train_phases(network, photos, params, Run(None))
        seconds = time.perf_counter() - start_time
    assert training.epochs_run == 3
    peak = peak_memory_mb()
    return [
        Row(
            f"memory to train on {NUM_PHOTOS:,} photos of {SIDE} px, streamed, then from cached features",
            f"{peak:,.0f} MB ({mb_before:,.0f} MB before), {seconds:.0f} s",
            f"{ALLOWED_MB:,.0f} MB allowed",
            peak / ALLOWED_MB,
            "<= 1",
            peak,
        ),
    ]


def write_dataset(dataset_dir: Path) -> None:
    """Writes a prepared data set of noise, shard by shard."""
    from components.contract.artifacts.dataset import DatasetInfo, Source, SplitName, write_shard
    from components.contract.system.atomic_files import write_json

    num_photos_of: dict[SplitName, int] = {"train": NUM_PHOTOS, "validation": NUM_VALIDATION}
    counts: dict[SplitName, dict[str, int]] = {}
    for split, num_photos in num_photos_of.items():
        for shard, start in enumerate(range(0, num_photos, PHOTOS_PER_SHARD)):
            rng = np.random.default_rng([num_photos, shard])
            labels = (np.arange(PHOTOS_PER_SHARD) % 2).astype(np.int32)
            pixels = rng.integers(0, 128, (PHOTOS_PER_SHARD, SIDE, SIDE, 3), dtype=np.uint8)
            pixels += 127 * labels.astype(np.uint8)[:, None, None, None]
            image_ids = [
                hashlib.sha256(f"{split} {start + row}".encode()).hexdigest()[:32] for row in range(PHOTOS_PER_SHARD)
            ]
            write_shard(dataset_dir / f"{split}-{shard:05d}.arrow", pixels, labels, image_ids)
        counts[split] = dict.fromkeys(CLASS_NAMES, num_photos // 2)
    info = DatasetInfo(
        name="noise",
        class_names=CLASS_NAMES,
        image_size=(SIDE, SIDE),
        resize="stretch",
        native_size=(SIDE, SIDE),
        counts=counts,
        rejected={},
        fingerprint="0" * 64,
        source=Source(uri="noise"),
    )
    write_json(dataset_dir / "dataset.json", info)
