"""Networks with mean pooling are recognized, and their class activation maps are exact."""

import numpy as np

from components.contract.inference.cam import class_activation, pools_by_mean, scale_maps
from components.contract.inference.graph import Outputs


def outputs(feature_map: np.ndarray | None, embedding: np.ndarray) -> Outputs:
    return Outputs(np.zeros((len(embedding), 2), np.float32), embedding, feature_map)


def test_only_mean_pooling_is_recognized() -> None:
    feature_map = np.random.default_rng(0).random((2, 3, 3, 4)).astype(np.float32)
    means = feature_map.mean(axis=(1, 2))
    assert pools_by_mean(outputs(feature_map, means))
    assert not pools_by_mean(outputs(feature_map, feature_map.max(axis=(1, 2))))
    assert not pools_by_mean(outputs(feature_map, np.zeros((2, 7), np.float32)))
    assert not pools_by_mean(outputs(None, means))


def test_the_mean_of_a_map_is_the_logit_minus_the_mean_logit() -> None:
    rng = np.random.default_rng(0)
    feature_map, weights = rng.random((3, 5, 5, 4)).astype(np.float32), rng.normal(size=(2, 4)).astype(np.float32)
    logits = feature_map.mean(axis=(1, 2)) @ weights.T
    labels = np.array([1, 0, 1])
    expected = logits[np.arange(3), labels] - logits.mean(axis=1)
    assert np.allclose(class_activation(feature_map, labels, weights).mean(axis=(1, 2)), expected, atol=1e-5)


def test_each_map_is_scaled_by_its_largest_value_and_a_map_without_positive_values_becomes_zero() -> None:
    maps = np.array([[[-1, 2], [0, 4]], [[0, 0], [-3, 0]]], np.float32)
    assert scale_maps(maps).tolist() == [[[0, 0.5], [0, 1]], [[0, 0], [0, 0]]]
