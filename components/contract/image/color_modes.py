"""Converts all color modes except those with 16 bits to RGB.

Pillow's own conversion would clip 32-bit values, and turn transparent pixels black or show their hidden colors. Photos
are converted in bands of rows, so that a photo of 100 megapixels needs little more memory than its result.
"""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from PIL import Image

from components.contract.errors import ImageError

BAND_PIXELS: Final = 2**18


def to_rgb(image: Image.Image) -> np.ndarray:
    """Converts a loaded image of any mode to uint8 (height, width, 3), RGB; transparency is blended with white.

    Raises:
        ImageError: a pixel is not a finite number.
    """
    bounds = _bounds(image) if image.mode in ("I", "F") else None
    if image.width * image.height <= BAND_PIXELS:
        return _band_to_rgb(image, bounds)
    rgb, top = np.empty((image.height, image.width, 3), np.uint8), 0
    for band in split_into_bands(image):
        rgb[top : top + band.height] = _band_to_rgb(band, bounds)
        top += band.height
    return rgb


def split_into_bands(image: Image.Image) -> Iterator[Image.Image]:
    """Splits a loaded image into bands of rows, from top to bottom."""
    rows = max(1, BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


def _band_to_rgb(image: Image.Image, bounds: tuple[float, float] | None) -> np.ndarray:
    if bounds is not None:
        return np.stack([_scale_to_uint8(np.asarray(image), *bounds)] * 3, axis=-1)
    if image.has_transparency_data:
        rgba = image.convert("LA" if image.mode == "La" else image.mode).convert("RGBA")
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(rgba, mask=rgba.getchannel("A"))
        return np.asarray(canvas)
    return np.asarray(image.convert("RGB"))


def _bounds(image: Image.Image) -> tuple[float, float]:
    """The values that map to black and to white, for float and 32-bit integer photos, whose files do not state them.

    They are the ends of the smallest usual range that contains all values: 0 to 1 (only for floats), 0 to 255 or 0 to
    65,535. If none of these does, they are the photo's minimum and maximum.

    Raises:
        ImageError: a value is not finite.
    """
    extremes = np.array(
        [(values.min(), values.max()) for values in map(np.asarray, split_into_bands(image))], np.float64
    )
    low, high = float(extremes[:, 0].min()), float(extremes[:, 1].max())  # NumPy's min and max preserve NaN
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ImageError("corrupt", "Every pixel must be a finite number; this photo contains NaN or infinity.")
    if low < 0 or high > 65535:
        return low, max(high, low + 1)
    if high > 255:
        return 0.0, 65535.0
    return 0.0, 1.0 if high <= 1 and image.mode == "F" else 255.0


def _scale_to_uint8(values: np.ndarray, floor: float, ceiling: float) -> np.ndarray:
    scaled = (values.astype(np.float32) - np.float32(floor)) * np.float32(255 / (ceiling - floor))
    return np.asarray(np.rint(scaled).clip(0, 255), np.uint8)
