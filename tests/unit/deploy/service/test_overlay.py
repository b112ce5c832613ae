"""An explanation highlights the decisive region for every kind of network."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.contract.inference.cam import Explainer
from components.contract.inference.graph import InferenceGraph
from components.deploy.service.overlay import display_size, draw_overlay
from tests.support.artifacts import COLORS
from tests.unit.deploy.conftest import Artifacts


def with_corner(size: int = 16) -> np.ndarray:
    """A gray photo with a red corner at the top left."""
    pixels = np.full((size, size, 3), 128, np.uint8)
    pixels[: size // 4, : size // 4] = COLORS["red"]
    return pixels


@pytest.fixture
def graph(artifacts: Artifacts) -> InferenceGraph:
    return InferenceGraph(artifacts.bundle_dir / "export")


def test_a_network_with_mean_pooling_is_explained_by_its_class_activation_map(graph: InferenceGraph) -> None:
    heat = Explainer(graph).explain(with_corner(), 2)
    assert heat.method == "class activation map"
    assert heat.values.shape == (16, 16)
    assert heat.values[:4, :4].min() > 0.99
    assert heat.values[6:, 6:].max() < 0.2


def test_any_other_network_is_explained_by_occlusion(graph: InferenceGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Explainer, "_pools_by_mean", lambda self: False)
    heat = Explainer(graph).explain(with_corner(), 2)
    assert heat.method == "occlusion"
    assert heat.values.shape == (8, 8)
    assert heat.values[:2, :2].min() > 0.8
    assert heat.values[3:, 3:].max() < 0.1


def test_the_map_of_an_absent_class_does_not_highlight_another_class(graph: InferenceGraph) -> None:
    heat = Explainer(graph).explain(with_corner(), 0)
    assert heat.values[:4, :4].max() < 0.01


def test_the_weights_of_the_output_layer_are_read_from_the_graph(graph: InferenceGraph) -> None:
    weights = graph.class_weights()
    assert weights is not None
    assert weights.shape == (3, 3)
    rng = np.random.default_rng(0)
    outputs = graph.run(rng.integers(0, 256, (9, 16, 16, 3)).astype(np.uint8))
    logits = outputs.embedding @ weights.T
    assert np.allclose(logits - logits[0], outputs.logits - outputs.logits[0], atol=1e-3)


@pytest.mark.parametrize("native", [(10, 10), (3000, 4000), (1, 500)])
def test_an_overlay_has_the_aspect_ratio_of_its_photo(native: tuple[int, int]) -> None:
    size = display_size((16, 16), native, "stretch")
    assert max(size) == 320
    with Image.open(io.BytesIO(draw_overlay(with_corner(), np.eye(4, dtype=np.float32), size))) as picture:
        assert picture.size == size[::-1]
        assert picture.mode == "RGB"


def test_irrelevant_parts_are_gray_and_relevant_parts_colored(tmp_path: Path) -> None:
    heat = np.zeros((16, 16), np.float32)
    heat[:4, :4] = 1
    pixels = np.full((16, 16, 3), COLORS["red"], np.uint8)
    with Image.open(io.BytesIO(draw_overlay(pixels, heat, (160, 160)))) as picture:
        pixels_of_overlay = np.asarray(picture).astype(int)
    assert np.ptp(pixels_of_overlay[120, 120]) == 0
    assert np.ptp(pixels_of_overlay[15, 15]) > 50
