"""What augmentation makes of a photo of the chosen data, while its settings are changed."""

import io
import json
from collections.abc import Mapping

from pydantic import ValidationError

from components.contract.foreign.documents import parse_json
from components.contract.image.preview import augmentation_sheet
from components.contract.params.resolve import Resolution
from components.contract.params.training import AUGMENTATION_PRESETS, AugmentationParams
from pipelines.studio.data.photos import Album
from pipelines.studio.draft import DraftStore
from pipelines.studio.settings import StudioError
from pipelines.studio.studio import whole
from pipelines.studio.workers import Workers


def augmented(album: Album, store: DraftStore, workers: Workers, given: Mapping[str, str]) -> bytes | None:
    """A JPEG of one photo eight times; None while the draft does not say which photos, or what size.

    Args:
        album: of the data.
        store: says which data, and how large photos become.
        workers: decode the photo.
        given: `augmentation`: JSON of a preset's name or of settings; `number`: which photo.

    Raises:
        StudioError: the photo cannot be read, or the settings cannot be.
    """
    draft = store.read()
    resolution = store.resolve(draft)
    if draft.data is None or not isinstance(resolution, Resolution):
        return None
    params = resolution.params
    name, strength = _strength(given.get("augmentation"), params.train.augmentation)
    paths = list(album.files(draft.data))
    path = paths[whole(given.get("number"), 0) * 7919 % len(paths)]
    photo = album.bytes_of(draft.data, path)
    pixels, _ = workers.decode(photo, params.preprocess.size, params.preprocess.resize)
    file = io.BytesIO()
    augmentation_sheet(pixels, path, {name: strength}, params.train.seed).save(file, "JPEG", quality=88)
    return file.getvalue()


def _strength(text: str | None, standing: str | AugmentationParams) -> tuple[str, AugmentationParams]:
    given = standing if text is None else text
    if isinstance(given, AugmentationParams):
        return "own", given
    if given in AUGMENTATION_PRESETS:
        return given, AUGMENTATION_PRESETS[given]
    if given == "auto":
        return _strength(None, standing if standing != "auto" else "medium")
    try:
        return "own", AugmentationParams.model_validate_json(json.dumps(parse_json(given)))
    except (ValueError, ValidationError):
        raise StudioError(
            f"Augmentation must be one of {', '.join(AUGMENTATION_PRESETS)}, or settings of its own; "
            f"found {given[:80]!r}."
        ) from None
