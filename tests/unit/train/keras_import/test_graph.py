"""Network descriptions of Keras 2 and 3 are read as graphs, from which sizes and preprocessing are derived."""

from typing import Any

import pytest

from components.contract.errors import UploadError
from components.train.keras_import.description.allow_list import sweep
from components.train.keras_import.description.network import read_graph
from components.train.keras_import.graph import Graph
from components.train.keras_import.limits import Limits
from components.train.keras_import.preprocessing import infer_preprocessing
from components.train.keras_import.sizes import Sizes, measure
from tests.cases.hostile_models.files import layer, network


def read(tree: dict[str, Any], keras_version: str = "3.15.1") -> Graph:
    sweep(tree, "config.json")
    return read_graph(tree, "config.json", Limits(), keras_version=keras_version)


def sizes_of(*inner: dict[str, Any], last: str) -> Sizes:
    return measure(read(network(*inner, last=last)), Limits())


@pytest.mark.parametrize(
    ("kind", "arguments", "shape", "num_parameters"),
    [
        ("Conv2D", {"filters": 4, "kernel_size": 3}, (6, 6, 4), 112),
        ("Conv2D", {"filters": 6, "kernel_size": [3, 5], "padding": "same", "strides": 2, "groups": 3}, (4, 4, 6), 96),
        ("Conv2D", {"filters": 4, "kernel_size": 3, "dilation_rate": 2, "use_bias": False}, (4, 4, 4), 108),
        ("Conv2DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2}, (17, 17, 4), 112),
        ("Conv2DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}, (16, 16, 4), 112),
        ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2}, (6, 6, 6), 60),
        ("SeparableConv2D", {"filters": 5, "kernel_size": 3}, (6, 6, 5), 47),
        ("MaxPooling2D", {}, (4, 4, 3), 0),
        ("AveragePooling2D", {"pool_size": 3, "strides": 1, "padding": "same"}, (8, 8, 3), 0),
        ("GlobalAveragePooling2D", {"keepdims": True}, (1, 1, 3), 0),
        ("BatchNormalization", {"axis": [3]}, (8, 8, 3), 12),
        ("BatchNormalization", {"scale": False}, (8, 8, 3), 9),
        ("LayerNormalization", {"center": False}, (8, 8, 3), 3),
        ("Normalization", {}, (8, 8, 3), 7),
        ("Normalization", {"mean": [1, 2, 3], "variance": [1, 1, 1]}, (8, 8, 3), 0),
        ("PReLU", {"shared_axes": [1, 2]}, (8, 8, 3), 3),
        ("LayerScale", {"init_values": 1e-6, "projection_dim": 3}, (8, 8, 3), 3),
        ("Reshape", {"target_shape": [-1, 6]}, (32, 6), 0),
        ("Permute", {"dims": [3, 1, 2]}, (3, 8, 8), 0),
        ("ZeroPadding2D", {"padding": [[0, 1], [2, 3]]}, (9, 13, 3), 0),
        ("Cropping2D", {"cropping": 2}, (4, 4, 3), 0),
        ("UpSampling2D", {"size": [2, 3]}, (16, 24, 3), 0),
        ("Resizing", {"height": 5, "width": 7}, (5, 7, 3), 0),
    ],
)
def test_shapes_and_parameters_agree_with_keras(
    kind: str, arguments: dict[str, Any], shape: tuple[int, ...], num_parameters: int
) -> None:
    sizes = sizes_of(layer(kind, "a", "input", **arguments), layer("Identity", "b", "a"), last="b")
    dense = sizes.weights[("dense",)]["kernel"][0]
    size = 1
    for side in shape:
        size *= side
    assert dense == size
    assert sizes.num_parameters - 3 * (dense + 1) == num_parameters


