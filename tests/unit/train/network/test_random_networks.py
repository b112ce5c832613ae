"""Random lists of layers: the contract predicts the network that Keras builds, or refuses the list with a reason."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from components.contract.layers.catalog import KINDS
from components.contract.layers.layer import Layer
from components.contract.params.model import ModelParams
from tests.unit.train.network.predicted import check_built_as_predicted

ACTIVATIONS = st.sampled_from([None, "relu", "gelu", "softmax", "hard_swish", "leaky_relu"])
EXTENT = st.integers(1, 5)
PENALTY = st.fixed_dictionaries({}, optional={"l1": st.floats(0, 1), "l2": st.floats(0, 1)})
EARLIER = st.integers(0, 9)
"""A number that selects an earlier layer; `connected` replaces it with the layer's name."""
PAIR = EXTENT | st.tuples(EXTENT, EXTENT).map(list)
WINDOW = {"padding": st.sampled_from(["valid", "same"])}
CONVOLUTION = {"kernel_size": PAIR, "strides": PAIR, "activation": ACTIVATIONS, "use_bias": st.booleans(), **WINDOW}
ARGUMENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "Activation": {"activation": ACTIVATIONS.filter(bool)},
    "AveragePooling2D": {"pool_size": PAIR, "strides": PAIR | st.none(), **WINDOW},
    "BatchNormalization": {"momentum": st.floats(0.1, 0.9)},
    "Add": {"with": EARLIER},
    "Concatenate": {"with": EARLIER},
    "Conv2D": {"filters": st.integers(1, 8), "dilation_rate": PAIR, "kernel_regularizer": PENALTY, **CONVOLUTION},
    "Conv2DTranspose": {"filters": st.integers(1, 8), "kernel_regularizer": PENALTY, **CONVOLUTION},
    "Dense": {
        "units": st.integers(1, 8),
        "activation": ACTIVATIONS,
        "use_bias": st.booleans(),
        "kernel_regularizer": PENALTY,
        "bias_regularizer": PENALTY,
    },
    "DepthwiseConv2D": {"depthwise_regularizer": PENALTY, **CONVOLUTION},
    "Cropping2D": {"cropping": st.integers(0, 3)},
    "Dropout": {"rate": st.floats(0, 0.9)},
    "Flatten": {},
    "GlobalAveragePooling2D": {"keepdims": st.booleans()},
    "GlobalMaxPooling2D": {"keepdims": st.booleans()},
    "GroupNormalization": {"groups": st.integers(1, 4)},
    "Maximum": {"with": EARLIER},
    "PReLU": {"shared_axes": st.none() | st.just([1, 2])},
    "RandomFlip": {"mode": st.sampled_from(["horizontal", "vertical"])},
    "Reshape": {"target_shape": st.sampled_from([[-1], [-1, 1], [2, -1]])},
    "Resizing": {"height": st.integers(1, 9), "width": st.integers(1, 9)},
    "Softmax": {},
    "UpSampling2D": {"size": EXTENT},
    "LayerNormalization": {"epsilon": st.floats(1e-6, 0.1)},
    "MaxPooling2D": {"pool_size": PAIR, "strides": PAIR | st.none(), **WINDOW},
    "Multiply": {"with": EARLIER},
    "Rescaling": {"scale": st.floats(-3, 3), "offset": st.floats(-3, 3)},
    "SeparableConv2D": {
        "filters": st.integers(1, 8),
        "dilation_rate": PAIR,
        "pointwise_regularizer": PENALTY,
        **CONVOLUTION,
    },
    "SpatialDropout2D": {"rate": st.floats(0, 0.9)},
    "ZeroPadding2D": {"padding": PAIR},
}


def given_layer(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    required = {*KINDS[kind].required, "with"}
    required_arguments = {name: strategy for name, strategy in ARGUMENTS[kind].items() if name in required}
    optional = {name: strategy for name, strategy in ARGUMENTS[kind].items() if name not in required}
    arguments = st.fixed_dictionaries(required_arguments, optional=optional)
    return arguments.map(lambda values: {kind: {key: value for key, value in values.items() if value is not None}})


ANY_LAYER = st.tuples(st.sampled_from(sorted(ARGUMENTS)).flatmap(given_layer), st.none() | st.none() | EARLIER)
ANY_LIST = st.lists(ANY_LAYER, min_size=1, max_size=6)
ANY_SIZE = st.tuples(st.integers(4, 9), st.integers(4, 9))


def connected(drawn_layers: list[tuple[dict[str, Any], int | None]]) -> list[dict[str, Any]]:
    """Names the drawn layers; some merge with an earlier layer, and some follow a layer other than the previous one."""
    named_layers: list[dict[str, Any]] = []
    for position, (layer, after) in enumerate(drawn_layers):
        ((kind, arguments),) = layer.items()
        arguments = arguments | {"name": f"layer_{position}"}
        if "with" in arguments:
            arguments["with"] = f"layer_{arguments['with'] % position}" if position else "input"
        if after is not None and position > 1 and "with" in named_layers[-1] | arguments:
            arguments["after"] = f"layer_{after % position}"
        named_layers.append({kind: arguments})
    return [*named_layers, {"Flatten": {"name": "flat"}}]


def parsed(specs: list[dict[str, Any]]) -> tuple[Layer, ...] | None:
    try:
        return ModelParams.model_validate({"layers": tuple(specs)}).layers
    except ValidationError:
        return None  # refused with a reason: see test_stack.py


RANDOM = {"deadline": None, "derandomize": True, "suppress_health_check": [HealthCheck.filter_too_much]}


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # unusual, but allowed
@settings(max_examples=100, **RANDOM)
@given(drawn_layers=ANY_LIST, image_size=ANY_SIZE)
def test_any_list_of_layers_is_built_as_predicted_or_rejected(
    drawn_layers: list[tuple[dict[str, Any], int | None]], image_size: tuple[int, int]
) -> None:
    stack = parsed(connected(drawn_layers))
    assume(stack is not None)
    assert stack is not None
    check_built_as_predicted(stack, image_size)


@pytest.mark.proof
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize("quarter", range(4))
def test_two_thousand_lists_of_layers_are_built_and_run_or_rejected(quarter: int) -> None:
    built = 0

    @seed(quarter)
    @settings(max_examples=500, **RANDOM | {"derandomize": False, "database": None})
    @given(drawn_layers=ANY_LIST, image_size=ANY_SIZE)
    def check(drawn_layers: list[tuple[dict[str, Any], int | None]], image_size: tuple[int, int]) -> None:
        nonlocal built
        stack = parsed(connected(drawn_layers))
        assume(stack is not None)
        assert stack is not None
        network = check_built_as_predicted(stack, image_size)
        if network is not None:
            built += 1
            assert network.model(np.zeros((2, *image_size, 3), np.uint8), training=True).shape == (2, 9)

    check()
    assert built > 50
