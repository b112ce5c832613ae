"""MobileNetV2 at 224 px, frozen whole or up to block 13: epochs on features computed once, against plain `fit`."""

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.table import Row, peak_memory_mb

if TYPE_CHECKING:
    from components.train.architecture import Network

NUM_PHOTOS = 512
SIDE = 224
NUM_CLASSES = 10
BATCH_SIZE = 32
NUM_PLAIN = 192
"""Photos that plain `fit` passes in an epoch; its time is in proportion."""
PLAIN_EPOCHS = 2


def measure() -> list[Row]:
    """Epochs after the first, in which either side compiles; with random weights, which cost the same."""
    from components.train.tensorflow_start import start_tensorflow

    start_tensorflow(seed=0)
    network = build_mobilenet()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DARKROOM_CACHE"] = folder
        photos, labels = write_dataset(Path(folder))
        return [
            _against_plain(
                network, Path(folder), photos, labels, trainable=trainable, epochs=epochs, what=what, reach=reach
            )
            for trainable, epochs, what, reach in (
                ("head", 6, "on a frozen MobileNetV2", ">= 50"),
                ("from block_13_expand", 3, "of MobileNetV2 from block 13 on", ">= 3"),
            )
        ]


def build_mobilenet() -> "Network":
    """With random weights and a head for NUM_CLASSES."""
    from components.contract.layers import parse_layer
    from components.contract.model_params import ModelParams
    from components.train.architecture import build_network

    head = (parse_layer("GlobalAveragePooling2D"), parse_layer({"Dropout": {"rate": 0.2}}))
    params = ModelParams(kind="pretrained", name="MobileNetV2", weights="imagenet", head=head)
    return build_network(params, image_size=(SIDE, SIDE), num_classes=NUM_CLASSES, batch_size=BATCH_SIZE)


def _against_plain(
    network: "Network", dataset_dir: Path, photos: np.ndarray, labels: np.ndarray, *, trainable: str, epochs: int,
    what: str, reach: str,
) -> Row:  # fmt: skip
    from components.contract.dataset import open_split
    from components.contract.train_params import AugmentationParams, Phase
    from components.train.batches import Batches
    from components.train.features import FeatureCache, Wanted
    from components.train.selection import frozen_part, learning_part, select

    boundary = select(network, Phase(trainable=trainable)).boundary
    assert boundary is not None
    started = time.perf_counter()
    cache = FeatureCache(frozen_part(network, boundary), "float16")
    features = cache.get(Wanted(open_split(dataset_dir, "train"), "random", 1, AugmentationParams(), 0))
    once = time.perf_counter() - started
    batches = Batches(features, BATCH_SIZE, shuffle_seed=0)
    ours = seconds_an_epoch(learning_part(network, boundary), epochs, batches)
    plain = seconds_an_epoch(network.model, PLAIN_EPOCHS, photos[:NUM_PLAIN], labels[:NUM_PLAIN])
    theirs = plain * NUM_PHOTOS / NUM_PLAIN
    return Row(
        f"an epoch of {NUM_PHOTOS} photos {what} at {SIDE} px, after the first",
        f"{ours:.1f} s (and {once:.1f} s once)" if ours > 1 else f"{1000 * ours:.0f} ms (and {once:.1f} s once)",
        f"{theirs:.1f} s, plain fit",
        theirs / ours,
        reach,
        peak_memory_mb(),
    )


def write_dataset(dataset_dir: Path, num_photos: int = NUM_PHOTOS) -> tuple[np.ndarray, np.ndarray]:
    """A prepared data set of random photos, and the same as arrays: uint8 (n, 224, 224, 3) and int32 (n,)."""
    from components.contract.dataset import DatasetInfo, Source, write_shard
    from components.contract.outputs import write_json

    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (num_photos, SIDE, SIDE, 3), dtype=np.uint8)
    labels = rng.integers(0, NUM_CLASSES, num_photos).astype(np.int32)
    write_shard(dataset_dir / "train-00000.arrow", photos, labels, [f"{number:032x}" for number in range(num_photos)])
    class_names = tuple(f"class {number}" for number in range(NUM_CLASSES))
    counts = dict(zip(class_names, np.bincount(labels, minlength=NUM_CLASSES).tolist(), strict=True))
    info = DatasetInfo(
        name="random", class_names=class_names, image_size=(SIDE, SIDE), resize="stretch", native_size=(SIDE, SIDE),
        counts={"train": counts}, rejected={}, fingerprint="0" * 64, source=Source(uri="random"),
    )  # fmt: skip
    write_json(dataset_dir / "dataset.json", info)
    return photos, labels


def seconds_an_epoch(model: Any, epochs: int, *data: Any) -> float:
    """The median of all epochs but the first."""
    import keras

    from components.train.fit import MANY_NUMBERS, STEPS_PER_EXECUTION

    starts: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: starts.append(time.perf_counter()))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    ours = data[0] if len(data) == 1 else None
    steps = STEPS_PER_EXECUTION if ours is not None and ours.num_numbers <= MANY_NUMBERS else 1
    model.compile("adam", loss, metrics=["accuracy"], steps_per_execution=steps, jit_compile=False)
    options = {"shuffle": False} if ours is not None else {"batch_size": BATCH_SIZE}
    model.fit(*data, epochs=epochs, verbose=0, callbacks=[clock], **options)
    starts.append(time.perf_counter())
    return float(np.median(np.diff(starts)[1:]))
