"""The exported graph returns the same outputs for every batch size, and its errors name the damaged file."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from components.contract.errors import ArtifactError
from components.contract.inference.graph import InferenceGraph, export_sha256, openvino, softmax
from tests.support.artifacts import make_bundle, make_dataset


@pytest.fixture(scope="module")
def export_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runtime")
    make_bundle(folder / "model", make_dataset(folder / "dataset", per_class=2, side=12))
    return folder / "model" / "export"


def test_a_graph_outputs_logits_embedding_and_feature_map(export_dir: Path) -> None:
    graph = InferenceGraph(export_dir)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3)).astype(np.uint8)
    outputs = graph.run(pixels)
    assert graph.image_size == (12, 12)
    assert outputs.logits.shape == (5, 3)
    assert outputs.logits.dtype == np.float32
    assert outputs.feature_map is not None
    assert np.array_equal(outputs.feature_map, pixels.astype(np.float32))
    assert np.allclose(outputs.embedding, pixels.mean(axis=(1, 2)), atol=1e-3)


@pytest.mark.parametrize("num_threads", [None, 1])
def test_outputs_do_not_depend_on_the_batch_size(export_dir: Path, num_threads: int | None) -> None:
    graph = InferenceGraph(export_dir, num_threads)
    pixels = np.random.default_rng(1).integers(0, 256, (9, 12, 12, 3)).astype(np.uint8)
    together = graph.run(pixels).logits
    alone = np.concatenate([graph.run(photo[None]).logits for photo in pixels])
    assert np.allclose(together, alone, atol=1e-4)


def test_outputs_are_not_overwritten_by_the_next_run(export_dir: Path) -> None:
    graph = InferenceGraph(export_dir)
    first = graph.run(np.zeros((1, 12, 12, 3), np.uint8)).logits
    before = first.copy()
    graph.run(np.full((1, 12, 12, 3), 255, np.uint8))
    assert np.array_equal(first, before)


def test_non_contiguous_pixels_are_accepted(export_dir: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (2, 12, 12, 3)).astype(np.uint8)
    mirrored = pixels[:, :, ::-1]
    graph = InferenceGraph(export_dir)
    assert np.array_equal(graph.run(mirrored).logits, graph.run(mirrored.copy()).logits)


@pytest.mark.parametrize("damage", ["missing", "empty", "text"])
def test_a_graph_that_cannot_be_loaded_is_reported(tmp_path: Path, damage: str) -> None:
    if damage != "missing":
        (tmp_path / "model.xml").write_text("" if damage == "empty" else "no graph")
    with pytest.raises(ArtifactError, match=f"Cannot load the exported graph {tmp_path}/model.xml"):
        InferenceGraph(tmp_path)


def test_the_digest_covers_both_files_of_the_graph_in_order(export_dir: Path, tmp_path: Path) -> None:
    together = b"".join((export_dir / name).read_bytes() for name in ("model.xml", "model.bin"))
    assert export_sha256(export_dir) == hashlib.sha256(together).hexdigest()
    (tmp_path / "model.xml").touch()
    with pytest.raises(ArtifactError, match=r"The file model\.bin of the exported graph cannot be read"):
        export_sha256(tmp_path)


@given(arrays(np.float32, (3, 4), elements=st.floats(-1e6, 1e6, width=32)))
def test_softmax_returns_probabilities_in_the_order_of_the_logits(logits: np.ndarray) -> None:
    probabilities = softmax(logits)
    assert probabilities.dtype == np.float32
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert (probabilities >= 0).all()
    order = np.argsort(logits, axis=1, kind="stable")
    assert (np.diff(np.take_along_axis(probabilities, order, axis=1), axis=1) >= 0).all()


def test_openvino_is_loaded_without_its_telemetry() -> None:
    assert openvino().__name__ == "openvino"
    assert sys.modules["openvino_telemetry"] is None
