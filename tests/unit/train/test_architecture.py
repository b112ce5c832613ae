"""From params to Keras: what the contract foretells is what Keras builds, or both refuse."""

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from components.contract.errors import ModelError
from components.contract.layers import LAYERS, ActivationName, Layer, parse_layer, trace_shapes
from components.contract.model_params import BACKBONE_FEATURES, ModelParams
from components.contract.resolve import SMALL_CNN
from components.train.architecture import KERAS_LAYERS, Network, build_network, split_output, summary


def layers(*given: Any) -> tuple[Layer, ...]:
    return tuple(map(parse_layer, given))


def own(*given: Any, image_size: tuple[int, int] = (12, 10), num_classes: int = 3, batch_size: int = 8) -> Network:
    params = ModelParams(kind="layers", layers=layers(*given))
    return build_network(params, image_size=image_size, num_classes=num_classes, batch_size=batch_size)


def backbone(*head: Any, weights: str = "none", size: int = 32) -> Network:
    params = ModelParams(kind="pretrained", name="MobileNetV2", weights=weights, head=layers(*head))
    return build_network(params, image_size=(size, size), num_classes=3, batch_size=8)


def test_every_layer_of_the_contract_has_a_keras_layer_of_its_name() -> None:
    assert KERAS_LAYERS.keys() == LAYERS.keys()
    assert all(name == keras_layer.__name__ for name, keras_layer in KERAS_LAYERS.items())


@pytest.mark.parametrize("activation", ActivationName.__args__)
def test_every_activation_is_one_of_keras(activation: str) -> None:
    assert keras.activations.get(activation) is not None


ACTIVATIONS = st.sampled_from([None, "relu", "gelu", "softmax", "hard_swish", "leaky_relu"])
EXTENT = st.integers(1, 5)
PAIR = EXTENT | st.tuples(EXTENT, EXTENT).map(list)
WINDOW = {"padding": st.sampled_from(["valid", "same"])}
CONVOLUTION = {"kernel_size": PAIR, "strides": PAIR, "activation": ACTIVATIONS, "use_bias": st.booleans(), **WINDOW}
ARGUMENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "Activation": {"activation": ACTIVATIONS.filter(bool)},
    "AveragePooling2D": {"pool_size": PAIR, "strides": PAIR | st.none(), **WINDOW},
    "BatchNormalization": {"momentum": st.floats(0.1, 0.9)},
    "Conv2D": {"filters": st.integers(1, 8), "dilation_rate": PAIR, **CONVOLUTION},
    "Dense": {"units": st.integers(1, 8), "activation": ACTIVATIONS, "use_bias": st.booleans()},
    "DepthwiseConv2D": CONVOLUTION,
    "Dropout": {"rate": st.floats(0, 0.9)},
    "Flatten": {},
    "GlobalAveragePooling2D": {},
    "GlobalMaxPooling2D": {},
    "LayerNormalization": {"epsilon": st.floats(1e-6, 0.1)},
    "MaxPooling2D": {"pool_size": PAIR, "strides": PAIR | st.none(), **WINDOW},
    "SeparableConv2D": {"filters": st.integers(1, 8), "dilation_rate": PAIR, **CONVOLUTION},
    "SpatialDropout2D": {"rate": st.floats(0, 0.9)},
    "ZeroPadding2D": {"padding": PAIR},
}


def given_layer(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    required = {name for name, field in LAYERS[kind].model_fields.items() if field.is_required()}
    given = {name: strategy for name, strategy in ARGUMENTS[kind].items() if name in required}
    optional = {name: strategy for name, strategy in ARGUMENTS[kind].items() if name not in required}
    arguments = st.fixed_dictionaries(given, optional=optional)
    return arguments.map(lambda chosen: {kind: {key: value for key, value in chosen.items() if value is not None}})


ANY_LAYER = st.sampled_from(sorted(LAYERS)).flatmap(given_layer)


def parsed(given: list[dict[str, Any]]) -> tuple[Layer, ...] | None:
    try:
        return ModelParams.model_validate({"layers": tuple(given)}).layers
    except ValidationError:
        return None  # refused with a reason: see test_layers.py


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # of one channel: odd, yet allowed
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.filter_too_much])
@given(given=st.lists(ANY_LAYER, min_size=1, max_size=5), image_size=st.tuples(st.integers(4, 14), st.integers(4, 14)))
def test_any_list_of_layers_builds_as_foretold_or_is_refused(
    given: list[dict[str, Any]], image_size: tuple[int, int]
) -> None:
    chosen = parsed([*given, {"Flatten": {}}])
    assume(chosen is not None)
    assert chosen is not None
    try:
        shapes = trace_shapes(chosen, (*image_size, 3))
    except ModelError as error:
        assert "Its input is" in str(error)
        return
    try:
        network = build_network(
            ModelParams(kind="layers", layers=chosen), image_size=image_size, num_classes=9, batch_size=2
        )
    except ModelError as error:
        assert "ends in a softmax over" in str(error)
        return
    built = network.model.layers[2:-1]
    assert [type(layer).__name__ for layer in built] == [layer.kind for layer in chosen]
    assert [tuple(layer.output.shape[1:]) for layer in built] == shapes
    inputs = [(*image_size, 3), *shapes]
    foretold = [layer.num_parameters(shape) for layer, shape in zip(chosen, inputs, strict=False)]
    assert [layer.count_params() for layer in built] == foretold
    logits = network.model(np.zeros((2, *image_size, 3), np.uint8), training=True)
    assert logits.shape == (2, 9)


