"""Temperature, abstention and familiarity: fitted if possible, harmless otherwise."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from components.contract.artifacts.dataset import open_split
from components.contract.inference.calibration import to_unit_length
from components.contract.inference.graph import InferenceGraph, Outputs, softmax
from components.evaluate.measure.calibration import (
    MIN_ANSWERED,
    Embedder,
    draw_reference,
    find_abstention,
    fit_temperature,
    sweep_thresholds,
)
from components.evaluate.measure.out_of_distribution import OUT_OF_DISTRIBUTION
from tests.support.artifacts import make_bundle, make_dataset


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_that_distorted_the_logits_is_found(factor: float) -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, (4000, 5))
    labels = np.array([rng.choice(5, p=row / row.sum()) for row in softmax(true).astype(np.float64)])
    assert fit_temperature((factor * true).astype(np.float32), labels) == pytest.approx(factor, rel=0.08)


@pytest.mark.parametrize("logits", [np.zeros((6, 3)), np.full((6, 3), 4.0), 50 * np.eye(3)[[0, 1, 2, 0, 1, 2]]])
def test_constant_and_perfect_logits_lead_to_a_reasonable_temperature(logits: np.ndarray) -> None:
    assert 0.1 <= fit_temperature(logits.astype(np.float32), np.array([0, 1, 2, 0, 1, 2])) <= 20


def test_always_wrong_answers_become_less_confident() -> None:
    logits = 20 * np.eye(3, dtype=np.float32)[[0] * 30]
    assert fit_temperature(logits, np.array([1] * 30)) > 10


def test_the_lowest_threshold_that_reaches_the_target_is_chosen() -> None:
    confidence = np.linspace(0.5, 0.99, 50)
    correct = confidence > 0.6
    probabilities = np.stack([confidence, 1 - confidence], axis=1).astype(np.float32)
    abstention = find_abstention(probabilities, np.where(correct, 0, 1), target=0.95)
    assert abstention.threshold is not None
    is_answered = confidence >= abstention.threshold - 1e-6
    assert abstention.accuracy == pytest.approx(correct[is_answered].mean())
    assert abstention.accuracy >= 0.95
    assert abstention.coverage == pytest.approx(is_answered.mean())
    is_answered_below = confidence >= confidence[~is_answered].max() - 1e-6
    assert correct[is_answered_below].mean() < 0.95


def test_all_photos_are_answered_if_no_threshold_is_needed_or_none_helps() -> None:
    probabilities = np.tile(np.array([[0.7, 0.3]], np.float32), (40, 1))
    fine = find_abstention(probabilities, np.zeros(40, int), 0.95)
    assert (fine.threshold, fine.coverage, fine.accuracy) == (0.0, 1.0, 1.0)
    hopeless = find_abstention(probabilities, np.ones(40, int), 0.95)
    assert (hopeless.threshold, hopeless.coverage, hopeless.accuracy) == (None, 1.0, 0.0)


@pytest.mark.parametrize(("target", "threshold"), [(0.9, 0.7), (np.nextafter(0.9, 1), 0.8)])
def test_a_target_that_is_met_exactly_counts_as_reached(target: float, threshold: float) -> None:
    """All 10 photos with confidence 0.8 are correct, as are 18 of the 20 with at least 0.7, and 18 of all 30."""
    confidence = np.repeat(np.array([0.8, 0.7, 0.6], np.float32), 10)
    labels = np.array([0] * 10 + [0] * 8 + [1] * 2 + [1] * 10)
    abstention = find_abstention(np.stack([confidence, 1 - confidence], axis=1), labels, float(target))
    assert abstention.threshold == np.float32(threshold)
    assert not (confidence[:10] < abstention.threshold).any(), "the model must not abstain at a confidence of 0.8"


@pytest.mark.parametrize(("num_sure", "threshold"), [(MIN_ANSWERED, 0.9), (MIN_ANSWERED - 1, None)])
def test_a_threshold_leaves_enough_photos_with_an_answer(num_sure: int, threshold: float | None) -> None:
    confidence = np.array([0.9] * num_sure + [0.6] * 30, np.float32)
    labels = np.array([0] * num_sure + [1] * 30)
    abstention = find_abstention(np.stack([confidence, 1 - confidence], axis=1), labels, 0.95)
    assert abstention.threshold == (None if threshold is None else np.float32(threshold))


def test_answers_with_equal_confidence_are_treated_equally() -> None:
    thresholds, accuracy, coverage = sweep_thresholds(
        np.array([0.9, 0.8, 0.8, 0.6]), np.array([True, True, False, False])
    )
    assert thresholds.tolist() == [0.9, 0.8, 0.6]
    assert accuracy.tolist() == pytest.approx([1, 2 / 3, 1 / 2])
    assert coverage.tolist() == [0.25, 0.75, 1]


def test_the_reference_contains_the_same_number_of_photos_of_each_class(tmp_path: Path) -> None:
    make_dataset(tmp_path / "dataset")
    split = open_split(tmp_path / "dataset", "train")
    indices = draw_reference(split, 9, np.random.default_rng(0))
    assert np.bincount(split.labels[indices]).tolist() == [3, 3, 3]
    assert len(draw_reference(split, 500, np.random.default_rng(0))) == 36


@pytest.mark.parametrize("kind", OUT_OF_DISTRIBUTION)
def test_unfamiliar_pictures_have_the_size_of_the_photos_and_differ_from_each_other(kind: str, tmp_path: Path) -> None:
    make_dataset(tmp_path / "dataset")
    split = open_split(tmp_path / "dataset", "test")
    first, again = (OUT_OF_DISTRIBUTION[kind](split, 5, np.random.default_rng(1)) for _ in range(2))
    assert first.shape == (5, 16, 16, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert len(np.unique(to_unit_length(first.reshape(5, -1)), axis=0)) == 5


def test_a_photo_is_embedded_only_once(tmp_path: Path) -> None:
    info = make_dataset(tmp_path / "dataset")
    make_bundle(tmp_path / "model", info)
    graph, split = InferenceGraph(tmp_path / "model" / "export"), open_split(tmp_path / "dataset", "train")
    passed: list[int] = []

    class CountingGraph:
        def run(self, pixels: np.ndarray, *, with_feature_map: bool = True) -> Outputs:
            passed.append(len(pixels))
            return graph.run(pixels, with_feature_map=with_feature_map)

    embed = Embedder(cast(InferenceGraph, CountingGraph()), split)
    first, second = embed(np.array([3, 0, 5])), embed(np.array([5, 1, 3]))
    assert sum(passed) == 4
    np.testing.assert_array_equal(second[[2, 0]], first[[0, 2]])
    expected = graph.run(split.gather(np.array([3, 0, 5])), with_feature_map=False).embedding
    np.testing.assert_allclose(first, expected, atol=1e-6)
