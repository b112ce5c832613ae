"""A regularized linear head on features, with cross-validation: ridge regression on one-hot labels, in closed form."""

from typing import Final

import numpy as np

NUM_FOLDS: Final = 5
STRENGTHS: Final = np.logspace(-1, 5, 13)
"""The regularization strengths to try; the one with the lowest leave-one-out error on the training photos is used."""


def draw_folds(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws the fold of each photo, int64 (n,); the photos of each class are spread over all folds.

    Args:
        labels: the label of each photo, int (n,).
        rng: shuffles the photos.
    """
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    folds = np.empty(len(labels), np.int64)
    folds[by_class] = np.arange(len(labels)) % min(NUM_FOLDS, max(2, len(labels) // 2))
    return folds


def cross_validate(features: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Returns, for each photo, whether a head trained on the other folds classifies it correctly: bool (n,).

    Args:
        features: the features of each photo, float (n, d).
        labels: the label of each photo, int (n,).
        folds: the fold of each photo, int (n,).
    """
    is_right = np.zeros(len(labels), bool)
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        is_right[test] = fit_and_predict(features[train], labels[train], features[test]) == labels[test]
    return is_right


def fit_and_predict(features: np.ndarray, labels: np.ndarray, new_features: np.ndarray) -> np.ndarray:
    """Predicts the labels of new photos by ridge regression on standardized features: int (m,).

    The regularization strength is the one with the lowest leave-one-out error, which is computed from the hat matrix
    without fitting again (Allen, 1974).

    Args:
        features: the features of the training photos, float (n, d).
        labels: the labels of the training photos, int (n,).
        new_features: the features of the new photos, float (m, d).
    """
    classes, targets = np.unique(labels, return_inverse=True)
    mean, deviation = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    scale = 1 / np.where(deviation > 0, deviation, 1.0)
    known, new = (features - mean) * scale, (new_features - mean) * scale
    one_hot = np.eye(len(classes))[targets]
    centered = one_hot - one_hot.mean(axis=0)
    values, vectors = np.linalg.eigh(known @ known.T)  # n × n, because there are usually more features than photos
    values = np.maximum(values, 0.0)
    rotated = vectors.T @ centered
    errors = []
    for strength in STRENGTHS:
        shrunk = values / (values + strength)
        leverage = (vectors**2) @ shrunk + 1 / len(labels)
        residuals = centered - vectors @ (shrunk[:, None] * rotated)
        errors.append(float(np.mean((residuals / np.maximum(1 - leverage, 1e-6)[:, None]) ** 2)))
    strength = STRENGTHS[int(np.argmin(errors))]
    weights = known.T @ (vectors @ (rotated / (values + strength)[:, None]))
    predicted: np.ndarray = classes[np.argmax(new @ weights + one_hot.mean(axis=0), axis=1)]
    return predicted
