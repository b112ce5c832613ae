"""What the sections of params.yaml are made of."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

TINY_PIXELS = 64
"""Pictures of at most this many pixels on the longer side are trained on as they are, by a small network."""

MIN_SIZE, MAX_SIZE = 4, 2048
"""What a side of a prepared photo may measure, in pixels."""

Side = Annotated[int, Field(ge=MIN_SIZE, le=MAX_SIZE)]
Fraction = Annotated[float, Field(ge=0, le=0.9)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


def height_width(size: int | Sequence[int]) -> tuple[int, int]:
    """A size as params.yaml writes it, one number for a square, as (height, width)."""
    height, width = (size, size) if isinstance(size, int) else size
    return height, width


class Section(BaseModel):
    """Frozen, strict, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_by_name=True)
