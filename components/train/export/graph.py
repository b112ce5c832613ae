"""The inference graph for evaluation and serving: converted from Keras, loaded again, and compared with Keras."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import keras
import numpy as np
import tensorflow as tf

from components.contract.artifacts.bundle import ExportFacts
from components.contract.errors import ArtifactError, ModelError
from components.contract.inference.graph import InferenceGraph, Outputs, export_sha256, openvino, softmax
from components.train.network.architecture import Network

if TYPE_CHECKING:
    import openvino as ov

TOLERANCE: Final = 1e-4
"""The maximum difference between probabilities of the exported graph and of Keras."""
FEATURE_TOLERANCE: Final = 1e-3
"""The maximum difference between features of the exported graph and of Keras, relative to the largest feature."""
NUM_COMPARED_PHOTOS: Final = 64
PHOTOS_AT_ONCE: Final = 16


def export_network(network: Network, export_dir: Path, photos: np.ndarray) -> ExportFacts:
    """Writes the graph in float32 (model.xml and model.bin), and checks that its results match those of Keras.

    Args:
        network: the network to export.
        export_dir: the output folder, created by this function.
        photos: photos for the comparison, uint8 (n, height, width, 3), RGB; noise and a black photo are added.

    Raises:
        ModelError: the exported graph disagrees with Keras.
        ArtifactError: the files cannot be written.
    """
    tensors = {"logits": network.model.output, "embedding": network.embedding, "feature_map": network.feature_map}
    served = keras.Model(network.model.input, {name: tensor for name, tensor in tensors.items() if tensor is not None})
    traced = trace(served)
    converted = to_openvino(traced)
    for output in converted.outputs:  # the converter adds other names
        output.get_tensor().set_names(output.get_names() & tensors.keys())
    export_dir.mkdir(parents=True)
    save_graph(converted, export_dir)
    graph = InferenceGraph(export_dir)
    compared = with_odd_photos(photos)
    batches = np.array_split(compared, -(-len(compared) // PHOTOS_AT_ONCE))
    try:
        difference = max(largest_difference(_keras_outputs(traced, batch), graph.run(batch)) for batch in batches)
    except RuntimeError as error:
        raise _disagreement(f"running it fails: {str(error).strip().splitlines()[-1]}") from None
    return ExportFacts(
        outputs=("logits", "embedding") if network.feature_map is None else ("logits", "embedding", "feature_map"),
        max_probability_difference=difference,
        num_compared=len(compared),
        sha256=export_sha256(export_dir),
    )


def save_graph(graph: "ov.Model", export_dir: Path) -> None:
    """Writes a graph without compressing its weights to float16.

    Raises:
        ArtifactError: the files cannot be written.
    """
    try:
        openvino().save_model(graph, export_dir / "model.xml", compress_to_fp16=False)
    except RuntimeError as error:  # a C++ stream error without a reason
        raise ArtifactError(
            f"Cannot write the exported graph to {export_dir}: {error}. Free some space there, and run the step again."
        ) from None


def check_exportable(network: Network) -> None:
    """Exports the untrained network, so that a network that cannot be served is rejected before it is trained.

    Raises:
        ModelError: the exported graph disagrees with Keras.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-") as folder:
        export_network(network, Path(folder) / "export", np.empty((0, *network.model.input.shape[1:]), np.uint8))


def trace(model: keras.Model) -> Callable[[np.ndarray], Any]:
    """Traces the network in inference mode as a TensorFlow graph, for any number of photos.

    The outputs must have names: otherwise, `to_openvino` also outputs the inputs of some activations, such as
    EfficientNet's swish, and in any order.
    """
    assert isinstance(model.output, dict), "the outputs must have names"
    pixels = tf.TensorSpec(model.input.shape, tf.uint8, name="pixels")
    function = tf.function(lambda pixels: model(pixels, training=False), input_signature=[pixels], autograph=False)
    concrete: Callable[[np.ndarray], Any] = function.get_concrete_function()
    return concrete


def to_openvino(traced: Callable[[np.ndarray], Any]) -> "ov.Model":
    """Converts a traced network to OpenVINO; named outputs keep their names and get additional ones.

    Raises:
        ModelError: the network cannot be converted.
    """
    try:
        return openvino().convert_model(traced)
    except Exception as error:  # the converter's errors have no other common base class
        raise _disagreement(f"the network cannot be converted: {str(error).strip().splitlines()[-1]}") from None


def largest_difference(expected: Outputs, actual: Outputs) -> float:
    """Returns the largest difference between the probabilities of two outputs.

    Raises:
        ModelError: the difference is above TOLERANCE, a photo gets a different class, or an output has a different
            shape or different values.
    """
    for name in ("logits", "embedding", "feature_map"):
        reference, output = getattr(expected, name), getattr(actual, name)
        if reference is not None and (output is None or reference.shape != output.shape):
            raise _disagreement(f"{name} has the shape {np.shape(output)} instead of {reference.shape}")
    reference, output = softmax(expected.logits), softmax(actual.logits)
    difference = float(np.abs(reference - output).max())
    loss = float((reference.max(axis=1) - reference[np.arange(len(reference)), output.argmax(axis=1)]).max())
    if not (difference <= TOLERANCE and loss <= TOLERANCE):  # NaN fails both comparisons
        raise _disagreement(f"a probability differs by {difference:.2e}, more than {TOLERANCE:g}")
    for name in ("embedding", "feature_map"):
        reference, output = getattr(expected, name), getattr(actual, name)
        if (
            reference is not None
            and not np.abs(reference - output).max() <= FEATURE_TOLERANCE * np.abs(reference).max()
        ):
            raise _disagreement(f"{name} has different values")
    return difference


def _disagreement(what: str) -> ModelError:
    return ModelError(
        f"The exported graph must produce the same results as Keras; {what}. No bundle is "
        "written. OpenVINO does not support a layer of this network, or a sequence of layers (such as "
        "two paddings in a row): replace it."
    )


def _keras_outputs(traced: Callable[[np.ndarray], Any], pixels: np.ndarray) -> Outputs:
    values = {name: np.asarray(value) for name, value in traced(tf.constant(pixels)).items()}
    return Outputs(values["logits"], values["embedding"], values.get("feature_map"))


def with_odd_photos(photos: np.ndarray) -> np.ndarray:
    """Returns the first 64 photos, three noise images and a black one: uint8 (n, height, width, 3)."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (3, *photos.shape[1:]), dtype=np.uint8)
    return np.concatenate([photos[:NUM_COMPARED_PHOTOS], noise, np.zeros((1, *photos.shape[1:]), np.uint8)])
