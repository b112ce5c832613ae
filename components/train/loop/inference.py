"""What the frozen layers of a network make of photos, computed the fastest way that this machine has."""

import logging
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import keras
import numpy as np
import tensorflow as tf

from components.contract.artifacts.dataset import Split
from components.contract.errors import ModelError
from components.contract.image.augment import augment, image_keys, photo_seeds
from components.contract.inference.graph import CPU_SETTINGS, openvino
from components.contract.params.training import AugmentationParams
from components.contract.system.progress import Progress
from components.train.export.graph import to_openvino, trace

log = logging.getLogger(__name__)

PHOTOS_AT_ONCE: Final = 32
LARGEST_FLOAT16: Final = 65_504.0

Infer = Callable[[np.ndarray], np.ndarray]
"""From uint8 (n, height, width, 3), RGB, to float32 (n, …)."""


@dataclass(frozen=True)
class FeatureRequest:
    """The features of one split.

    Attributes:
        split: n photos.
        fingerprint: of the data set and the split: what the pixels depend on.
        views: variants of each photo.
        augmentation: makes all but the first.
        seed: of the augmentation.
    """

    split: Split
    fingerprint: str
    views: int
    augmentation: AugmentationParams
    seed: int


def fastest_inference(frozen_part: keras.Model) -> Infer:
    """TensorFlow on a GPU; on a CPU OpenVINO, which is several times as fast, in float32 as when it is served."""
    traced = trace(frozen_part)
    if gpu_names():
        return lambda pixels: np.asarray(traced(tf.constant(pixels)))
    compiled = openvino().Core().compile_model(to_openvino(traced), "CPU", CPU_SETTINGS)
    return lambda pixels: compiled({0: pixels})[0]


def gpu_names() -> list[str]:
    """The GPUs that TensorFlow sees."""
    return [device.name for device in tf.config.list_physical_devices("GPU")]


def compute_features(infer: Infer, request: FeatureRequest, view: int, dtype: np.dtype) -> Iterator[np.ndarray]:
    """A view's features, (n, …), batch by batch."""
    largest = LARGEST_FLOAT16 if dtype == np.float16 else math.inf
    progress = Progress(
        len(request.split), f"photos have passed the frozen layers (view {view + 1} of {request.views})"
    )
    for num_photos, pixels in _prefetch(_variants(request, view)):
        values = np.clip(infer(pixels), -largest, largest).astype(dtype)
        if not np.isfinite(values).all():
            raise ModelError(
                f"Frozen layers must output numbers; for one of the first {num_photos} photos they output "
                "NaN or infinity. Set train.trainable: all, or start from other weights."
            )
        yield values
        progress.report(num_photos)


def _variants(request: FeatureRequest, view: int) -> Iterator[tuple[int, np.ndarray]]:
    """(photos so far, uint8 (n, height, width, 3)), batch by batch."""
    split = request.split
    keys = image_keys(split.image_ids)
    for start in range(0, len(split), PHOTOS_AT_ONCE):
        indices = np.arange(start, min(start + PHOTOS_AT_ONCE, len(split)))
        pixels = split.gather(indices)
        if view > 0:
            seeds = photo_seeds(keys[indices], seed=request.seed, variant=view)
            pixels = augment(pixels, request.augmentation, seeds)
        yield start + len(indices), pixels


def _prefetch(items: Iterator[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray]]:
    """The same items; the next is made in another thread while the last is in use."""
    with ThreadPoolExecutor(1, "photos") as maker:
        next_item = maker.submit(next, items, None)
        while (item := next_item.result()) is not None:
            next_item = maker.submit(next, items, None)
            yield item
