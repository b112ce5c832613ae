"""Embeds pictures in a page, so that the page loads no other files."""

import base64
import io

import numpy as np

THUMBNAIL_PIXELS = 168
SMALL_PIXELS = 104
TINY_PIXELS = 96
"""Pictures with at most this many pixels per side are enlarged without smoothing, so that their pixels are visible."""


def thumbnail(pixels: np.ndarray, size: int = THUMBNAIL_PIXELS) -> tuple[str, bytes]:
    """Makes a thumbnail; returns its format ("png" for tiny pictures, otherwise "jpeg") and the content of its file.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        size: the maximum length of the longer side.
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    kind, options = ("png", {"optimize": True}) if is_tiny(pixels) else ("jpeg", {"quality": 78})
    image.thumbnail((size, size))
    file = io.BytesIO()
    image.save(file, kind, **options)
    return kind, file.getvalue()


def is_tiny(pixels: np.ndarray) -> bool:
    """Whether a picture is so small that it is enlarged without smoothing."""
    return bool(max(pixels.shape[:2]) <= TINY_PIXELS)


def data_uri(kind: str, file: bytes) -> str:
    """A URI that contains the picture itself: `data:image/png;base64,…`."""
    return f"data:image/{kind};base64,{base64.b64encode(file).decode()}"
