"""The base class and types of the sections of params.yaml."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict

from components.contract.record import StrictRecord
from components.contract.validation_messages import expects

TINY_PIXELS = 64
"""If the longer side of the photos has at most this many pixels, a small network is trained at their native size."""

MIN_SIZE, MAX_SIZE = 4, 2048
"""The limits of height and width of a prepared photo, in pixels."""

Side = Annotated[int, Field(ge=MIN_SIZE, le=MAX_SIZE)]
Fraction = Annotated[float, Field(ge=0, le=0.9)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


def _require_rising(pixel_range: tuple[int, int]) -> tuple[int, int]:
    if pixel_range[0] >= pixel_range[1]:
        raise ValueError("black must be less than white")
    return pixel_range


PixelValue = Annotated[int, Field(ge=-32768, le=65535)]
PixelRangeChoice = Annotated[
    Literal["auto"]
    | Annotated[int, Field(ge=1, le=65535)]
    | Annotated[tuple[PixelValue, PixelValue], Strict(False), AfterValidator(_require_rising)],
    expects("auto, the value of white (1 to 65535), or [black, white] with black below white"),
]


def height_width(size: int | Sequence[int]) -> tuple[int, int]:
    """Converts a size from params.yaml, where one number means a square, to (height, width)."""
    height, width = (size, size) if isinstance(size, int) else size
    return height, width


def black_white(pixel_range: int | tuple[int, int]) -> tuple[int, int]:
    """Converts a pixel range from params.yaml, where one number is the value of white, to (black, white)."""
    return (0, pixel_range) if isinstance(pixel_range, int) else pixel_range


class Section(StrictRecord, allow_inf_nan=False, validate_by_name=True):
    """A section of params.yaml, or a part of one."""
