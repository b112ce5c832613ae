"""Computes the metrics of a classifier on one split, mostly with scikit-learn."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from components.contract.artifacts.figures import (
    CONFIDENCE,
    Averages,
    ClassFigures,
    ConfusedPair,
    Figures,
    Interval,
    matrix_cells,
    wilson_interval,
)
from components.evaluate.measure.ranking import RESAMPLES_AT_ONCE, Ranking, rank, resample

MOST_CONFUSED = 10
NUM_BINS = 15
"""The number of confidence bins for the calibration error."""


def compute_figures(
    labels: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    *,
    resamples: int,
    rng: np.random.Generator,
) -> Figures:
    """Computes all metrics of one split.

    Args:
        labels: int32 (n,), n ≥ 1.
        probabilities: float32 (n, classes), finite; each row sums to 1.
        class_names: in the order of the labels.
        resamples: number of bootstrap resamples of the photos, for the intervals.
        rng: draws the resamples.
    """
    from sklearn.metrics import confusion_matrix

    num_classes = len(class_names)
    predicted = probabilities.argmax(axis=1)
    matrix = confusion_matrix(labels, predicted, labels=np.arange(num_classes))
    num_images, num_correct = int(matrix.sum()), int(np.trace(matrix))
    matrix_intervals = bootstrap_matrix(matrix, resamples=resamples, rng=rng)
    ranking = rank(labels, probabilities)
    photo_figures = {name: metric(labels, probabilities) for name, metric in PHOTO_METRICS.items()}
    resampled = resample(labels, probabilities, photo_figures, resamples=resamples, rng=rng)
    photo_intervals = {
        name: percentile_interval(float(figures.mean()), resampled.photo_means[name])
        for name, figures in photo_figures.items()
    }
    return Figures(
        num_images=num_images,
        num_correct=num_correct,
        accuracy=wilson_interval(num_correct, num_images),
        **matrix_intervals | photo_intervals,  # type: ignore[arg-type]  # figures of MATRIX_METRICS and PHOTO_METRICS
        macro=_averages(labels, predicted, "macro"),
        weighted=_averages(labels, predicted, "weighted"),
        roc_auc=_mean_interval(ranking.roc_auc, resampled.roc_auc),
        average_precision=_mean_interval(ranking.average_precision, resampled.average_precision),
        calibration_error=calibration_error(labels, probabilities),
        top_2_accuracy=_top_k_accuracy(labels, probabilities, 2),
        top_5_accuracy=_top_k_accuracy(labels, probabilities, 5),
        absent_classes=tuple(name for name, row in zip(class_names, matrix.sum(axis=1), strict=True) if row == 0),
        per_class=_per_class(labels, predicted, matrix, class_names, ranking),
        confusions=matrix_cells(matrix),
        most_confused=confused_pairs(matrix, class_names)[:MOST_CONFUSED],
    )


def bootstrap_matrix(matrix: np.ndarray, *, resamples: int, rng: np.random.Generator) -> dict[str, Interval]:
    """The metrics of MATRIX_METRICS by name, with 95 % percentile bootstrap intervals.

    Drawing n photos with replacement is equivalent to drawing the cells of the confusion matrix from a multinomial
    distribution, so the matrix alone is sufficient. If all predictions are correct, or all are wrong, the
    resamples are identical. The metrics are then 1 or 0, like accuracy, and get its Wilson interval; for kappa, this
    interval is corrected for chance.

    Args:
        matrix: int64 (classes, classes), number of photos by true and predicted class; at least one photo.
        resamples: number of resamples.
        rng: draws the resamples.
    """
    from scipy.sparse import csr_matrix

    num_true, num_predicted, num_right = matrix.sum(axis=1), matrix.sum(axis=0), np.diag(matrix)
    num_images, num_correct = int(matrix.sum()), int(num_right.sum())
    kappa = float(cohen_kappa(num_right, num_true, num_predicted))
    if num_correct in (0, num_images):
        accuracy = wilson_interval(num_correct, num_images)
        chance = float(num_true @ num_predicted / num_images**2)
        low, high = (0.0 if chance == 1 else (end - chance) / (1 - chance) for end in (accuracy.low, accuracy.high))
        beyond_chance = Interval(value=kappa, low=min(low, kappa), high=max(high, kappa))
        return dict.fromkeys(MATRIX_METRICS, accuracy) | {"cohen_kappa": beyond_chance}
    true_labels, predicted_labels = np.nonzero(matrix)
    num_classes, num_cells, cells = len(matrix), len(true_labels), np.arange(len(true_labels))
    is_right = (true_labels == predicted_labels).astype(np.float64)
    # Sparse matrices: with 1,000 classes, each cell adds to only three of 3,000 sums.
    right, true, predicted = (
        csr_matrix((weights, (cells, labels)), shape=(num_cells, num_classes))
        for weights, labels in (
            (is_right, true_labels),
            (np.ones(num_cells), true_labels),
            (np.ones(num_cells), predicted_labels),
        )
    )
    shares = matrix[true_labels, predicted_labels] / num_images
    blocks = []
    for start in range(0, resamples, RESAMPLES_AT_ONCE):
        size = min(RESAMPLES_AT_ONCE, resamples - start)
        drawn = rng.multinomial(num_images, shares, size=size).astype(np.float64)
        counts = drawn @ right, drawn @ true, drawn @ predicted
        blocks.append([metric(*counts) for metric in MATRIX_METRICS.values()])
    observed_counts = num_right, num_true, num_predicted
    return {
        name: percentile_interval(float(metric(*observed_counts)), resampled)
        for (name, metric), resampled in zip(MATRIX_METRICS.items(), np.concatenate(blocks, axis=1), strict=True)
    }


def percentile_interval(value: float, resampled: np.ndarray) -> Interval:
    """The value of a metric, with the middle 95 % of its bootstrap resamples as its interval."""
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value=value, low=min(float(low), value), high=max(float(high), value))


def balanced_accuracy(num_right: np.ndarray, num_true: np.ndarray, _num_predicted: np.ndarray) -> np.ndarray:
    """The mean recall of the classes that have photos: (…,), from three arrays (…, classes) of counts."""
    mean: np.ndarray = (num_right / np.maximum(num_true, 1)).sum(axis=-1) / (num_true > 0).sum(axis=-1)
    return mean


def cohen_kappa(num_right: np.ndarray, num_true: np.ndarray, num_predicted: np.ndarray) -> np.ndarray:
    """The accuracy beyond chance: (…,), from three arrays (…, classes) of counts; 0 if the chance agreement is 1."""
    num_images = num_true.sum(axis=-1)
    chance = (num_true * num_predicted).sum(axis=-1) / num_images**2
    kappa: np.ndarray = (num_right.sum(axis=-1) / num_images - chance) / np.where(chance < 1, 1 - chance, 1)
    return kappa


def macro_f1(num_right: np.ndarray, num_true: np.ndarray, num_predicted: np.ndarray) -> np.ndarray:
    """The mean F1 of the classes that have photos: (…,), from three arrays (…, classes) of counts."""
    present = num_true > 0
    f1 = np.where(present, 2 * num_right / np.maximum(num_true + num_predicted, 1), 0.0)
    mean: np.ndarray = f1.sum(axis=-1) / present.sum(axis=-1)
    return mean


MATRIX_METRICS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "macro_f1": macro_f1,
    "balanced_accuracy": balanced_accuracy,
    "cohen_kappa": cohen_kappa,
}
"""The metrics that follow from the confusion matrix, by the names of their fields in `Figures`."""


def photo_losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The negative log probability of each photo's true class: float64 (n,)."""
    # Rows of float32 probabilities sum to 1 only to within 1e-7.
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    losses: np.ndarray = -np.log(np.maximum(exact[np.arange(len(labels)), labels], np.finfo(np.float64).eps))
    return losses


