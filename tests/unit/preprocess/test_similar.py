"""The same picture twice: hashes, the search among them, and what is left of look-alikes."""

import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.preprocess.measure import SKETCH_SIDE
from components.preprocess.similar import candidates, candidates_between, find_near, perceptual_hashes


def picture(seed: int, side: int = 224) -> np.ndarray:
    """Blobs, shapes and texture that differ with the seed: uint8 (side, side, 3)."""
    rng = np.random.default_rng(seed)
    pixels = cv2.resize(rng.uniform(0, 255, (7, 7, 3)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    for _ in range(40):
        corner = rng.integers(0, side, 2)
        size = rng.integers(5, 40, 2)
        colour = [float(value) for value in rng.uniform(0, 255, 3)]
        cv2.rectangle(pixels, corner.tolist(), (corner + size).tolist(), colour, thickness=-1)
    return pixels.clip(0, 255).astype(np.uint8)


def sketch(pixels: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SKETCH_SIDE, SKETCH_SIDE), interpolation=cv2.INTER_AREA)


def near(pictures: list[np.ndarray]) -> list[list[int]]:
    sketches = np.stack([sketch(pixels) for pixels in pictures])
    return find_near(
        sketches, np.ones(len(pictures), bool), lambda rows: np.stack([pictures[row] for row in rows])
    ).tolist()


def recompressed(pixels: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)


def smaller(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(cv2.resize(pixels, (90, 90), interpolation=cv2.INTER_AREA), pixels.shape[1::-1])


def brighter(pixels: np.ndarray) -> np.ndarray:
    return np.clip(pixels.astype(int) + 25, 0, 255).astype(np.uint8)


def cropped(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(pixels[2:-2, 2:-2], pixels.shape[1::-1])


def mirrored(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[:, ::-1])


@pytest.mark.parametrize("change", [recompressed, smaller, brighter, cropped, mirrored])
def test_a_changed_copy_is_found_among_others(change) -> None:
    pictures = [picture(seed) for seed in range(30)]
    pictures += [change(picture(seed)) for seed in (3, 11, 27)]
    assert near(pictures) == [[3, 30], [11, 31], [27, 32]]


def test_other_objects_before_the_same_background_are_not_the_same() -> None:
    background = picture(99)
    pictures = []
    for seed in range(6):
        pixels = background.copy()
        pixels[40:190, 40:190] = picture(seed)[40:190, 40:190]
        pictures.append(pixels)
    assert near(pictures) == []


def test_plain_pictures_are_no_near_duplicates() -> None:
    assert near([np.full((224, 224, 3), value, np.uint8) for value in (100, 101, 200)]) == []


@given(st.integers(0, 2**32 - 1), st.integers(0, 11))
@settings(max_examples=30, deadline=None)
def test_the_search_finds_what_comparing_all_pairs_finds(seed: int, radius: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**63, 40, dtype=np.uint64)
    flips = [int(np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, 9, dtype=np.uint64))) for _ in range(40)]
    hashes = np.concatenate([hashes, hashes ^ np.array(flips, np.uint64), hashes[:5]])
    distances = np.bitwise_count(hashes[:, None] ^ hashes[None])
    expected = np.argwhere(np.triu(distances <= radius, 1))
    assert candidates(hashes, radius).tolist() == expected.tolist()
    other = hashes[::-1].copy()
    between = np.bitwise_count(hashes[:, None] ^ other[None]) <= radius
    np.fill_diagonal(between, False)
    assert candidates_between(hashes, other, radius).tolist() == np.argwhere(np.triu(between | between.T, 1)).tolist()


def test_mirrored_hashes_are_those_of_mirrored_pictures() -> None:
    sketches = np.stack([sketch(picture(seed)) for seed in range(20)])
    assert np.array_equal(perceptual_hashes(sketches)[1], perceptual_hashes(sketches[:, :, ::-1])[0])


def test_very_many_equal_hashes_are_no_quadratic_work() -> None:
    started = time.monotonic()
    pairs = candidates(np.zeros(200_000, np.uint64), 11)
    assert len(pairs) == 199_999
    assert time.monotonic() - started < 20