@pytest.mark.parametrize(
    ("kind", "arguments", "reason"),
    [
        ("Conv2D", {"kernel_size": 3}, "lacks the argument filters"),
        ("Conv2D", {"filters": 4, "kernel_size": 9}, "window of 9 is larger"),
        ("Conv2D", {"filters": 4, "kernel_size": 3, "data_format": "channels_first"}, "height × width × channels"),
        ("Conv2D", {"filters": 4, "kernel_size": "3"}, "expected an integer"),
        ("Conv2D", {"filters": 4, "kernel_size": 3, "activation": "hard_sigmoid"}, "Keras 2 computed it differently"),
        ("Conv2D", {"filters": 4, "kernel_size": 3, "groups": 2}, "groups must divide both"),
        ("Dropout", {"rate": 1.5}, "a number from 0"),
        ("BatchNormalization", {"axis": 1}, "axis must be the channel axis"),
        ("Reshape", {"target_shape": [7]}, "cannot reshape"),
        ("Cropping2D", {"cropping": 4}, "crops all of its input"),
        ("Resizing", {"height": 10**6, "width": 1}, "from 1 to 65,536"),
        ("GRU", {"units": 3}, "it is a Keras layer for sequences or volumes"),
        ("Pipeline", {"layers": []}, "it contains other layers"),
        ("MixUp", {}, "it mixes labels as well"),
        ("Mish2", {}, "Darkroom does not know it"),
        ("Conv2d", {"filters": 4, "kernel_size": 3}, r"\(did you mean Conv2D\?\)"),
    ],
)
def test_an_invalid_layer_is_reported(kind: str, arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(UploadError, match=reason) as refusal:
        measure(read(network(layer(kind, "a", "input", **arguments), last="a"), "2.15.0"), Limits())
    assert "'a'" in str(refusal.value) or " at a:" in str(refusal.value)


def test_a_sequential_and_a_functional_model_of_keras_2_are_read() -> None:
    inner = {
        "class_name": "Sequential",
        "name": "base",
        "config": {
            "name": "base",
            "layers": [
                {
                    "class_name": "Conv2D",
                    "config": {
                        "name": "a/b",
                        "filters": 2,
                        "kernel_size": [3, 3],
                        "dtype": "float32",
                        "batch_input_shape": [None, 8, 8, 3],
                    },
                },
                {"class_name": "GlobalAveragePooling2D", "config": {"name": "pool"}},
            ],
        },
        "inbound_nodes": [[["tf.math.subtract", 0, 0, {"training": False}]]],
    }
    tree = {
        "class_name": "Functional",
        "config": {
            "name": "net",
            "layers": [
                {
                    "class_name": "InputLayer",
                    "name": "in",
                    "inbound_nodes": [],
                    "config": {"batch_input_shape": [None, 8, 8, 3], "dtype": "float32", "sparse": False, "name": "in"},
                },
                {
                    "class_name": "TFOpLambda",
                    "name": "tf.math.truediv",
                    "inbound_nodes": [["in", 0, 0, {"y": 127.5, "name": None}]],
                    "config": {"name": "tf.math.truediv", "function": "math.truediv"},
                },
                {
                    "class_name": "TFOpLambda",
                    "name": "tf.math.subtract",
                    "inbound_nodes": [["tf.math.truediv", 0, 0, {"y": 1.0, "name": None}]],
                    "config": {"name": "tf.math.subtract", "function": "math.subtract"},
                },
                inner,
                {
                    "class_name": "Dense",
                    "name": "out",
                    "config": {"name": "out", "units": 3, "activation": "softmax"},
                    "inbound_nodes": [[["base", 1, 0, {}]]],
                },
            ],
            "input_layers": [["in", 0, 0]],
            "output_layers": [["out", 0, 0]],
        },
    }
    graph = read(tree, "2.15.0")
    assert [layer.kind for layer in graph.layers] == ["InputLayer", "Rescaling", "Rescaling", "Model", "Dense"]
    assert graph.layer("tf.math.truediv").arguments == {"scale": 1 / 127.5, "offset": 0.0}
    assert graph.layer("tf.math.subtract").arguments == {"scale": 1.0, "offset": -1.0}
    assert graph.layer("base").calls[0].training is False
    assert measure(graph, Limits()).weights[("base", "a_b")] == {"kernel": (3, 3, 3, 2), "bias": (2,)}
    preprocessing = infer_preprocessing(graph)
    assert preprocessing is not None
    assert preprocessing.pixels == "0 to 255"


@pytest.mark.parametrize(
    ("operation", "operands", "expected"),
    [
        ("TrueDivide", ["x", 255.0], (1 / 255, 0.0)),
        ("Subtract", ["x", 1], (1.0, -1.0)),
        ("Subtract", [1, "x"], (-1.0, 1.0)),
        ("Multiply", [2.0, "x"], (2.0, 0.0)),
        ("Add", ["x", 0.5], (1.0, 0.5)),
    ],
)
def test_arithmetic_becomes_a_rescaling(operation: str, operands: list[Any], expected: tuple[float, float]) -> None:
    node = {**layer(operation, "op", "input"), "module": "keras.src.ops.numpy", "registered_name": operation}
    tensor = node["inbound_nodes"][0]["args"][0]
    node["inbound_nodes"][0]["args"] = [tensor if operand == "x" else operand for operand in operands]
    arguments = read(network(node, last="op")).layer("op").arguments
    assert (arguments["scale"], arguments["offset"]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("operation", "operands"), [("TrueDivide", ["x", 0]), ("TrueDivide", [1, "x"]), ("Add", [1, 2])]
)
def test_unsupported_arithmetic_is_refused(operation: str, operands: list[Any]) -> None:
    node = {**layer(operation, "op", "input"), "module": "keras.src.ops.numpy", "registered_name": operation}
    tensor = node["inbound_nodes"][0]["args"][0]
    node["inbound_nodes"][0]["args"] = [tensor if operand == "x" else operand for operand in operands]
    with pytest.raises(UploadError):
        read(network(node, last="op"))


def test_an_unknown_pixel_range_is_not_guessed() -> None:
    convolution = layer("Conv2D", "a", "input", filters=4, kernel_size=3)
    assert infer_preprocessing(read(network(convolution, last="a"))) is None


def test_the_layers_of_a_known_network_suggest_a_pixel_range() -> None:
    names = ["block1_conv1", "block3_conv3", "block5_conv3", "block5_pool"]
    inner = [layer("Identity", name, before) for name, before in zip(names, ["input", *names], strict=False)]
    preprocessing = infer_preprocessing(read(network(*inner, last="block5_pool")))
    assert preprocessing is not None
    assert (preprocessing.pixels, preprocessing.is_certain) == ("BGR less ImageNet mean", False)


def test_a_rescaling_after_a_submodel_is_found() -> None:
    inner = network(layer("RandomFlip", "flip", "input"), last="flip")["config"]
    inner |= {"layers": inner["layers"][:2], "output_layers": [["flip", 0, 0]]}
    augmentation = {**layer("Functional", "augmentation", "input"), "config": inner}
    names = ["block1_conv1", "block3_conv3", "block5_conv3", "block5_pool"]
    chain = [layer("Identity", name, before) for name, before in zip(names, ["scaled", *names], strict=False)]
    rescaling = layer("Rescaling", "scaled", "augmentation", scale=1 / 255)
    preprocessing = infer_preprocessing(read(network(augmentation, rescaling, *chain, last="block5_pool")))
    assert preprocessing is not None
    assert (preprocessing.pixels, preprocessing.is_certain) == ("0 to 255", True)


def test_old_keras_2_formats_are_read() -> None:
    """These formats have an axis in a list, arguments of a base class, and a layer name from TensorFlow 1."""
    zeros = {"class_name": "Zeros", "config": {}}
    inner = [
        layer("RandomFlip", "flip", "input", mode="horizontal", rng_type="stateful", seed=None),
        layer("Rescaling", "scaled", "flip", scale=[0.1, 0.2, 0.3], offset=0),
        layer(
            "SeparableConv2D",
            "conv",
            "scaled",
            filters=4,
            kernel_size=[3, 3],
            groups=1,
            kernel_initializer={"class_name": "GlorotUniform", "config": {"seed": None}},
            kernel_regularizer=None,
        ),
        layer(
            "BatchNormalizationV1",
            "bn",
            "conv",
            axis=[3],
            moving_mean_initializer=zeros,
        ),
    ]
    graph = read(network(*inner, last="bn"), "2.21.0")
    assert graph.layer("bn").arguments["axis"] == (3,)
    assert "kernel_regularizer" not in graph.layer("conv").arguments
    assert measure(graph, Limits()).weights[("conv",)]["pointwise_kernel"] == (1, 1, 3, 4)
