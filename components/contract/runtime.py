"""Runs the exported inference graph: the same code in train's check, in evaluate and in the service."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from components.contract.errors import ArtifactError

CPU_SETTINGS: Final[dict[str, str | int]] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
"""float32 on every processor: bfloat16, where it is built in, would change the figures."""


def openvino() -> Any:
    """The module, without its telemetry, which would call home as soon as OpenVINO is imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: cannot be imported
    import openvino as module

    return module


def export_sha256(export_dir: Path) -> str:
    """The digest of an exported graph: SHA-256 of model.xml followed by model.bin, in hexadecimal.

    Raises:
        ArtifactError: one of the two cannot be read.
    """
    digest = hashlib.sha256()
    for name in ("model.xml", "model.bin"):
        try:
            digest.update((export_dir / name).read_bytes())
        except OSError as error:
            raise ArtifactError(f"An exported graph must hold {name}; it cannot be read: {error}.") from None
    return digest.hexdigest()


@dataclass(frozen=True)
class Outputs:
    """What the graph gives for a batch of n photos.

    Attributes:
        logits: float32 (n, classes).
        embedding: float32 (n, features), the input of the output layer.
        feature_map: float32 (n, height, width, channels), the last with space; None where the network has none.
    """

    logits: np.ndarray
    embedding: np.ndarray
    feature_map: np.ndarray | None


class InferenceGraph:
    """The exported graph, compiled for this machine's CPU in float32."""

    def __init__(self, export_dir: Path, num_threads: int | None = None):
        """Loads and compiles the graph.

        Args:
            export_dir: the bundle's `export` folder: model.xml, model.bin.
            num_threads: how many cores to use; None for all.

        Raises:
            ArtifactError: the files are missing or damaged.
        """
        path = export_dir / "model.xml"
        settings = CPU_SETTINGS | ({} if num_threads is None else {"INFERENCE_NUM_THREADS": num_threads})
        try:
            self._compiled = openvino().Core().compile_model(path, "CPU", settings)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ArtifactError(f"An exported graph must stand at {path}; it cannot be loaded: {reason}") from None
        self._request = self._compiled.create_infer_request()
        self.outputs = tuple(output.get_any_name() for output in self._compiled.outputs)
        shape = self._compiled.input(0).get_partial_shape()
        self.image_size: tuple[int, int] = (shape[1].get_length(), shape[2].get_length())

    def run(self, pixels: np.ndarray) -> Outputs:
        """Runs one batch; not to be called from two threads at once.

        Args:
            pixels: uint8 (n, height, width, 3), RGB, of this graph's image_size.
        """
        result = self._request.infer({0: np.ascontiguousarray(pixels)})
        values = {name: np.array(result[name]) for name in self.outputs}
        return Outputs(values["logits"], values["embedding"], values.get("feature_map"))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities from logits along the last axis, in float64 and returned as float32."""
    shifted = np.asarray(logits, np.float64)
    exponentials = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities.astype(np.float32)
