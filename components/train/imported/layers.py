"""The layers that an uploaded model may consist of: their arguments, their output shapes, and the weights they own.

Names, arguments and the order of weights are Keras'. Shapes are those of one photo, without the batch axis, and every
size in them is known. Nothing here imports Keras; `builder` holds the constructors of the same names.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from components.train.imported.arguments import (
    Check,
    activation,
    choice,
    constraint,
    edges,
    either,
    finite_numbers,
    flag,
    ignored,
    initializer,
    integer,
    number,
    numbers,
    optional,
    pair,
    regularizer,
    seed,
    wrong,
)

Shape = tuple[int, ...]
Arguments = Mapping[str, Any]

MAX_SIDE: Final = 65_536
MAX_UNITS: Final = 2**24

NOT_TRAINED: Final = {"moving_mean", "moving_variance", "mean", "variance", "count"}
"""Weights that no optimizer touches; Keras stores them after the others."""

FOREIGN_BUT_KNOWN: Final = {"LayerScale", "StochasticDepth"}
"""Layers that keras.applications brings for ConvNeXt and registers under a name of its own."""


@dataclass(frozen=True)
class Kind:
    """A kind of layer.

    Attributes:
        arguments: what it may be given, and how each is checked.
        shape: from arguments and the input's shape (all inputs' shapes, where it merges) to the output's shape; raises
            ValueError where the input cannot be taken.
        weights: from arguments and the input's shape to its weights' names and shapes, in Keras' order.
        required: arguments without a default.
        merges: it takes several inputs.
    """

    arguments: dict[str, Check]
    shape: Callable[[Arguments, Any], Shape]
    weights: Callable[[Arguments, Shape], dict[str, Shape]] = lambda arguments, shape: {}
    required: tuple[str, ...] = ()
    merges: bool = False


@dataclass(frozen=True)
class Merge(Kind):
    """A kind that makes one tensor of several."""

    merges: bool = field(default=True, init=False)


# --- arguments that many kinds share ----------------------------------------------------------------------------------

_UNITS = integer(1, MAX_UNITS)
_RATE = number(0, 0.999999)
_SMALL = number(0, 1)
_SIDE = integer(1, MAX_SIDE)
_PADDING = choice("valid", "same", "VALID", "SAME")
_FORMAT = {"data_format": ignored("channels_last")}
_PENALTY = {"activity_regularizer": regularizer}


def _owned(*names: str) -> dict[str, Check]:
    """How the named weights are drawn, penalised and limited."""
    return {
        f"{name}_{what}": check
        for name in names
        for what, check in (("initializer", initializer), ("regularizer", regularizer), ("constraint", constraint))
    }


_WINDOW = {"kernel_size": pair(1, 1024), "strides": pair(1, 1024), "padding": _PADDING, "dilation_rate": pair(1, 1024)}
_CONVOLUTION = {**_WINDOW, **_FORMAT, **_PENALTY, "activation": activation, "use_bias": flag}
_SCALED = {"center": flag, "scale": flag, **_owned("beta", "gamma"), "epsilon": number(0, 1)}
_DRAWN = {"seed": seed}
_AXIS = either(integer(-8, 8), numbers(integer(-8, 8), 1, 8))


# --- shapes -----------------------------------------------------------------------------------------------------------


def _same(arguments: Arguments, shape: Shape) -> Shape:
    return shape


def _spatial(shape: Shape) -> Shape:
    if len(shape) != 3:
        raise wrong("an input of height × width × channels", shape)
    return shape


def _slide(
    arguments: Arguments, shape: Shape, window: tuple[int, int], strides: tuple[int, int], channels: int
) -> Shape:
    sides = []
    for axis, size in enumerate(_spatial(shape)[:2]):
        reach = (window[axis] - 1) * arguments.get("dilation_rate", (1, 1))[axis] + 1
        if arguments.get("padding", "valid").lower() == "same":
            sides.append(-(-size // strides[axis]))
        elif reach > size:
            raise ValueError(f"its window of {reach} is larger than its input {shape}")
        else:
            sides.append((size - reach) // strides[axis] + 1)
    return (*sides, channels)


def _convolved(arguments: Arguments, shape: Shape) -> Shape:
    groups = arguments.get("groups", 1)
    if shape[-1] % groups or arguments["filters"] % groups:
        raise ValueError(f"its {groups} groups divide neither {shape[-1]} channels nor {arguments['filters']} filters")
    return _slide(
        arguments, shape, arguments["kernel_size"], arguments.get("strides", (1, 1)), arguments["filters"]
    )  # fmt: skip


def _depthwise(arguments: Arguments, shape: Shape) -> Shape:
    channels = _spatial(shape)[2] * arguments.get("depth_multiplier", 1)
    return _slide(arguments, shape, arguments["kernel_size"], arguments.get("strides", (1, 1)), channels)


def _transposed(arguments: Arguments, shape: Shape) -> Shape:
    strides, window = arguments.get("strides", (1, 1)), arguments["kernel_size"]
    dilation, extra = arguments.get("dilation_rate", (1, 1)), arguments.get("output_padding")
    sides = []
    for axis, size in enumerate(_spatial(shape)[:2]):
        reach = (window[axis] - 1) * dilation[axis] + 1
        same = arguments.get("padding", "valid").lower() == "same"
        if extra is None:
            sides.append(size * strides[axis] if same else size * strides[axis] + max(reach - strides[axis], 0))
        else:
            padded = 2 * (reach // 2) if same else 0
            sides.append((size - 1) * strides[axis] + reach - padded + extra[axis])
    return (*sides, arguments["filters"])


def _pooled(arguments: Arguments, shape: Shape) -> Shape:
    window = arguments.get("pool_size", (2, 2))
    return _slide(arguments, shape, window, arguments.get("strides") or window, _spatial(shape)[2])


def _globally_pooled(arguments: Arguments, shape: Shape) -> Shape:
    channels = _spatial(shape)[2]
    return (1, 1, channels) if arguments.get("keepdims") else (channels,)


def _flattened(arguments: Arguments, shape: Shape) -> Shape:
    return (math.prod(shape),)


def _reshaped(arguments: Arguments, shape: Shape) -> Shape:
    target: Shape = arguments["target_shape"]
    known = math.prod(side for side in target if side != -1)
    if target.count(-1) > 1 or known <= 0 or math.prod(shape) % known or (
        -1 not in target and known != math.prod(shape)
    ):  # fmt: skip
        raise ValueError(f"it cannot bring {shape} into the shape {target}")
    return tuple(math.prod(shape) // known if side == -1 else side for side in target)


def _permuted(arguments: Arguments, shape: Shape) -> Shape:
    if sorted(arguments["dims"]) != list(range(1, len(shape) + 1)):
        raise ValueError(f"its dims {arguments['dims']} are no order of the axes of {shape}")
    return tuple(shape[axis - 1] for axis in arguments["dims"])


def _bordered(key: str, sign: int) -> Callable[[Arguments, Shape], Shape]:
    def shape_of(arguments: Arguments, shape: Shape) -> Shape:
        default = ((1, 1), (1, 1)) if sign > 0 else ((0, 0), (0, 0))
        border = arguments.get(key, default)
        sides = [size + sign * sum(border[axis]) for axis, size in enumerate(_spatial(shape)[:2])]
        if min(sides) < 1:
            raise ValueError(f"it cuts everything from its input {shape}")
        return (*sides, shape[2])

    return shape_of


def _enlarged(arguments: Arguments, shape: Shape) -> Shape:
    size = arguments.get("size", (2, 2))
    return (_spatial(shape)[0] * size[0], shape[1] * size[1], shape[2])


def _sized(arguments: Arguments, shape: Shape) -> Shape:
    return (arguments["height"], arguments["width"], _spatial(shape)[2])


def _broadcast(arguments: Arguments, shapes: list[Shape]) -> Shape:
    if len({len(shape) for shape in shapes}) != 1:
        raise ValueError(f"its inputs {shapes} have different numbers of axes")
    sides = []
    for sizes in zip(*shapes, strict=True):
        larger = {size for size in sizes if size != 1}
        if len(larger) > 1:
            raise ValueError(f"its inputs {shapes} do not fit together")
        sides.append(larger.pop() if larger else 1)
    return tuple(sides)


def _two(arguments: Arguments, shapes: list[Shape]) -> Shape:
    if len(shapes) != 2:
        raise ValueError(f"it takes two inputs, not {len(shapes)}")
    return _broadcast(arguments, shapes)


def _joined(arguments: Arguments, shapes: list[Shape]) -> Shape:
    axis = _axis(arguments.get("axis", -1), shapes[0])
    rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(rest) != 1 or len({len(shape) for shape in shapes}) != 1:
        raise ValueError(f"its inputs {shapes} do not fit together")
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


def _axis(axis: int, shape: Shape) -> int:
    """An axis of Keras', which counts the batch, as one of `shape`."""
    place = axis + len(shape) if axis < 0 else axis - 1
    if not 0 <= place < len(shape):
        raise ValueError(f"its axis {axis} is none of its input {shape}")
    return place


