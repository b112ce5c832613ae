"""Keras' layers that vary photos in training. They return a photo unchanged otherwise, all but RandomCrop."""

from typing import Final

from components.contract.layers.arguments import (
    Check,
    choice,
    either,
    flag,
    ignored,
    integer,
    number,
    numbers,
    optional,
    pair,
)
from components.contract.layers.kind import DRAWN, FACTOR, FORMAT, INTERPOLATION, VALUE_RANGE, Kind
from components.contract.layers.shapes import same, sized

_SIDE: Final = integer(1, 65_536)
_COMMON: Final[dict[str, Check]] = {**DRAWN, **FORMAT, "bounding_box_format": ignored()}
_IN_RANGE: Final[dict[str, Check]] = {**_COMMON, "value_range": optional(VALUE_RANGE)}
_SCALED: Final[dict[str, Check]] = {**_IN_RANGE, "factor": FACTOR}
_MOVED: Final[dict[str, Check]] = {
    **_COMMON,
    "fill_mode": choice("constant", "nearest", "reflect", "wrap"),
    "fill_value": number(),
    "interpolation": INTERPOLATION,
}
_REPEATS: Final = integer(1, 64)
_BITS: Final = integer(0, 8)


def _kind(arguments: dict[str, Check], *required: str) -> Kind:
    return Kind(arguments, same, required=required)


AUGMENTATION: Final[dict[str, Kind]] = {
    "AugMix": _kind(
        {
            **_SCALED,
            "num_chains": _REPEATS,
            "chain_depth": _REPEATS,
            "alpha": number(0, 1000),
            "all_ops": flag,
            "interpolation": INTERPOLATION,
        }
    ),
    "Equalization": _kind({**_IN_RANGE, "bins": integer(2, 65_536)}),
    "RandAugment": _kind({**_SCALED, "num_ops": _REPEATS, "interpolation": INTERPOLATION}),
    **dict.fromkeys(
        (
            "RandomBrightness",
            "RandomColorDegeneration",
            "RandomContrast",
            "RandomHue",
            "RandomSaturation",
            "RandomSharpness",
        ),
        _kind(_SCALED, "factor"),
    ),
    "RandomColorJitter": _kind(
        {
            **_IN_RANGE,
            **{f"{what}_factor": optional(FACTOR) for what in ("brightness", "contrast", "saturation", "hue")},
        }
    ),
    "RandomCrop": Kind({**_COMMON, "height": _SIDE, "width": _SIDE}, sized, required=("height", "width")),
    "RandomElasticTransform": _kind({**_SCALED, **_MOVED, "scale": FACTOR}),
    "RandomErasing": _kind(
        {**_SCALED, "scale": FACTOR, "fill_value": optional(either(number(), numbers(number(), 1, 4)))}
    ),
    "RandomFlip": _kind({**_COMMON, "mode": choice("horizontal", "vertical", "horizontal_and_vertical")}),
    "RandomGaussianBlur": _kind({**_SCALED, "kernel_size": pair(1, 255), "sigma": FACTOR}),
    "RandomGrayscale": _kind({**_COMMON, "factor": number(0, 1)}),
    "RandomInvert": _kind(_SCALED),
    "RandomPerspective": _kind(
        {**_COMMON, "factor": FACTOR, "scale": FACTOR, "interpolation": INTERPOLATION, "fill_value": number()}
    ),
    "RandomPosterization": _kind({**_IN_RANGE, "factor": either(_BITS, numbers(_BITS, 2, 2))}, "factor"),
    "RandomRotation": _kind({**_MOVED, "factor": FACTOR, "value_range": optional(VALUE_RANGE)}, "factor"),
    "RandomShear": _kind({**_MOVED, "x_factor": FACTOR, "y_factor": FACTOR}),
    "RandomTranslation": _kind(
        {**_MOVED, "height_factor": FACTOR, "width_factor": FACTOR}, "height_factor", "width_factor"
    ),
    "RandomZoom": _kind({**_MOVED, "height_factor": FACTOR, "width_factor": optional(FACTOR)}, "height_factor"),
    "Solarization": _kind({**_IN_RANGE, "addition_factor": FACTOR, "threshold_factor": FACTOR}),
}
