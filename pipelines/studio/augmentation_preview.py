"""Previews augmentation on a photo of the chosen data while the user changes the settings."""

import io
import json
from collections.abc import Mapping

from pydantic import ValidationError

from components.contract.foreign.documents import parse_json
from components.contract.image.preview import augmentation_sheet
from components.contract.params.augmentation import AUGMENTATION_PRESETS, AugmentationParams
from components.contract.params.resolve import Resolution
from pipelines.studio.data.photos import Album
from pipelines.studio.draft.store import DraftStore
from pipelines.studio.settings import StudioError
from pipelines.studio.studio import parse_whole
from pipelines.studio.workers import Workers


def render_augmentation(album: Album, store: DraftStore, workers: Workers, query: Mapping[str, str]) -> bytes | None:
    """Creates a JPEG that shows eight variants of a photo; None until the draft has photos and can be resolved.

    Args:
        album: the album that contains the photo.
        store: contains the draft, which specifies the data and its preprocessing.
        workers: the processes that decode the photo.
        query: `augmentation` is the name of a preset, or settings as JSON; `number` selects the photo.

    Raises:
        StudioError: the photo cannot be read, or the settings are invalid.
    """
    draft = store.read()
    resolution = store.resolve(draft)
    if draft.data is None or not isinstance(resolution, Resolution):
        return None
    params = resolution.params
    name, strength = _parse_strength(query.get("augmentation"), params.train.augmentation)
    paths = list(album.files(draft.data))
    path = paths[parse_whole(query.get("number"), 0) * 7919 % len(paths)]
    photo = album.bytes_of(draft.data, path)
    preprocess = params.preprocess
    pixels, _ = workers.decode(photo, preprocess.size, preprocess.resize, preprocess.given_range)
    file = io.BytesIO()
    augmentation_sheet(pixels, path, {name: strength}, params.train.seed).save(file, "JPEG", quality=88)
    return file.getvalue()


def _parse_strength(text: str | None, current: str | AugmentationParams) -> tuple[str, AugmentationParams]:
    value = current if text is None else text
    if isinstance(value, AugmentationParams):
        return "own", value
    if value in AUGMENTATION_PRESETS:
        return value, AUGMENTATION_PRESETS[value]
    if value == "auto":
        return _parse_strength(None, current if current != "auto" else "medium")
    try:
        return "own", AugmentationParams.model_validate_json(json.dumps(parse_json(value)))
    except (ValueError, ValidationError):
        raise StudioError(
            f"Augmentation must be one of {', '.join(AUGMENTATION_PRESETS)}, or custom settings; found {value[:80]!r}."
        ) from None
