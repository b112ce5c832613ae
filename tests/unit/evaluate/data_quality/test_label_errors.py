"""Which labels are doubtful: cases on both sides of each threshold of the rule."""

import numpy as np
import pytest

from components.evaluate.data_quality.label_errors import HeldOutPredictions, find_label_errors


def doubtful(labels: list[int], probabilities: list[list[float]]) -> list[tuple[int, int, float]]:
    """Returns (photo, suggested class, its probability) for each label error, in order."""
    ids = [str(number) for number in range(len(labels))]
    held_out = HeldOutPredictions(
        ["test"] * len(labels), ids, np.array(labels, np.int32), np.array(probabilities, np.float32)
    )
    return [(int(error.image_id), error.suggested, error.confidence) for error in find_label_errors(held_out)]


@pytest.mark.parametrize(
    ("other", "is_doubtful"),
    [(0.375, False), (0.5, False), (float(np.nextafter(np.float32(0.5), np.float32(1))), True), (0.625, True)],
)
def test_a_label_is_doubtful_only_if_another_class_is_more_probable(other: float, is_doubtful: bool) -> None:
    """For the first photo, class 1 exceeds its mean probability, 0.25, but class 0 does not; so the margin decides."""
    probabilities = [[0.5, other], [1.0, 0.0], [0.5, 0.25]]
    assert doubtful([0, 0, 1], probabilities) == ([(0, 1, other)] if is_doubtful else [])


@pytest.mark.parametrize(("own", "is_doubtful"), [(0.625, True), (0.875, False)])
def test_a_class_is_suggested_if_it_reaches_the_mean_probability_of_its_photos(own: float, is_doubtful: bool) -> None:
    """The mean probability of class 1 for its own photos is `own`; its probability for the first photo is 0.625."""
    assert doubtful([0, 0, 1], [[0.375, 0.625], [1.0, 0.0], [1 - own, own]]) == ([(0, 1, 0.625)] if is_doubtful else [])


def test_a_class_without_photos_is_never_suggested() -> None:
    assert doubtful([0, 0], [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]) == []


def test_the_largest_margin_comes_first() -> None:
    probabilities = [[0.25, 0.75], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5]]
    assert [photo for photo, _, _ in doubtful([0, 0, 0, 0, 1, 1], probabilities)] == [1, 0]


def test_equal_margins_keep_the_order_of_the_photos() -> None:
    probabilities = [[0.25, 0.75], [0.25, 0.75], [1.0, 0.0], [0.5, 0.5]]
    assert [photo for photo, _, _ in doubtful([0, 0, 0, 1], probabilities)] == [0, 1]
