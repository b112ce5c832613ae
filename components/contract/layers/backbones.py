"""The pretrained backbones in numbers, so that a head is checked before anything heavy is imported."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from components.contract.errors import ModelError

BackboneName = Literal[
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2S",
    "InceptionV3",
    "MobileNetV2",
    "NASNetMobile",
    "ResNet50",
    "VGG16",
    "Xception",
]
"""As in keras.applications."""

Step = tuple[int, int]
"""A window and its stride, without padding, that a side passes."""
_UP: Final[Step] = (1, 2)
_DOWN: Final[Step] = (2, 2)
"""Half of a side, rounded up as by padding `same`, or down."""


@dataclass(frozen=True)
class BackboneFacts:
    """A backbone without its top.

    Attributes:
        size: what it was made for, in pixels.
        smallest: what a side may measure at least.
        steps: what becomes of a side on its way to the feature map.
        channels: of the feature map.
    """

    size: int
    smallest: int
    steps: tuple[Step, ...]
    channels: int


_HALVED_UP: Final = (_UP,) * 5
_HALVED_DOWN: Final = (_DOWN,) * 5

BACKBONES: Final[dict[str, BackboneFacts]] = {
    "ConvNeXtSmall": BackboneFacts(224, 32, _HALVED_DOWN, 768),
    "ConvNeXtTiny": BackboneFacts(224, 32, _HALVED_DOWN, 768),
    "DenseNet121": BackboneFacts(224, 32, (_UP, _UP, _DOWN, _DOWN, _DOWN), 1024),
    "EfficientNetV2B0": BackboneFacts(224, 32, _HALVED_UP, 1280),
    "EfficientNetV2B1": BackboneFacts(240, 32, _HALVED_UP, 1280),
    "EfficientNetV2B2": BackboneFacts(260, 32, _HALVED_UP, 1408),
    "EfficientNetV2B3": BackboneFacts(300, 32, _HALVED_UP, 1536),
    "EfficientNetV2S": BackboneFacts(384, 32, _HALVED_UP, 1280),
    "InceptionV3": BackboneFacts(299, 75, ((3, 2), (3, 1), (3, 2), (3, 1), (3, 2), (3, 2), (3, 2)), 2048),
    "MobileNetV2": BackboneFacts(224, 32, _HALVED_UP, 1280),
    "NASNetMobile": BackboneFacts(224, 32, ((3, 2), _UP, _UP, _UP, _UP), 1056),
    "ResNet50": BackboneFacts(224, 32, _HALVED_UP, 2048),
    "VGG16": BackboneFacts(224, 32, _HALVED_DOWN, 512),
    "Xception": BackboneFacts(299, 71, ((3, 2), (3, 1), _UP, _UP, _UP, _UP), 2048),
}
assert BACKBONES.keys() == set(get_args(BackboneName))

FAR_SMALLER: Final = 3
"""Photos enlarged by more than this to a backbone's size are far smaller than what it has learned from."""


def feature_shape(name: str, image_size: tuple[int, int]) -> tuple[int, int, int]:
    """(height, width, channels) of what a backbone makes of photos of `image_size` (height, width).

    Raises:
        ModelError: they are too small for it.
    """
    facts = BACKBONES[name]
    if min(image_size) < facts.smallest:
        raise ModelError(
            f"{name} takes photos of at least {facts.smallest} px a side; they are {image_size[0]} × "
            f"{image_size[1]} px. Set a larger preprocess.image_size."
        )
    sides = []
    for side in image_size:
        for window, stride in facts.steps:
            side = (side - window) // stride + 1
        sides.append(side)
    return sides[0], sides[1], facts.channels


def warn_of_small_photos(name: str, native_size: tuple[int, int]) -> str | None:
    """A sentence, where the photos are far smaller than what the backbone was made for; else None."""
    size = BACKBONES[name].size
    if max(native_size) * FAR_SMALLER >= size:
        return None
    return (
        f"train.model.name: {name} learned from photos of {size} px, and these are {native_size[0]} × {native_size[1]} "
        f"px: enlarged so much they look blurred to it. Expect less of it, unfreeze more layers, or take a network of "
        "your own (train.model.layers)."
    )
