"""Computes the outputs of frozen layers for photos, with the fastest runtime on this machine."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
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
from components.contract.params.augmentation import AugmentationParams
from components.contract.system.progress import Progress
from components.train.export.graph import to_openvino, trace

log = logging.getLogger(__name__)

PHOTOS_AT_ONCE: Final = 32
LARGEST_FLOAT16: Final = 65_504.0

Infer = Callable[[np.ndarray], Sequence[np.ndarray]]
"""Maps RGB pixels, uint8 (n, height, width, 3), to the outputs of the frozen layers, each float32 (n, …)."""


@dataclass(frozen=True)
class FeatureRequest:
    """A request for the features of one split.

    Attributes:
        split: the photos of the split.
        fingerprint: identifies the data set and the split, and therefore the pixels.
        views: the number of variants of each photo.
        augmentation: the augmentation of all views but the first.
        seed: the seed of the augmentation.
    """

    split: Split
    fingerprint: str
    views: int
    augmentation: AugmentationParams
    seed: int

    def num_shared(self, other: "FeatureRequest") -> int:
        """Returns how many of the first views contain the same pixels in both requests."""
        if self.fingerprint != other.fingerprint:
            return 0
        is_same_variant = (self.augmentation, self.seed) == (other.augmentation, other.seed)
        return min(self.views, other.views, self.views if is_same_variant else 1)


def fastest_inference(*frozen_parts: keras.Model) -> Infer:
    """Returns a function that uses TensorFlow on a GPU or, on a CPU, OpenVINO in float32, which is faster there.

    Args:
        *frozen_parts: parts of one network from its pixels on; one pass computes the outputs of all parts.
    """
    names = [f"features_{number}" for number in range(len(frozen_parts))]
    outputs = {name: part.output for name, part in zip(names, frozen_parts, strict=True)}
    traced = trace(keras.Model(frozen_parts[0].input, outputs))
    if gpu_names():

        def infer_on_gpu(pixels: np.ndarray) -> list[np.ndarray]:
            results = traced(tf.constant(pixels))
            return [np.asarray(results[name]) for name in names]

        return infer_on_gpu
    compiled = openvino().Core().compile_model(to_openvino(traced), "CPU", CPU_SETTINGS)

    def infer(pixels: np.ndarray) -> list[np.ndarray]:
        results = compiled({0: pixels})
        return [results[name] for name in names]

    return infer


def gpu_names() -> list[str]:
    """Returns the names of the GPUs that TensorFlow sees."""
    return [device.name for device in tf.config.list_physical_devices("GPU")]


def compute_features(
    infer: Infer, request: FeatureRequest, view: int, dtype: np.dtype, rows: range, progress: Progress
) -> Iterator[list[np.ndarray]]:
    """Yields the outputs of the frozen layers for some rows of a view, batch by batch, each (n, …).

    Args:
        infer: computes the outputs of the frozen layers.
        request: determines the photos.
        view: the index of the view.
        dtype: the type of the features.
        rows: the rows; they must start at a multiple of PHOTOS_AT_ONCE, so that the batches are the same as if the
            whole view were computed: the composition of a batch can change the last digits of its features.
        progress: counts the photos of the view.

    Raises:
        ModelError: the frozen layers output NaN or infinity.
    """
    assert rows.start % PHOTOS_AT_ONCE == 0, "the rows must start at a multiple of PHOTOS_AT_ONCE"
    largest = LARGEST_FLOAT16 if dtype == np.float16 else math.inf
    for num_photos, pixels in _prefetch(_variants(request, view, rows)):
        outputs = [np.clip(output, -largest, largest).astype(dtype) for output in infer(pixels)]
        if not all(np.isfinite(output).all() for output in outputs):
            raise ModelError(
                f"The frozen layers output NaN or infinity for one of the first {num_photos} photos. "
                "Set train.trainable: all, or start from other weights."
            )
        yield outputs
        progress.report(num_photos)


def _variants(request: FeatureRequest, view: int, rows: range) -> Iterator[tuple[int, np.ndarray]]:
    """Yields, batch by batch, the number of rows of the view so far, and the pixels: uint8 (n, height, width, 3)."""
    split = request.split
    keys = image_keys(split.image_ids)
    for start in rows[::PHOTOS_AT_ONCE]:
        indices = np.arange(start, min(start + PHOTOS_AT_ONCE, rows.stop))
        pixels = split.gather(indices)
        if view > 0:
            seeds = photo_seeds(keys[indices], seed=request.seed, variant=view)
            pixels = augment(pixels, request.augmentation, seeds)
        yield start + len(indices), pixels


def _prefetch(items: Iterator[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray]]:
    """Yields the same items; the next is prepared in another thread while the current one is in use."""
    with ThreadPoolExecutor(1, "photos") as maker:
        next_item = maker.submit(next, items, None)
        while (item := next_item.result()) is not None:
            next_item = maker.submit(next, items, None)
            yield item