PHOTO_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "log_loss": photo_losses,
}
"""The metrics that are means over the photos, by the names of their fields in `Figures`."""


def calibration_error(labels: np.ndarray, probabilities: np.ndarray, num_bins: int = NUM_BINS) -> float:
    """The expected calibration error (Naeini et al., 2015): the mean |confidence − accuracy|, weighted by bin size."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    bins = confidence_bins(confidence, num_bins)
    gaps = np.bincount(bins, confidence - correct, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(labels))


def confidence_bins(confidence: np.ndarray, num_bins: int = NUM_BINS) -> np.ndarray:
    """The index of the bin that each probability falls into, among bins of equal width: int64 (n,)."""
    return np.minimum((confidence * num_bins).astype(np.int64), num_bins - 1)


def confused_pairs(matrix: np.ndarray, class_names: Sequence[str]) -> tuple[ConfusedPair, ...]:
    """All confused pairs, the most common first; ties are sorted by share of the class, the largest first."""
    num_true = matrix.sum(axis=1)
    pairs = [
        ConfusedPair(
            class_name=class_names[true],
            predicted_as=class_names[predicted],
            num_images=int(matrix[true, predicted]),
            share=float(matrix[true, predicted] / num_true[true]),
        )
        for true, predicted in zip(*np.nonzero(matrix), strict=True)
        if true != predicted
    ]
    return tuple(sorted(pairs, key=lambda pair: (-pair.num_images, -pair.share)))


def _averages(labels: np.ndarray, predicted: np.ndarray, average: str) -> Averages:
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, labels=np.unique(labels), average=average, zero_division=0.0
    )
    return Averages(precision=float(precision), recall=float(recall), f1=float(f1))


def _per_class(
    labels: np.ndarray, predicted: np.ndarray, matrix: np.ndarray, class_names: Sequence[str], ranking: Ranking
) -> tuple[ClassFigures, ...]:
    from sklearn.metrics import precision_recall_fscore_support

    precision, _, f1, num_images = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(class_names)), zero_division=np.nan
    )
    return tuple(
        ClassFigures(
            class_name=name,
            num_images=int(num_images[label]),
            num_predicted=int(matrix[:, label].sum()),
            precision=_none_if_nan(precision[label]),
            recall=wilson_interval(int(matrix[label, label]), int(num_images[label])) if num_images[label] else None,
            f1=_none_if_nan(f1[label]) if num_images[label] else None,
            roc_auc=_none_if_nan(ranking.roc_auc[label]),
            average_precision=_none_if_nan(ranking.average_precision[label]),
        )
        for label, name in enumerate(class_names)
    )


def _mean_interval(class_figures: np.ndarray, resampled: np.ndarray) -> Interval | None:
    """The mean over the classes that can be ranked, with its interval; None if there are no such classes."""
    defined = class_figures[~np.isnan(class_figures)]
    return percentile_interval(float(defined.mean()), resampled) if len(defined) else None


def _top_k_accuracy(labels: np.ndarray, probabilities: np.ndarray, k: int) -> float | None:
    """The top-k accuracy; None if there are k classes or fewer."""
    from sklearn.metrics import top_k_accuracy_score

    num_classes = probabilities.shape[1]
    if num_classes <= k:
        return None
    return float(top_k_accuracy_score(labels, probabilities, k=k, labels=np.arange(num_classes)))


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
