"""Test photos that have something in common beside their class: light, sharpness, size, shape, folder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.contract.artifacts.dataset import Split
from components.contract.artifacts.figures import SliceFigures
from components.evaluate.measure.metrics import wilson_interval
from components.evaluate.measure.predictions import Predictions

MIN_PHOTOS = 10
"""Fewer say nothing."""
MAX_FOLDERS = 12
SPLIT_FOLDERS = {"train", "training", "val", "valid", "validation", "test"}
CHANCE = 0.05


@dataclass(frozen=True)
class Original:
    """What the manifest tells of a photo's file."""

    path: str
    native_height: int | None
    native_width: int | None


def find_slices(
    predictions: Predictions, split: Split, originals: Mapping[str, Original], class_names: Sequence[str]
) -> tuple[SliceFigures, ...]:
    """The figures of each slice of at least ten photos, the lowest accuracy first."""
    owners = [class_names[label] for label in predictions.labels]
    found = [
        _figures(trait, part, predictions.right, inside)
        for trait, part, inside in _slices(split, predictions.image_ids, originals, owners)
        if MIN_PHOTOS <= np.count_nonzero(inside) < len(inside)
    ]
    return tuple(sorted(found, key=lambda one: (one.accuracy.value, one.p_value)))


def is_clear(one: SliceFigures, slices: Sequence[SliceFigures]) -> bool:
    """Whether a slice's figure is more than chance, with so many slices looked at (Bonferroni)."""
    return one.p_value < CHANCE / max(len(slices), 1)


def _figures(trait: str, part: str, right: np.ndarray, inside: np.ndarray) -> SliceFigures:
    from scipy.stats import fisher_exact

    counts = [[np.count_nonzero(right & where), np.count_nonzero(~right & where)] for where in (inside, ~inside)]
    num = int(np.count_nonzero(inside))
    return SliceFigures(
        trait=trait,
        part=part,
        num_images=num,
        accuracy=wilson_interval(int(counts[0][0]), num),
        p_value=float(fisher_exact(counts).pvalue),
    )


def _slices(
    split: Split, image_ids: Sequence[str], originals: Mapping[str, Original], owners: Sequence[str]
) -> Iterator[tuple[str, str, np.ndarray]]:
    brightness, sharpness = _light(split)
    yield from _thirds("brightness", ("dark", "medium", "bright"), brightness)
    yield from _thirds("sharpness", ("blurred", "medium", "sharp"), sharpness)
    known = [originals.get(image_id) for image_id in image_ids]
    sizes = np.array(
        [
            (one.native_height, one.native_width)
            if one and one.native_height and one.native_width
            else (np.nan, np.nan)
            for one in known
        ],
        np.float64,
    )
    if not np.isnan(sizes).any():
        yield from _thirds("size", ("small", "medium", "large"), np.sqrt(sizes.prod(axis=1)))
        ratio = sizes[:, 1] / sizes[:, 0]
        yield "shape", "wide", ratio > 1.1
        yield "shape", "square", (ratio <= 1.1) & (ratio >= 1 / 1.1)
        yield "shape", "tall", ratio < 1 / 1.1
    folders = np.array(
        [source_folder(one.path, owner) if one else "" for one, owner in zip(known, owners, strict=True)]
    )
    names, counts = np.unique(folders, return_counts=True)
    for name in names[np.argsort(-counts, kind="stable")][:MAX_FOLDERS]:
        yield "folder", str(name) or "the data's own folder", folders == name


def source_folder(path: str, class_name: str) -> str:
    """The folders of a file that tell where it came from; those of its class and its split say nothing new."""
    return "/".join(part for part in path.split("/")[:-1] if part != class_name and part not in SPLIT_FOLDERS)


def _thirds(trait: str, parts: tuple[str, str, str], values: np.ndarray) -> Iterator[tuple[str, str, np.ndarray]]:
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    if low == high:
        return
    for part, inside in zip(parts, (values <= low, (values > low) & (values <= high), values > high), strict=True):
        yield trait, part, inside


def _light(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Mean brightness, and the spread of the Laplacian, of each photo: float64 (n,) each."""
    import cv2

    greys = (cv2.cvtColor(split.image(index), cv2.COLOR_RGB2GRAY) for index in range(len(split)))
    figures = np.array([(grey.mean(), cv2.Laplacian(grey, cv2.CV_32F).std()) for grey in greys])
    return figures[:, 0], figures[:, 1]
