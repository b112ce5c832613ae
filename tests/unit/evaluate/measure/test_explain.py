"""Maps show where the class was found, exactly where the network allows it, and say how they were made."""

import numpy as np
import pytest

from components.contract.inference.graph import Outputs
from components.evaluate.measure.explain import compute_maps, spotlight


def outputs(feature_map: np.ndarray, embedding: np.ndarray | None = None) -> Outputs:
    means = feature_map.mean(axis=(1, 2)) if embedding is None else embedding
    return Outputs(np.zeros((len(feature_map), 2), np.float32), means, feature_map)


def planted_feature_map() -> np.ndarray:
    """Two photos of 4 × 4 places and 3 channels; the first channel lights up at (0, 1), and in the other at (3, 2)."""
    feature_map = np.zeros((2, 4, 4, 3), np.float32)
    feature_map[0, 0, 1, 0] = feature_map[1, 3, 2, 0] = 5.0
    feature_map[..., 1] = 0.1
    return feature_map


@pytest.mark.parametrize("weights", [np.array([[1.0, 0, 0], [0, 1, 0]], np.float32), None])
def test_the_place_that_spoke_for_the_class_is_the_brightest(weights: np.ndarray | None) -> None:
    explanations = compute_maps(outputs(planted_feature_map()), np.array([0, 0]), weights)
    assert explanations.method == ("Eigen-CAM" if weights is None else "class activation map")
    assert [np.unravel_index(heat.argmax(), heat.shape) for heat in explanations.maps] == [(0, 1), (3, 2)]
    assert explanations.maps.min() >= 0
    assert explanations.maps.max() == pytest.approx(1)


def test_the_mean_of_the_class_activation_map_is_the_logit_before_it_is_scaled() -> None:
    rng = np.random.default_rng(0)
    feature_map, weights = rng.random((3, 5, 5, 4)).astype(np.float32), rng.normal(size=(2, 4)).astype(np.float32)
    graph_outputs = outputs(feature_map)
    class_weights = weights[1] - weights.mean(axis=0)
    raw = np.maximum(feature_map @ class_weights, 0)
    expected = raw / raw.max(axis=(1, 2), keepdims=True)
    assert np.allclose(compute_maps(graph_outputs, np.array([1, 1, 1]), weights).maps, expected, atol=1e-5)
    assert np.allclose(
        (feature_map @ class_weights).mean(axis=(1, 2)), graph_outputs.embedding @ class_weights, atol=1e-5
    )


def test_a_map_without_space_explains_nothing() -> None:
    assert compute_maps(outputs(np.ones((2, 1, 1, 3), np.float32)), np.array([0, 0]), None).method is None


def test_a_map_that_nothing_stands_out_in_is_no_error() -> None:
    explanations = compute_maps(outputs(np.zeros((1, 4, 4, 3), np.float32)), np.array([0]), None)
    assert np.isfinite(explanations.maps).all()
    assert explanations.maps.max() == 0


def test_the_spotlight_darkens_what_did_not_matter() -> None:
    photo = np.full((8, 8, 3), 200, np.uint8)
    spotlit_pixels = spotlight(photo, np.array([[1.0, 0.0], [0.0, 0.0]], np.float32))
    assert spotlit_pixels[0, 0].max() > 180
    assert spotlit_pixels[-1, -1].max() < 80
    assert spotlit_pixels.shape == photo.shape
    assert spotlit_pixels.dtype == np.uint8
