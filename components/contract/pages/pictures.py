"""Pictures inside a page, which loads no files."""

import base64
import io

import numpy as np

THUMBNAIL_PIXELS = 168
SMALL_PIXELS = 104
TINY_PIXELS = 96
"""Pictures up to this size are shown with visible pixels."""


def thumbnail(pixels: np.ndarray, size: int = THUMBNAIL_PIXELS) -> tuple[str, bytes]:
    """A small picture: its kind, PNG if it is tiny and else JPEG, and its file.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        size: the length of its longer side, at most.
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    kind, options = ("png", {"optimize": True}) if is_tiny(pixels) else ("jpeg", {"quality": 78})
    image.thumbnail((size, size))
    file = io.BytesIO()
    image.save(file, kind, **options)
    return kind, file.getvalue()


def is_tiny(pixels: np.ndarray) -> bool:
    """Whether a photo is so small that it is shown with visible pixels."""
    return bool(max(pixels.shape[:2]) <= TINY_PIXELS)


def data_uri(kind: str, file: bytes) -> str:
    """The address of a picture that is the picture: `data:image/png;base64,…`."""
    return f"data:image/{kind};base64,{base64.b64encode(file).decode()}"
