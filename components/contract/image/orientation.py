"""The EXIF orientation of a photo: reading it, and turning pixels upright."""

import numpy as np
from PIL import ExifTags, Image


def read_orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if there is none, or none that can be read: so do viewers."""
    if image.format == "TIFF":
        return 1  # Pillow applies a TIFF's own while loading
    try:
        # The base class's method: that of PNG would decode the pixels to look for EXIF behind them.
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    except Exception:  # Pillow's EXIF reader raises whatever damaged tags lead it to
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright_size(image: Image.Image) -> tuple[int, int]:
    """(height, width) of a photo as a viewer shows it, in pixels."""
    width, height = image.size
    return (width, height) if read_orientation(image) >= 5 else (height, width)


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turns and mirrors as EXIF says: uint8 (height, width, 3) in, the same photo upright out."""
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels)
