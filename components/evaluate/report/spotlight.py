"""The picture of an explanation: the photo, bright where it mattered."""

import numpy as np

SHADE = 0.25
"""The brightness of places that did not matter; brightness is understood without colors."""


def spotlight(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A photo that is bright where it mattered: uint8 (height, width, 3), RGB.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        heat: float32 (rows, columns), from 0 to 1.
    """
    import cv2

    height, width = pixels.shape[:2]
    upscaled_heat = np.clip(cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)[..., None]
    spotlit_pixels: np.ndarray = np.rint(pixels * (SHADE + (1 - SHADE) * upscaled_heat)).astype(np.uint8)
    return spotlit_pixels
