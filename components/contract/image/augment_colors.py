"""The augmentations that do not move pixels: colors, blur, noise and erasing."""

from collections.abc import Callable
from typing import Final

import numpy as np

from components.contract.params.augmentation import AugmentationParams

LUMA: Final = np.array([0.299, 0.587, 0.114])
"""The weights of red, green and blue in the luma of a pixel (ITU-R BT.601)."""
ERASED_AREA: Final = (0.02, 0.2)
"""The smallest and the largest area to erase, as fractions of the photo (Zhong et al. 2017)."""
ERASED_SHAPE: Final = 3.3
"""The maximum ratio of the longer to the shorter side of the erased rectangle."""
MIN_BLUR: Final = 0.1
"""The minimum blur, in pixels; a smaller blur is invisible, so it is skipped."""

Change = Callable[[int, np.ndarray], None]
"""A function that receives the index of a photo and its variant, uint8 (height, width, 3), RGB, and changes the variant
in place."""


def make_color_change(params: AugmentationParams, draws: np.ndarray, pixels: np.ndarray) -> Change | None:
    """Makes a function that changes brightness, contrast, saturation and hue in one pass.

    Args:
        params: the maximum changes.
        draws: float64 (n, NUM_DRAWS), from 0 to 1.
        pixels: uint8 (n, height, width, 3), the original photos; contrast changes relative to each photo's mean.

    Returns:
        The function, or None if the params change no colors.
    """
    import cv2

    if not (params.brightness or params.contrast or params.saturation or params.hue_degrees):
        return None
    signed = 2 * draws - 1
    means = np.array([np.mean(cv2.mean(photo)[:3]) for photo in pixels])
    factors = 1 + params.contrast * signed[:, 8]
    offsets = 255 * params.brightness * signed[:, 7] + means * (1 - factors)
    if not (params.saturation or params.hue_degrees):
        tables = np.rint(np.arange(256) * factors[:, None] + offsets[:, None]).clip(0, 255).astype(np.uint8)
        return lambda index, photo: cv2.LUT(photo, tables[index], dst=photo)
    matrices = color_matrices(params, draws)
    linear = np.concatenate(
        [matrices * factors[:, None, None], matrices.sum(axis=2, keepdims=True) * offsets[:, None, None]], axis=2
    )
    return lambda index, photo: cv2.transform(photo, linear[index], dst=photo)


def color_matrices(params: AugmentationParams, draws: np.ndarray) -> np.ndarray:
    """Matrices that change each photo's saturation and hue: float64 (n, 3, 3); grays are unchanged."""
    signed = 2 * draws - 1
    angle = np.deg2rad(params.hue_degrees * signed[:, 13])[:, None, None]
    # Rodrigues' formula for a rotation around the gray axis.
    axis_product = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    rotation = np.cos(angle) * np.eye(3) + np.sin(angle) * axis_product + (1 - np.cos(angle)) / 3
    amount = (1 + params.saturation * signed[:, 12])[:, None, None]
    saturation = amount * np.eye(3) + (1 - amount) * LUMA
    return np.asarray(saturation @ rotation)


def make_disturbance(params: AugmentationParams, draws: np.ndarray, seeds: np.ndarray) -> Change | None:
    """Makes a function that applies blur, noise and erasing, in this order.

    Args:
        params: the maximum changes.
        draws: float64 (n, NUM_DRAWS), from 0 to 1.
        seeds: uint64 (n,), for the noise.

    Returns:
        The function, or None if the params use none of these changes.
    """
    import cv2

    if not (params.blur or params.noise or params.erasing):
        return None

    def disturb(index: int, photo: np.ndarray) -> None:
        if (sigma := params.blur * draws[index, 14]) > MIN_BLUR:
            cv2.GaussianBlur(photo, (0, 0), sigma, dst=photo, borderType=cv2.BORDER_REFLECT_101)
        if params.noise:
            deviation = np.float32(255 * params.noise * draws[index, 15])
            noise = np.random.Generator(np.random.SFC64(int(seeds[index]))).standard_normal(photo.shape, np.float32)
            cv2.add(photo, np.rint(deviation * noise).astype(np.int16), dst=photo, dtype=cv2.CV_8U)
        if draws[index, 16] < params.erasing:
            rows, columns = draw_erased_area(draws[index], *photo.shape[:2])
            photo[rows, columns] = np.rint(cv2.mean(photo)[:3])

    return disturb


def draw_erased_area(draws: np.ndarray, height: int, width: int) -> tuple[slice, slice]:
    """The rows and columns of the erased rectangle, at least one pixel high and wide.

    Args:
        draws: float64 (NUM_DRAWS,), the draws for one photo.
        height: the height of the photo, in pixels.
        width: the width of the photo, in pixels.
    """
    area = height * width * (ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * draws[17])
    ratio = ERASED_SHAPE ** (2 * draws[18] - 1)
    rows, columns = np.clip(np.rint(np.sqrt([area * ratio, area / ratio])), 1, [height, width]).astype(int)
    top, left = (np.array([height - rows, width - columns]) * draws[19:21]).round().astype(int)
    return slice(top, top + rows), slice(left, left + columns)
