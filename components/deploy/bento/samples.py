"""Chooses the sample photos for the service's page: a few golden photos, from as many classes as possible."""

import io
import logging
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

from components.contract.artifacts.dataset import FULL_RANGE, PixelRange
from components.contract.image.decode import decode
from components.contract.system.atomic_files import write_json
from components.deploy.service.protocol import Sample

log = logging.getLogger(__name__)

MAX_SIDE: Final = 640
"""Photos whose longer side exceeds this number of pixels are scaled down, because the page shows small pictures."""
TINY_PIXELS: Final = 64
"""Photos whose longer side has at most this many pixels are stored losslessly, as PNG."""
INDEX: Final = "samples.json"


def choose_samples(labels: Mapping[str, int], number: int) -> list[str]:
    """Chooses image ids from each class in turn, in a reproducible order.

    Args:
        labels: the true label of each golden photo, by image_id.
        number: the maximum number of sample photos.
    """
    by_class: dict[int, list[str]] = {}
    for image_id, label in sorted(labels.items()):
        by_class.setdefault(label, []).append(image_id)
    turns = zip_longest(*(by_class[label] for label in sorted(by_class)))
    return [image_id for turn in turns for image_id in turn if image_id is not None][:number]


def write_samples(
    photos: Sequence[Path],
    labels: Mapping[str, int],
    class_names: Sequence[str],
    folder: Path,
    pixel_range: PixelRange = FULL_RANGE,
) -> None:
    """Writes samples.json and the photos, upright and without camera metadata (location, time, camera model).

    Args:
        photos: golden photos, named after their image_id.
        labels: the label of each chosen photo, by image_id, in the order in which the page shows them.
        class_names: in the order of the labels.
        folder: a new folder.
        pixel_range: the model's pixel range; it is used to convert 16-bit photos to 8-bit photos that get the same
            prediction.
    """
    by_id = {path.stem: path for path in photos}
    folder.mkdir()
    samples = []
    for number, (image_id, label) in enumerate(labels.items()):
        suffix, content = _make_plain_copy(by_id[image_id], pixel_range)
        name = f"{number:02d}{suffix}"
        (folder / name).write_bytes(content)
        samples.append(Sample(url=f"samples/{name}", class_name=class_names[label]).model_dump())
    write_json(folder / INDEX, samples)


def _make_plain_copy(path: Path, pixel_range: PixelRange) -> tuple[str, bytes]:
    from PIL import Image

    photo = Image.fromarray(decode(path.read_bytes(), (MAX_SIDE, MAX_SIDE), "pad", pixel_range).full_pixels)
    photo.thumbnail((MAX_SIDE, MAX_SIDE))
    tiny = max(photo.size) <= TINY_PIXELS
    file = io.BytesIO()
    photo.save(file, "PNG") if tiny else photo.save(file, "JPEG", quality=88)
    return (".png" if tiny else ".jpg"), file.getvalue()
