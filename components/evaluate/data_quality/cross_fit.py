"""Cross-fitting: probabilities for training photos as if the model had not been trained on them.

The network itself has seen the training photos with their labels. For each fold in turn, a linear head is therefore
fitted on the embeddings of all other photos and predicts that fold. The head is linear discriminant analysis with a
shrunken covariance (Friedman 1989): it has a closed form, so 1,000 classes cost no more than ten.
"""

from typing import Final

import numpy as np

from components.contract.inference.graph import softmax
from components.evaluate.measure.calibration import fit_temperature

NUM_FOLDS: Final = 5
SHRINKAGE: Final = 0.3
"""The share of the covariance matrix that is replaced by an equal variance in all directions."""
MIN_SCALE: Final = 1e-6
CALIBRATION_PHOTOS: Final = 2_000
"""The maximum number of photos used to fit the temperature; a single number does not require more."""
MAX_FEATURES: Final = 2048
"""Wider embeddings are reduced to this width by a random projection (Johnson and Lindenstrauss 1984), because the size
of the covariance matrix grows with the square of the width."""


def cross_fit(embeddings: np.ndarray, labels: np.ndarray, num_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Calibrated probabilities for each photo, from a head that was not trained on it: float32 (n, num_classes).

    Args:
        embeddings: float32 (n, features).
        labels: int32 (n,).
        num_classes: number of classes in the data set.
        rng: divides the photos into folds.
    """
    features = _narrow(embeddings, rng)
    logits = np.empty((len(labels), num_classes), np.float32)
    folds = _assign_folds(labels, rng)
    for fold in range(NUM_FOLDS):
        is_held_out = folds == fold
        if is_held_out.any() and not is_held_out.all():
            weights, bias = _fit_discriminant(features[~is_held_out], labels[~is_held_out], num_classes)
            logits[is_held_out] = features[is_held_out] @ weights + bias
    sample = rng.permutation(len(labels))[:CALIBRATION_PHOTOS]
    return softmax(logits / fit_temperature(logits[sample], labels[sample]))


def _narrow(embeddings: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if embeddings.shape[1] <= MAX_FEATURES:
        return embeddings
    projection = rng.standard_normal((embeddings.shape[1], MAX_FEATURES), np.float32) / np.float32(MAX_FEATURES**0.5)
    narrow: np.ndarray = embeddings @ projection
    return narrow


def _assign_folds(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The fold of each photo: int64 (n,). The photos of each class are spread over the folds as evenly as possible."""
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    folds = np.empty(len(labels), np.int64)
    folds[by_class] = np.arange(len(labels)) % NUM_FOLDS
    return folds


def _fit_discriminant(features: np.ndarray, labels: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Fits the weights, float32 (features, classes), and the bias, float32 (classes,), that produce the logits.

    A class without photos gets a very low bias, so that it is never predicted.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    scale = features.std(axis=0, dtype=np.float64) + MIN_SCALE
    standardized = ((features - mean) / scale).astype(np.float32)
    counts = np.bincount(labels, minlength=num_classes)
    order = np.argsort(labels, kind="stable")
    present = np.flatnonzero(counts)
    starts = np.cumsum(counts)[present] - counts[present]
    means = np.zeros((num_classes, features.shape[1]), np.float32)
    means[present] = np.add.reduceat(standardized[order], starts, axis=0) / counts[present, None]
    residuals = standardized - means[labels]
    covariance = (residuals.T @ residuals).astype(np.float64) / len(labels)
    variance = np.trace(covariance) / len(covariance)
    shrunken = (1 - SHRINKAGE) * covariance + SHRINKAGE * max(variance, MIN_SCALE) * np.eye(len(covariance))
    weights = np.linalg.solve(shrunken, means.T.astype(np.float64))
    bias = np.log(np.maximum(counts, MIN_SCALE) / len(labels)) - 0.5 * np.einsum("cf,fc->c", means, weights)
    raw_weights = weights / scale[:, None]
    return raw_weights.astype(np.float32), (bias - mean @ raw_weights).astype(np.float32)
