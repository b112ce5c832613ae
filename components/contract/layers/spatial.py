"""Layers for inputs of height × width × channels: convolutions, pooling and reshaping."""

from dataclasses import replace
from typing import Final, Literal

from components.contract.layers.arguments import activation, initializer
from components.contract.layers.checks import choice, edges, flag, ignored, integer, number, numbers, optional, pair
from components.contract.layers.kind import BIAS, FORMAT, MAX_UNITS, PENALTY, UNITS, Kind, owned, shared
from components.contract.layers.shapes import (
    bordered,
    convolution_weights,
    convolved,
    depthwise,
    depthwise_weights,
    enlarged,
    globally_pooled,
    permuted,
    pooled,
    pooled_over_places,
    reshaped,
    separable_weights,
    sized,
    transposed,
    transposed_weights,
)

MAX_SIDE: Final = 65_536

_SIDE = integer(1, MAX_SIDE)
_PADDING = replace(choice("valid", "same", "VALID", "SAME"), annotation=Literal["valid", "same"], default="valid")
_MULTIPLIER = {"depth_multiplier": integer(1, 1024).by_default(1)}

_STEP = pair(1, 1024).by_default(1)
_WINDOW = {"kernel_size": pair(1, 1024), "strides": _STEP, "padding": _PADDING, "dilation_rate": _STEP}
_CONVOLUTION = {**_WINDOW, **FORMAT, **PENALTY, "activation": activation, **BIAS}
_INHERITED = {
    "kernel_initializer": initializer,
    "kernel_regularizer": ignored(),
    "kernel_constraint": ignored(),
    "groups": ignored(1),
}
"""Arguments without effect that Keras 2 writes for some convolutions."""
_KEEPDIMS = {"keepdims": flag.by_default(False), **FORMAT}
_SIZE = {"height": _SIDE, "width": _SIDE}

PATTERNS: Final[dict[str, Kind]] = {
    "Conv2D": Kind(
        {"filters": UNITS, "groups": integer(1, MAX_UNITS).by_default(1), **_CONVOLUTION, **owned("kernel", "bias")},
        convolved,
        convolution_weights,
        ("filters", "kernel_size"),
        help="Finds patterns with a small window. The standard layer for photos.",
    ),
    "SeparableConv2D": Kind(
        {"filters": UNITS, **_MULTIPLIER, **_CONVOLUTION, **owned("depthwise", "pointwise", "bias"), **_INHERITED},
        depthwise,
        separable_weights,
        ("filters", "kernel_size"),
        help="A convolution with a fraction of the weights.",
    ),
    "DepthwiseConv2D": Kind(
        {**_MULTIPLIER, **_CONVOLUTION, **owned("depthwise", "bias"), **_INHERITED, "filters": ignored()},
        depthwise,
        depthwise_weights,
        ("kernel_size",),
        help="Filters each channel separately, with very few weights.",
    ),
    "Conv2DTranspose": Kind(
        {
            "filters": UNITS,
            "output_padding": optional(pair(0, 64)),
            "groups": ignored(1),
            **_CONVOLUTION,
            **owned("kernel", "bias"),
        },
        transposed,
        transposed_weights,
        ("filters", "kernel_size"),
        help="A convolution that enlarges height and width.",
    ),
}
POOLS: Final = {
    **shared(
        Kind(
            {
                "pool_size": pair(1, 1024).by_default(2),
                "strides": optional(pair(1, 1024)),
                "padding": _PADDING,
                **FORMAT,
            },
            pooled,
        ),
        MaxPooling2D="Halves height and width; keeps the maximum of each window.",
        AveragePooling2D="Halves height and width; keeps the mean of each window.",
    ),
    **shared(
        Kind(_KEEPDIMS, globally_pooled),
        GlobalAveragePooling2D="One value per channel: its mean. Usually before the output layer.",
        GlobalMaxPooling2D="One value per channel: its maximum.",
    ),
    **shared(
        Kind(_KEEPDIMS, pooled_over_places),
        GlobalAveragePooling1D="For an input of positions × channels: one value per channel, its mean.",
        GlobalMaxPooling1D="For an input of positions × channels: one value per channel, its maximum.",
    ),
}
FORMS: Final = {
    "Reshape": Kind(
        {"target_shape": numbers(integer(-1, MAX_UNITS), 1, 4)},
        reshaped,
        required=("target_shape",),
        help="Reshapes the values; one side can be -1.",
    ),
    "Permute": Kind(
        {"dims": numbers(integer(1, 4), 1, 4)},
        permuted,
        required=("dims",),
        help="Changes the order of the axes, which are numbered from 1.",
    ),
    "ZeroPadding2D": Kind(
        {"padding": edges.by_default(1), **FORMAT}, bordered("padding", 1), help="Adds a border of zeros."
    ),
    "Cropping2D": Kind({"cropping": edges.by_default(0), **FORMAT}, bordered("cropping", -1), help="Crops the border."),
    "UpSampling2D": Kind(
        {
            "size": pair(1, 64).by_default(2),
            "interpolation": choice("nearest", "bilinear", "bicubic").by_default("nearest"),
            **FORMAT,
        },
        enlarged,
        help="Repeats or interpolates rows and columns.",
    ),
    "Resizing": Kind(
        {
            **_SIZE,
            "antialias": flag.by_default(False),
            "crop_to_aspect_ratio": flag.by_default(False),
            "interpolation": choice("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5").by_default("bilinear"),
            "pad_to_aspect_ratio": flag.by_default(False),
            "fill_mode": ignored("constant"),
            "fill_value": number().by_default(0.0),
            **FORMAT,
        },
        sized,
        required=("height", "width"),
        help="Resizes to a fixed height and width.",
    ),
    "CenterCrop": Kind({**_SIZE, **FORMAT}, sized, required=("height", "width"), help="Cuts out the center."),
}
