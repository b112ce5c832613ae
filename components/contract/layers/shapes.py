"""Output shapes and weight shapes by Keras' rules, for one photo: without the batch axis, and with all sizes known.

Each function takes the checked arguments of a layer and its input shape (a list of shapes for layers with several
inputs).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components.contract.layers.checks import wrong

Shape = tuple[int, ...]
Arguments = Mapping[str, Any]


def shape_text(shape: Sequence[int | None]) -> str:
    """Formats a shape, as in `224 × 224 × 3`."""
    return " × ".join(map(str, shape))


# Shapes


def same(_arguments: Arguments, shape: Shape) -> Shape:
    """The output shape of layers that do not change the shape."""
    return shape


def _spatial(shape: Shape) -> Shape:
    if len(shape) != 3:
        raise ValueError("it needs an input of height × width × channels")
    return shape


def _slide(
    arguments: Arguments, shape: Shape, window: tuple[int, int], strides: tuple[int, int], channels: int
) -> Shape:
    dilation = arguments.get("dilation_rate", (1, 1))
    if set(strides) != {1} and set(dilation) != {1}:
        raise ValueError(f"strides and dilation_rate cannot both differ from 1; found {strides} and {dilation}")
    sides = []
    for axis, size in enumerate(_spatial(shape)[:2]):
        reach = (window[axis] - 1) * dilation[axis] + 1
        if arguments.get("padding", "valid").lower() == "same":
            sides.append(-(-size // strides[axis]))
        elif reach > size:
            raise ValueError(
                f"its window of {reach} is larger than its input; remove a pooling layer before it, set padding: same, "
                "or use larger photos"
            )
        else:
            sides.append((size - reach) // strides[axis] + 1)
    return (*sides, channels)


def convolved(arguments: Arguments, shape: Shape) -> Shape:
    """The output shape of Conv2D."""
    _spatial(shape)
    groups = arguments.get("groups", 1)
    if shape[-1] % groups or arguments["filters"] % groups:
        raise ValueError(
            f"its {groups} groups must divide both the {shape[-1]} channels and the {arguments['filters']} filters"
        )
    return _slide(arguments, shape, arguments["kernel_size"], arguments.get("strides", (1, 1)), arguments["filters"])


def depthwise(arguments: Arguments, shape: Shape) -> Shape:
    """The output shape of DepthwiseConv2D and SeparableConv2D; TensorFlow supports only equal strides."""
    strides = arguments.get("strides", (1, 1))
    if strides[0] != strides[1]:
        raise ValueError(f"strides must be the same along height and width; found {strides}")
    channels = arguments.get("filters") or _spatial(shape)[2] * arguments.get("depth_multiplier", 1)
    return _slide(arguments, shape, arguments["kernel_size"], strides, channels)


def transposed(arguments: Arguments, shape: Shape) -> Shape:
    """The output shape of Conv2DTranspose, as in keras.src.backend.common.backend_utils."""
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


def pooled(arguments: Arguments, shape: Shape) -> Shape:
    """The output shape of MaxPooling2D and AveragePooling2D."""
    window = arguments.get("pool_size", (2, 2))
    return _slide(arguments, shape, window, arguments.get("strides") or window, _spatial(shape)[2])


def globally_pooled(arguments: Arguments, shape: Shape) -> Shape:
    """The output shape of global pooling over height and width."""
    channels = _spatial(shape)[2]
    return (1, 1, channels) if arguments.get("keepdims") else (channels,)


def pooled_over_places(arguments: Arguments, shape: Shape) -> Shape:
    """The output shape of global pooling over positions, for an input of positions × channels."""
    if len(shape) != 2:
        raise wrong("an input of positions × channels", shape)
    return (1, shape[1]) if arguments.get("keepdims") else shape[1:]


def flattened(_arguments: Arguments, shape: Shape) -> Shape:
    """The output shape of Flatten."""
    return (math.prod(shape),)


def reshaped(arguments: Arguments, shape: Shape) -> Shape:
    """The output shape of Reshape; one side may be -1."""
    target: Shape = arguments["target_shape"]
    num_values = math.prod(side for side in target if side != -1)
    if (
        target.count(-1) > 1
        or num_values <= 0
        or math.prod(shape) % num_values
        or (-1 not in target and num_values != math.prod(shape))
    ):
        raise ValueError(f"it cannot reshape {shape} to {target}")
    return tuple(math.prod(shape) // num_values if side == -1 else side for side in target)


def permuted(arguments: Arguments, shape: Shape) -> Shape:
    """The output shape of Permute, whose axes are numbered from 1."""
    if sorted(arguments["dims"]) != list(range(1, len(shape) + 1)):
        raise ValueError(f"its dims must be a permutation of the axes of {shape}; found {arguments['dims']}")
    return tuple(shape[axis - 1] for axis in arguments["dims"])


def bordered(key: str, sign: int) -> Callable[[Arguments, Shape], Shape]:
    """The shape function of layers that add (sign 1) or crop (-1) a border; `key` names their argument."""

    def shape_of(arguments: Arguments, shape: Shape) -> Shape:
        default = ((1, 1), (1, 1)) if sign > 0 else ((0, 0), (0, 0))
        border = arguments.get(key, default)
        sides = [size + sign * sum(border[axis]) for axis, size in enumerate(_spatial(shape)[:2])]
        if min(sides) < 1:
            raise ValueError(f"it crops all of its input {shape}")
        return (*sides, shape[2])

    return shape_of


def enlarged(arguments: Arguments, shape: Shape) -> Shape:
    """The output shape of UpSampling2D."""
    size = arguments.get("size", (2, 2))
    return (_spatial(shape)[0] * size[0], shape[1] * size[1], shape[2])


def sized(arguments: Arguments, shape: Shape) -> Shape:
    """The output shape of layers with a fixed height and width."""
    return (arguments["height"], arguments["width"], _spatial(shape)[2])


def broadcast(_arguments: Arguments, shapes: list[Shape]) -> Shape:
    """The output shape of layers that combine several inputs element by element."""
    if len({len(shape) for shape in shapes}) != 1:
        raise _unequal("shape", shapes)
    sides = []
    for sizes in zip(*shapes, strict=True):
        larger = {size for size in sizes if size != 1}
        if len(larger) > 1:
            raise _unequal("shape", shapes)
        sides.append(larger.pop() if larger else 1)
    return tuple(sides)


def _unequal(what: str, shapes: list[Shape]) -> ValueError:
    return ValueError(f"its inputs must have the same {what}; they are {' and '.join(map(shape_text, shapes))}")


def two(arguments: Arguments, shapes: list[Shape]) -> Shape:
    """The output shape of layers that combine exactly two inputs element by element."""
    if len(shapes) != 2:
        raise ValueError(f"it needs two inputs; found {len(shapes)}")
    return broadcast(arguments, shapes)


def joined(arguments: Arguments, shapes: list[Shape]) -> Shape:
    """The output shape of Concatenate."""
    axis = _axis(arguments.get("axis", -1), shapes[0])
    rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if len(rest) != 1 or len({len(shape) for shape in shapes}) != 1:
        raise _unequal("height and width", shapes)
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


def _axis(axis: int, shape: Shape) -> int:
    """Converts a Keras axis number, which also counts the batch axis, to an index of `shape`."""
    place = axis + len(shape) if axis < 0 else axis - 1
    if not 0 <= place < len(shape):
        raise ValueError(f"its axis {axis} does not exist in its input {shape}")
    return place


def along_channels(arguments: Arguments, shape: Shape) -> Shape:
    """The output shape of normalization along the channels; other axes are not supported."""
    for place in _axes(arguments, shape):
        if place != len(shape) - 1:
            raise ValueError("its axis must be the channel axis, which is the last one")
    return shape


def grouped(arguments: Arguments, shape: Shape) -> Shape:
    """The output shape of GroupNormalization; `groups: -1` means as many groups as channels."""
    groups = arguments.get("groups", 32)
    if groups == 0 or shape[-1] % groups:
        raise ValueError(f"its {groups} groups do not divide {shape[-1]} channels")
    return along_channels(arguments, shape)


def _axes(arguments: Arguments, shape: Shape) -> tuple[int, ...]:
    axis = arguments.get("axis", -1)
    return tuple(_axis(value, shape) for value in (axis if isinstance(axis, tuple) else (axis,)))


# Weights


def _bias(arguments: Arguments, size: int) -> dict[str, Shape]:
    return {"bias": (size,)} if arguments.get("use_bias", True) else {}


def dense_weights(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    """The weights of Dense."""
    return {"kernel": (shape[-1], arguments["units"]), **_bias(arguments, arguments["units"])}


def convolution_weights(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    """The weights of Conv2D."""
    kernel = (*arguments["kernel_size"], shape[-1] // arguments.get("groups", 1), arguments["filters"])
    return {"kernel": kernel, **_bias(arguments, arguments["filters"])}


def transposed_weights(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    """The weights of Conv2DTranspose."""
    kernel = (*arguments["kernel_size"], arguments["filters"], shape[-1])
    return {"kernel": kernel, **_bias(arguments, arguments["filters"])}


def depthwise_weights(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    """The weights of DepthwiseConv2D."""
    multiplier = arguments.get("depth_multiplier", 1)
    return {"kernel": (*arguments["kernel_size"], shape[-1], multiplier), **_bias(arguments, shape[-1] * multiplier)}


def separable_weights(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    """The weights of SeparableConv2D."""
    multiplier = arguments.get("depth_multiplier", 1)
    return {
        "depthwise_kernel": (*arguments["kernel_size"], shape[-1], multiplier),
        "pointwise_kernel": (1, 1, shape[-1] * multiplier, arguments["filters"]),
        **_bias(arguments, arguments["filters"]),
    }


def gamma_beta(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    """The weights gamma (scale) and beta (center) along the axes in `axis`."""
    size = tuple(shape[place] for place in sorted(_axes(arguments, shape)))
    names = [name for name, switch in (("gamma", "scale"), ("beta", "center")) if arguments.get(switch, True)]
    return dict.fromkeys(names, size)


def batch_weights(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    """The weights of BatchNormalization."""
    return {**gamma_beta(arguments, shape), "moving_mean": (shape[-1],), "moving_variance": (shape[-1],)}


def normalization_weights(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    """The weights of Normalization: its statistics, unless they are arguments."""
    if arguments.get("mean") is not None:
        return {}
    axis = arguments.get("axis", -1)
    weight_shape = () if axis is None else tuple(shape[place] for place in sorted(_axes(arguments, shape)))
    return {"mean": weight_shape, "variance": weight_shape, "count": ()}


def alpha(arguments: Arguments, shape: Shape) -> dict[str, Shape]:
    """The weights of PReLU."""
    shared = arguments.get("shared_axes") or ()
    return {"alpha": tuple(1 if axis + 1 in shared else size for axis, size in enumerate(shape))}
