"""A preview of the augmentation: eight variants of a photo, computed by the same code as in training."""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from components.contract.image.augment import augment, image_keys, photo_seeds
from components.contract.params.augmentation import AugmentationParams

VARIANTS: Final = 8
TILE: Final = 96
GAP: Final = 4


def augmentation_sheet(
    pixels: np.ndarray, image_id: str, strengths: Mapping[str, AugmentationParams], seed: int
) -> Image.Image:
    """Draws eight augmented variants of a photo for each augmentation strength, one row per strength.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        image_id: the id of the photo.
        strengths: the name of each row, and its augmentation.
        seed: the seed of the training run; the variants are those of the first eight epochs.
    """
    step = TILE + GAP
    font = ImageFont.load_default(size=15)
    left = 4 * GAP + math.ceil(max(font.getlength(name) for name in strengths))
    sheet = Image.new("RGB", (left + VARIANTS * step, GAP + len(strengths) * step), "white")
    draw = ImageDraw.Draw(sheet)
    keys = image_keys([image_id])
    seeds = np.concatenate([photo_seeds(keys, seed=seed, variant=variant) for variant in range(VARIANTS)])
    for line, (name, strength) in enumerate(strengths.items()):
        top = GAP + line * step
        draw.text((2 * GAP, top + TILE // 2), name, fill="black", font=font, anchor="lm")
        for column, variant in enumerate(augment(np.repeat(pixels[None], VARIANTS, axis=0), strength, seeds)):
            sheet.paste(draw_tile(variant), (left + column * step, top))
    return sheet


def draw_tile(pixels: np.ndarray) -> Image.Image:
    """Fits a photo into a tile with a light gray background; tiny pictures are enlarged without smoothing."""
    photo = Image.fromarray(pixels)
    resampling = Image.Resampling.NEAREST if max(photo.size) < TILE else Image.Resampling.LANCZOS
    return ImageOps.pad(photo, (TILE, TILE), resampling, color="#eeeeee")