@pytest.mark.parametrize(
    ("given", "hidden", "name"),
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
def test_the_output_layer_is_taken_from_the_list_or_added(given: list[Any], hidden: list[str], name: str) -> None:
    before, output = split_output(layers(*given), 3, "train.model.layers")
    assert [layer.kind for layer in before] == hidden
    assert (output.units, output.activation, output.name) == (3, None, name)


@pytest.mark.parametrize(
    "given",
    [
        ["Flatten", {"Dense": {"units": 4, "activation": "softmax"}}],
        ["Flatten", {"Dense": {"units": 4}}, {"Activation": {"activation": "softmax"}}],
    ],
)
def test_a_softmax_over_another_number_of_classes_is_refused(given: list[Any]) -> None:
    with pytest.raises(ModelError, match=r"train\.model\.layers ends in a softmax over 4 classes, yet the data have 3"):
        own(*given)


def test_the_network_takes_pixels_and_gives_logits() -> None:
    network = own("Flatten", {"Dense": {"units": 3, "activation": "softmax"}})
    assert network.model.input.dtype == "uint8"
    assert network.model.output.dtype == "float32"
    logits = np.asarray(network.model(np.full((1, 12, 10, 3), 255, np.uint8)))
    assert not np.isclose(logits.sum(), 1), "a softmax at the end is taken off: the loss and the service add it"


def test_the_named_places_of_a_network_are_its_own() -> None:
    convolution = {"Conv2D": {"filters": 4, "kernel_size": 3, "name": "eye"}}
    network = own(convolution, "Flatten", {"Dense": {"units": 5, "activation": "relu", "name": "gist"}})
    assert network.feature_map is not None
    assert network.feature_map.shape == (None, 10, 8, 4)
    assert network.embedding.shape == (None, 5)
    assert own("Flatten").feature_map is None, "pixels are no features"


def test_layers_get_stable_names_beside_those_that_are_given() -> None:
    dense = {"Dense": {"units": 5}}
    for _ in range(2):
        network = own("Flatten", dense, {"Dense": {"units": 5, "name": "dense_1"}}, dense)
        names = [layer.name for layer in network.model.layers]
        assert names == ["pixels", "rescaling", "flatten_1", "dense_2", "dense_1", "dense_3", "logits"]


@pytest.mark.parametrize("name", ["pixels", "rescaling"])
def test_a_name_that_is_taken_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"name of its own; train\.model\.layers\[0\] Flatten"):
        own({"Flatten": {"name": name}})


def test_a_name_of_the_backbone_is_refused_in_the_head() -> None:
    with pytest.raises(ModelError, match=r"train\.model\.head\[1\] Dropout\(name=block_3_expand"):
        backbone("GlobalAveragePooling2D", {"Dropout": {"rate": 0.1, "name": "block_3_expand"}})


def test_what_the_machine_cannot_hold_is_refused_before_it_is_built() -> None:
    with pytest.raises(ModelError, match=r"must fit into this machine's .* of memory; with .* parameters"):
        own("Flatten", *[{"Dense": {"units": 65_536}}] * 8)
    with pytest.raises(ModelError, match=r"a batch of 4096 photos it takes about .* lower train\.batch_size"):
        own({"Conv2D": {"filters": 65_536, "kernel_size": 1}}, "Flatten", image_size=(64, 64), batch_size=4096)


def test_the_small_network_fits_the_smallest_pictures() -> None:
    for size in ((4, 4), (8, 8), (64, 64)):
        params = ModelParams(kind="layers", layers=SMALL_CNN)
        network = build_network(params, image_size=size, num_classes=10, batch_size=32)
        assert network.model.output.shape == (None, 10)


@pytest.mark.parametrize("size", [32, 33, 64, 97])
def test_the_contract_knows_the_shape_of_a_backbones_features(size: int) -> None:
    for name, (pixels_per_place, channels) in BACKBONE_FEATURES.items():
        params = ModelParams(kind="pretrained", name=name, weights="none", head=layers("GlobalAveragePooling2D"))
        network = build_network(params, image_size=(size, 64), num_classes=2, batch_size=1)
        assert network.backbone is not None
        height, width = -(-size // pixels_per_place), -(-64 // pixels_per_place)
        assert network.backbone.output.shape == (None, height, width, channels)


def test_the_summary_names_layers_shapes_and_parameters() -> None:
    network = backbone("GlobalAveragePooling2D", {"Dense": {"units": 7}}, weights="imagenet")
    text = "\n".join(summary(network))
    assert "MobileNetV2 (155 layers)" in text
    assert "1 × 1 × 1280" in text
    assert "2,257,984" in text
    assert "dense_1 (Dense)" in text
    assert "8,967" in text
    assert text.endswith("2,266,975 parameters.")
