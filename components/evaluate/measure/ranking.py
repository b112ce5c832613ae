"""Measures how well probabilities rank photos, each class versus the rest: ROC AUC and average precision."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

RESAMPLES_AT_ONCE = 128
MAX_DRAWS = 4_000_000_000
"""The maximum of classes × photos × resamples. For many photos of many classes, there are fewer resamples, but at least
MIN_RESAMPLES."""
MIN_RESAMPLES = 100
BLOCK = 32
TRIANGLE = np.tril(np.ones((BLOCK, BLOCK), np.float32))


@dataclass(frozen=True)
class Ranking:
    """The ranking metrics of each class versus the rest.

    Attributes:
        roc_auc: float64 (classes,), NaN for a class that has none of the photos, or all of them.
        average_precision: float64 (classes,), NaN for the same classes.
    """

    roc_auc: np.ndarray
    average_precision: np.ndarray


def rank(labels: np.ndarray, probabilities: np.ndarray) -> Ranking:
    """Computes the same metrics as scikit-learn, but without its checks, which take a minute for 1,000 classes.

    Args:
        labels: int32 (n,).
        probabilities: float32 (n, classes).
    """
    figures = np.full((2, probabilities.shape[1]), np.nan)
    every_photo = np.ones((len(labels), 1), np.float32)
    for label in ranked_classes(labels):
        figures[:, label] = _Order(labels == label, probabilities[:, label]).ranking_figures(every_photo)[:, 0]
    return Ranking(*figures)


def ranked_classes(labels: np.ndarray) -> np.ndarray:
    """The classes that have photos; empty if there is only one, because there is no other class to rank it against."""
    present_labels = np.unique(labels)
    return present_labels if len(present_labels) > 1 else present_labels[:0]


@dataclass(frozen=True)
class ResampledFigures:
    """The metrics of each bootstrap resample.

    Attributes:
        roc_auc: float64 (resamples,), the mean over the classes in a resample.
        average_precision: float64 (resamples,), the mean over the same classes.
        photo_means: for each metric name, float64 (resamples,): the mean over the photos in a resample.
    """

    roc_auc: np.ndarray
    average_precision: np.ndarray
    photo_means: dict[str, np.ndarray]


def resample(
    labels: np.ndarray,
    probabilities: np.ndarray,
    photo_figures: dict[str, np.ndarray],
    *,
    resamples: int,
    rng: np.random.Generator,
) -> ResampledFigures:
    """Computes the metrics of bootstrap resamples; a resample is a weight per photo, so photos are sorted only once.

    Args:
        labels: int32 (n,).
        probabilities: float32 (n, classes).
        photo_figures: for each metric name, float64 (n,): the value of each photo.
        resamples: number of resamples.
        rng: draws the resamples.
    """
    ranked = ranked_classes(labels)
    resamples = max(min(resamples, MIN_RESAMPLES), min(resamples, MAX_DRAWS // max(1, len(ranked) * len(labels))))
    weight_blocks = [
        draw_weights(len(labels), min(RESAMPLES_AT_ONCE, resamples - start), rng)
        for start in range(0, resamples, RESAMPLES_AT_ONCE)
    ]
    sums, num_ranked = np.zeros((2, resamples)), np.zeros((2, resamples))
    # One class at a time: the photo orders of 1,000 classes would not fit into memory.
    for label in ranked:
        order = _Order(labels == label, probabilities[:, label])
        class_figures = np.concatenate([order.ranking_figures(weights) for weights in weight_blocks], axis=1)
        sums += np.nan_to_num(class_figures)
        num_ranked += ~np.isnan(class_figures)
    photo_means = {
        name: np.concatenate([figures @ weights / len(labels) for weights in weight_blocks])
        for name, figures in photo_figures.items()
    }
    roc_auc, average_precision = sums / np.maximum(num_ranked, 1)
    return ResampledFigures(roc_auc, average_precision, photo_means)


def draw_weights(num_images: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each photo is drawn: float32 (num_images, resamples); each column sums to num_images."""
    # Resamples are counted one at a time, so that the counters stay in the processor's cache.
    counts = [np.bincount(rng.integers(0, num_images, num_images), minlength=num_images) for _ in range(resamples)]
    return np.ascontiguousarray(np.array(counts, np.float32).T)


def cumulate(values: np.ndarray) -> np.ndarray:
    """The running sums of each column: float32 (n, m); NumPy's `cumsum` is slow along this axis.

    Args:
        values: float32 (n, m), whole numbers; float32 sums these exactly up to 16 million.
    """
    num, width = values.shape
    blocks = -(-num // BLOCK)
    padded = np.zeros((blocks, BLOCK, width), np.float32)
    padded.reshape(-1, width)[:num] = values
    # A product with a triangular matrix of ones yields the running sums within each block; then the totals of the
    # earlier blocks are added.
    sums = np.matmul(TRIANGLE, padded)
    sums[1:] += np.cumsum(sums[:-1, -1], axis=0)[:, None]
    cumulated: np.ndarray = sums.reshape(-1, width)[:num]
    return cumulated


class _Order:
    """The photos, sorted by their probability of one class, the highest first, and divided into segments to sum over.

    Photos of equal probability share a segment, because their order has no meaning.
    """

    def __init__(self, is_positive: np.ndarray, scores: np.ndarray):
        order = np.argsort(-scores, kind="stable")
        new_score = np.diff(scores[order], prepend=np.inf) != 0
        group = np.cumsum(new_score) - 1
        has_positive = np.bincount(group, is_positive[order]) > 0
        # Neighboring groups without a photo of the class share a segment.
        starts_segment = has_positive | np.concatenate([[True], has_positive[:-1]])
        segment = (np.cumsum(starts_segment) - 1)[group]
        self._photos = _segment_sums(segment, order, len(scores))
        self._positives = _segment_sums(
            segment[is_positive[order]], order[is_positive[order]], len(scores), self._photos.shape[0]
        )

    def ranking_figures(self, weights: np.ndarray) -> np.ndarray:
        """ROC AUC and average precision: float64 (2, resamples); NaN if a resample has no positives or no negatives.

        Args:
            weights: float32 (n, resamples).
        """
        positives, photos = self._positives @ weights, self._photos @ weights
        positives_above, photos_above = cumulate(positives), cumulate(photos)
        num_positives, num_negatives = positives_above[-1], photos_above[-1] - positives_above[-1]
        negatives_below = num_negatives - photos_above + positives_above + (photos - positives) / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            num_pairs = num_positives.astype(np.float64) * num_negatives
            roc_auc = np.einsum("sr,sr->r", positives, negatives_below) / num_pairs
            precision = np.einsum("sr,sr->r", positives, positives_above / np.maximum(photos_above, 1)) / num_positives
        return np.where((num_positives > 0) & (num_negatives > 0), [roc_auc, precision], np.nan)


def _segment_sums(
    segment: np.ndarray, photo_indices: np.ndarray, num_images: int, num_segments: int | None = None
) -> "csr_matrix":
    """A matrix that, multiplied by the photos' weights, sums the weights of each segment."""
    from scipy.sparse import csr_matrix

    rows = num_segments or int(segment[-1]) + 1
    starts = np.searchsorted(segment, np.arange(rows + 1))
    return csr_matrix((np.ones(len(photo_indices), np.float32), photo_indices, starts), shape=(rows, num_images))
