"""The summary of a network (parameters, multiply-adds, memory), and its diagram."""

from xml.etree import ElementTree

import pytest

from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.train.network.architecture import build_network, summary_lines
from components.train.network.drawing import draw
from components.train.network.summary import NetworkSummary, summarize_network

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def residual() -> NetworkSummary:
    layers = (
        {"Conv2D": {"filters": 8, "kernel_size": 3, "padding": "same", "name": "start"}},
        {"Conv2D": {"filters": 8, "kernel_size": 3, "padding": "same"}},
        {"Add": {"with": "start"}},
        {"Conv2DTranspose": {"filters": 4, "kernel_size": 2, "strides": 2}},
        "GlobalAveragePooling2D",
    )
    params = ModelParams(kind="layers", layers=tuple(map(parse_layer, layers)))
    return summarize_network(build_network(params, image_size=(10, 12), num_classes=3, batch_size=4), 4)


def test_parameters_multiply_adds_and_memory_are_computed(residual: NetworkSummary) -> None:
    rows = {row.name: row for row in residual.rows}
    assert list(rows) == [
        "pixels",
        "rescaling",
        "start",
        "conv2d_1",
        "add_1",
        "conv2dtranspose_1",
        "global_average_pooling2d_1",
        "logits",
    ]
    assert (rows["start"].num_parameters, rows["start"].multiply_adds) == (224, 120 * 216)
    assert rows["conv2dtranspose_1"].gives == (20, 24, 4)
    assert rows["conv2dtranspose_1"].multiply_adds == 120 * 2 * 2 * 8 * 4
    assert rows["logits"].multiply_adds == 12
    assert set(rows["add_1"].takes) == {"start", "conv2d_1"}
    assert residual.num_parameters == sum(row.num_parameters for row in residual.rows)
    assert residual.weights_bytes == 4 * residual.num_parameters
    activations = 120 * (3 + 3 + 8 + 8 + 8) + 480 * 4 + 4 + 3
    assert residual.training_bytes == 16 * residual.num_parameters + 4 * 4 * activations


def test_a_backbone_is_one_row_of_the_summary() -> None:
    params = ModelParams(kind="pretrained", name="MobileNetV2", weights="none")
    network = build_network(params, image_size=(224, 224), num_classes=10, batch_size=1)
    costs = summarize_network(network, 1)
    assert [row.name for row in costs.rows][:2] == ["pixels", "MobileNetV2"]
    assert costs.rows[1].num_parameters == 2_257_984
    assert costs.multiply_adds == pytest.approx(300e6, rel=0.02), (
        "must match the 300 million reported by Sandler et al. (2018)"
    )


def test_the_drawing_has_a_box_for_each_layer_and_a_line_for_each_tensor(residual: NetworkSummary) -> None:
    picture = ElementTree.fromstring(draw(residual.rows, 'a "b" <c>'))
    assert picture.find(f"{SVG}title").text == 'a "b" <c>'  # type: ignore[union-attr]
    assert len(picture.findall(f"{SVG}rect")) == len(residual.rows) + 1
    assert len(picture.findall(f"{SVG}path")) == sum(len(row.takes) for row in residual.rows)
    words = {text.text for text in picture.findall(f"{SVG}text")}
    assert {"conv2d_1", "Add", "20 × 24 × 4", "584 parameters"} <= words


def test_the_printed_summary_names_layers_shapes_and_parameters() -> None:
    head = tuple(map(parse_layer, ("GlobalAveragePooling2D", {"Dense": {"units": 7}})))
    params = ModelParams(kind="pretrained", name="MobileNetV2", weights="imagenet", head=head)
    network = build_network(params, image_size=(32, 32), num_classes=3, batch_size=8)
    text = "\n".join(summary_lines(network))
    assert "MobileNetV2 (155 layers)" in text
    assert "1 × 1 × 1280" in text
    assert "2,257,984" in text
    assert "dense_1 (Dense)" in text
    assert "8,967" in text
    assert text.endswith("2,266,975 parameters.")
