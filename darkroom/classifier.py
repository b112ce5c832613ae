"""Classifies photos in this process, with the same predictions as the service."""

import contextlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from components.contract.errors import DataError
from components.deploy.client import Failure, Prediction

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

    from components.deploy.service.classifier import Classifier as ServedClassifier

Photo = Union[str, os.PathLike[str], bytes, "np.ndarray[Any, Any]", "Image"]
"""The path or the content of an image file, an array, or a PIL image."""


class Classifier:
    """A trained model with its class names and its calibration; created by `load`."""

    def __init__(self, served: "ServedClassifier"):
        self._served = served

    @property
    def class_names(self) -> tuple[str, ...]:
        """The class names, in the order of the model's outputs."""
        return self._served.facts.class_names

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels, to which photos are resized."""
        return self._served.facts.image_size

    def predict(self, photos: "Sequence[Photo] | Photo") -> list[Prediction | Failure]:
        """Classifies photos; returns one entry per photo, in order.

        Args:
            photos: one photo, or a sequence of photos: paths, contents of files, arrays or PIL images. An array is
                uint8 RGB (height, width, 3), uint8 RGBA (height, width, 4), or uint8 or uint16 gray (height, width); a
                batch is one array (n, height, width, channels). Arrays and PIL images are treated like lossless image
                files.

        Raises:
            DataError: an object is none of these kinds, or an array or an image has an unsupported format.
        """
        from components.deploy.predict import predict_photos

        files = [_to_file(photo) for photo in _as_sequence(photos)]
        return [
            Failure(row["error"]["code"], row["error"]["message"])
            if row["error"] is not None
            else Prediction(
                label=row["label"] or "",
                confidence=row["confidence"] or 0.0,
                abstained=bool(row["abstained"]),
                unfamiliar=row["unfamiliar"],
                probabilities=row["probabilities"] or {},
            )
            for row in (predict_photos(self._served, files) if files else ())
        ]


def load(source: str | os.PathLike[str]) -> Classifier:
    """Loads a classifier that makes the same predictions as the service.

    Args:
        source: a `Run`, a run id, `latest`, the folder of a run, of a bento or of a model bundle, or a registered
            model: its name, an @, and an alias or a version, such as `name@champion`.

    Raises:
        ArtifactError: the model does not exist, or is damaged.
        TrackingError: MLflow did not return the registered model.
    """
    from pipelines.loading import load_classifier

    return Classifier(load_classifier(os.fspath(source)))


def _as_sequence(photos: "Sequence[Photo] | Photo") -> "Sequence[Photo]":
    if isinstance(photos, str | bytes | os.PathLike) or hasattr(photos, "save"):
        return [photos]  # type: ignore[list-item]  # one photo
    if hasattr(photos, "ndim") and photos.ndim < 4:
        return [photos]  # type: ignore[list-item]  # one array
    return photos  # type: ignore[return-value]


def _to_file(photo: "Photo") -> Path | bytes:
    """Returns the path of a photo, or its content as an image file."""
    if isinstance(photo, bytes):
        return photo
    if isinstance(photo, str | os.PathLike):
        return Path(photo)
    import numpy as np
    from PIL import Image

    if isinstance(photo, np.ndarray):
        is_gray = photo.ndim == 2 and photo.dtype in (np.uint8, np.uint16)
        is_color = photo.ndim == 3 and photo.shape[2] in (3, 4) and photo.dtype == np.uint8
        if not (is_gray or is_color) or photo.size == 0:
            raise DataError(
                "An array must be uint8 (height, width, 3) or (height, width, 4), or uint8 or uint16 (height, width); "
                f"found {photo.dtype} {photo.shape}."
            )
        photo = Image.fromarray(photo)
    if not isinstance(photo, Image.Image):
        raise DataError(
            f"A photo must be a path, the content of a file, an array or a PIL image; found {type(photo).__name__}."
        )
    for file_format in ("PNG", "TIFF"):  # PNG keeps transparency; TIFF supports more modes, such as CMYK
        content = io.BytesIO()
        with contextlib.suppress(OSError):
            photo.save(content, file_format, exif=photo.getexif())
            return content.getvalue()
    raise DataError(f"A PIL image must have a mode that a PNG or a TIFF file can contain; found {photo.mode}.")
