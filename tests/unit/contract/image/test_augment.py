"""Augmentation: each change has the expected effect, and a variant depends only on its photo and its seed."""

import numpy as np
import pytest

from components.contract.image.augment import augment, image_keys, photo_seeds, uniform_draws
from components.contract.image.augment_colors import LUMA
from components.contract.params.augmentation import AUGMENTATION_PRESETS, AugmentationParams

STRONG = AUGMENTATION_PRESETS["strong"]


@pytest.fixture
def photos() -> np.ndarray:
    """Pictures of random 4 × 4 pixel blocks, taller than wide: uint8 (12, 24, 20, 3)."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (12, 6, 5, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((1, 4, 4, 1), np.uint8))


def seeds(num: int, variant: int = 1) -> np.ndarray:
    return photo_seeds(np.arange(num, dtype=np.uint64), seed=42, variant=variant)


def test_without_augmentation_photos_are_unchanged(photos: np.ndarray) -> None:
    same = augment(photos, AugmentationParams(), seeds(12))
    assert np.array_equal(same, photos)
    assert not np.shares_memory(same, photos)


@pytest.mark.parametrize("preset", ["light", "medium", "strong"])
def test_presets_change_photos_but_not_their_shape(photos: np.ndarray, preset: str) -> None:
    before = photos.copy()
    variants = augment(photos, AUGMENTATION_PRESETS[preset], seeds(12))
    assert variants.shape == photos.shape
    assert variants.dtype == np.uint8
    assert all(not np.array_equal(variant, other) for variant, other in zip(variants, photos, strict=True))
    assert np.array_equal(photos, before), "the input must not be modified"


def test_a_variant_depends_on_its_own_seed_and_not_on_its_batch(photos: np.ndarray) -> None:
    whole = augment(photos, STRONG, seeds(12))
    assert np.array_equal(whole, augment(photos, STRONG, seeds(12)))
    order = np.random.default_rng(1).permutation(12)
    assert np.array_equal(augment(photos[order], STRONG, seeds(12)[order]), whole[order])
    assert np.array_equal(augment(photos[5:6], STRONG, seeds(12)[5:6])[0], whole[5])


def test_different_variants_seeds_or_photos_produce_different_pictures(photos: np.ndarray) -> None:
    keys = image_keys(["a", "b"])
    variants = {
        int(seed)
        for training_seed in (0, 1, 2**32 - 1)
        for variant in (0, 1, 2**32 - 1)
        for seed in photo_seeds(keys, seed=training_seed, variant=variant)
    }
    assert len(variants) == 2 * 3 * 3
    assert not np.array_equal(augment(photos, STRONG, seeds(12, 1)), augment(photos, STRONG, seeds(12, 2)))


def test_image_keys_depend_on_the_content_not_on_the_position() -> None:
    assert np.array_equal(image_keys(["a", "b", "c"])[[2, 0]], image_keys(["c", "a"]))
    assert image_keys([]).shape == (0,)


@pytest.mark.parametrize(("key", "axis"), [("horizontal_flip", 2), ("vertical_flip", 1)])
def test_a_flip_is_exact_and_happens_half_of_the_time(key: str, axis: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 7, 6, 3), dtype=np.uint8)
    flipped = augment(noise, AugmentationParams(**{key: True}), seeds(400))
    is_same = (flipped == noise).all(axis=(1, 2, 3))
    is_mirrored = (flipped == np.flip(noise, axis)).all(axis=(1, 2, 3))
    assert (is_same ^ is_mirrored).all()
    assert 160 < is_mirrored.sum() < 240


def test_a_shift_moves_by_at_most_its_fraction() -> None:
    dot = np.zeros((200, 40, 80, 3), np.uint8)
    dot[:, 20, 40] = 255
    shifted = augment(dot, AugmentationParams(shift=0.1), seeds(200)).sum(axis=3, dtype=float)
    weights = shifted / shifted.sum(axis=(1, 2), keepdims=True)
    down = (weights.sum(axis=2) * np.arange(40)).sum(axis=1) - 20
    right = (weights.sum(axis=1) * np.arange(80)).sum(axis=1) - 40
    assert 3.5 < np.abs(down).max() < 4.1
    assert 7 < np.abs(right).max() < 8.1
    assert abs(down.mean()) < 0.6


def test_a_rotation_by_ninety_degrees_is_exact() -> None:
    square = np.random.default_rng(0).integers(0, 256, (1, 15, 15, 3), dtype=np.uint8)
    seed = seeds(200)
    angles = 90 / (2 * uniform_draws(seed)[:, 2] - 1)
    index = int(np.argmax((angles > 90) & (angles < 180)))
    rotated = augment(square, AugmentationParams(rotation_degrees=float(angles[index])), seed[index : index + 1])
    ways = [np.rot90(square[0], turns) for turns in (1, 3)]
    assert min(np.abs(rotated[0].astype(int) - way).max() for way in ways) <= 2


def test_zoom_enlarges_and_shrinks_around_the_center() -> None:
    disc = np.zeros((100, 41, 41, 3), np.uint8)
    disc[:, 15:26, 15:26] = 255
    sizes = augment(disc, AugmentationParams(zoom=0.4), seeds(100)).mean(axis=(1, 2, 3)) / disc[0].mean()
    assert 0.6**2 * 0.9 < sizes.min() < 0.5
    assert 1.6 < sizes.max() < 1.4**2 * 1.1


def test_shear_keeps_the_middle_row_and_moves_the_others() -> None:
    stripe = np.zeros((50, 31, 31, 3), np.uint8)
    stripe[:, :, 15] = 255
    sheared = augment(stripe, AugmentationParams(shear_degrees=20), seeds(50))[..., 0].astype(float)
    places = (sheared * np.arange(31)).sum(axis=2) / sheared.sum(axis=2)
    assert np.abs(places[:, 15] - 15).max() < 0.1
    assert 4 < np.abs(places[:, 0] - 15).max() < 5.6  # 15 × tan 20° = 5.5


def test_areas_outside_the_photo_are_filled_by_reflection() -> None:
    white = np.full((20, 16, 16, 3), 255, np.uint8)
    assert (augment(white, AugmentationParams(shift=0.5, rotation_degrees=45, zoom=0.5), seeds(20)) == 255).all()


def test_brightness_adds_and_contrast_scales_around_the_mean() -> None:
    photo = np.full((300, 8, 8, 3), 100, np.uint8)
    photo[:, :4] = 140
    brighter = augment(photo, AugmentationParams(brightness=0.2), seeds(300)).astype(int)
    offsets = brighter[:, 0, 0, 0] - 140
    assert (brighter[:, 7, 0, 0] - 100 == offsets).all()
    assert offsets.min() < -45
    assert offsets.max() > 45
    assert np.abs(offsets).max() <= 51
    contrasted = augment(photo, AugmentationParams(contrast=0.5), seeds(300)).astype(float)
    assert np.abs(contrasted.mean(axis=(1, 2, 3)) - 120).max() <= 0.5
    spread = contrasted[:, 0, 0, 0] - contrasted[:, 7, 0, 0]
    assert 20 <= spread.min() < 24
    assert 56 < spread.max() <= 60


def test_values_stay_within_their_range() -> None:
    black, white = np.zeros((50, 8, 4, 3), np.uint8), np.full((50, 8, 4, 3), 255, np.uint8)
    recolored = AugmentationParams(brightness=0.9, contrast=0.9)
    brightened = augment(black, recolored, seeds(50))
    assert 200 < brightened.max() <= 230
    assert brightened.min() == 0
    darkened = augment(white, recolored, seeds(50))
    assert 25 <= darkened.min() < 55
    assert darkened.max() == 255


def test_a_crop_enlarges_a_part_and_uses_nothing_from_outside() -> None:
    ramp = np.zeros((200, 50, 50, 3), np.uint8)
    ramp[:] = np.arange(50)[:, None, None] * 5
    columns = augment(ramp, AugmentationParams(crop=0.4), seeds(200))[:, :, 25, 0].astype(float)
    assert (np.diff(columns, axis=1) >= 0).all(), "no reflected pixels may be visible"
    spans = (columns[:, -1] - columns[:, 0]) / 245
    assert 0.6 <= spans.min() < 0.63
    assert 0.97 < spans.max() <= 1
    assert columns[:, 0].max() > 60, "some crops must start far below the top"
    assert columns[:, -1].min() < 185, "some crops must end far above the bottom"


def test_saturation_and_hue_change_colors_but_not_grays() -> None:
    photo = np.full((100, 4, 4, 3), 90, np.uint8)
    photo[:, :2] = (200, 100, 60)
    for params in (AugmentationParams(saturation=0.8), AugmentationParams(hue_degrees=60)):
        variants = augment(photo, params, seeds(100)).astype(int)
        assert np.abs(variants[:, 3] - 90).max() <= 1
        assert np.abs(variants[:, 0, 0] - (200, 100, 60)).max() > 40
    lightness = augment(photo, AugmentationParams(saturation=0.3), seeds(100))[:, 0, 0] @ LUMA
    assert np.abs(lightness - np.dot((200, 100, 60), LUMA)).max() <= 1


def test_a_hue_rotation_of_120_degrees_turns_red_into_green() -> None:
    seed = seeds(400)
    angles = 120 / (2 * uniform_draws(seed)[:, 13] - 1)
    index = int(np.argmax((angles > 120) & (angles < 180)))
    red = np.full((1, 4, 4, 3), (200, 20, 20), np.uint8)
    rotated = augment(red, AugmentationParams(hue_degrees=float(angles[index])), seed[index : index + 1])[0, 0, 0]
    assert np.abs(rotated.astype(int) - (20, 200, 20)).max() <= 1


def test_brightness_is_the_same_with_and_without_color_changes(photos: np.ndarray) -> None:
    recolored = AugmentationParams(brightness=0.2, contrast=0.2)
    alone = augment(photos, recolored, seeds(12)).astype(int)
    together = augment(photos, recolored.model_copy(update={"saturation": 1e-9}), seeds(12)).astype(int)
    assert np.abs(alone - together).max() <= 1


def test_blur_smooths_and_keeps_the_mean() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    blurred = augment(noise, AugmentationParams(blur=3), seeds(60)).astype(float)
    assert np.abs(blurred.mean(axis=(1, 2, 3)) - noise.mean(axis=(1, 2, 3))).max() < 3
    assert blurred.std(axis=(1, 2, 3)).min() < 0.15 * noise.std()


def test_noise_has_the_requested_standard_deviation() -> None:
    gray = np.full((100, 32, 32, 3), 128, np.uint8)
    noisy = augment(gray, AugmentationParams(noise=0.1), seeds(100)).astype(float)
    spreads = noisy.std(axis=(1, 2, 3)) / 255
    assert spreads.min() < 0.01
    assert 0.09 < spreads.max() < 0.11
    assert np.abs(noisy.mean(axis=(1, 2, 3)) - 128).max() < 2


def test_erasing_is_as_frequent_as_requested() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 40, 30, 3), dtype=np.uint8)
    erased_pixels = (augment(noise, AugmentationParams(erasing=0.5), seeds(400)) != noise).any(axis=3)
    happened = erased_pixels.any(axis=(1, 2))
    assert 160 < happened.sum() < 240
    for mask in erased_pixels[happened]:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        inside = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert inside.all()
        assert 0.01 * mask.size < inside.size < 0.22 * mask.size


def test_an_empty_batch_stays_empty() -> None:
    assert augment(np.empty((0, 8, 8, 3), np.uint8), STRONG, np.empty(0, np.uint64)).shape == (0, 8, 8, 3)


def test_read_only_photos_can_be_augmented(photos: np.ndarray) -> None:
    photos.flags.writeable = False
    assert augment(photos, STRONG, seeds(12)).flags.writeable


def test_draws_are_uniform_and_independent() -> None:
    draws = uniform_draws(seeds(20_000))
    assert np.abs(draws.mean(axis=0) - 0.5).max() < 0.01
    assert np.abs(np.corrcoef(draws.T) - np.eye(draws.shape[1])).max() < 0.03
    counts = np.histogram(draws, bins=20, range=(0, 1))[0] / draws.size
    assert np.abs(counts - 0.05).max() < 0.002
