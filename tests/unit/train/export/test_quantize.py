"""An int8 graph replaces the float32 one only if it is nearly as accurate."""

import logging
from pathlib import Path

import numpy as np
import pytest

from components.contract.artifacts.bundle import ExportFacts
from components.contract.artifacts.dataset import Split, open_split
from components.contract.inference.graph import InferenceGraph, export_sha256, openvino
from components.train.export import quantize
from tests.support.artifacts import COLORS, make_dataset

SIDE, CHANNELS = 16, 16


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Split, Split]:
    dataset_dir = tmp_path_factory.mktemp("int8") / "dataset"
    make_dataset(dataset_dir, side=SIDE)
    return open_split(dataset_dir, "train"), open_split(dataset_dir, "validation")


@pytest.fixture
def export(tmp_path: Path) -> tuple[Path, ExportFacts]:
    """Exports a convolution with random kernels and an output layer that distinguishes the colors."""
    ov = openvino()
    ops = ov.opset13
    rng = np.random.default_rng(0)
    kernels = rng.normal(size=(CHANNELS, 3, 3, 3)).astype(np.float32)
    pixels = ops.parameter([-1, SIDE, SIDE, 3], np.uint8, name="pixels")
    planes = ops.transpose(ops.divide(ops.convert(pixels, np.float32), np.float32(255)), np.array([0, 3, 1, 2]))
    convolved = ops.relu(ops.convolution(planes, kernels, [1, 1], [1, 1], [1, 1], [1, 1]))
    feature_map = ops.transpose(convolved, np.array([0, 2, 3, 1]))
    embedding = ops.reduce_mean(feature_map, np.array([1, 2]), keep_dims=False)
    means = np.maximum(kernels.sum(axis=(2, 3)) @ (np.array(list(COLORS.values()), np.float32) / 255).T, 0)
    weights = np.linalg.pinv(means).T @ np.eye(3)
    logits = ops.matmul(embedding, (10 * weights).astype(np.float32), False, False)
    results = []
    for name, node in {"logits": logits, "embedding": embedding, "feature_map": feature_map}.items():
        node.output(0).get_tensor().set_names({name})
        results.append(ops.result(node))
    export_dir = tmp_path / "export"
    export_dir.mkdir()
    ov.save_model(ov.Model(results, [pixels]), export_dir / "model.xml", compress_to_fp16=False)
    facts = ExportFacts(
        outputs=("logits", "embedding", "feature_map"),
        max_probability_difference=0.0,
        num_compared=1,
        sha256=export_sha256(export_dir),
    )
    return export_dir, facts


def test_the_int8_graph_has_similar_outputs_and_keeps_its_output_layer(
    export: tuple[Path, ExportFacts], splits: tuple[Split, Split]
) -> None:
    export_dir, before = export
    expected = InferenceGraph(export_dir)
    facts = quantize.quantize_export(*export, *splits, np.random.default_rng(0))
    assert facts.precision == "int8"
    assert facts.sha256 == export_sha256(export_dir) != before.sha256
    assert 0 < facts.max_probability_difference < 0.1
    kinds = [node.get_type_name() for node in openvino().Core().read_model(export_dir / "model.xml").get_ops()]
    assert "FakeQuantize" in kinds
    graph = InferenceGraph(export_dir)
    photos = splits[1].gather(np.arange(len(splits[1])))
    outputs = graph.run(photos)
    assert (outputs.logits.argmax(axis=1) == expected.run(photos).logits.argmax(axis=1)).all()
    assert outputs.feature_map is not None
    assert outputs.feature_map.shape == (len(photos), SIDE, SIDE, CHANNELS)
    assert np.allclose(graph.class_weights(), expected.class_weights(), atol=1e-4), (
        "the weights must be exact, because explanations use them"
    )
    assert [path.name for path in export_dir.parent.iterdir()] == ["export"], "no other files may remain"


def test_a_graph_that_would_lose_too_much_accuracy_is_unchanged(
    export: tuple[Path, ExportFacts],
    splits: tuple[Split, Split],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(quantize, "MAX_LOST", -1.0)
    with caplog.at_level(logging.WARNING):
        assert quantize.quantize_export(*export, *splits, np.random.default_rng(0)) == export[1]
    assert export_sha256(export[0]) == export[1].sha256
    assert "stays in float32" in caplog.text
