"""Makes pictures that belong to no class of the data, such as noise, to test whether a model detects them."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np

from components.contract.artifacts.dataset import Split

PictureMaker: TypeAlias = Callable[[Split, int, np.random.Generator], np.ndarray]
"""Makes `num` pictures, uint8 (num, height, width, 3), RGB; its arguments are the test photos, `num` and a random
number generator."""

TILES = 4
"""The number of tiles along each side of a shuffled photo."""


def noise(split: Split, num: int, rng: np.random.Generator) -> np.ndarray:
    """Pictures of random pixels."""
    return rng.integers(0, 256, (num, *split.image_shape), dtype=np.uint8)


def plain_colors(split: Split, num: int, rng: np.random.Generator) -> np.ndarray:
    """Pictures of one color each, like photos taken with the lens covered."""
    return np.broadcast_to(rng.integers(0, 256, (num, 1, 1, 3), dtype=np.uint8), (num, *split.image_shape)).copy()


def other_scenes(split: Split, num: int, rng: np.random.Generator) -> np.ndarray:
    """Parts of scikit-learn's two sample photos: a temple and a flower."""
    import cv2
    from sklearn.datasets import load_sample_images

    height, width = split.image_shape[:2]
    pictures = np.empty((num, height, width, 3), np.uint8)
    scenes = load_sample_images().images
    for number in range(num):
        scene = scenes[number % len(scenes)]
        side = int(rng.integers(min(scene.shape[:2]) // 3, min(scene.shape[:2])))
        top_row, left_column = (int(rng.integers(0, length - side + 1)) for length in scene.shape[:2])
        part = scene[top_row : top_row + side, left_column : left_column + side]
        pictures[number] = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
    return pictures


def shuffled_photos(split: Split, num: int, rng: np.random.Generator) -> np.ndarray:
    """Test photos with their tiles rearranged: the right colors, but no recognizable object."""
    height, width = split.image_shape[:2]
    rows, columns = (np.linspace(0, length, TILES + 1).astype(int) for length in (height, width))
    tile_size = np.diff(rows).min(), np.diff(columns).min()
    pictures = split.gather(rng.integers(0, len(split), num))
    for picture in pictures:
        original = picture.copy()
        for target_tile, source_tile in enumerate(rng.permutation(TILES**2)):
            (row, column), (old_row, old_column) = divmod(target_tile, TILES), divmod(int(source_tile), TILES)
            picture[rows[row] : rows[row] + tile_size[0], columns[column] : columns[column] + tile_size[1]] = original[
                rows[old_row] : rows[old_row] + tile_size[0], columns[old_column] : columns[old_column] + tile_size[1]
            ]
    return pictures


OUT_OF_DISTRIBUTION: Final[Mapping[str, PictureMaker]] = {
    "noise": noise,
    "plain colors": plain_colors,
    "a temple and a flower": other_scenes,
    "test photos in shuffled tiles": shuffled_photos,
}
