"""The exported graph predicts the same as Keras; otherwise no bundle is written."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from components.contract.errors import ModelError
from components.contract.inference.graph import InferenceGraph, Outputs, export_sha256, softmax
from components.contract.layers.backbones import BACKBONES as FACTS
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.train.export.graph import check_exportable, export_network, largest_difference, with_odd_photos
from components.train.network.architecture import Network, build_network


def own(*layers: Any) -> Network:
    keras.utils.set_random_seed(1)
    params = ModelParams(kind="layers", layers=tuple(map(parse_layer, layers)))
    return build_network(params, image_size=(14, 12), num_classes=3, batch_size=8)


def photos(num: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (num, 14, 12, 3), dtype=np.uint8)


EVERY_LAYER = (
    {"Conv2D": {"filters": 6, "kernel_size": [3, 2], "activation": "gelu", "padding": "same"}},
    {"ZeroPadding2D": {"padding": [1, 0]}},
    "BatchNormalization",
    {"SeparableConv2D": {"filters": 6, "kernel_size": 3, "dilation_rate": 2, "activation": "hard_swish"}},
    "LayerNormalization",
    {"DepthwiseConv2D": {"kernel_size": 3, "strides": 2, "padding": "same", "activation": "leaky_relu"}},
    {"SpatialDropout2D": {"rate": 0.2}},
    {"Conv2DTranspose": {"filters": 6, "kernel_size": 3, "strides": 2, "name": "wide"}},
    {"GroupNormalization": {"groups": 2}},
    {"Add": {"with": "wide"}},
    {"Rescaling": {"scale": 0.5, "offset": 0.1}},
    {"Concatenate": {"with": "wide", "name": "joined"}},
    {"GlobalAveragePooling2D": {"keepdims": True}},
    {"Multiply": {"with": "joined"}},
    {"AveragePooling2D": {"pool_size": 2, "strides": 1, "padding": "same"}},
    {"Activation": {"activation": "mish"}},
    {"MaxPooling2D": {"pool_size": 3, "strides": 1, "padding": "same"}},
    "Flatten",
    {"Dense": {"units": 7, "activation": "selu"}},
    {"Dropout": {"rate": 0.5}},
)


@pytest.mark.parametrize("pooling", ["Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D"])
def test_a_network_of_many_kinds_of_layers_is_exported_accurately(pooling: str, tmp_path: Path) -> None:
    network = own(*(pooling if layer == "Flatten" else layer for layer in EVERY_LAYER))
    facts = export_network(network, tmp_path / "export", photos(20))
    assert facts.outputs == ("logits", "embedding", "feature_map")
    assert facts.max_probability_difference < 1e-5
    assert facts.num_compared == 24
    assert facts.sha256 == export_sha256(tmp_path / "export")


def test_the_graph_outputs_logits_embedding_and_feature_map_for_any_batch_size(tmp_path: Path) -> None:
    network = own({"Conv2D": {"filters": 4, "kernel_size": 3}}, "Flatten", {"Dense": {"units": 5}})
    export_network(network, tmp_path / "export", photos(4))
    graph = InferenceGraph(tmp_path / "export")
    assert graph.image_size == (14, 12)
    for num in (1, 3, 17):
        outputs = graph.run(photos(num))
        assert outputs.logits.shape == (num, 3)
        assert outputs.embedding.shape == (num, 5)
        assert outputs.feature_map is not None
        assert outputs.feature_map.shape == (num, 12, 10, 4)
        expected = np.asarray(network.model(photos(num), training=False))
        assert np.abs(softmax(outputs.logits) - softmax(expected)).max() < 1e-5
        kernel, bias = network.model.get_layer("logits").get_weights()
        assert np.allclose(outputs.embedding @ kernel + bias, outputs.logits, atol=1e-4)


def test_a_network_without_convolutions_has_no_feature_map(tmp_path: Path) -> None:
    facts = export_network(own("Flatten"), tmp_path / "export", photos(1))
    assert facts.outputs == ("logits", "embedding")
    assert InferenceGraph(tmp_path / "export").run(photos(2)).feature_map is None


def test_weights_are_stored_as_float32(tmp_path: Path) -> None:
    export_network(own("Flatten"), tmp_path / "export", photos(1))
    assert (tmp_path / "export" / "model.bin").stat().st_size >= (14 * 12 * 3 * 3 + 3) * 4


def test_a_network_that_cannot_be_served_is_rejected_before_training() -> None:
    """OpenVINO removes a layer's own padding if another padding precedes it."""
    twice = own({"ZeroPadding2D": {}}, {"Conv2D": {"filters": 4, "kernel_size": 3, "padding": "same"}}, "Flatten")
    with pytest.raises(ModelError, match=r"must produce the same results as Keras; .*two paddings in a row"):
        check_exportable(twice)
    check_exportable(own({"ZeroPadding2D": {}}, {"Conv2D": {"filters": 4, "kernel_size": 3}}, "Flatten"))


