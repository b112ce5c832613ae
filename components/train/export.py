"""The inference graph that is evaluated and served: written from Keras, loaded again, and compared with it."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

import keras
import numpy as np
import tensorflow as tf

from components.contract.bundle import ExportFacts
from components.contract.errors import ModelError
from components.contract.runtime import InferenceGraph, Outputs, export_sha256, openvino, softmax
from components.train.architecture import Network

if TYPE_CHECKING:
    import openvino as ov

log = logging.getLogger(__name__)

TOLERANCE: Final = 1e-4
"""How far a probability of the exported graph may be from Keras'."""
NUM_COMPARED_PHOTOS: Final = 64
PHOTOS_AT_ONCE: Final = 16


def export_network(network: Network, export_dir: Path, photos: np.ndarray) -> ExportFacts:
    """Writes model.xml and model.bin, in float32, and checks that they give what Keras gives.

    Args:
        network: trained.
        export_dir: is made.
        photos: uint8 (n, height, width, 3), RGB, to compare on; noise and a black photo are added.

    Raises:
        ModelError: the exported graph disagrees with Keras.
    """
    tensors = {"logits": network.model.output, "embedding": network.embedding, "feature_map": network.feature_map}
    served = keras.Model(network.model.input, {name: tensor for name, tensor in tensors.items() if tensor is not None})
    export_dir.mkdir(parents=True)
    openvino().save_model(to_openvino(served), export_dir / "model.xml", compress_to_fp16=False)
    graph = InferenceGraph(export_dir)
    compared = _with_odd_photos(photos)
    difference = max(
        largest_difference(_keras_outputs(served, batch), graph.run(batch))
        for batch in np.array_split(compared, -(-len(compared) // PHOTOS_AT_ONCE))
    )
    log.info("The exported graph agrees with Keras on %d photos, to %.1e.", len(compared), difference)
    return ExportFacts(
        outputs=("logits", "embedding") if network.feature_map is None else ("logits", "embedding", "feature_map"),
        max_probability_difference=difference,
        num_compared=len(compared),
        sha256=export_sha256(export_dir),
    )


def to_openvino(model: keras.Model) -> "ov.Model":
    """The network in inference mode as an OpenVINO graph with a free batch size; outputs keep their names."""
    pixels = tf.TensorSpec(model.input.shape, tf.uint8, name="pixels")
    function = tf.function(lambda pixels: model(pixels, training=False), input_signature=[pixels], autograph=False)
    return openvino().convert_model(function.get_concrete_function())


def largest_difference(expected: Outputs, found: Outputs) -> float:
    """The largest difference between probabilities.

    Raises:
        ModelError: it is above TOLERANCE, or a photo is classified otherwise, or there are values that are no numbers.
    """
    wanted, given = softmax(expected.logits), softmax(found.logits)
    difference = float(np.abs(wanted - given).max())
    rows = np.arange(len(wanted))
    lost = float((wanted.max(axis=1) - wanted[rows, given.argmax(axis=1)]).max())
    if not (difference <= TOLERANCE and lost <= TOLERANCE):  # NaN is neither
        raise ModelError(f"The exported graph must give Keras' probabilities within {TOLERANCE:g}; they differ by "
                         f"{difference:.2e}. No model bundle was written. Name the layers in a report of this "
                         "fault, and train without the unusual ones.")  # fmt: skip
    return difference


def _keras_outputs(served: keras.Model, pixels: np.ndarray) -> Outputs:
    values = {name: np.asarray(value) for name, value in served.predict_on_batch(pixels).items()}
    return Outputs(values["logits"], values["embedding"], values.get("feature_map"))


def _with_odd_photos(photos: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (3, *photos.shape[1:]), dtype=np.uint8)
    return np.concatenate([photos[:NUM_COMPARED_PHOTOS], noise, np.zeros((1, *photos.shape[1:]), np.uint8)])
