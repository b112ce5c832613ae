"""How well probabilities rank photos, class against class: ROC AUC and average precision with bootstrap intervals."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

RESAMPLES_AT_ONCE = 128
BLOCK = 32
TRIANGLE = np.tril(np.ones((BLOCK, BLOCK), np.float32))


@dataclass(frozen=True)
class Ranking:
    """One figure per class against the rest.

    Attributes:
        roc_auc: float64 (classes,), NaN for a class that has no photo, or all of them.
        average_precision: the same.
    """

    roc_auc: np.ndarray
    average_precision: np.ndarray


def rank(labels: np.ndarray, probabilities: np.ndarray) -> Ranking:
    """The figures of scikit-learn, class by class.

    Args:
        labels: int32 (n,).
        probabilities: float32 (n, classes).
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    figures = np.full((2, probabilities.shape[1]), np.nan)
    for label in ranked_classes(labels):
        right = labels == label
        figures[:, label] = (
            roc_auc_score(right, probabilities[:, label]),
            average_precision_score(right, probabilities[:, label]),
        )
    return Ranking(*figures)


def ranked_classes(labels: np.ndarray) -> np.ndarray:
    """The classes that have photos, where there are others to rank them against."""
    found = np.unique(labels)
    return found if len(found) > 1 else found[:0]


@dataclass(frozen=True)
class Resampled:
    """Figures of each bootstrap resample.

    Attributes:
        roc_auc: float64 (resamples,), the mean over the classes that a resample holds.
        average_precision: the same.
        log_loss: the same, over photos.
    """

    roc_auc: np.ndarray
    average_precision: np.ndarray
    log_loss: np.ndarray


def resample(
    labels: np.ndarray, probabilities: np.ndarray, losses: np.ndarray, *, resamples: int, rng: np.random.Generator
) -> Resampled:
    """Draws photos with replacement; a resample is a weight per photo, so that the photos are sorted only once.

    Args:
        labels: int32 (n,).
        probabilities: float32 (n, classes).
        losses: float64 (n,), of each photo.
        resamples: how many.
        rng: draws them.
    """
    classes = [_Order(labels == label, probabilities[:, label]) for label in ranked_classes(labels)]
    chunks = []
    for start in range(0, resamples, RESAMPLES_AT_ONCE):
        weights = draw_weights(len(labels), min(RESAMPLES_AT_ONCE, resamples - start), rng)
        ranked = np.array([order.figures(weights) for order in classes] or np.zeros((0, 2, weights.shape[1])))
        counted = np.maximum((~np.isnan(ranked)).sum(axis=0), 1)
        chunks.append([*(np.nansum(ranked, axis=0) / counted), losses @ weights / len(labels)])
    return Resampled(*np.concatenate(chunks, axis=1))


def draw_weights(num_images: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each photo is drawn: float32 (num_images, resamples); each column sums to num_images."""
    # Each resample is counted by itself: its counters stay in the processor's cache.
    counts = [np.bincount(rng.integers(0, num_images, num_images), minlength=num_images) for _ in range(resamples)]
    return np.ascontiguousarray(np.array(counts, np.float32).T)


def cumulate(values: np.ndarray) -> np.ndarray:
    """The running sums of each column: float32 (n, m); NumPy's own is slow along this axis.

    Args:
        values: float32 (n, m), whole numbers, which float32 sums exactly up to 16 million.
    """
    num, width = values.shape
    blocks = -(-num // BLOCK)
    padded = np.zeros((blocks, BLOCK, width), np.float32)
    padded.reshape(-1, width)[:num] = values
    # Within blocks the sums are a product with a triangle of ones, which BLAS does; then the blocks are added up.
    sums = np.matmul(TRIANGLE, padded)
    sums[1:] += np.cumsum(sums[:-1, -1], axis=0)[:, None]
    cumulated: np.ndarray = sums.reshape(-1, width)[:num]
    return cumulated


class _Order:
    """The photos by their probability of one class, the highest first, in segments that sums are taken over.

    Photos of equal probability share a segment: their order says nothing.
    """

    def __init__(self, right: np.ndarray, scores: np.ndarray):
        order = np.argsort(-scores, kind="stable")
        new_score = np.diff(scores[order], prepend=np.inf) != 0
        group = np.cumsum(new_score) - 1
        has_right = np.bincount(group, right[order]) > 0
        # Neighbouring groups without a photo of the class give one sum together.
        opens = has_right | np.concatenate([[True], has_right[:-1]])
        segment = (np.cumsum(opens) - 1)[group]
        self._all = _sums(segment, order, len(scores))
        self._right = _sums(segment[right[order]], order[right[order]], len(scores), self._all.shape[0])

    def figures(self, weights: np.ndarray) -> np.ndarray:
        """ROC AUC and average precision: float64 (2, resamples), NaN where a resample lacks the class or the rest.

        Args:
            weights: float32 (n, resamples).
        """
        right, everything = self._right @ weights, self._all @ weights
        right_above, all_above = cumulate(right), cumulate(everything)
        num_right, num_wrong = right_above[-1], all_above[-1] - right_above[-1]
        wrong_below = num_wrong - all_above + right_above + (everything - right) / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            roc_auc = np.einsum("sr,sr->r", right, wrong_below) / (num_right.astype(np.float64) * num_wrong)
            precision = np.einsum("sr,sr->r", right, right_above / np.maximum(all_above, 1)) / num_right
        return np.where((num_right > 0) & (num_wrong > 0), [roc_auc, precision], np.nan)


def _sums(segment: np.ndarray, photos: np.ndarray, num_images: int, num_segments: int | None = None) -> "csr_matrix":
    """A matrix that sums the photos of each segment."""
    from scipy.sparse import csr_matrix

    rows = num_segments or int(segment[-1]) + 1
    starts = np.searchsorted(segment, np.arange(rows + 1))
    return csr_matrix((np.ones(len(photos), np.float32), photos, starts), shape=(rows, num_images))
