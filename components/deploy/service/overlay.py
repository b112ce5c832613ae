"""Draws an explanation: a heat map on top of the photo."""

import io

import numpy as np

OPACITY = 0.55
SHOWN_SIDE = 320
"""The minimum length of an overlay's longer side, in pixels."""


def draw_overlay(pixels: np.ndarray, heat: np.ndarray, size: tuple[int, int]) -> bytes:
    """Draws a heat map on top of a photo, as a PNG.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        heat: float32 (rows, columns), from 0 to 1.
        size: (height, width) of the picture, in pixels.
    """
    import cv2
    from PIL import Image

    is_enlarged = size[0] > 2 * pixels.shape[0]
    photo = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_NEAREST if is_enlarged else cv2.INTER_LINEAR)
    smooth = np.clip(cv2.resize(heat, size[::-1], interpolation=cv2.INTER_CUBIC), 0, 1)
    # Viridis is perceptually uniform, even in grayscale and for color-blind people.
    colors = cv2.applyColorMap((smooth * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1]
    share = smooth[..., np.newaxis]
    # Irrelevant parts fade to gray, so that relevant parts are visible in color.
    gray = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., np.newaxis]
    picture = (1 - OPACITY * share) * (share * photo + (1 - share) * gray) + OPACITY * share * colors
    file = io.BytesIO()
    Image.fromarray(np.rint(picture).clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def display_size(image_size: tuple[int, int], native_size: tuple[int, int], resize: str) -> tuple[int, int]:
    """The (height, width) of the displayed photo: large enough to see, and without the distortion of `stretch`.

    Args:
        image_size: (height, width) of the graph's input.
        native_size: (height, width) of the original photo.
        resize: how the photo was fitted into the input.
    """
    height, width = native_size if resize == "stretch" else image_size
    scale = max(SHOWN_SIDE, *image_size) / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))
