"""Slices group photos by traits other than their class, and report whether chance may explain a difference."""

from pathlib import Path

import numpy as np
import pytest

from components.contract.artifacts.dataset import Split, open_split
from components.evaluate.measure.predictions import Predictions
from components.evaluate.measure.robustness import DISTURBANCES
from components.evaluate.measure.slices import Original, find_slices, is_clear, source_folder
from tests.support.artifacts import make_dataset


def predictions(wrong: np.ndarray) -> Predictions:
    labels = np.zeros(len(wrong), np.int32)
    logits = np.where(wrong[:, None], [[0.0, 3.0]], [[3.0, 0.0]]).astype(np.float32)
    return Predictions("test", [f"id {index}" for index in range(len(wrong))], labels, logits, logits)


def split(shades: np.ndarray) -> Split:
    rng = np.random.default_rng(0)
    pixels = np.clip(shades[:, None, None, None] + rng.integers(-9, 10, (len(shades), 8, 8, 3)), 0, 255)
    return Split(
        [pixels.astype(np.uint8)], np.zeros(len(shades), np.int32), [f"id {index}" for index in range(len(shades))]
    )


def test_misclassified_dark_photos_are_the_worst_slice_and_significantly_worse() -> None:
    shades = np.repeat([30, 120, 220], 30)
    slices = find_slices(predictions(shades == 30), split(shades), {}, ("cat", "dog"))
    assert (slices[0].trait, slices[0].part, slices[0].num_images) == ("brightness", "dark", 30)
    assert slices[0].accuracy.value == 0.0
    assert is_clear(slices[0], slices)


def test_an_insignificant_difference_is_reported_as_such() -> None:
    wrong = np.random.default_rng(1).random(90) < 0.2
    slices = find_slices(predictions(wrong), split(np.repeat([30, 120, 220], 30)), {}, ("cat", "dog"))
    assert slices
    assert not any(is_clear(slice_figures, slices) for slice_figures in slices)


def test_size_shape_and_folder_come_from_the_manifest() -> None:
    originals = {
        f"id {index}": Original(
            f"{'phone' if index < 40 else 'studio'}/cat/{index}.jpg", 100 + index, 200 if index < 20 else 100 + index
        )
        for index in range(60)
    }
    slices = find_slices(predictions(np.arange(60) < 40), split(np.arange(60)), originals, ("cat", "dog"))
    parts = {(slice_figures.trait, slice_figures.part): slice_figures for slice_figures in slices}
    assert parts[("folder", "phone")].accuracy.value == 0.0
    assert parts[("folder", "phone")].num_images == 40
    assert parts[("shape", "wide")].num_images == 20
    assert ("size", "small") in parts
    assert parts[("folder", "studio")].accuracy.value == 1.0


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("cat/1.jpg", ""),
        ("test/cat/1.jpg", ""),
        ("phone/cat/1.jpg", "phone"),
        ("cat/phone/x/1.jpg", "phone/x"),
        ("1.jpg", ""),
    ],
)
def test_class_folders_and_split_folders_are_not_source_folders(path: str, folder: str) -> None:
    assert source_folder(path, "cat") == folder


def test_too_few_photos_have_no_slices() -> None:
    assert find_slices(predictions(np.zeros(9, bool)), split(np.arange(9) * 20), {}, ("cat", "dog")) == ()


@pytest.mark.parametrize("name", DISTURBANCES)
def test_disturbances_change_a_photo_slightly(name: str, tmp_path: Path) -> None:
    make_dataset(tmp_path / "dataset")
    photo = open_split(tmp_path / "dataset", "test").image(0)
    disturbed = DISTURBANCES[name](photo, np.random.default_rng(0))
    difference = np.abs(disturbed.astype(int) - photo.astype(int)).mean()
    assert disturbed.shape == photo.shape
    assert disturbed.dtype == np.uint8
    assert 0.5 < difference < 45
