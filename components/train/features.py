"""Features at the freeze boundary: what the frozen layers of a network make of each photo, computed once."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import keras
import numpy as np

from components.contract.augment import augment, image_keys, photo_seeds
from components.contract.dataset import Split
from components.contract.runtime import CPU_SETTINGS, openvino
from components.contract.train_params import AugmentationParams, TrainParams
from components.train.architecture import Network
from components.train.batches import Features
from components.train.export import to_openvino, trace

log = logging.getLogger(__name__)

LARGEST_IN_MEMORY: Final = 3 * 2**29
"""Bytes; features that take more stand in a file, as float16."""
PHOTOS_AT_ONCE: Final = 32
REPORT_SECONDS: Final = 5.0

Infer = Callable[[np.ndarray], np.ndarray]
"""From uint8 (n, height, width, 3), RGB, to float32 (n, …)."""


def at_boundary(
    network: Network, training: Split, validation: Split, params: TrainParams, store_dir: Path
) -> tuple[Features, Features]:
    """The features of the training photos, in `params.views` variants of each, and those of the validation photos.

    Args:
        network: with frozen layers, and its weights loaded.
        training: photos to learn from.
        validation: photos to choose the epoch by; they are never augmented.
        params: augmentation, views and seed.
        store_dir: where features stand that are too large for memory.
    """
    frozen_part = network.frozen_part()
    infer, shape = fastest_inference(frozen_part), tuple(frozen_part.output.shape[1:])
    learnt = compute_features(
        infer, shape, training, views=params.views, augmentation=params.augmentation_params, seed=params.seed,
        store=store_dir / "train.npy",
    )  # fmt: skip
    checked = compute_features(
        infer, shape, validation, views=1, augmentation=AugmentationParams(), seed=params.seed,
        store=store_dir / "validation.npy",
    )  # fmt: skip
    return learnt, checked


def fastest_inference(frozen_part: keras.Model) -> Infer:
    """Keras on a GPU; on a CPU OpenVINO, which is several times as fast, in float32 as when it is served."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return lambda pixels: np.asarray(frozen_part.predict_on_batch(pixels))
    compiled = openvino().Core().compile_model(to_openvino(trace(frozen_part)), "CPU", CPU_SETTINGS)
    return lambda pixels: compiled({0: pixels})[0]


def compute_features(
    infer: Infer, shape: tuple[int, ...], split: Split, *, views: int, augmentation: AugmentationParams, seed: int,
    store: Path,
) -> Features:  # fmt: skip
    """What the frozen layers make of all photos of a split.

    Args:
        infer: the frozen layers.
        shape: of the features of one photo.
        split: n photos.
        views: variants of each photo; the first is the photo itself.
        augmentation: makes the others.
        seed: of the augmentation.
        store: a file to be made where the features are too large for memory.

    Returns:
        views × n rows: all photos of a view, then all photos of the next.
    """
    values = _allocate((views * len(split), *shape), store)
    progress = _Progress(len(values))
    for rows, pixels in _ahead(_variants(split, views, augmentation, seed)):
        values[rows] = infer(pixels)
        progress.report(rows.stop)
    return Features(values, np.tile(split.labels, views))


def _variants(
    split: Split, views: int, augmentation: AugmentationParams, seed: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """(rows of the features, uint8 (n, height, width, 3)), batch by batch."""
    keys = image_keys(split.image_ids)
    for view in range(views):
        for start in range(0, len(split), PHOTOS_AT_ONCE):
            indices = np.arange(start, min(start + PHOTOS_AT_ONCE, len(split)))
            pixels = split.gather(indices)
            if view > 0:
                pixels = augment(pixels, augmentation, photo_seeds(keys[indices], seed=seed, variant=view))
            first = view * len(split) + start
            yield slice(first, first + len(indices)), pixels


def _ahead(items: Iterator[tuple[slice, np.ndarray]]) -> Iterator[tuple[slice, np.ndarray]]:
    """The same items; the next is made in another thread while the last is in use."""
    with ThreadPoolExecutor(1, "photos") as maker:
        coming = maker.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = maker.submit(next, items, None)
            yield item


def _allocate(shape: tuple[int, ...], store: Path) -> np.ndarray:
    if math.prod(shape) * 4 <= LARGEST_IN_MEMORY:
        return np.empty(shape, np.float32)
    log.info("The features take %.1f GB on disk while training goes on.", math.prod(shape) * 2 / 1e9)
    return np.lib.format.open_memmap(store, mode="w+", dtype=np.float16, shape=shape)


class _Progress:
    """Says every few seconds how far the work is."""

    def __init__(self, total: int):
        self._total = total
        self._started = self._reported = time.monotonic()

    def report(self, done: int) -> None:
        now = time.monotonic()
        if now - self._reported < REPORT_SECONDS and done < self._total:
            return
        self._reported = now
        rate = done / max(now - self._started, 1e-9)
        log.info("%d of %d variants have passed the frozen layers, %.0f a second, %.0f s left.",
                 done, self._total, rate, (self._total - done) / rate)  # fmt: skip
