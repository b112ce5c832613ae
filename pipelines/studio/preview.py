"""What augmentation makes of a photo of the chosen data, while its settings are changed."""

import io
import json
from collections.abc import Mapping

from pydantic import ValidationError

from components.contract.errors import ImageError
from components.contract.image import decode
from components.contract.preview import augmentation_sheet
from components.contract.resolve import Resolution
from components.contract.train_params import AUGMENTATION_PRESETS, AugmentationParams
from pipelines.studio.album import Album
from pipelines.studio.draft import DraftStore
from pipelines.studio.settings import StudioError
from pipelines.studio.studio import whole


def augmented(album: Album, store: DraftStore, given: Mapping[str, str]) -> bytes | None:
    """A JPEG of one photo eight times; None while the draft does not say which photos, or what size.

    Args:
        album: of the data.
        store: says which data, and how large photos become.
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
    try:
        photo = decode(album.bytes_of(draft.data, path), params.preprocess.size, params.preprocess.resize)
    except ImageError as error:
        raise StudioError(f"{path}: {error}", 422) from None
    file = io.BytesIO()
    augmentation_sheet(photo.pixels, path, {name: strength}, params.train.seed).save(file, "JPEG", quality=88)
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
        return "own", AugmentationParams.model_validate_json(json.dumps(json.loads(given)))
    except (ValueError, ValidationError):
        raise StudioError(f"Augmentation must be one of {', '.join(AUGMENTATION_PRESETS)}, or settings of its own; "
                          f"found {given[:80]!r}.") from None  # fmt: skip
