"""The size of the features of a pretrained backbone, and a warning about photos that are too small for it."""

from typing import Final

from components.contract.errors import ModelError
from components.contract.layers.backbones import BACKBONES

FAR_SMALLER: Final = 3
"""If photos must be enlarged by more than this factor, a warning is shown."""


def feature_shape(name: str, image_size: tuple[int, int]) -> tuple[int, int, int]:
    """(height, width, channels) of the features of photos of `image_size` (height, width).

    Raises:
        ModelError: the photos are too small for the backbone.
    """
    facts = BACKBONES[name]
    if min(image_size) < facts.smallest:
        raise ModelError(
            f"{name} needs photos of at least {facts.smallest} px on each side; the photos are {image_size[0]} "
            f"× {image_size[1]} px. Set a larger preprocess.image_size."
        )
    sides = []
    for side in image_size:
        for window, stride in facts.steps:
            side = (side - window) // stride + 1
        sides.append(side)
    return sides[0], sides[1], facts.channels


def warn_of_small_photos(name: str, native_size: tuple[int, int]) -> str | None:
    """A warning if the photos are far smaller than those that the backbone was trained on; otherwise None."""
    size = BACKBONES[name].size
    if max(native_size) * FAR_SMALLER >= size:
        return None
    return (
        f"train.model.name: {name} was trained on photos of {size} px. Yours are {native_size[0]} × "
        f"{native_size[1]} px and look blurred when enlarged, so expect lower accuracy. Train more "
        "layers, or use a custom network (train.model.layers)."
    )
