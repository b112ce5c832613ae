"""From params to Keras: Keras builds what the contract predicts, or both refuse the network."""

import inspect
from typing import Any

import keras
import numpy as np
import pytest

from components.contract.errors import ModelError
from components.contract.layers.arguments import ActivationName
from components.contract.layers.catalog import KINDS
from components.contract.layers.layer import LAYERS, Layer
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.params.resolve import SMALL_CNN
from components.train.export.graph import to_openvino, trace
from components.train.keras_import.builder import find_class
from components.train.network.architecture import Network, build_network, split_output
from tests.unit.train.network.predicted import check_built_as_predicted


def layers(*specs: Any) -> tuple[Layer, ...]:
    return tuple(map(parse_layer, specs))


def own(*specs: Any, image_size: tuple[int, int] = (12, 10), num_classes: int = 3, batch_size: int = 8) -> Network:
    params = ModelParams(kind="layers", layers=layers(*specs))
    return build_network(params, image_size=image_size, num_classes=num_classes, batch_size=batch_size)


def backbone(*head: Any, weights: str = "none", size: int = 32) -> Network:
    params = ModelParams(kind="pretrained", name="MobileNetV2", weights=weights, head=layers(*head))
    return build_network(params, image_size=(size, size), num_classes=3, batch_size=8)


NEEDED: dict[str, Any] = {
    "activation": "relu",
    "dims": [1, 2, 3],
    "drop_path_rate": 0.2,
    "factor": 0.5,
    "filters": 4,
    "kernel_size": 3,
    "projection_dim": 3,
    "rate": 0.2,
    "scale": 0.5,
    "target_shape": [-1, 3],
}
"""Values for required arguments; required arguments that are not listed get 1."""
SPECIAL: dict[str, dict[str, Any]] = {
    "GroupNormalization": {"groups": 3},
    "RandomPosterization": {"factor": 2},
    "RandomCrop": {"height": 12, "width": 10},
}
FLAT = ("GlobalAveragePooling1D", "GlobalMaxPooling1D", "Attention", "AdditiveAttention", "GroupQueryAttention")


@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer_of_the_catalog_has_the_predicted_shape_and_can_be_exported(kind: str) -> None:
    """Calls the layer with only its required arguments, in a network in training mode."""
    arguments: dict[str, Any] = {name: NEEDED.get(name, 1) for name in KINDS[kind].required}
    arguments |= SPECIAL.get(kind, {}) | {"name": "layer"}
    if KINDS[kind].merges:
        arguments["with"] = "flat" if kind in FLAT else "input"
    before: list[Any] = [{"Reshape": {"target_shape": [-1, 3], "name": "flat"}}] if kind in FLAT else []
    before += [{"Flatten": {"name": "flat"}}] if kind == "Dense" else []
    stack = layers(*before, {kind: arguments}, {"Flatten": {"name": "end"}})
    network = check_built_as_predicted(stack, (12, 10))
    assert network is not None
    assert network.model(np.zeros((2, 12, 10, 3), np.uint8), training=True).shape == (2, 9)
    to_openvino(trace(keras.Model(network.model.input, {"logits": network.model.output})))


@pytest.mark.parametrize("kind", LAYERS)
def test_arguments_and_their_defaults_are_those_of_keras(kind: str) -> None:
    def plain(value: Any) -> Any:
        sides = [plain(side) for side in value] if isinstance(value, tuple | list) else [value]
        return sides[0] if len({str(side) for side in sides}) == 1 else sides

    parameters = inspect.signature(find_class(kind).__init__).parameters
    for name, check in KINDS[kind].arguments.items():
        # Unlike for MaxPooling2D, Keras has no default for this argument.
        is_ours = (kind, name) == ("AveragePooling2D", "pool_size")
        if check.annotation is not None and name in parameters and not is_ours:
            default = parameters[name].default
            assert (default is inspect.Parameter.empty) == (name in KINDS[kind].required), name
            assert name in KINDS[kind].required or plain(default) == plain(check.default), name


@pytest.mark.parametrize("activation", ActivationName.__args__)
def test_every_activation_exists_in_keras(activation: str) -> None:
    assert keras.activations.get(activation) is not None


def test_a_residual_block_is_built_by_naming_earlier_layers() -> None:
    convolution = {"filters": 8, "kernel_size": 3, "padding": "same"}
    network = own(
        {"Conv2D": convolution | {"name": "start"}},
        {"Conv2D": convolution | {"activation": "relu"}},
        {"Conv2D": convolution | {"filters": 4, "name": "way"}},
        {"Conv2D": {"filters": 4, "kernel_size": 1, "after": "start"}},
        {"Add": {"with": "way"}},
        {"Concatenate": {"with": ["start", "way"]}},
        "GlobalAveragePooling2D",
    )
    assert network.embedding.shape == (None, 16)
    assert len(network.model.layers) == 10
    pixels = np.random.default_rng(0).integers(0, 256, (2, 12, 10, 3), dtype=np.uint8)
    start, way = (keras.Model(network.model.input, network.model.get_layer(name).output) for name in ("start", "way"))
    joined = network.model.get_layer("add_1").output
    sum_of_branches = keras.Model(network.model.input, joined)(pixels)
    shortcut = network.model.get_layer("conv2d_2")(start(pixels))
    assert np.allclose(sum_of_branches, way(pixels) + shortcut, atol=1e-5)


