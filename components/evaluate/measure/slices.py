"""Slices: groups of test photos that share a property (brightness, sharpness, size, shape or folder), not a class."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.contract.artifacts.dataset import SPLIT_FOLDERS, Split
from components.contract.artifacts.figures import SliceFigures, wilson_interval
from components.evaluate.measure.predictions import Predictions

MIN_PHOTOS = 10
"""Slices with fewer photos are ignored."""
MAX_FOLDERS = 12
SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True)
class Original:
    """The original file of a photo, from the manifest."""

    path: str
    native_height: int | None
    native_width: int | None


def find_slices(
    predictions: Predictions, split: Split, originals: Mapping[str, Original], class_names: Sequence[str]
) -> tuple[SliceFigures, ...]:
    """The metrics of each slice with at least MIN_PHOTOS photos, the least accurate first."""
    photo_classes = [class_names[label] for label in predictions.labels]
    slices = [
        _slice_figures(trait, part, predictions.correct, in_slice)
        for trait, part, in_slice in _iterate_slices(split, predictions.image_ids, originals, photo_classes)
        if MIN_PHOTOS <= np.count_nonzero(in_slice) < len(in_slice)
    ]
    return tuple(sorted(slices, key=lambda slice_figures: (slice_figures.accuracy.value, slice_figures.p_value)))


def is_clear(slice_figures: SliceFigures, slices: Sequence[SliceFigures]) -> bool:
    """Whether a slice's accuracy differs significantly from that of the other photos, after Bonferroni correction."""
    return slice_figures.p_value < SIGNIFICANCE_LEVEL / max(len(slices), 1)


def _slice_figures(trait: str, part: str, correct: np.ndarray, in_slice: np.ndarray) -> SliceFigures:
    from scipy.stats import fisher_exact

    counts = [[np.count_nonzero(correct & mask), np.count_nonzero(~correct & mask)] for mask in (in_slice, ~in_slice)]
    num_images = int(np.count_nonzero(in_slice))
    return SliceFigures(
        trait=trait,
        part=part,
        num_images=num_images,
        accuracy=wilson_interval(int(counts[0][0]), num_images),
        p_value=float(fisher_exact(counts).pvalue),
    )


def _iterate_slices(
    split: Split, image_ids: Sequence[str], originals: Mapping[str, Original], photo_classes: Sequence[str]
) -> Iterator[tuple[str, str, np.ndarray]]:
    brightness, sharpness = _measure_light(split)
    yield from _split_into_thirds("brightness", ("dark", "medium", "bright"), brightness)
    yield from _split_into_thirds("sharpness", ("blurred", "medium", "sharp"), sharpness)
    photo_originals = [originals.get(image_id) for image_id in image_ids]
    sizes = np.array(
        [
            (original.native_height, original.native_width)
            if original and original.native_height and original.native_width
            else (np.nan, np.nan)
            for original in photo_originals
        ],
        np.float64,
    )
    if not np.isnan(sizes).any():
        yield from _split_into_thirds("size", ("small", "medium", "large"), np.sqrt(sizes.prod(axis=1)))
        ratio = sizes[:, 1] / sizes[:, 0]
        yield "shape", "wide", ratio > 1.1
        yield "shape", "square", (ratio <= 1.1) & (ratio >= 1 / 1.1)
        yield "shape", "tall", ratio < 1 / 1.1
    folders = np.array(
        [
            source_folder(original.path, class_name) if original else ""
            for original, class_name in zip(photo_originals, photo_classes, strict=True)
        ]
    )
    names, counts = np.unique(folders, return_counts=True)
    for name in names[np.argsort(-counts, kind="stable")][:MAX_FOLDERS]:
        yield "folder", str(name) or "the top folder of the data", folders == name


def source_folder(path: str, class_name: str) -> str:
    """The path of a file's folder without parts named after the class or a split; the rest may show its source."""
    return "/".join(part for part in path.split("/")[:-1] if part != class_name and part.lower() not in SPLIT_FOLDERS)


def _split_into_thirds(
    trait: str, parts: tuple[str, str, str], values: np.ndarray
) -> Iterator[tuple[str, str, np.ndarray]]:
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    if low == high:
        return
    for part, in_third in zip(parts, (values <= low, (values > low) & (values <= high), values > high), strict=True):
        yield trait, part, in_third


def _measure_light(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """The mean brightness and the sharpness (standard deviation of the Laplacian) of each photo: float64 (n,) each."""
    import cv2

    gray_photos = (cv2.cvtColor(split.image(index), cv2.COLOR_RGB2GRAY) for index in range(len(split)))
    measurements = np.array([(gray.mean(), cv2.Laplacian(gray, cv2.CV_32F).std()) for gray in gray_photos])
    return measurements[:, 0], measurements[:, 1]
