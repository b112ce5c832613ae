"""Draws an explanation: the photo, bright in the areas that mattered for the answer."""

import numpy as np

SHADE = 0.25
"""The relative brightness of areas that did not matter. Unlike a color, it is visible to color-blind readers too."""


def spotlight(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Darkens the areas of a photo that did not matter for the answer: uint8 (height, width, 3), RGB.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        heat: float32 (rows, columns), how much each area mattered, from 0 to 1.
    """
    import cv2

    height, width = pixels.shape[:2]
    upscaled_heat = np.clip(cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)[..., None]
    spotlit_pixels: np.ndarray = np.rint(pixels * (SHADE + (1 - SHADE) * upscaled_heat)).astype(np.uint8)
    return spotlit_pixels
