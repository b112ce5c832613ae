"""The layers of params.yaml: the predicted shapes and parameter counts, and the errors for invalid layers."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from components.contract.errors import ModelError
from components.contract.layers.layer import LAYERS, Layer, layer_class
from components.contract.layers.shapes import shape_text
from components.contract.layers.stack import parse_layer, trace_shapes
from components.contract.params.model import ModelParams
from components.contract.params.resolve import resolve_train
from components.contract.params.training import TrainParams


def layers(*specs: Any) -> tuple[Layer, ...]:
    return tuple(map(parse_layer, specs))


@pytest.mark.parametrize(
    ("layer", "before", "after", "num_parameters"),
    [
        ({"Conv2D": {"filters": 8, "kernel_size": 3}}, (10, 12, 3), (8, 10, 8), 3 * 3 * 3 * 8 + 8),
        ({"Conv2D": {"filters": 8, "kernel_size": [3, 1], "padding": "same"}}, (10, 12, 3), (10, 12, 8), 3 * 3 * 8 + 8),
        ({"Conv2D": {"filters": 8, "kernel_size": 3, "strides": 2}}, (10, 12, 3), (4, 5, 8), 224),
        ({"Conv2D": {"filters": 8, "kernel_size": 3, "strides": 2, "padding": "same"}}, (9, 12, 3), (5, 6, 8), 224),
        ({"Conv2D": {"filters": 8, "kernel_size": 3, "dilation_rate": 2}}, (10, 12, 3), (6, 8, 8), 224),
        ({"Conv2D": {"filters": 8, "kernel_size": 1, "use_bias": False}}, (10, 12, 3), (10, 12, 8), 24),
        ({"SeparableConv2D": {"filters": 8, "kernel_size": 3}}, (10, 12, 3), (8, 10, 8), 27 + 24 + 8),
        ({"DepthwiseConv2D": {"kernel_size": 3}}, (10, 12, 3), (8, 10, 3), 27 + 3),
        ("MaxPooling2D", (9, 8, 3), (4, 4, 3), 0),
        ({"AveragePooling2D": {"pool_size": 3, "strides": 1, "padding": "same"}}, (9, 8, 3), (9, 8, 3), 0),
        ("GlobalAveragePooling2D", (9, 8, 3), (3,), 0),
        ("GlobalMaxPooling2D", (9, 8, 3), (3,), 0),
        ("Flatten", (9, 8, 3), (216,), 0),
        ("Flatten", (7,), (7,), 0),
        ({"Dense": {"units": 4}}, (7,), (4,), 32),
        ({"Dropout": {"rate": 0.5}}, (9, 8, 3), (9, 8, 3), 0),
        ({"SpatialDropout2D": {"rate": 0.5}}, (9, 8, 3), (9, 8, 3), 0),
        ("BatchNormalization", (9, 8, 3), (9, 8, 3), 12),
        ("LayerNormalization", (7,), (7,), 14),
        ({"Activation": {"activation": "relu"}}, (7,), (7,), 0),
        ({"ZeroPadding2D": {"padding": [1, 2]}}, (9, 8, 3), (11, 12, 3), 0),
        ({"Conv2DTranspose": {"filters": 4, "kernel_size": 3, "strides": 2}}, (5, 6, 3), (11, 13, 4), 108 + 4),
        (
            {"Conv2DTranspose": {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}},
            (5, 6, 3),
            (10, 12, 4),
            112,
        ),
        ({"GroupNormalization": {"groups": 3}}, (9, 8, 6), (9, 8, 6), 12),
        ({"Rescaling": {"scale": 0.1}}, (7,), (7,), 0),
        ({"GlobalMaxPooling2D": {"keepdims": True}}, (9, 8, 3), (1, 1, 3), 0),
        ({"Conv2D": {"filters": 8, "kernel_size": 3, "groups": 2}}, (10, 12, 4), (8, 10, 8), 3 * 3 * 2 * 8 + 8),
        ({"UpSampling2D": {"size": [2, 3]}}, (4, 5, 3), (8, 15, 3), 0),
        ({"Cropping2D": {"cropping": [1, 2]}}, (9, 8, 3), (7, 4, 3), 0),
        ({"Reshape": {"target_shape": [-1, 3]}}, (9, 8, 3), (72, 3), 0),
        ({"Permute": {"dims": [3, 1, 2]}}, (9, 8, 3), (3, 9, 8), 0),
        ("GlobalAveragePooling1D", (72, 3), (3,), 0),
        ({"PReLU": {"shared_axes": [1, 2]}}, (9, 8, 3), (9, 8, 3), 3),
        ({"RandomCrop": {"height": 4, "width": 5}}, (9, 8, 3), (4, 5, 3), 0),
    ],
)
def test_shapes_and_parameters_are_predicted(layer: Any, before: Any, after: Any, num_parameters: int) -> None:
    parsed = parse_layer(layer)
    assert parsed.compute_output_shape(before) == after
    assert parsed.count_parameters(before) == num_parameters


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("Conv3", "unknown layer Conv3 (did you mean Conv2D?)"),
        ({"dense": {"units": 3}}, "unknown layer dense (did you mean Dense?)"),
        ({"Lambda": {"function": "print"}}, "unknown layer Lambda"),
        ({"Dense": {"unit": 10}}, "unit: unknown key (did you mean units?)"),
        ({"Dense": {"units": 0}}, "units: expected greater than or equal to 1; found 0"),
        ({"Dense": {"units": "ten"}}, 'units: expected a valid integer; found "ten"'),
        ({"Dense": {"units": 10, "activation": "rellu"}}, "activation: expected 'celu', 'elu'"),
        ({"Dense": {"units": 10**9}}, "units: expected less than or equal to 16777216; found 1000000000"),
        ({"Dense": None}, "Dense: units: required, but missing"),
        ({"Dense": 10}, "expected the arguments of Dense as key: value; found 10"),
        ({"Dense": {"units": 1}, "Flatten": {}}, "expected one layer"),
        (["Flatten"], "expected one layer"),
        ({"Conv2D": {"filters": 8}}, "Conv2D: kernel_size: required"),
        ({"Conv2D": {"filters": 8, "kernel_size": [3, 3, 3]}}, "expected a number from 1 to 1024, or [height, width]"),
        ({"Conv2D": {"filters": 8, "kernel_size": 3, "padding": "full"}}, "padding: expected 'valid' or 'same'"),
        ({"MultiHeadAttention": {"num_heads": 2, "key_dim": 4}}, "MultiHeadAttention: with: required, but missing"),
        (
            {"RandomRotation": {"factor": [0.1]}},
            "factor: expected a number from -10 to 10, or [low, high]; found [0.1]",
        ),
        ({"Conv2D": {"filters": 8, "kernel_size": 3, "kernel_initializer": "ones"}}, "kernel_initializer: unknown key"),
        ({"Add": None}, "Add: with: required, but missing"),
        ({"Add": {"with": []}}, "with: expected the name of an earlier layer, or a list of names; found []"),
        ({"Dense": {"units": 3, "kernel_regularizer": "l2"}}, "kernel_regularizer: expected"),
        ({"Dense": {"units": 3, "kernel_regularizer": {"l3": 1}}}, "kernel_regularizer.l3: unknown key"),
        ({"Dense": {"units": 3, "kernel_regularizer": {"l2": -1}}}, "kernel_regularizer.l2: expected greater than or"),
        ({"Dropout": {"rate": 1}}, "rate: expected less than or equal to 0.999999; found 1"),
        ({"Dropout": {"rate": float("nan")}}, "rate: expected a finite number"),
        (
            {"Flatten": {"name": "a/b"}},
            'name: expected a letter, then up to 63 letters, digits and underscores; found "a/b"',
        ),
    ],
)
def test_an_invalid_layer_is_rejected_with_a_reason(spec: Any, message: str) -> None:
    with pytest.raises(ValidationError) as error:
        ModelParams.model_validate({"layers": (spec,)})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (
            [{"Dense": {"units": 4}}],
            "train.model.layers[0] Dense(units=4) cannot be used here: it needs a flat vector (put Flatten or "
            "GlobalAveragePooling2D before it). Its input is 8 × 8 × 3.",
        ),
        (
            ["Flatten", {"Conv2D": {"filters": 8, "kernel_size": 3}}],
            "train.model.layers[1] Conv2D(filters=8, kernel_size=3) cannot be used here: it needs an input of height × "
            "width × channels. Its input is 192.",
        ),
        (
            [{"RandomCrop": {"height": 6, "width": 8}}, "Flatten"],
            "train.model.layers[0] RandomCrop(height=6, width=8) must keep the size of its input, 8 × 8 × 3: Keras "
            "crops photos only in training",
        ),
        (
            ["MaxPooling2D", {"Conv2D": {"filters": 8, "kernel_size": 5}}, "Flatten"],
            "layers[1] Conv2D(filters=8, kernel_size=5) cannot be used here: its window of 5 is larger than its "
            "input; remove a pooling layer before it, set padding: same, or use larger photos. Its input is 4 × 4 × 3.",
        ),
        (
            ["MaxPooling2D"],
            "train.model.layers must end in a flat vector for the output layer; MaxPooling2D() outputs "
            "4 × 4 × 3. Add Flatten or GlobalAveragePooling2D.",
        ),
        (
            [{"Conv2D": {"filters": 2, "kernel_size": 1, "name": "eye"}}, {"Add": {"with": "eya"}}],
            "train.model.layers[1] Add(with=eya) refers to eya, which must be the `name` of an earlier layer in the "
            "list (did you mean eye?).",
        ),
        (
            [{"Conv2D": {"filters": 2, "kernel_size": 1}}, {"Add": {"with": "input"}}],
            "its inputs must have the same shape; they are 8 × 8 × 2 and 8 × 8 × 3",
        ),
        (
            ["MaxPooling2D", {"Concatenate": {"with": "input"}}],
            "its inputs must have the same height and width; they are 4 × 4 × 3 and 8 × 8 × 3",
        ),
        (
            ["MaxPooling2D", {"Flatten": {"after": "input"}}],
            "The output of train.model.layers[0] MaxPooling2D() is not used, because the next layer takes its input "
            "from input.",
        ),
        (
            [{"Conv2D": {"filters": 8, "kernel_size": 3, "strides": 2, "dilation_rate": 2}}],
            "strides and dilation_rate cannot both differ from 1; found (2, 2) and (2, 2). Its input is 8 × 8 × 3.",
        ),
        (
            [{"DepthwiseConv2D": {"kernel_size": 3, "strides": [1, 2]}}],
            "strides must be the same along height and width; found (1, 2). Its input is 8 × 8 × 3.",
        ),
        ([{"Reshape": {"target_shape": [5, -1]}}], "it cannot reshape (8, 8, 3) to (5, -1)"),
        ([{"LayerNormalization": {"axis": 7}}], "its axis 7 does not exist in its input (8, 8, 3)"),
        ([{"GroupNormalization": {"groups": 2}}], "its 2 groups do not divide 3 channels. Its input is 8 × 8 × 3."),
        (
            [{"Flatten": {"name": "flat"}}, {"Dropout": {"name": "flat", "rate": 0.1}}],
            "Layer names must be unique; train.model.layers[1] Dropout(name=flat, rate=0.1)",
        ),
    ],
)
def test_layers_that_do_not_fit_together_are_reported_with_a_reason(specs: list[Any], message: str) -> None:
    with pytest.raises(ModelError) as error:
        trace_shapes(layers(*specs), (8, 8, 3))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("head", "size", "message"),
    [
        ([{"Dense": {"units": 4}}], 224, "train.model.head[0] Dense(units=4) cannot be used here"),
        ([{"Dense": {"units": 4}}], 224, "Its input is 7 × 7 × 1280."),
        ([{"MaxPooling2D": {"pool_size": 3}}, "Flatten"], 33, "Its input is 2 × 2 × 1280."),
        (
            ["GlobalAveragePooling2D"],
            31,
            "MobileNetV2 needs photos of at least 32 px on each side; the photos are 31 × 31 px.",
        ),
    ],
)
def test_a_head_is_checked_before_training(head: list[Any], size: int, message: str) -> None:
    train = TrainParams(model=ModelParams(name="MobileNetV2", head=layers(*head)))
    with pytest.raises(ModelError) as error:
        resolve_train(train, (size, size))
    assert message in str(error.value)


def test_layers_survive_a_round_trip_through_json() -> None:
    convolution = {"Conv2D": {"filters": 8, "kernel_size": [3, 1]}}
    model = ModelParams(layers=layers(convolution, "Flatten", {"Dropout": {"rate": 0.5}}))
    text = json.dumps(model.model_dump(mode="json"))
    assert ModelParams.model_validate_json(text) == model
    assert '"layers": [{"Conv2D": {"filters": 8, "kernel_size": [3, 1]}}, "Flatten"' in text


def test_layers_and_shapes_are_printed_in_readable_form() -> None:
    assert str(parse_layer({"Conv2D": {"filters": 8, "kernel_size": 3}})) == "Conv2D(filters=8, kernel_size=3)"
    assert all(name == layer_class(name).__name__ for name in LAYERS)
    assert shape_text((224, 224, 3)) == "224 × 224 × 3"