def _along_channels(arguments: Arguments, shape: Shape) -> Shape:
    for place in _axes(arguments, shape):
        if place != len(shape) - 1:
            raise ValueError("it must work along the channels, which come last here")
    return shape


def _axes(arguments: Arguments, shape: Shape) -> tuple[int, ...]:
    axis = arguments.get("axis", -1)
    return tuple(_axis(value, shape) for value in (axis if isinstance(axis, tuple) else (axis,)))


# --- weights ----------------------------------------------------------------------------------------------------------


def _bias(arguments: Arguments, size: int) -> dict[str, Shape]:
    return {"bias": (size,)} if arguments.get("use_bias", True) else {}


def _dense_weights(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    return {"kernel": (shape[-1], arguments["units"]), **_bias(arguments, arguments["units"])}


def _convolution_weights(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    kernel = (*arguments["kernel_size"], shape[-1] // arguments.get("groups", 1), arguments["filters"])
    return {"kernel": kernel, **_bias(arguments, arguments["filters"])}


def _transposed_weights(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    kernel = (*arguments["kernel_size"], arguments["filters"], shape[-1])
    return {"kernel": kernel, **_bias(arguments, arguments["filters"])}


def _depthwise_weights(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    multiplier = arguments.get("depth_multiplier", 1)
    return {"kernel": (*arguments["kernel_size"], shape[-1], multiplier), **_bias(arguments, shape[-1] * multiplier)}


def _separable_weights(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    multiplier = arguments.get("depth_multiplier", 1)
    return {
        "depthwise_kernel": (*arguments["kernel_size"], shape[-1], multiplier),
        "pointwise_kernel": (1, 1, shape[-1] * multiplier, arguments["filters"]),
        **_bias(arguments, arguments["filters"]),
    }


def _gamma_beta(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    size = tuple(shape[place] for place in sorted(_axes(arguments, shape)))
    names = [name for name, switch in (("gamma", "scale"), ("beta", "center")) if arguments.get(switch, True)]
    return dict.fromkeys(names, size)


def _batch_weights(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    return {**_gamma_beta(arguments, shape), "moving_mean": (shape[-1],), "moving_variance": (shape[-1],)}


def _normalization_weights(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    if arguments.get("mean") is not None:
        return {}
    axis = arguments.get("axis", -1)
    kept = () if axis is None else tuple(shape[place] for place in sorted(_axes(arguments, shape)))
    return {"mean": kept, "variance": kept, "count": ()}


def _alpha(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    shared = arguments.get("shared_axes") or ()
    return {"alpha": tuple(1 if axis + 1 in shared else size for axis, size in enumerate(shape))}


# --- the list ---------------------------------------------------------------------------------------------------------

_MOVED = {
    "fill_mode": choice("constant", "nearest", "reflect", "wrap"), "fill_value": number(),
    "interpolation": choice("bilinear", "nearest"), **_DRAWN, **_FORMAT,
}  # fmt: skip
_FACTOR = either(number(-10, 10), numbers(number(-10, 10), 2, 2))
_RANGE = numbers(number(), 2, 2)

KINDS: dict[str, Kind] = {
    "InputLayer": Kind({}, _same),
    "Dense": Kind({"units": _UNITS, "activation": activation, "use_bias": flag, **_owned("kernel", "bias"), **_PENALTY},
                  lambda arguments, shape: (*shape[:-1], arguments["units"]), _dense_weights, ("units",)),
    "Conv2D": Kind({"filters": _UNITS, "groups": integer(1, MAX_UNITS), **_CONVOLUTION, **_owned("kernel", "bias")},
                   _convolved, _convolution_weights, ("filters", "kernel_size")),
    "Conv2DTranspose": Kind({"filters": _UNITS, "output_padding": optional(pair(0, 64)), "groups": ignored(1),
                             **_CONVOLUTION, **_owned("kernel", "bias")},
                            _transposed, _transposed_weights, ("filters", "kernel_size")),
    "DepthwiseConv2D": Kind({"depth_multiplier": integer(1, 1024), **_CONVOLUTION, **_owned("depthwise", "bias"),
                             # Keras 2 wrote what it had inherited as well
                             **_owned("kernel"), "filters": ignored(), "groups": ignored(1)},
                            _depthwise, _depthwise_weights, ("kernel_size",)),
    "SeparableConv2D": Kind({"filters": _UNITS, "depth_multiplier": integer(1, 1024), **_CONVOLUTION,
                             **_owned("depthwise", "pointwise", "bias"), **_owned("kernel"), "groups": ignored(1)},
                            _convolved, _separable_weights, ("filters", "kernel_size")),
    **dict.fromkeys(("MaxPooling2D", "AveragePooling2D"), Kind(
        {"pool_size": pair(1, 1024), "strides": optional(pair(1, 1024)), "padding": _PADDING, **_FORMAT}, _pooled)),
    **dict.fromkeys(("GlobalAveragePooling2D", "GlobalMaxPooling2D"), Kind(
        {"keepdims": flag, **_FORMAT}, _globally_pooled)),
    "BatchNormalization": Kind({"axis": _AXIS, "momentum": _SMALL, **_SCALED,
                                **_owned("moving_mean", "moving_variance"), "renorm": ignored(False),
                                "renorm_clipping": ignored(), "renorm_momentum": ignored(0.99),
                                "synchronized": ignored(False), "fused": ignored(True, False),
                                "virtual_batch_size": ignored()},
                               _along_channels, _batch_weights),
    "LayerNormalization": Kind({"axis": _AXIS, **_SCALED, "rms_scaling": ignored(False)}, _same, _gamma_beta),
    "GroupNormalization": Kind({"groups": integer(-1, MAX_UNITS), "axis": _AXIS, **_SCALED}, _along_channels,
                               _gamma_beta),
    "UnitNormalization": Kind({"axis": _AXIS}, _same),
    "Normalization": Kind({"axis": optional(_AXIS), "mean": optional(finite_numbers), "invert": flag,
                           "variance": optional(finite_numbers)}, _same, _normalization_weights),
    "Rescaling": Kind({"scale": finite_numbers, "offset": finite_numbers}, _same, required=("scale",)),
    "Activation": Kind({"activation": activation}, _same, required=("activation",)),
    "ReLU": Kind({"max_value": optional(number(0)), "negative_slope": number(), "threshold": number()}, _same),
    "LeakyReLU": Kind({"negative_slope": number()}, _same),
    "PReLU": Kind({"shared_axes": optional(numbers(integer(1, 3), 0, 3)), **_owned("alpha")}, _same, _alpha),
    "ELU": Kind({"alpha": number()}, _same),
    "Softmax": Kind({"axis": _AXIS}, _same),
    "Dropout": Kind({"rate": _RATE, "noise_shape": optional(numbers(optional(integer(1, MAX_UNITS)), 1, 5)), **_DRAWN},
                    _same, required=("rate",)),
    "SpatialDropout2D": Kind({"rate": _RATE, "noise_shape": ignored(), **_DRAWN, **_FORMAT}, _same,
                             required=("rate",)),
    "GaussianDropout": Kind({"rate": _RATE, **_DRAWN}, _same, required=("rate",)),
    "AlphaDropout": Kind({"rate": _RATE, "noise_shape": ignored(), **_DRAWN}, _same, required=("rate",)),
    "GaussianNoise": Kind({"stddev": number(0), **_DRAWN}, _same, required=("stddev",)),
    "ActivityRegularization": Kind({"l1": number(0, 1e6), "l2": number(0, 1e6)}, _same),
    "Identity": Kind({}, _same),
    "Flatten": Kind(_FORMAT, _flattened),
    "Reshape": Kind({"target_shape": numbers(integer(-1, MAX_UNITS), 1, 4)}, _reshaped, required=("target_shape",)),
    "Permute": Kind({"dims": numbers(integer(1, 4), 1, 4)}, _permuted, required=("dims",)),
    "ZeroPadding2D": Kind({"padding": edges, **_FORMAT}, _bordered("padding", 1)),
    "Cropping2D": Kind({"cropping": edges, **_FORMAT}, _bordered("cropping", -1)),
    "UpSampling2D": Kind({"size": pair(1, 64), "interpolation": choice("nearest", "bilinear", "bicubic"), **_FORMAT},
                         _enlarged),
    "Resizing": Kind({"height": _SIDE, "width": _SIDE, "antialias": flag, "crop_to_aspect_ratio": flag,
                      "interpolation": choice("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"),
                      "pad_to_aspect_ratio": flag, "fill_mode": ignored("constant"), "fill_value": number(), **_FORMAT},
                     _sized, required=("height", "width")),
    "CenterCrop": Kind({"height": _SIDE, "width": _SIDE, **_FORMAT}, _sized, required=("height", "width")),
    **dict.fromkeys(("Add", "Multiply", "Average", "Maximum", "Minimum"), Merge({}, _broadcast)),
    "Subtract": Merge({}, _two),
    "Concatenate": Merge({"axis": integer(-8, 8)}, _joined),
    "RandomFlip": Kind({"mode": choice("horizontal", "vertical", "horizontal_and_vertical"), **_DRAWN, **_FORMAT},
                       _same),
    "RandomRotation": Kind({"factor": _FACTOR, "value_range": optional(_RANGE), **_MOVED}, _same,
                           required=("factor",)),
    "RandomZoom": Kind({"height_factor": _FACTOR, "width_factor": optional(_FACTOR), **_MOVED}, _same,
                       required=("height_factor",)),
    "RandomTranslation": Kind({"height_factor": _FACTOR, "width_factor": _FACTOR, **_MOVED}, _same,
                              required=("height_factor", "width_factor")),
    "RandomContrast": Kind({"factor": _FACTOR, "value_range": optional(_RANGE), **_DRAWN, **_FORMAT}, _same,
                           required=("factor",)),
    "RandomBrightness": Kind({"factor": _FACTOR, "value_range": optional(_RANGE), **_DRAWN, **_FORMAT}, _same,
                             required=("factor",)),
    "LayerScale": Kind({"init_values": number(), "projection_dim": _UNITS}, _same,
                       lambda arguments, shape: {"gamma": (arguments["projection_dim"],)},
                       ("init_values", "projection_dim")),
    "StochasticDepth": Kind({"drop_path_rate": _RATE}, _same, required=("drop_path_rate",)),
}  # fmt: skip
