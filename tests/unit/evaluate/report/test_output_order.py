"""A permuted diagonal in a confusion matrix is recognized, and other matrices are not mistaken for one."""

import numpy as np
import pytest

from components.evaluate.measure.metrics import compute_figures
from components.evaluate.report.output_order import describe_order, find_order


@pytest.mark.parametrize(
    ("matrix", "order"),
    [
        ([[0, 9, 1], [1, 0, 9], [9, 1, 0]], (2, 0, 1)),
        ([[1, 9], [9, 1]], (1, 0)),
        ([[9, 1, 0], [0, 0, 10], [0, 10, 0]], (0, 2, 1)),
        ([[9, 1], [1, 9]], None),
        ([[5, 5], [5, 5]], None),
        ([[0, 10], [0, 10]], None),
        ([[0, 10, 0], [0, 10, 0], [0, 0, 10]], None),
        ([[4, 6], [6, 4]], None),
        ([[0, 9, 1], [9, 0, 1], [0, 0, 100]], None),
        ([[0, 0, 0], [0, 0, 9], [0, 9, 0]], (0, 2, 1)),
        ([[10]], None),
    ],
)
def test_an_output_order_is_suggested_if_it_explains_most_mistakes(
    matrix: list[list[int]], order: tuple[int, ...] | None
) -> None:
    assert find_order(matrix) == order


def test_the_order_of_a_thousand_classes_is_found() -> None:
    order = np.random.default_rng(1).permutation(1000)
    matrix = np.zeros((1000, 1000), int)
    matrix[order, np.arange(1000)] = 5
    found = find_order(matrix)
    assert found is not None
    assert (np.array(found) == order).all()


def test_the_suggestion_names_the_swapped_classes_and_the_order_to_set() -> None:
    labels = np.repeat([0, 1, 2], 10)
    probabilities = np.eye(3)[np.repeat([1, 2, 0], 10)] * 0.98 + 0.01 / 1.5
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    figures = compute_figures(labels, probabilities, ("ape", "monkey", "zebra"), resamples=100, rng=rng)
    (sentence,) = describe_order(figures)
    assert "ape is predicted as monkey" in sentence
    assert "In the order zebra, ape, monkey, the model would classify 100 % correctly instead of 0 %" in sentence
    assert "train.model.class_names" in sentence
