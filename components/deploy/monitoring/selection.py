"""Chooses the photos to label next: those whose labels would improve the model most."""

from collections.abc import Sequence

import numpy as np

from components.contract.inference.calibration import to_unit_length


def weigh(confidence: np.ndarray, unfamiliar: Sequence[float | None], disputed: np.ndarray) -> np.ndarray:
    """How informative the label of each photo would be, from 0 to 1: float32 (n,).

    The lower the confidence, the more informative the label. The label of an unfamiliar photo is informative despite
    high confidence. If feedback names a class other than the predicted one, the weight is 1.

    Args:
        confidence: float32 (n,), the probability of the most probable class.
        unfamiliar: n values, above 1 for photos unlike the training photos; a value is None if it was not measured.
        disputed: bool (n,), whether feedback names a class other than the predicted one.
    """
    distances = np.array([0.0 if value is None else value for value in unfamiliar])
    strange = 1 - 1 / np.maximum(distances, 1)
    weights: np.ndarray = np.maximum(1 - confidence, strange).astype(np.float32)
    return np.where(disputed, np.float32(1), weights)


def choose(weights: np.ndarray, embeddings: np.ndarray, count: int) -> list[int]:
    """Chooses the photos to label, in order; each has a high weight and is unlike those chosen before it.

    Args:
        weights: float32 (n,), from `weigh`.
        embeddings: float32 (n, features).
        count: the maximum number of photos.
    """
    unit = to_unit_length(embeddings)
    distances = np.full(len(weights), 2, np.float32)
    chosen: list[int] = []
    for _ in range(min(count, len(weights))):
        scores = weights * distances
        scores[chosen] = -1
        chosen.append(int(scores.argmax()))
        distances = np.minimum(distances, 1 - unit @ unit[chosen[-1]])
    return chosen
