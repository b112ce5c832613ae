"""The served model, as MLflow loads it: `mlflow.pyfunc.load_model("models:/clothes@champion").predict(photos)`.

MLflow imports this module from the `code` folder of the logged model, so neither Darkroom nor TensorFlow needs to be
installed. It uses the service's graph, decoder and calibration, so the predictions are the same as the service's.
"""

import base64
import binascii
import io
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from PIL import Image

from components.contract.errors import ImageError
from components.contract.image.decode import MAX_BYTES
from components.deploy.predict import Row, predict_photos
from components.deploy.service.classifier import Classifier

COLUMN: Final = "image"
"""The column of the input that contains the photos."""
NO_ANSWER: Final = dict.fromkeys(("label", "confidence", "abstained", "unfamiliar", "probabilities", "error"))


class PhotoModel:
    """Classifies the photos of a table."""

    def __init__(self, folder: Path):
        """Loads the graph.

        Args:
            folder: contains service.json, export/ and, if the model is calibrated, calibration.json and
                familiarity.npz.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        self._classifier = Classifier(folder)

    def predict(self, model_input: Any) -> pd.DataFrame:
        """Classifies the photos, in order.

        Args:
            model_input: a table with the column `image`, or a sequence of photos. A photo is the content of a file, the
                same content in base64, or its pixels: uint8 (height, width, 3), RGB.

        Returns:
            One row per photo: label, confidence, abstained, unfamiliar and probabilities (by class name), as in the
            service's answer; or an error, in which case the other columns are None.

        Raises:
            ValueError: the table has no column `image`.
        """
        files = [_to_file(photo) for photo in _read_photos(model_input)]
        contents = [file for file in files if isinstance(file, bytes)]
        rows = iter(predict_photos(self._classifier, contents) if contents else ())
        answers = [_error_answer(file) if isinstance(file, ImageError) else _to_answer(next(rows)) for file in files]
        # Only a column of objects can contain both numbers and None; in other columns, pandas replaces None with NaN.
        return pd.DataFrame(answers, columns=list(NO_ANSWER), dtype=object)


def _to_answer(row: Row) -> dict[str, Any]:
    fault = row["error"]
    error = f"{fault['code']}: {fault['message']}" if fault else None
    return {name: value for name, value in row.items() if name in NO_ANSWER} | {"error": error}


def _error_answer(error: ImageError) -> dict[str, Any]:
    return NO_ANSWER | {"error": f"{error.code}: {error}"}


def _read_photos(model_input: Any) -> list[Any]:
    if isinstance(model_input, pd.DataFrame):
        if COLUMN not in model_input:
            columns = ", ".join(map(str, model_input.columns))
            raise ValueError(f"The table must have the column {COLUMN!r}; it has {columns or 'none'}.")
        return list(model_input[COLUMN])
    return list(model_input)


def _to_file(photo: Any) -> bytes | ImageError:
    """Converts a photo to the content of a file."""
    try:
        if isinstance(photo, str):
            return _read_base64(photo)
        if isinstance(photo, bytes | bytearray | memoryview):
            return bytes(photo)
        file = io.BytesIO()
        Image.fromarray(_read_pixels(photo)).save(file, "BMP")
        return file.getvalue()
    except ImageError as error:
        return error


def _read_base64(text: str) -> bytes:
    """Decodes a photo in base64, with or without the prefix of a data URI."""
    if len(text) > 4 * MAX_BYTES // 3 + 1000:
        raise ImageError("too_large", f"A photo must have at most {MAX_BYTES // 2**20} MiB; this photo is larger.")
    head, comma, payload = text.partition(",")
    try:
        return base64.b64decode(payload if comma and head.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError):
        raise ImageError("bad_base64", "A photo passed as a string must be base64; this string is not.") from None


def _read_pixels(photo: Any) -> np.ndarray:
    """Converts pixels to an array: uint8 (height, width, 3)."""
    try:
        pixels = np.asarray(photo)
    except ValueError:  # rows of unequal length
        pixels = np.empty(0)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape or pixels.dtype.kind not in "iu":
        found = f"{pixels.dtype} {pixels.shape}"
        raise ImageError("bad_pixels", f"Pixels must be uint8 (height, width, 3), RGB, 0 to 255; found {found}.")
    if pixels.dtype != np.uint8 and (pixels.min() < 0 or pixels.max() > 255):
        raise ImageError("bad_pixels", f"Pixels must be from 0 to 255; found {pixels.min()} to {pixels.max()}.")
    return pixels.astype(np.uint8, copy=False)


def _load_pyfunc(data_path: str) -> PhotoModel:
    """Loads the model; MLflow calls this function."""
    return PhotoModel(Path(data_path))
