"""Measures robustness: scores test photos again, slightly blurred, noisy, compressed, darker and brighter."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

import numpy as np

from components.contract.artifacts.dataset import Split
from components.contract.artifacts.figures import RobustnessFigures, wilson_interval
from components.contract.inference.graph import InferenceGraph
from components.evaluate.measure.predictions import BATCH_SIZE, Predictions, run_batches

Disturbance: TypeAlias = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Maps a photo to a disturbed photo of the same shape: uint8 (height, width, 3), RGB."""

BLUR_SHARE = 1 / 150
"""The blur's standard deviation, relative to the shorter side: 1.5 px for a side of 224 px."""
NOISE = 12
JPEG_QUALITY = 30
LIGHT = 0.3


def blur(pixels: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Blurs a photo."""
    import cv2

    sigma = max(0.5, BLUR_SHARE * min(pixels.shape[:2]))
    blurred_pixels: np.ndarray = cv2.GaussianBlur(pixels, (0, 0), sigma)
    return blurred_pixels


def add_noise(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Adds Gaussian noise to a photo."""
    noise = rng.normal(0, NOISE, pixels.shape).astype(np.float32)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def compress(pixels: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Compresses a photo as JPEG and decodes it again."""
    import cv2

    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    pixels_or_none = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert pixels_or_none is not None, "OpenCV must decode the JPEG file that it has just encoded"
    decoded_pixels: np.ndarray = pixels_or_none
    return decoded_pixels


def darken(pixels: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Darkens a photo."""
    return (pixels * (1 - LIGHT)).astype(np.uint8)


def brighten(pixels: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Brightens a photo."""
    return np.clip(pixels * (1 + LIGHT), 0, 255).astype(np.uint8)


DISTURBANCES: Final[Mapping[str, Disturbance]] = {
    "blurred": blur,
    "noisy": add_noise,
    f"JPEG of quality {JPEG_QUALITY}": compress,
    f"{100 * LIGHT:.0f} % darker": darken,
    f"{100 * LIGHT:.0f} % brighter": brighten,
}


def disturb(
    graph: InferenceGraph, split: Split, predictions: Predictions, num: int, rng: np.random.Generator
) -> tuple[RobustnessFigures, ...]:
    """Scores photos again under each disturbance; the first result is for the unchanged photos.

    Args:
        graph: the exported graph.
        split: the test photos.
        predictions: the predictions for the test photos.
        num: how many photos to draw; 0 to skip the measurement.
        rng: draws photos and noise.
    """
    if num == 0:
        return ()
    indices = np.sort(rng.permutation(len(split))[:num])
    correct_before = predictions.correct[indices]
    figures = [_compare("unchanged", correct_before, correct_before)]
    for name, apply in DISTURBANCES.items():
        logits = run_batches(graph, _disturbed_batches(split, indices, apply, rng), len(indices), name)[0]
        correct_after = logits.argmax(axis=1) == predictions.labels[indices]
        figures.append(_compare(name, correct_before, correct_after))
    return tuple(figures)


def _disturbed_batches(
    split: Split, indices: np.ndarray, apply: Disturbance, rng: np.random.Generator
) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(indices), BATCH_SIZE):
        yield start, np.stack([apply(split.image(int(index)), rng) for index in indices[start : start + BATCH_SIZE]])


def _compare(name: str, correct_before: np.ndarray, correct_after: np.ndarray) -> RobustnessFigures:
    return RobustnessFigures(
        disturbance=name,
        num_images=len(correct_after),
        accuracy=wilson_interval(int(np.count_nonzero(correct_after)), len(correct_after)),
        num_lost=int(np.count_nonzero(correct_before & ~correct_after)),
        num_won=int(np.count_nonzero(~correct_before & correct_after)),
    )
