"""The layers that an uploaded model may consist of: their arguments, their output shapes, and the weights they own.

Names, arguments and the order of weights are Keras'. Shapes are those of one photo, without the batch axis, and every
size in them is known. Nothing here imports Keras; `builder` holds the constructors of the same names.
"""

from typing import Final

from components.contract.layers.arguments import (
    activation,
    choice,
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
)
from components.contract.layers.attention import ATTENTION
from components.contract.layers.augmentation import AUGMENTATION
from components.contract.layers.kind import DRAWN, FORMAT, RATE, Kind, Merge, owned
from components.contract.layers.shapes import (
    along_channels,
    alpha,
    batch_weights,
    bordered,
    broadcast,
    convolution_weights,
    convolved,
    dense_weights,
    depthwise,
    depthwise_weights,
    enlarged,
    flattened,
    gamma_beta,
    globally_pooled,
    joined,
    normalization_weights,
    permuted,
    pooled,
    pooled_over_places,
    reshaped,
    same,
    separable_weights,
    sized,
    transposed,
    transposed_weights,
    two,
)

MAX_SIDE: Final = 65_536
MAX_UNITS: Final = 2**24

NOT_TRAINED: Final = {"moving_mean", "moving_variance", "mean", "variance", "count"}
"""Weights that no optimizer touches; Keras stores them after the others."""

FOREIGN_BUT_KNOWN: Final = {"LayerScale", "StochasticDepth"}
"""Layers that keras.applications brings for ConvNeXt and registers under a name of its own."""


# --- arguments that many kinds share ----------------------------------------------------------------------------------

_UNITS = integer(1, MAX_UNITS)
_SMALL = number(0, 1)
_SIDE = integer(1, MAX_SIDE)
_PADDING = choice("valid", "same", "VALID", "SAME")
_PENALTY = {"activity_regularizer": regularizer}


_WINDOW = {"kernel_size": pair(1, 1024), "strides": pair(1, 1024), "padding": _PADDING, "dilation_rate": pair(1, 1024)}
_CONVOLUTION = {**_WINDOW, **FORMAT, **_PENALTY, "activation": activation, "use_bias": flag}
_SCALED = {"center": flag, "scale": flag, **owned("beta", "gamma"), "epsilon": number(0, 1)}
_INHERITED = {
    "kernel_initializer": initializer,
    "kernel_regularizer": ignored(),
    "kernel_constraint": ignored(),
    "groups": ignored(1),
}
"""What Keras 2 writes of convolutions whose kernel has another name, and never uses."""
_AXIS = either(integer(-8, 8), numbers(integer(-8, 8), 1, 8))


# --- the list ---------------------------------------------------------------------------------------------------------

