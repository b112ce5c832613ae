"""The photos to label next are unfamiliar or have uncertain or disputed predictions, and differ from each other."""

import numpy as np
import pytest

from components.deploy.monitoring.selection import choose, weigh


@pytest.mark.parametrize(
    ("confidence", "unfamiliar", "disputed", "weights"),
    [
        ([1.0, 0.9, 0.5, 0.25], [None] * 4, [False] * 4, [0, 0.1, 0.5, 0.75]),
        ([0.9] * 4, [0.2, 1.0, 2.0, 1e6], [False] * 4, [0.1, 0.1, 0.5, 1]),
        ([0.9] * 4, [0.2, None, 2.0, 0.5], [True, False, True, False], [1, 0.1, 1, 0.1]),
    ],
)
def test_the_weight_of_a_photo_depends_on_uncertainty_unfamiliarity_and_disputes(
    confidence: list[float], unfamiliar: list[float | None], disputed: list[bool], weights: list[float]
) -> None:
    result = weigh(np.array(confidence, np.float32), unfamiliar, np.array(disputed))
    np.testing.assert_allclose(result, weights, atol=1e-5)


def test_different_photos_are_chosen_before_copies_of_a_chosen_photo() -> None:
    embeddings = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [-1, 0]], np.float32)
    weights = np.array([0.9, 0.9, 0.9, 0.5, 0.2], np.float32)
    assert choose(weights, embeddings, 3) == [0, 3, 4]


def test_only_one_of_many_disputed_copies_is_chosen() -> None:
    rng = np.random.default_rng(0)
    flood = np.repeat(rng.normal(size=(1, 8)), 500, axis=0) + rng.normal(scale=1e-4, size=(500, 8))
    others = rng.normal(size=(20, 8))
    weights = np.concatenate([np.ones(500), np.full(20, 0.3)]).astype(np.float32)
    chosen = choose(weights, np.concatenate([flood, others]).astype(np.float32), 15)
    assert sum(index < 500 for index in chosen) == 1


def test_each_photo_is_chosen_at_most_once() -> None:
    embeddings = np.zeros((5, 3), np.float32)  # zero vectors have no direction, so all photos count as similar
    assert sorted(choose(np.zeros(5, np.float32), embeddings, 50)) == [0, 1, 2, 3, 4]
