"""Reads the EXIF orientation of a photo, and turns its pixels upright."""

import numpy as np
from PIL import ExifTags, Image


def read_orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if it is missing or cannot be read, as in image viewers."""
    if image.format == "TIFF":
        return 1  # Pillow applies the orientation of a TIFF while loading it
    try:
        # Calls the base class's method: that of the PNG class would decode the pixels to find EXIF data after them.
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    except Exception:  # with damaged tags, Pillow's EXIF reader may raise any error
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """(height, width) of the upright photo, in pixels."""
    width, height = image.size
    return (width, height) if read_orientation(image) >= 5 else (height, width)


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Rotates and mirrors pixels, uint8 (height, width, 3), according to the EXIF orientation."""
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels)
