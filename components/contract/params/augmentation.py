"""How training photos are augmented."""

from typing import Annotated

from pydantic import Field

from components.contract.params.base import Fraction, Section


class AugmentationParams(Section):
    """How strongly training photos are augmented.

    Most numbers limit a random change that is drawn for each photo and epoch; a flip is applied to half of the photos.
    """

    horizontal_flip: bool = False
    vertical_flip: bool = False
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    zoom: Fraction = 0.0
    shear_degrees: Annotated[float, Field(ge=0, le=60)] = 0.0
    shift: Fraction = Field(0.0, description="The largest shift, as a fraction of height and width.")
    brightness: Fraction = Field(
        0.0, description="The largest value that is added or subtracted, as a fraction of the full range."
    )
    contrast: Fraction = Field(
        0.0, description="The largest change of each pixel's distance from the photo's mean, as a fraction."
    )
    crop: Fraction = Field(
        0.0, description="Fraction of height and width that may be cut off; the remaining part is enlarged."
    )
    saturation: Fraction = Field(
        0.0, description="The largest change, as a fraction: 0.3 changes the saturation to between 70 % and 130 %."
    )
    hue_degrees: Annotated[float, Field(ge=0, le=180)] = Field(
        0.0, description="The largest rotation on the color wheel."
    )
    blur: Annotated[float, Field(ge=0, le=20)] = Field(0.0, description="The largest standard deviation, in pixels.")
    noise: Fraction = Field(0.0, description="The largest standard deviation, as a fraction of the full range.")
    erasing: Fraction = Field(
        0.0, description="Fraction of photos in which a rectangle of 2 to 20 % of the area is erased."
    )


AUGMENTATION_PRESETS: dict[str, AugmentationParams] = {
    "none": AugmentationParams(),
    "light": AugmentationParams(rotation_degrees=10, zoom=0.1, shift=0.08),
    "medium": AugmentationParams(
        horizontal_flip=True, rotation_degrees=15, zoom=0.15, shift=0.08, brightness=0.15, contrast=0.15
    ),
    "strong": AugmentationParams(
        horizontal_flip=True,
        rotation_degrees=25,
        zoom=0.3,
        shear_degrees=10,
        shift=0.15,
        brightness=0.25,
        contrast=0.3,
        saturation=0.3,
        hue_degrees=8,
        erasing=0.25,
    ),
}