def outputs(logits: list[list[float]], embedding: float = 1.0, places: int = 2) -> Outputs:
    num = len(logits)
    feature_map = np.ones((num, places, 1, 1), np.float32)
    return Outputs(np.array(logits, np.float32), np.full((num, 1), embedding, np.float32), feature_map)


@pytest.mark.parametrize(
    ("other_outputs", "message"),
    [
        (outputs([[0.0, 5.0], [5.0, 0.0]]), r"a probability differs by 9\.87e-01, more than 0\.0001"),
        (outputs([[5.0, 0.0], [0.0, 5.05]]), "a probability differs by"),
        (outputs([[float("nan"), 0.0], [0.0, 5.0]]), "a probability differs by nan"),
        (outputs([[5.0, 0.0]]), r"logits has the shape \(1, 2\) instead of \(2, 2\)"),
        (outputs([[5.0, 0.0], [0.0, 5.0]], places=3), r"feature_map has the shape \(2, 3, 1, 1\)"),
        (outputs([[5.0, 0.0], [0.0, 5.0]], embedding=1.01), "embedding has different values"),
    ],
)
def test_a_graph_that_disagrees_with_keras_is_refused(other_outputs: Outputs, message: str) -> None:
    with pytest.raises(ModelError, match=f"must produce the same results as Keras; {message}"):
        largest_difference(outputs([[5.0, 0.0], [0.0, 5.0]]), other_outputs)


def test_nearly_equal_logits_may_change_their_order() -> None:
    assert largest_difference(outputs([[0.0, 1e-5]]), outputs([[1e-5, 0.0]])) < 1e-5


WITHOUT_TENSORFLOW = """
import re, sys
from pathlib import Path
import numpy as np
from components.contract.inference.graph import InferenceGraph
graph = InferenceGraph(Path(sys.argv[1]))
logits = graph.run(np.zeros((8, *graph.image_size, 3), np.uint8)).logits
assert "tensorflow" not in sys.modules and np.isfinite(logits).all()
status = Path("/proc/self/status").read_text()  # getrusage includes the peak of the parent process
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) // 1024)
"""


@pytest.mark.proof
@pytest.mark.parametrize("name", FACTS)
def test_every_backbone_is_exported_and_runs_without_tensorflow(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Each backbone gets realistic batch statistics and its original image size, at which wrong padding is noticed."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(1)
    side = FACTS[name].size
    params = ModelParams(kind="pretrained", name=name, weights="none", head="linear")  # type: ignore[arg-type]
    network = build_network(params, image_size=(side, side), num_classes=5, batch_size=1)
    coarse = np.random.default_rng(3).integers(0, 256, (8, 9, 9, 3)).astype(np.uint8)
    pixels = np.asarray(keras.ops.image.resize(coarse, (side, side), "bicubic")).clip(0, 255).astype(np.uint8)
    # The statistics include unusual photos; otherwise, a random network amplifies their values and rounding errors.
    settle_statistics(network.model, with_odd_photos(pixels))
    facts = export_network(network, tmp_path / "export", pixels)
    assert facts.max_probability_difference < 1e-4
    assert np.ptp(np.asarray(network.model(pixels, training=False)), axis=0).max() > 1e-3, (
        "the logits of the photos must differ"
    )
    program = [sys.executable, "-c", WITHOUT_TENSORFLOW, str(tmp_path / "export")]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])}
    process = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
    record_property("peak_memory_mb", int(process.stdout))
    print(
        f"{name}: {network.model.count_params():,} parameters, {facts.max_probability_difference:.1e}, "
        f"{process.stdout.strip()} MB"
    )


def settle_statistics(model: keras.Model, photos: np.ndarray) -> None:
    """Sets the statistics of batch normalization to those of `photos`, so that random networks distinguish them."""
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    if norms:
        model(photos, training=True)
