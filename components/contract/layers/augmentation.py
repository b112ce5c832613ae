"""Keras' augmentation layers. Outside training, they return the photo unchanged."""

from typing import Final

from components.contract.layers.checks import (
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
from components.contract.layers.kind import DRAWN, FACTOR, FORMAT, INTERPOLATION, VALUE_RANGE, Kind, shared
from components.contract.layers.shapes import same, sized

_SIDE: Final = integer(1, 65_536)
_COMMON: Final[dict[str, Check]] = {**DRAWN, **FORMAT, "bounding_box_format": ignored()}
_IN_RANGE: Final[dict[str, Check]] = {**_COMMON, "value_range": optional(VALUE_RANGE).by_default((0.0, 255.0))}
"""In custom networks, pixels range from 0 to 1, so value_range: [0, 1] must be set."""
_SCALED: Final[dict[str, Check]] = {**_IN_RANGE, "factor": FACTOR}
_MOVED: Final[dict[str, Check]] = {
    **_COMMON,
    "fill_mode": choice("constant", "nearest", "reflect", "wrap").by_default("reflect"),
    "fill_value": number().by_default(0.0),
    "interpolation": INTERPOLATION,
}
_REPEATS: Final = integer(1, 64)
_BITS: Final = integer(0, 8)


def _kind(text: str, arguments: dict[str, Check], *required: str) -> Kind:
    return Kind(arguments, same, required=required, help=text)


AUGMENTATION: Final[dict[str, Kind]] = {
    "AugMix": _kind(
        "Mixes several chains of random changes.",
        {
            **_SCALED,
            "factor": FACTOR.by_default(0.3),
            "num_chains": _REPEATS.by_default(3),
            "chain_depth": _REPEATS.by_default(3),
            "alpha": number(0, 1000).by_default(1.0),
            "all_ops": flag.by_default(True),
            "interpolation": INTERPOLATION,
        },
    ),
    "RandAugment": _kind(
        "Applies a few random changes from a list.",
        {
            **_SCALED,
            "factor": FACTOR.by_default(0.5),
            "num_ops": _REPEATS.by_default(2),
            "interpolation": INTERPOLATION,
        },
    ),
    **shared(
        _kind("", _SCALED, "factor"),
        RandomBrightness="Changes the brightness at random.",
        RandomColorDegeneration="Removes color at random.",
        RandomContrast="Changes the contrast at random.",
        RandomHue="Shifts the hue at random.",
        RandomSaturation="Changes the saturation at random.",
        RandomSharpness="Changes the sharpness at random.",
    ),
    "RandomColorJitter": _kind(
        "Changes brightness, contrast, saturation and hue at random.",
        {
            **_IN_RANGE,
            **{f"{what}_factor": optional(FACTOR) for what in ("brightness", "contrast", "saturation", "hue")},
        },
    ),
    "RandomCrop": Kind(
        {**_COMMON, "height": _SIDE, "width": _SIDE},
        sized,
        required=("height", "width"),
        help="Cuts out a random part, only in training; train.augmentation.crop also keeps the size.",
    ),
    "RandomElasticTransform": _kind(
        "Distorts the photo elastically.",
        {**_SCALED, **_MOVED, "factor": FACTOR.by_default(1.0), "scale": FACTOR.by_default(1.0)},
    ),
    "RandomErasing": _kind(
        "Covers a random rectangle.",
        {
            **_SCALED,
            "factor": FACTOR.by_default(1.0),
            "scale": FACTOR.by_default((0.02, 0.33)),
            "fill_value": optional(either(number(), numbers(number(), 1, 4), expected="a number, or one per channel")),
        },
    ),
    "RandomFlip": _kind(
        "Flips the photo at random.",
        {
            **_COMMON,
            "mode": choice("horizontal", "vertical", "horizontal_and_vertical").by_default("horizontal_and_vertical"),
        },
    ),
    "RandomGaussianBlur": _kind(
        "Blurs the photo at random.",
        {
            **_SCALED,
            "factor": FACTOR.by_default(1.0),
            "kernel_size": pair(1, 255).by_default(3),
            "sigma": FACTOR.by_default(1.0),
        },
    ),
    "RandomGrayscale": _kind("Turns the photo gray at random.", {**_COMMON, "factor": number(0, 1).by_default(0.5)}),
    "RandomInvert": _kind("Inverts the colors at random.", {**_SCALED, "factor": FACTOR.by_default(1.0)}),
    "RandomPerspective": _kind(
        "Changes the perspective at random.",
        {
            **_COMMON,
            "factor": FACTOR.by_default(1.0),
            "scale": FACTOR.by_default(1.0),
            "interpolation": INTERPOLATION,
            "fill_value": number().by_default(0.0),
        },
    ),
    "RandomPosterization": _kind(
        "Reduces the number of tones at random.",
        {**_IN_RANGE, "factor": either(_BITS, numbers(_BITS, 2, 2), expected="a number of bits, or [low, high]")},
        "factor",
    ),
    "RandomRotation": _kind(
        "Rotates the photo at random.", {**_MOVED, "factor": FACTOR, "value_range": optional(VALUE_RANGE)}, "factor"
    ),
    "RandomShear": _kind(
        "Shears the photo at random.",
        {**_MOVED, "x_factor": FACTOR.by_default(0.0), "y_factor": FACTOR.by_default(0.0)},
    ),
    "RandomTranslation": _kind(
        "Shifts the photo at random.",
        {**_MOVED, "height_factor": FACTOR, "width_factor": FACTOR},
        "height_factor",
        "width_factor",
    ),
    "RandomZoom": _kind(
        "Zooms at random.", {**_MOVED, "height_factor": FACTOR, "width_factor": optional(FACTOR)}, "height_factor"
    ),
    "Solarization": _kind(
        "Inverts bright pixel values.",
        {**_IN_RANGE, "addition_factor": FACTOR.by_default(0.0), "threshold_factor": FACTOR.by_default(0.0)},
    ),
}
