"""Fits decoded photos to a size."""

import math
from typing import Literal

import numpy as np
from PIL import Image

from components.contract.image.orientation import read_orientation

Resize = Literal["stretch", "crop", "pad"]


def least_size(image: Image.Image, size: tuple[int, int], resize: Resize) -> tuple[int, int]:
    """The smallest (height, width), before rotation, to which a photo may be scaled without losing detail in `fit`."""
    height, width = size if read_orientation(image) < 5 else size[::-1]
    scales = height / image.height, width / image.width
    if resize == "stretch":
        return height, width
    scale = max(scales) if resize == "crop" else min(scales)
    return math.ceil(image.height * scale), math.ceil(image.width * scale)


def fit(pixels: np.ndarray, size: tuple[int, int], resize: Resize) -> np.ndarray:
    """Fits pixels, uint8 (height, width, 3), to `size` (height, width)."""
    height, width = pixels.shape[:2]
    scales = size[0] / height, size[1] / width
    if resize == "crop":
        inner = [max(1, round(side / max(scales))) for side in size]
        top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
        return _scale(pixels[top : top + inner[0], left : left + inner[1]], size)
    if resize == "pad":
        inner = [max(1, round(side * min(scales))) for side in (height, width)]
        top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
        padded = np.zeros((*size, 3), np.uint8)
        padded[top : top + inner[0], left : left + inner[1]] = _scale(pixels, (inner[0], inner[1]))
        return padded
    return _scale(pixels, size)


def _scale(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scales each side: reduces it by area averaging, or enlarges it by linear interpolation."""
    import cv2

    reduced_size = min(size[0], pixels.shape[0]), min(size[1], pixels.shape[1])
    for (height, width), interpolation in ((reduced_size, cv2.INTER_AREA), (size, cv2.INTER_LINEAR)):
        if pixels.shape[:2] != (height, width):
            pixels = cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=interpolation)
    return np.ascontiguousarray(pixels)
