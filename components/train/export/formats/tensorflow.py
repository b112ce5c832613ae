"""SavedModel, for TensorFlow Serving, and LiteRT, for phones and small devices.

<target>/1/    the SavedModel: saved_model.pb and variables/, in the layout of TensorFlow Serving for version 1
<target>/1/assets.extra/class_names.json    the class names, in the order of the probabilities
<target>/model.tflite    the LiteRT model, for one photo at a time
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from components.train.export.formats.source import INPUT, Ask, Source, needs_formats, unsupported_error

SIGNATURE: Final = "serving_default"
VERSION: Final = "1"


def write_saved_model(source: Source, folder: Path) -> None:
    """Writes the SavedModel."""
    _archive(source, folder / VERSION)
    (folder / VERSION / "assets.extra").mkdir()
    names = json.dumps(source.bundle.class_names, ensure_ascii=False)
    (folder / VERSION / "assets.extra" / "class_names.json").write_text(names, encoding="utf-8")


def load_saved_model(folder: Path) -> Ask:
    """Loads the model as TensorFlow Serving does."""
    import tensorflow as tf

    loaded = tf.saved_model.load(folder / VERSION)
    ask: Callable[..., Any] = loaded.signatures[SIGNATURE]
    return lambda pixels: np.asarray(ask(**{INPUT: tf.constant(pixels)})["probabilities"])


def write_litert(source: Source, folder: Path) -> None:
    """Writes the model in float32.

    Raises:
        ModelError: the `formats` extra is not installed, or LiteRT has no equivalent for one of the layers.
    """
    _convert(source, folder, int8=False)


def write_litert_int8(source: Source, folder: Path) -> None:
    """Writes the model quantized to eight-bit integers, with value ranges from training photos.

    Raises:
        ModelError: the `formats` extra is not installed, or LiteRT has no equivalent for one of the layers.
    """
    _convert(source, folder, int8=True)


def load_litert(folder: Path) -> Ask:
    """Loads the model with the LiteRT runtime.

    Raises:
        ModelError: the `formats` extra is not installed.
    """
    with needs_formats("LiteRT"):
        from ai_edge_litert.interpreter import Interpreter
    with _quiet_output():
        interpreter = Interpreter(str(folder / "model.tflite"))
        run = interpreter.get_signature_runner()
        run(**{INPUT: np.zeros(interpreter.get_input_details()[0]["shape"], np.uint8)})  # the first run also prints
    return lambda pixels: np.concatenate([run(**{INPUT: photo[np.newaxis]})["probabilities"] for photo in pixels])


def _archive(source: Source, folder: Path, batch_size: int | None = None) -> None:
    import keras

    archive = keras.export.ExportArchive()
    archive.track(source.model)
    archive.add_endpoint(SIGNATURE, source.answer, input_signature=[source.signature(batch_size)])
    archive.write_out(folder, verbose=False)


def _convert(source: Source, folder: Path, *, int8: bool) -> None:
    import tensorflow as tf

    with needs_formats("LiteRT"):
        import ai_edge_litert  # noqa: F401 - load_litert needs it

    with tempfile.TemporaryDirectory(prefix="darkroom-litert-") as scratch:
        _archive(source, Path(scratch, "model"), batch_size=1)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(Path(scratch, "model")), signature_keys=[SIGNATURE])
        if int8:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([photo] for photo in source.calibration_photos())
        try:
            with _quiet_output():
                content = converter.convert()
        except Exception as error:  # the converter's errors have no common base class
            raise unsupported_error("LiteRT", source, str(error)) from None
    (folder / "model.tflite").write_bytes(content)


@contextlib.contextmanager
def _quiet_output() -> Iterator[None]:
    """Hides what the converter's C++ code prints on standard error."""
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)
