"""Near-duplicates: hashes, the search for similar hashes, and similar pictures that are not duplicates."""

import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.preprocess.audit import near_duplicates
from components.preprocess.audit.near_duplicates import find_near
from components.preprocess.audit.perceptual_hash import find_candidates, find_mirrored_candidates, perceptual_hashes
from components.preprocess.image_statistics import SKETCH_SIDE


def picture(seed: int, side: int = 224) -> np.ndarray:
    """Random colored areas and rectangles for this seed: uint8 (side, side, 3)."""
    rng = np.random.default_rng(seed)
    pixels = cv2.resize(rng.uniform(0, 255, (7, 7, 3)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    for _ in range(40):
        corner = rng.integers(0, side, 2)
        size = rng.integers(5, 40, 2)
        color = [float(value) for value in rng.uniform(0, 255, 3)]
        cv2.rectangle(pixels, corner.tolist(), (corner + size).tolist(), color, thickness=-1)
    return pixels.clip(0, 255).astype(np.uint8)


def sketch(pixels: np.ndarray) -> np.ndarray:
    gray = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    return cv2.resize(gray, (SKETCH_SIDE, SKETCH_SIDE), interpolation=cv2.INTER_AREA)


def near(pictures: list[np.ndarray]) -> list[list[int]]:
    sketches = np.stack([sketch(pixels) for pixels in pictures])
    return find_near(
        sketches, np.ones(len(pictures), bool), lambda rows: np.stack([pictures[row] for row in rows])
    ).tolist()


def recompress(pixels: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)


def shrink(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(cv2.resize(pixels, (90, 90), interpolation=cv2.INTER_AREA), pixels.shape[1::-1])


def brighten(pixels: np.ndarray) -> np.ndarray:
    return np.clip(pixels.astype(int) + 25, 0, 255).astype(np.uint8)


def crop(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(pixels[2:-2, 2:-2], pixels.shape[1::-1])


def mirror(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[:, ::-1])


@pytest.mark.parametrize("change", [recompress, shrink, brighten, crop, mirror])
def test_a_changed_copy_is_found_among_others(change) -> None:
    pictures = [picture(seed) for seed in range(30)]
    pictures += [change(picture(seed)) for seed in (3, 11, 27)]
    assert near(pictures) == [[3, 30], [11, 31], [27, 32]]


def test_different_objects_on_the_same_background_are_not_duplicates() -> None:
    background = picture(99)
    pictures = []
    for seed in range(6):
        pixels = background.copy()
        pixels[40:190, 40:190] = picture(seed)[40:190, 40:190]
        pictures.append(pixels)
    assert near(pictures) == []


def detailed_picture(seed: int, side: int = 224) -> np.ndarray:
    """Random details for this seed on a common background: such pictures differ, but their sketches are similar."""
    background = np.random.default_rng(1).uniform(0, 255, (5, 5, 3)).astype(np.float32)
    details = np.random.default_rng(seed).uniform(-40, 40, (side // 4, side // 4, 3)).astype(np.float32)
    pixels = cv2.resize(background, (side, side), interpolation=cv2.INTER_CUBIC)
    pixels += cv2.resize(details, (side, side), interpolation=cv2.INTER_NEAREST)
    return pixels.clip(0, 255).astype(np.uint8)


def shift(pixels: np.ndarray) -> np.ndarray:
    return np.roll(pixels, 4, axis=1)


def correlation(pixels: np.ndarray, other_pixels: np.ndarray) -> float:
    sketches = np.stack([sketch(pixels), sketch(other_pixels)])
    return float(near_duplicates.correlations(sketches, sketches, np.array([[0, 1]]))[0])


def test_features_decide_whether_pictures_with_similar_sketches_are_near_duplicates() -> None:
    original, other = detailed_picture(1), detailed_picture(2)
    for variant in (other, shift(original)):
        hashes, _ = perceptual_hashes(np.stack([sketch(original), sketch(variant)]))
        assert np.bitwise_count(hashes[0] ^ hashes[1]) <= near_duplicates.RADIUS, "the pair must be a candidate"
        assert near_duplicates.SIMILAR <= correlation(original, variant) < near_duplicates.SAME, (
            "the correlation alone must not decide whether they are near-duplicates"
        )
    assert near([original, other]) == []
    assert near([original, shift(original)]) == [[0, 1]]
    assert near([original, mirror(shift(original))]) == [[0, 1]]
    assert near([original, mirror(other)]) == []


@pytest.mark.parametrize(("side", "expected"), [(92, []), (96, [[0, 1]])])
def test_features_are_not_used_for_small_pictures(side: int, expected: list[list[int]]) -> None:
    original = detailed_picture(1, side)
    moved = np.roll(original, 2, axis=1)
    assert near_duplicates.SIMILAR <= correlation(original, moved) < near_duplicates.SAME
    assert near([original, moved]) == expected


@pytest.mark.parametrize(
    ("name", "above", "expected"),
    [
        ("SIMILAR", False, [[0, 1]]),
        ("SIMILAR", True, []),
        ("MIN_AGREEING", False, [[0, 1]]),
        ("MIN_AGREEING", True, []),
    ],
)
def test_each_filter_keeps_a_pair_whose_value_equals_the_threshold(
    name: str, above: bool, expected: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    original, copy = detailed_picture(1), shift(detailed_picture(1))
    num_agreeing = near_duplicates.num_agreeing(
        *(near_duplicates._features(pixels, mirrored=False) for pixels in (original, copy))
    )
    similarity = np.float32(correlation(original, copy))
    if above:
        num_agreeing, similarity = num_agreeing + 1, np.nextafter(similarity, np.float32(2))
    monkeypatch.setattr(near_duplicates, name, {"SIMILAR": similarity, "MIN_AGREEING": num_agreeing}[name])
    assert near([original, copy]) == expected


@pytest.mark.parametrize(("above", "expected"), [(False, [[0, 1]]), (True, [])])
def test_pictures_with_nearly_equal_sketches_need_no_features(
    above: bool, expected: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    original, other = detailed_picture(1), detailed_picture(2)
    threshold = np.float32(correlation(original, other))
    monkeypatch.setattr(near_duplicates, "SAME", np.nextafter(threshold, np.float32(2)) if above else threshold)
    assert near([original, other]) == expected


@pytest.mark.parametrize(("difference", "expected"), [(8, [[0, 1]]), (7, [])])
def test_a_picture_of_nearly_one_color_has_no_near_duplicates(difference: int, expected: list[list[int]]) -> None:
    """The standard deviation of a sketch with two shades is half the difference between the shades."""
    pixels = np.full((224, 224, 3), 100, np.uint8)
    pixels[:112] += np.uint8(difference)
    assert sketch(pixels).std() == difference / 2
    assert near([pixels, pixels.copy()]) == expected


def test_plain_pictures_are_not_near_duplicates() -> None:
    assert near([np.full((224, 224, 3), value, np.uint8) for value in (100, 101, 200)]) == []


@given(st.integers(0, 2**32 - 1), st.integers(0, 11))
@settings(max_examples=30, deadline=None)
def test_the_search_finds_the_same_pairs_as_an_exhaustive_search(seed: int, radius: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**63, 40, dtype=np.uint64)
    flips = [int(np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, 9, dtype=np.uint64))) for _ in range(40)]
    hashes = np.concatenate([hashes, hashes ^ np.array(flips, np.uint64), hashes[:5]])
    distances = np.bitwise_count(hashes[:, None] ^ hashes[None])
    expected = np.argwhere(np.triu(distances <= radius, 1))
    assert find_candidates(hashes, radius).tolist() == expected.tolist()
    other = hashes[::-1].copy()
    between = np.bitwise_count(hashes[:, None] ^ other[None]) <= radius
    np.fill_diagonal(between, False)
    expected = np.argwhere(np.triu(between | between.T, 1))
    assert find_mirrored_candidates(hashes, other, radius).tolist() == expected.tolist()


def test_mirrored_hashes_equal_hashes_of_mirrored_pictures() -> None:
    sketches = np.stack([sketch(picture(seed)) for seed in range(20)])
    assert np.array_equal(perceptual_hashes(sketches)[1], perceptual_hashes(sketches[:, :, ::-1])[0])


def test_many_equal_hashes_do_not_take_quadratic_time() -> None:
    start = time.monotonic()
    pairs = find_candidates(np.zeros(200_000, np.uint64), 11)
    assert len(pairs) == 199_999
    assert time.monotonic() - start < 20
