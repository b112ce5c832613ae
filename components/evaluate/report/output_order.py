"""Detects outputs whose order differs from that of the classes: the confusion matrix is then a permuted diagonal."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from components.contract.artifacts.figures import Figures
from components.contract.text import join_names
from components.evaluate.formatting import percent

MIN_GAIN: Final = 0.3
"""The minimum increase in accuracy that reordering the outputs must bring."""
MIN_SHARE: Final = 0.5
"""Of each swapped class, more than this share of the photos must be predicted as the same other class."""
MAX_SWAPS: Final = 5


def find_order(confusion_matrix: ArrayLike) -> tuple[int, ...] | None:
    """The class that each output seems to represent; None if the outputs seem to be in the same order as the classes.

    The Hungarian method finds the assignment of classes to outputs with which most photos are classified correctly.

    Args:
        confusion_matrix: number of photos, [true class][output].
    """
    from scipy.optimize import linear_sum_assignment

    matrix = np.asarray(confusion_matrix)
    outputs = linear_sum_assignment(matrix, maximize=True)[1]
    classes = np.arange(len(matrix))
    num_photos = matrix.sum(axis=1)
    moved = (outputs != classes) & (num_photos > 0)
    gain = matrix[classes, outputs].sum() - np.trace(matrix)
    shares = matrix[classes, outputs][moved] / num_photos[moved]
    if moved.sum() < 2 or gain < MIN_GAIN * num_photos.sum() or shares.min() <= MIN_SHARE:
        return None
    return tuple(np.argsort(outputs).tolist())


def describe_order(test: Figures) -> list[str]:
    """A sentence if the order of the model's outputs seems to differ from that of the classes; otherwise empty."""
    order = find_order(test.confusion_matrix)
    if order is None:
        return []
    names = [class_figures.class_name for class_figures in test.per_class]
    swaps = [f"{names[true]} is predicted as {names[output]}" for output, true in enumerate(order) if true != output]
    num_correct = sum(test.confusion_matrix[true][output] for output, true in enumerate(order))
    return [
        f"The order of the model's outputs seems to differ from that of the classes: {join_names(swaps[:MAX_SWAPS])}"
        f"{' …' if len(swaps) > MAX_SWAPS else ''}. In the order {', '.join(names[true] for true in order)}, the "
        f"model would classify {percent(num_correct / test.num_images)} correctly instead of "
        f"{percent(test.accuracy.value)}. If this model is used unchanged, list its classes in that order "
        "(train.model.class_names); otherwise check the labels."
    ]
