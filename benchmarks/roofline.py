"""The speed of each part of training MobileNetV2 at 224 px, compared with the roofline of the processor.

A layer needs at least the time for its multiply-adds at the processor's measured peak rate, and at least the time for
reading its input and writing its output at the measured memory bandwidth (Williams, Waterman and Patterson 2009). The
sum over the layers, with the larger of the two times for each, is the shortest time for a photo. Training takes three
times as long as inference: it also computes the gradients of the input and of the weights.
"""

import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.frozen_backbone import BATCH_SIZE, SIDE, build_mobilenet, train, write_dataset
from benchmarks.table import Row, peak_memory_mb, time_by_turns

if TYPE_CHECKING:
    import keras

MATRIX_SIDE = 2048
COPY_BYTES = 2**28
ROUNDS = 5
NUM_BATCHES = 8
BYTES_PER_VALUE = 4
TRAINING_FACTOR = 3
"""How much more a layer computes and moves in training than in inference."""


@dataclass(frozen=True)
class Roof:
    """What the processor can do, with all its cores.

    Attributes:
        multiply_adds: the multiply-adds per second in float32.
        bytes: the bytes read and written per second.
    """

    multiply_adds: float
    bytes: float

    def photos_per_second(self, layers: Iterable["keras.Layer"], factor: int = 1) -> float:
        """Returns the maximum number of photos per second that can pass through the layers."""
        from components.train.network.summary import multiply_adds

        seconds = sum(
            max(multiply_adds(layer) / self.multiply_adds, _moved_bytes(layer) / self.bytes) for layer in layers
        )
        return 1 / (factor * seconds)


def measure() -> list[Row]:
    """Measures the roofline, then inference of the whole network, its frozen layers, and training of the others."""
    from components.contract.params.training import Phase, TrainParams
    from components.train.loop.inference import fastest_inference
    from components.train.network.freezing import frozen_part, learning_part, select
    from components.train.tensorflow.start import start_tensorflow

    start_tensorflow(seed=0)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DARKROOM_CACHE"] = folder
        photos, _ = write_dataset(Path(folder))
        roof = measure_roof()
        network = build_mobilenet()
        boundary = select(network, Phase(trainable="blocks")).boundary
        frozen, learning = frozen_part(network, boundary), learning_part(network, boundary)
        rows = [
            _row(
                f"inference: {what}", _inference_rate(fastest_inference(part), photos), roof, part.layers, target=target
            )
            for what, part, target in (
                ("the whole network", network.model, ">= 0.25"),
                ("the frozen layers of trainable: blocks", frozen, ">= 0.25"),
            )
        ]
        params = TrainParams(
            trainable="blocks", epochs=4, augmentation="none", batch_size=BATCH_SIZE, early_stopping=None
        )
        rate = statistics.median(train(network, Path(folder), params)["images_per_second"][1:])
        rows.append(
            _row("training: trainable: blocks", rate, roof, learning.layers, factor=TRAINING_FACTOR, target=">= 0.25")
        )
    return rows


def measure_roof() -> Roof:
    """Measures the peak rates of this machine; other programs lower them as they lower the speed of training."""
    import tensorflow as tf

    values = np.random.default_rng(0).standard_normal((MATRIX_SIDE, MATRIX_SIDE), np.float32)
    matrix = tf.constant(values)
    product_seconds = min(
        _best_seconds(lambda: tf.matmul(matrix, matrix).numpy()), _best_seconds(lambda: values @ values)
    )
    num_threads = len(os.sched_getaffinity(0))
    sources = [np.ones(COPY_BYTES // num_threads, np.uint8) for _ in range(num_threads)]
    targets = [np.empty_like(source) for source in sources]
    with ThreadPoolExecutor(num_threads) as pool:
        copy_seconds = _best_seconds(lambda: list(pool.map(np.copyto, targets, sources)))
    return Roof(MATRIX_SIDE**3 / product_seconds, 2 * COPY_BYTES / copy_seconds)


def _best_seconds(work: Callable[[], object]) -> float:
    def time_once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    time_once()
    return min(time_once() for _ in range(ROUNDS))


def _moved_bytes(layer: "keras.Layer") -> int:
    """The bytes of a layer's inputs and outputs for one photo; 0 for layers that other layers absorb in inference."""
    import keras

    if not isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.Dense):
        return 0
    num_values: int = sum(math.prod(tensor.shape[1:]) for tensor in (layer.input, layer.output))
    return BYTES_PER_VALUE * num_values


def _inference_rate(infer: Callable[[np.ndarray], object], photos: np.ndarray) -> float:
    batches = [photos[start : start + BATCH_SIZE] for start in range(0, BATCH_SIZE * NUM_BATCHES, BATCH_SIZE)]
    (seconds,) = time_by_turns(lambda: [infer(batch) for batch in batches], rounds=ROUNDS)
    return BATCH_SIZE * NUM_BATCHES / seconds


def _row(what: str, rate: float, roof: Roof, layers: Iterable["keras.Layer"], *, target: str, factor: int = 1) -> Row:
    limit = roof.photos_per_second(layers, factor)
    roof_text = f"{roof.multiply_adds / 1e9:.0f} billion multiply-adds and {roof.bytes / 1e9:.1f} GB per second"
    return Row(
        f"MobileNetV2 at {SIDE} px, {what}, photos per second",
        f"{rate:.0f}",
        f"{limit:.0f}, the roofline of {roof_text}",
        rate / limit,
        target,
        peak_memory_mb(),
    )