KINDS: dict[str, Kind] = {
    "InputLayer": Kind({}, same),
    "Dense": Kind(
        {"units": _UNITS, "activation": activation, "use_bias": flag, **owned("kernel", "bias"), **_PENALTY},
        lambda arguments, shape: (*shape[:-1], arguments["units"]),
        dense_weights,
        ("units",),
    ),
    "Conv2D": Kind(
        {"filters": _UNITS, "groups": integer(1, MAX_UNITS), **_CONVOLUTION, **owned("kernel", "bias")},
        convolved,
        convolution_weights,
        ("filters", "kernel_size"),
    ),
    "Conv2DTranspose": Kind(
        {
            "filters": _UNITS,
            "output_padding": optional(pair(0, 64)),
            "groups": ignored(1),
            **_CONVOLUTION,
            **owned("kernel", "bias"),
        },
        transposed,
        transposed_weights,
        ("filters", "kernel_size"),
    ),
    "DepthwiseConv2D": Kind(
        {
            "depth_multiplier": integer(1, 1024),
            **_CONVOLUTION,
            **owned("depthwise", "bias"),
            **_INHERITED,
            "filters": ignored(),
        },
        depthwise,
        depthwise_weights,
        ("kernel_size",),
    ),
    "SeparableConv2D": Kind(
        {
            "filters": _UNITS,
            "depth_multiplier": integer(1, 1024),
            **_CONVOLUTION,
            **owned("depthwise", "pointwise", "bias"),
            **_INHERITED,
        },
        convolved,
        separable_weights,
        ("filters", "kernel_size"),
    ),
    **dict.fromkeys(
        ("MaxPooling2D", "AveragePooling2D"),
        Kind({"pool_size": pair(1, 1024), "strides": optional(pair(1, 1024)), "padding": _PADDING, **FORMAT}, pooled),
    ),
    **dict.fromkeys(
        ("GlobalAveragePooling2D", "GlobalMaxPooling2D"), Kind({"keepdims": flag, **FORMAT}, globally_pooled)
    ),
    **dict.fromkeys(
        ("GlobalAveragePooling1D", "GlobalMaxPooling1D"), Kind({"keepdims": flag, **FORMAT}, pooled_over_places)
    ),
    "BatchNormalization": Kind(
        {
            "axis": _AXIS,
            "momentum": _SMALL,
            **_SCALED,
            **owned("moving_mean", "moving_variance"),
            "renorm": ignored(False),
            "renorm_clipping": ignored(),
            "renorm_momentum": ignored(0.99),
            "synchronized": ignored(False),
            "fused": ignored(True, False),
            "virtual_batch_size": ignored(),
        },
        along_channels,
        batch_weights,
    ),
    "LayerNormalization": Kind({"axis": _AXIS, **_SCALED, "rms_scaling": ignored(False)}, same, gamma_beta),
    "GroupNormalization": Kind(
        {"groups": integer(-1, MAX_UNITS), "axis": _AXIS, **_SCALED}, along_channels, gamma_beta
    ),
    "UnitNormalization": Kind({"axis": _AXIS}, same),
    "Normalization": Kind(
        {
            "axis": optional(_AXIS),
            "mean": optional(finite_numbers),
            "invert": flag,
            "variance": optional(finite_numbers),
        },
        same,
        normalization_weights,
    ),
    "Rescaling": Kind({"scale": finite_numbers, "offset": finite_numbers}, same, required=("scale",)),
    "Activation": Kind({"activation": activation}, same, required=("activation",)),
    "ReLU": Kind({"max_value": optional(number(0)), "negative_slope": number(), "threshold": number()}, same),
    "LeakyReLU": Kind({"negative_slope": number()}, same),
    "PReLU": Kind({"shared_axes": optional(numbers(integer(1, 3), 0, 3)), **owned("alpha")}, same, alpha),
    "ELU": Kind({"alpha": number()}, same),
    "Softmax": Kind({"axis": _AXIS}, same),
    "Dropout": Kind(
        {"rate": RATE, "noise_shape": optional(numbers(optional(integer(1, MAX_UNITS)), 1, 5)), **DRAWN},
        same,
        required=("rate",),
    ),
    "SpatialDropout2D": Kind({"rate": RATE, "noise_shape": ignored(), **DRAWN, **FORMAT}, same, required=("rate",)),
    "GaussianDropout": Kind({"rate": RATE, **DRAWN}, same, required=("rate",)),
    "AlphaDropout": Kind({"rate": RATE, "noise_shape": ignored(), **DRAWN}, same, required=("rate",)),
    "GaussianNoise": Kind({"stddev": number(0), **DRAWN}, same, required=("stddev",)),
    "ActivityRegularization": Kind({"l1": number(0, 1e6), "l2": number(0, 1e6)}, same),
    "Identity": Kind({}, same),
    "Flatten": Kind(FORMAT, flattened),
    "Reshape": Kind({"target_shape": numbers(integer(-1, MAX_UNITS), 1, 4)}, reshaped, required=("target_shape",)),
    "Permute": Kind({"dims": numbers(integer(1, 4), 1, 4)}, permuted, required=("dims",)),
    "ZeroPadding2D": Kind({"padding": edges, **FORMAT}, bordered("padding", 1)),
    "Cropping2D": Kind({"cropping": edges, **FORMAT}, bordered("cropping", -1)),
    "UpSampling2D": Kind(
        {"size": pair(1, 64), "interpolation": choice("nearest", "bilinear", "bicubic"), **FORMAT}, enlarged
    ),
    "Resizing": Kind(
        {
            "height": _SIDE,
            "width": _SIDE,
            "antialias": flag,
            "crop_to_aspect_ratio": flag,
            "interpolation": choice("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"),
            "pad_to_aspect_ratio": flag,
            "fill_mode": ignored("constant"),
            "fill_value": number(),
            **FORMAT,
        },
        sized,
        required=("height", "width"),
    ),
    "CenterCrop": Kind({"height": _SIDE, "width": _SIDE, **FORMAT}, sized, required=("height", "width")),
    **dict.fromkeys(("Add", "Multiply", "Average", "Maximum", "Minimum"), Merge({}, broadcast)),
    "Subtract": Merge({}, two),
    "Concatenate": Merge({"axis": integer(-8, 8)}, joined),
    "LayerScale": Kind(
        {"init_values": number(), "projection_dim": _UNITS},
        same,
        lambda arguments, _shape: {"gamma": (arguments["projection_dim"],)},
        ("init_values", "projection_dim"),
    ),
    "StochasticDepth": Kind({"drop_path_rate": RATE}, same, required=("drop_path_rate",)),
    **AUGMENTATION,
    **ATTENTION,
}