def test_regularizers_add_their_penalty() -> None:
    network = own("Flatten", {"Dense": {"units": 4, "kernel_regularizer": {"l1": 0.1, "l2": 0.01}}}, "Flatten")
    kernel = network.model.get_layer("dense_1").get_weights()[0]
    expected = 0.1 * np.abs(kernel).sum() + 0.01 * (kernel**2).sum()
    assert float(sum(network.model.losses)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("specs", "hidden", "name"),
    [
        (["Flatten"], ["Flatten"], "logits"),
        (["Flatten", {"Dense": {"units": 3}}], ["Flatten"], "logits"),
        (["Flatten", {"Dense": {"units": 3, "activation": "softmax"}}], ["Flatten"], "logits"),
        (["Flatten", {"Dense": {"units": 3, "activation": "linear", "name": "out"}}], ["Flatten"], "out"),
        (["Flatten", {"Dense": {"units": 3}}, {"Activation": {"activation": "softmax"}}], ["Flatten"], "logits"),
        (["Flatten", {"Dense": {"units": 3, "activation": "relu"}}], ["Flatten", "Dense"], "logits"),
        (["Flatten", {"Dense": {"units": 4}}], ["Flatten", "Dense"], "logits"),
    ],
)
def test_the_output_layer_is_in_the_list_or_is_added(specs: list[Any], hidden: list[str], name: str) -> None:
    before, output = split_output(layers(*specs), 3, "train.model.layers")
    assert [layer.kind for layer in before] == hidden
    assert (output.arguments["units"], output.arguments.get("activation"), output.name) == (3, None, name)


@pytest.mark.parametrize(
    "specs",
    [
        ["Flatten", {"Dense": {"units": 4, "activation": "softmax"}}],
        ["Flatten", {"Dense": {"units": 4}}, {"Activation": {"activation": "softmax"}}],
    ],
)
def test_a_softmax_over_the_wrong_number_of_classes_is_refused(specs: list[Any]) -> None:
    with pytest.raises(ModelError, match=r"train\.model\.layers ends in a softmax over 4 classes, but the data has 3"):
        own(*specs)


def test_the_network_maps_pixels_to_logits() -> None:
    network = own("Flatten", {"Dense": {"units": 3, "activation": "softmax"}})
    assert network.model.input.dtype == "uint8"
    assert network.model.output.dtype == "float32"
    logits = np.asarray(network.model(np.full((1, 12, 10, 3), 255, np.uint8)))
    assert not np.isclose(logits.sum(), 1), "a final softmax must be removed: the loss and the service apply it"


def test_the_feature_map_and_the_embedding_have_the_right_shapes() -> None:
    convolution = {"Conv2D": {"filters": 4, "kernel_size": 3, "name": "eye"}}
    network = own(convolution, "Flatten", {"Dense": {"units": 5, "activation": "relu", "name": "gist"}})
    assert network.feature_map is not None
    assert network.feature_map.shape == (None, 10, 8, 4)
    assert network.embedding.shape == (None, 5)
    assert own("Flatten").feature_map is None, "the input pixels must not count as a feature map"


def test_unnamed_layers_get_stable_names() -> None:
    dense = {"Dense": {"units": 5}}
    for _ in range(2):
        network = own("Flatten", dense, {"Dense": {"units": 5, "name": "dense_1"}}, dense)
        names = [layer.name for layer in network.model.layers]
        assert names == ["pixels", "rescaling", "flatten_1", "dense_2", "dense_1", "dense_3", "logits"]


@pytest.mark.parametrize("name", ["pixels", "rescaling"])
def test_a_duplicate_name_is_rejected(name: str) -> None:
    with pytest.raises(ModelError, match=r"names must be unique; train\.model\.layers\[0\] Flatten"):
        own({"Flatten": {"name": name}})


def test_a_layer_name_of_the_backbone_is_refused_in_the_head() -> None:
    with pytest.raises(ModelError, match=r"train\.model\.head\[1\] Dropout\(name=block_3_expand"):
        backbone("GlobalAveragePooling2D", {"Dropout": {"rate": 0.1, "name": "block_3_expand"}})


def test_a_network_that_exceeds_the_memory_is_rejected_before_it_is_built() -> None:
    with pytest.raises(ModelError, match=r"must fit into this machine's .* of memory; with .* parameters"):
        own("Flatten", *[{"Dense": {"units": 65_536}}] * 8)
    with pytest.raises(ModelError, match=r"a batch of 4096 photos, it needs about .* lower train\.batch_size"):
        own({"Conv2D": {"filters": 65_536, "kernel_size": 1}}, "Flatten", image_size=(64, 64), batch_size=4096)


def test_the_small_cnn_can_be_built_for_pictures_of_4_px_and_more() -> None:
    for size in ((4, 4), (8, 8), (64, 64)):
        params = ModelParams(kind="layers", layers=SMALL_CNN)
        network = build_network(params, image_size=size, num_classes=10, batch_size=32)
        assert network.model.output.shape == (None, 10)
