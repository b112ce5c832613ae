"""Runs the exported inference graph, with the same code in train (to check the export), evaluate and the service."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import numpy as np

from components.contract.errors import ArtifactError
from components.contract.system.library_settings import ignore_library_settings

CPU_SETTINGS: Final[dict[str, str | int]] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
"""float32 on every processor: otherwise OpenVINO would use bfloat16 where supported, which would change the results."""


def openvino() -> Any:
    """Imports OpenVINO without its telemetry, and without environment variables that change its results."""
    ignore_library_settings()
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: cannot be imported
    import openvino as module

    return module


def export_sha256(export_dir: Path) -> str:
    """The digest of an exported graph: SHA-256 of model.xml followed by model.bin, in hexadecimal.

    Raises:
        ArtifactError: one of the files cannot be read.
    """
    digest = hashlib.sha256()
    for name in ("model.xml", "model.bin"):
        try:
            digest.update((export_dir / name).read_bytes())
        except OSError as error:
            raise ArtifactError(f"The file {name} of the exported graph cannot be read: {error}.") from None
    return digest.hexdigest()


@dataclass(frozen=True)
class Outputs:
    """The outputs of the graph for a batch of n photos.

    Attributes:
        logits: float32 (n, classes).
        embedding: float32 (n, features), the input of the output layer.
        feature_map: float32 (n, height, width, channels), the last spatial features; None if the network has none, or
            if it was not requested.
    """

    logits: np.ndarray
    embedding: np.ndarray
    feature_map: np.ndarray | None


class InferenceGraph:
    """The exported graph, compiled for this machine's CPU in float32."""

    def __init__(self, export_dir: Path, num_threads: int | None = None, num_streams: int = 1):
        """Loads and compiles the graph.

        Args:
            export_dir: the bundle's `export` folder: model.xml, model.bin.
            num_threads: how many cores to use; None for all.
            num_streams: how many batches can run in parallel, each on its share of the cores.

        Raises:
            ArtifactError: the files are missing or damaged.
        """
        path = export_dir / "model.xml"
        settings = CPU_SETTINGS | {"NUM_STREAMS": num_streams}
        settings |= {} if num_threads is None else {"INFERENCE_NUM_THREADS": num_threads}
        try:
            self._compiled = openvino().Core().compile_model(path, "CPU", settings)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ArtifactError(f"Cannot load the exported graph {path}: {reason}") from None
        self._path = path
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(num_streams):
            self._idle.put(self._compiled.create_infer_request())
        self.outputs = tuple(output.get_any_name() for output in self._compiled.outputs)
        shape = self._compiled.input(0).get_partial_shape()
        self.image_size: tuple[int, int] = (shape[1].get_length(), shape[2].get_length())

    def run(self, pixels: np.ndarray, *, with_feature_map: bool = True) -> Outputs:
        """Runs one batch. Threads can call it in parallel; they wait until a stream is free.

        Args:
            pixels: uint8 (n, height, width, 3), RGB, of this graph's image_size.
            with_feature_map: whether to return the feature map, by far the largest output.
        """
        output_names = self.outputs if with_feature_map else ("logits", "embedding")
        request = self._idle.get()
        try:
            result = request.infer({0: np.ascontiguousarray(pixels)})
            values = {name: np.array(result[name]) for name in output_names}
        finally:
            self._idle.put(request)
        return Outputs(values["logits"], values["embedding"], values.get("feature_map"))

    def class_weights(self) -> np.ndarray | None:
        """The output layer's weights: float32 (classes, features), so that logits = embedding · weightsᵀ + bias.

        None if the logits are not a linear function of the embedding.
        """
        head = self._cut_head()
        if head is None:
            return None
        num_features = head.input(0).get_partial_shape()[1].get_length()
        unit = np.eye(num_features, dtype=np.float32)
        zero = np.array(head(np.zeros((1, num_features), np.float32))[0])
        weights: np.ndarray = (np.array(head(unit)[0]) - zero).T
        # The unit vectors determine the output for any other vector only if the function is linear.
        probe = np.linspace(-2, 3, num_features, dtype=np.float32)[None]
        expected = probe @ weights.T + zero
        scale = max(1.0, float(np.abs(expected).max()))
        return weights if np.allclose(np.array(head(probe)[0]), expected, atol=1e-3 * scale) else None

    def _cut_head(self) -> Any:
        """Compiles the part of the graph from embedding to logits; None if no such part exists."""
        from openvino import opset13 as ops

        model = openvino().Core().read_model(self._path)
        embedding = model.output("embedding").get_node().input_value(0)
        shape = embedding.get_partial_shape()
        if shape.rank.get_length() != 2 or shape[1].is_dynamic:
            return None
        parameter = ops.parameter([-1, shape[1].get_length()], np.float32)
        for target in list(embedding.get_target_inputs()):
            if target.get_node().get_type_name() != "Result":
                target.replace_source_output(parameter.output(0))
        logits = model.output("logits").get_node().input_value(0)
        try:
            return openvino().Core().compile_model(openvino().Model([logits], [parameter]), "CPU", CPU_SETTINGS)
        except RuntimeError:  # the logits also depend directly on the input
            return None


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities from logits along the last axis, computed in float64 and returned as float32."""
    shifted = np.asarray(logits, np.float64)
    exponentials = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities.astype(np.float32)
