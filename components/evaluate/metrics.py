"""Figures of a classifier on one split; scikit-learn does the maths."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from components.contract.evaluation import Averages, ClassFigures, ConfusedPair, Figures, Interval

CONFIDENCE = 0.95
MOST_CONFUSED = 10
RESAMPLES_AT_ONCE = 500


def figures(
    labels: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    *,
    resamples: int,
    rng: np.random.Generator,
) -> Figures:
    """Every figure of one split.

    Args:
        labels: int32 (n,), n ≥ 1.
        probabilities: float32 (n, classes), finite, each row sums to 1.
        class_names: in the order of the labels.
        resamples: of the photos, behind the interval of macro F1.
        rng: draws them.
    """
    from sklearn.metrics import confusion_matrix, log_loss

    num_classes = len(class_names)
    predicted = probabilities.argmax(axis=1)
    matrix = confusion_matrix(labels, predicted, labels=np.arange(num_classes))
    num_images, num_correct = int(matrix.sum()), int(np.trace(matrix))
    # float32 rows sum to 1 within 1e-7 only, of which log_loss would complain.
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    return Figures(
        num_images=num_images,
        num_correct=num_correct,
        accuracy=wilson_interval(num_correct, num_images),
        macro_f1=bootstrap_macro_f1(matrix, resamples=resamples, rng=rng),
        macro=_averages(labels, predicted, "macro"),
        weighted=_averages(labels, predicted, "weighted"),
        log_loss=float(log_loss(labels, exact, labels=np.arange(num_classes))),
        top_2_accuracy=_top_k_accuracy(labels, probabilities, 2),
        top_5_accuracy=_top_k_accuracy(labels, probabilities, 5),
        absent_classes=tuple(
            name for name, row in zip(class_names, matrix.sum(axis=1), strict=True) if row == 0
        ),
        per_class=_per_class(labels, predicted, matrix, class_names),
        confusion_matrix=tuple(tuple(row) for row in matrix.tolist()),
        most_confused=most_confused(matrix, class_names),
    )  # fmt: skip


def wilson_interval(num_correct: int, num_images: int) -> Interval:
    """A share with its 95 % score interval (Wilson, 1927).

    A bootstrap would call a model that made no mistake on 30 photos certain to make none: every resample of 30 right
    answers is 30 right answers, and its interval is [1, 1]. Wilson's interval is [0.89, 1] there, as it should be.

    Args:
        num_correct: from 0 to num_images.
        num_images: at least 1.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    centre = num_correct + z**2 / 2
    reach = z * math.sqrt(num_correct * (num_images - num_correct) / num_images + z**2 / 4)
    value = num_correct / num_images
    low, high = ((centre + sign * reach) / (num_images + z**2) for sign in (-1, 1))
    return Interval(value=value, low=max(0.0, min(low, value)), high=min(1.0, max(high, value)))


def bootstrap_macro_f1(matrix: np.ndarray, *, resamples: int, rng: np.random.Generator) -> Interval:
    """Macro F1 with its 95 % percentile bootstrap interval.

    Drawing n photos with replacement is drawing the cells of the confusion matrix from a multinomial distribution,
    so no resample ever touches a photo. Where all photos are right, or all are wrong, no two resamples differ; macro
    F1 is then 1 or 0 exactly as accuracy is, and gets accuracy's Wilson interval.

    Args:
        matrix: int64 (classes, classes), photos by true and by predicted class; at least one photo.
        resamples: how many.
        rng: draws them.
    """
    num_images, num_correct = int(matrix.sum()), int(np.trace(matrix))
    if num_correct in (0, num_images):
        return wilson_interval(num_correct, num_images)
    true, predicted = np.nonzero(matrix)
    shares = matrix[true, predicted] / num_images
    one_hot = np.eye(len(matrix))
    scores = []
    for start in range(0, resamples, RESAMPLES_AT_ONCE):
        size = min(RESAMPLES_AT_ONCE, resamples - start)
        drawn = rng.multinomial(num_images, shares, size=size).astype(np.float64)  # float: BLAS multiplies it
        num_true, num_predicted = drawn @ one_hot[true], drawn @ one_hot[predicted]
        num_right = drawn @ (one_hot[true] * (true == predicted)[:, None])
        scores.append(macro_f1(num_right, num_true, num_predicted))
    value = float(macro_f1(np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)))
    low, high = np.quantile(np.concatenate(scores), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value=value, low=min(float(low), value), high=max(float(high), value))


def macro_f1(num_right: np.ndarray, num_true: np.ndarray, num_predicted: np.ndarray) -> np.ndarray:
    """The mean F1 of the classes that have photos: (…,), from three arrays (…, classes) of counts."""
    present = num_true > 0
    f1 = np.where(present, 2 * num_right / np.maximum(num_true + num_predicted, 1), 0.0)
    mean: np.ndarray = f1.sum(axis=-1) / present.sum(axis=-1)
    return mean


def most_confused(matrix: np.ndarray, class_names: Sequence[str]) -> tuple[ConfusedPair, ...]:
    """The commonest mistakes, at most ten; among equals the one with the larger share of its class comes first."""
    num_true = matrix.sum(axis=1)
    pairs = [
        ConfusedPair(
            class_name=class_names[true], predicted_as=class_names[predicted],
            num_images=int(matrix[true, predicted]), share=float(matrix[true, predicted] / num_true[true]),
        )
        for true, predicted in zip(*np.nonzero(matrix), strict=True) if true != predicted
    ]  # fmt: skip
    return tuple(sorted(pairs, key=lambda pair: (-pair.num_images, -pair.share))[:MOST_CONFUSED])


def _averages(labels: np.ndarray, predicted: np.ndarray, average: str) -> Averages:
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, labels=np.unique(labels), average=average, zero_division=0.0
    )
    return Averages(precision=float(precision), recall=float(recall), f1=float(f1))


def _per_class(
    labels: np.ndarray, predicted: np.ndarray, matrix: np.ndarray, class_names: Sequence[str]
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
            precision=_number(precision[label]),
            recall=wilson_interval(int(matrix[label, label]), int(num_images[label])) if num_images[label] else None,
            f1=_number(f1[label]) if num_images[label] else None,
        )
        for label, name in enumerate(class_names)
    )


def _top_k_accuracy(labels: np.ndarray, probabilities: np.ndarray, k: int) -> float | None:
    """None where k classes are all that there are, or nearly chance."""
    from sklearn.metrics import top_k_accuracy_score

    num_classes = probabilities.shape[1]
    if num_classes <= k:
        return None
    return float(top_k_accuracy_score(labels, probabilities, k=k, labels=np.arange(num_classes)))


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
