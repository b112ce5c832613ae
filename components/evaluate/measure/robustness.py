"""The same test photos a little blurred, noisy, compressed, darker and brighter: how many answers are lost."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

import numpy as np

from components.contract.artifacts.dataset import Split
from components.contract.artifacts.figures import RobustnessFigures
from components.contract.inference.graph import InferenceGraph
from components.evaluate.measure.metrics import wilson_interval
from components.evaluate.measure.predictions import BATCH_SIZE, Predictions, run_batches

Disturbance: TypeAlias = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""From a photo, uint8 (height, width, 3), RGB, to another of the same shape."""

BLUR_SHARE = 1 / 150
"""The blur's standard deviation, of the shorter side: 1.5 pixels at 224."""
NOISE = 12
JPEG_QUALITY = 30
LIGHT = 0.3


def blurred(pixels: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Blurs a photo."""
    import cv2

    sigma = max(0.5, BLUR_SHARE * min(pixels.shape[:2]))
    found: np.ndarray = cv2.GaussianBlur(pixels, (0, 0), sigma)
    return found


def noisy(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Adds Gaussian noise to a photo."""
    noise = rng.normal(0, NOISE, pixels.shape).astype(np.float32)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def compressed(pixels: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Compresses a photo as JPEG and decodes it again."""
    import cv2

    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None, "it was encoded a line above"
    found: np.ndarray = decoded
    return found


def darker(pixels: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Darkens a photo."""
    return (pixels * (1 - LIGHT)).astype(np.uint8)


def brighter(pixels: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Brightens a photo."""
    return np.clip(pixels * (1 + LIGHT), 0, 255).astype(np.uint8)


DISTURBANCES: Final[Mapping[str, Disturbance]] = {
    "blurred": blurred,
    "noisy": noisy,
    f"JPEG of quality {JPEG_QUALITY}": compressed,
    f"{100 * LIGHT:.0f} % darker": darker,
    f"{100 * LIGHT:.0f} % brighter": brighter,
}


def disturb(
    graph: InferenceGraph, split: Split, predictions: Predictions, num: int, rng: np.random.Generator
) -> tuple[RobustnessFigures, ...]:
    """Scores photos again under each disturbance; the first figure is of them as they are.

    Args:
        graph: the exported graph.
        split: the test photos.
        predictions: of them.
        num: how many photos, drawn by chance; 0 for no figures.
        rng: draws photos and noise.
    """
    if num == 0:
        return ()
    chosen = np.sort(rng.permutation(len(split))[:num])
    before = predictions.right[chosen]
    figures = [_compare("as they are", before, before)]
    for name, change in DISTURBANCES.items():
        logits = run_batches(graph, _changed(split, chosen, change, rng), len(chosen), name)[0]
        after = logits.argmax(axis=1) == predictions.labels[chosen]
        figures.append(_compare(name, before, after))
    return tuple(figures)


def _changed(
    split: Split, chosen: np.ndarray, change: Disturbance, rng: np.random.Generator
) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(chosen), BATCH_SIZE):
        yield start, np.stack([change(split.image(int(at)), rng) for at in chosen[start : start + BATCH_SIZE]])


def _compare(name: str, before: np.ndarray, after: np.ndarray) -> RobustnessFigures:
    return RobustnessFigures(
        disturbance=name,
        num_images=len(after),
        accuracy=wilson_interval(int(np.count_nonzero(after)), len(after)),
        num_lost=int(np.count_nonzero(before & ~after)),
        num_won=int(np.count_nonzero(~before & after)),
    )
