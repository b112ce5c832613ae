"""Augments photos for training: the preview in preprocess and the batches in train use the same function.

All geometric changes of a photo are one affine map, applied in one pass; all color changes are one further pass. The
variant of a photo depends only on its seed, not on the batch that contains it.
"""

import functools
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from components.contract.image.augment_colors import make_color_change, make_disturbance
from components.contract.params.augmentation import AugmentationParams
from components.contract.system.cores import num_cores

NUM_DRAWS: Final = 21
"""Random numbers per photo: two flips, rotation, zoom, shear, vertical and horizontal shift, brightness, contrast; the
size of the crop and its position (two), saturation, hue, blur, noise; whether to erase, and the area, shape and
position (two) of the rectangle. Add new kinds of changes only at the end, so that existing ones keep their positions.
"""


def augment(pixels: np.ndarray, params: AugmentationParams, seeds: np.ndarray) -> np.ndarray:
    """Computes a variant of each photo.

    Args:
        pixels: uint8 (n, height, width, 3), RGB.
        params: the maximum changes.
        seeds: uint64 (n,); the same photo with the same seed produces the same variant.

    Returns:
        uint8 (n, height, width, 3), RGB, never a view of `pixels`. Areas outside the photo are filled by reflection.
    """
    import cv2

    draws = uniform_draws(seeds)
    height, width = pixels.shape[1:3]
    matrices = affine_matrices(params, draws, height, width) if _changes_geometry(params) else None
    change_colors = make_color_change(params, draws, pixels)
    disturb = make_disturbance(params, draws, seeds)
    variants = np.empty_like(pixels)

    def vary(indices: range) -> None:
        for index in indices:
            photo, target = pixels[index], variants[index]
            if matrices is None:
                np.copyto(target, photo)
            else:
                cv2.warpAffine(
                    photo,
                    matrices[index],
                    (width, height),
                    dst=target,
                    borderMode=cv2.BORDER_REFLECT_101,
                    flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                )
            if change_colors is not None:
                change_colors(index, target)
            if disturb is not None:
                disturb(index, target)

    num_parts = 4 * num_cores()
    list(_workers().map(vary, (range(part, len(pixels), num_parts) for part in range(num_parts))))
    return variants


def _changes_geometry(params: AugmentationParams) -> bool:
    return bool(
        params.horizontal_flip
        or params.vertical_flip
        or params.rotation_degrees
        or params.zoom
        or params.shear_degrees
        or params.shift
        or params.crop
    )


def image_keys(image_ids: Sequence[str]) -> np.ndarray:
    """A number for each photo that depends only on its content hash: uint64 (n,)."""
    digests = (hashlib.blake2b(image_id.encode(), digest_size=8).digest() for image_id in image_ids)
    return np.frombuffer(b"".join(digests), np.uint64)


def photo_seeds(keys: np.ndarray, *, seed: int, variant: int) -> np.ndarray:
    """Seeds for `augment`, which are unrelated for different photos, training seeds and variants.

    Args:
        keys: uint64 (n,), from `image_keys`.
        seed: the seed of the training run, from 0 to 2³² − 1.
        variant: the epoch or the view, from 0 to 2³² − 1.

    Returns:
        uint64 (n,).
    """
    return _mix_bits(keys ^ _mix_bits(np.array([seed << 32 | variant], np.uint64)))


def uniform_draws(seeds: np.ndarray) -> np.ndarray:
    """Uniform numbers from 0 to 1 by SplitMix64 (Steele, Lea and Flood 2014): float64 (n, NUM_DRAWS)."""
    steps = np.arange(1, NUM_DRAWS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    random_bits = _mix_bits(np.asarray(seeds, np.uint64)[:, None] + steps)
    return np.asarray((random_bits >> np.uint64(11)) * 2.0**-53)


def affine_matrices(params: AugmentationParams, draws: np.ndarray, height: int, width: int) -> np.ndarray:
    """The affine maps from coordinates in each variant to those in the original photo: float64 (n, 2, 3), x before y.

    Args:
        params: the maximum changes.
        draws: float64 (n, NUM_DRAWS), from 0 to 1.
        height: the height of the photos, in pixels.
        width: the width of the photos, in pixels.
    """
    signed = 2 * draws - 1
    flip_x = np.where(params.horizontal_flip & (draws[:, 0] < 0.5), -1.0, 1.0)
    flip_y = np.where(params.vertical_flip & (draws[:, 1] < 0.5), -1.0, 1.0)
    angle = np.deg2rad(params.rotation_degrees * signed[:, 2])
    crop = params.crop * draws[:, 9]
    scale = (1 - crop) / (1 + params.zoom * signed[:, 3])
    shear = np.tan(np.deg2rad(params.shear_degrees * signed[:, 4]))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    # rotation · scale · [[1, shear], [0, 1]] · flip
    linear = np.array([[cos * flip_x, (cos * shear - sin) * flip_y], [sin * flip_x, (sin * shear + cos) * flip_y]])
    linear = linear.transpose(2, 0, 1)
    center = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = params.shift * signed[:, [6, 5]] + crop[:, None] / 2 * signed[:, [11, 10]]
    offset = center + shift * np.array([width, height]) - linear @ center
    return np.concatenate([linear, offset[:, :, None]], axis=2)


def _mix_bits(numbers: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64; the overflow of uint64 is intended."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(numbers ^ (numbers >> np.uint64(31)))


@functools.cache
def _workers() -> ThreadPoolExecutor:
    """The threads for all batches of this process; they run in parallel, because OpenCV releases the GIL."""
    import cv2

    cv2.setNumThreads(1)  # one thread per photo: OpenCV's own threads would compete with these
    return ThreadPoolExecutor(num_cores(), "augment")
