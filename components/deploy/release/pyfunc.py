"""The served model as MLflow loads it: `mlflow.pyfunc.load_model("models:/clothes@champion").predict(photos)`.

MLflow imports this module from the `code` folder of the logged model, where neither Darkroom nor TensorFlow needs to be
installed. The packed graph, decoder and calibration are the service's own, so the figures are too.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from components.contract.errors import ImageError
from components.contract.image.decode import MAX_BYTES
from components.contract.image.resize import fit
from components.deploy.service.classifier import Classifier

COLUMN: Final = "image"
"""The column of the input that contains the photos."""
BATCH_SIZE: Final = 32
NO_ANSWER: Final = dict.fromkeys(("label", "confidence", "abstained", "unfamiliar", "probabilities", "error"))


class PhotoModel:
    """Classifies the photos of a table."""

    def __init__(self, folder: Path):
        """Loads the graph.

        Args:
            folder: service.json, export/, and calibration.json and familiarity.npz if the model is calibrated.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        self._classifier = Classifier(folder)

    def predict(self, model_input: Any) -> pd.DataFrame:
        """The prediction for each photo, in order.

        Args:
            model_input: a table with the column `image`, or a sequence of photos. A photo is the bytes of a file, the
                same bytes in base64, or its pixels: uint8 (height, width, 3), RGB.

        Returns:
            One row per photo: label, confidence, abstained, unfamiliar and probabilities (by class name), as in the
            service's answer; or an error, in which case the other columns are None.

        Raises:
            ValueError: the table has no column `image`.
        """
        photos = _read_photos(model_input)
        starts = range(0, len(photos), BATCH_SIZE)
        rows = [row for start in starts for row in self._predict(photos[start : start + BATCH_SIZE])]
        # Only a column of objects has both numbers and None; pandas fills gaps with NaN.
        return pd.DataFrame([NO_ANSWER | row for row in rows], columns=list(NO_ANSWER), dtype=object)

    def _predict(self, photos: Iterable[Any]) -> Iterator[dict[str, Any]]:
        decoded_photos = [self._decode(photo) for photo in photos]
        pixels = [photo for photo in decoded_photos if isinstance(photo, np.ndarray)]
        findings = iter(self._classifier.examine(np.stack(pixels)) if pixels else ())
        for photo in decoded_photos:
            if isinstance(photo, ImageError):
                yield {"error": f"{photo.code}: {photo}"}
                continue
            finding = next(findings)
            try:
                ranking = self._classifier.rank_classes(finding.probabilities)
            except ImageError as error:
                yield {"error": f"{error.code}: {error}"}
                continue
            label, confidence = ranking[0]
            yield {
                "label": label,
                "confidence": confidence,
                "abstained": self._classifier.abstains(finding.probabilities),
                "unfamiliar": finding.unfamiliar,
                "probabilities": dict(ranking),
            }

    def _decode(self, photo: Any) -> np.ndarray | ImageError:
        try:
            if isinstance(photo, str):
                photo = _read_base64(photo)
            if isinstance(photo, bytes | bytearray | memoryview):
                return self._classifier.decode(bytes(photo))
            return fit(_read_pixels(photo), self._classifier.facts.image_size, self._classifier.facts.resize)
        except ImageError as error:
            return error


def _read_photos(model_input: Any) -> list[Any]:
    if isinstance(model_input, pd.DataFrame):
        if COLUMN not in model_input:
            columns = ", ".join(map(str, model_input.columns))
            raise ValueError(f"The table must have the column {COLUMN!r}; it has {columns or 'none'}.")
        return list(model_input[COLUMN])
    return list(model_input)


def _read_base64(text: str) -> bytes:
    """The bytes of a photo in base64, with or without the head of a data URI."""
    if len(text) > 4 * MAX_BYTES // 3 + 1000:
        raise ImageError("too_large", f"A photo must have at most {MAX_BYTES // 2**20} MiB; this one has more.")
    head, comma, payload = text.partition(",")
    try:
        return base64.b64decode(payload if comma and head.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError):
        raise ImageError("bad_base64", "A photo given as text must be in base64; this text is not.") from None


def _read_pixels(photo: Any) -> np.ndarray:
    """Pixels as an array: uint8 (height, width, 3)."""
    try:
        pixels = np.asarray(photo)
    except ValueError:  # lines of unequal length
        pixels = np.empty(0)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape or pixels.dtype.kind not in "iu":
        found = f"{pixels.dtype} {pixels.shape}"
        raise ImageError("bad_pixels", f"Pixels must be uint8 (height, width, 3), RGB, 0 to 255; found {found}.")
    if pixels.dtype != np.uint8 and (pixels.min() < 0 or pixels.max() > 255):
        raise ImageError("bad_pixels", f"Pixels must be from 0 to 255; found {pixels.min()} to {pixels.max()}.")
    return pixels.astype(np.uint8, copy=False)


def _load_pyfunc(data_path: str) -> PhotoModel:
    """MLflow's entry point."""
    return PhotoModel(Path(data_path))
