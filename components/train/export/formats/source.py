"""The trained model from which an export starts, and the interface of an exported model."""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from components.contract.artifacts.bundle import BundleInfo
from components.contract.errors import ArtifactError, ModelError

if TYPE_CHECKING:
    import keras

Ask = Callable[[np.ndarray], np.ndarray]
"""Maps pixels, uint8 (n, height, width, 3), RGB, to probabilities, float32 (n, classes)."""

INPUT: Final = "pixels"
OUTPUTS: Final = ("logits", "probabilities")


@dataclass(frozen=True)
class Source:
    """A trained model to export.

    Attributes:
        bundle_dir: contains bundle.json, model.keras and export/.
        bundle: the content of bundle.json.
        temperature: the divisor of the logits in the service; 1 if the model is uncalibrated.
        calibration_photos: training photos for the int8 ranges, one at a time: uint8 (1, height, width, 3).
    """

    bundle_dir: Path
    bundle: BundleInfo
    temperature: float
    calibration_photos: Callable[[], Iterator[np.ndarray]]

    @cached_property
    def model(self) -> "keras.Model":
        """The Keras network, from uint8 (n, height, width, 3), RGB, to logits (n, classes).

        Raises:
            ArtifactError: model.keras cannot be loaded.
        """
        from components.train.tensorflow.start import start_tensorflow

        start_tensorflow(seed=0)
        import keras

        path = self.bundle_dir / "model.keras"
        try:
            return keras.saving.load_model(path, compile=False)
        except (OSError, ValueError) as error:
            raise ArtifactError(f"model.keras cannot be loaded from {path}: {error}. Train again.") from None

    @property
    def answer(self) -> Callable[[Any], dict[str, Any]]:
        """The function that maps pixels to logits and calibrated probabilities, with TensorFlow operations."""
        import tensorflow as tf

        model = self.model  # loaded here, not while the function is traced

        def answer(pixels: Any) -> dict[str, Any]:
            logits = model(pixels, training=False)
            return {"logits": logits, "probabilities": tf.nn.softmax(logits / self.temperature)}

        return answer

    def signature(self, batch_size: int | None = None) -> Any:
        """Returns the signature of the input for TensorFlow."""
        import tensorflow as tf

        return tf.TensorSpec((batch_size, *self.bundle.image_size, 3), tf.uint8, name=INPUT)


@contextlib.contextmanager
def needs_formats(format_name: str) -> Iterator[None]:
    """If an import in the block fails, raises an error that names the extra to install.

    Raises:
        ModelError: an import in the block fails.
    """
    try:
        yield
    except ImportError as error:
        raise ModelError(
            f"Exporting to {format_name} needs the extra 'formats'; the package {error.name} is not installed. "
            "Install it: pip install 'darkroom[formats]'."
        ) from None


def unsupported_error(format_name: str, source: Source, text: str) -> ModelError:
    """Creates an error about an operation that a format does not support.

    Args:
        format_name: the name of the format in the message.
        source: the model.
        text: the converter's message, which names operations with their path, such as `functional_1/gelu_1/Erfc`.
    """
    layer_names = {layer.name for layer in source.model._flatten_layers()}  # noqa: SLF001 - Keras has no public name for this
    scopes = [scope for path in re.findall(r"[\w.-]+(?:/[\w.-]+)+", text) for scope in path.split("/")[1:-1]]
    # Keras appends numbers to names that are already in use.
    layer_name = next(
        (name for scope in scopes for name in (scope, re.sub(r"_\d+$", "", scope)) if name in layer_names), ""
    )
    operation = re.search(r"\b(?:tf\.)?([A-Z][A-Za-z0-9]+)(?:'? op is|\] is not supported)", text)
    layer_text = f"the layer {layer_name!r}" if layer_name else "a layer"
    operation_text = f" (its operation {operation[1]})" if operation else f": {text.strip()[-300:]}"
    return ModelError(
        f"{format_name} has no equivalent for {layer_text} of the model{operation_text}. Nothing is "
        "written. Choose another format, or replace the layer."
    )
