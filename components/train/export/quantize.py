"""Quantizes the exported graph to eight-bit integers: a quarter of the size, and faster with int8 instructions.

NNCF determines the ranges of all tensors on training photos and corrects the bias from rounding. The output layer stays
in float32, because it is cheap and the explanations read its weights.
"""

import contextlib
import io
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from components.contract.artifacts.bundle import ExportFacts
from components.contract.artifacts.dataset import Split
from components.contract.inference.graph import InferenceGraph, export_sha256, openvino, softmax
from components.train.export.graph import save_graph

if TYPE_CHECKING:
    import openvino as ov

log = logging.getLogger(__name__)

MAX_LOST: Final = 0.005
"""The maximum loss of validation accuracy, as a fraction, with which an int8 graph is accepted."""
NUM_PHOTOS: Final = 300
"""The number of calibration photos that NNCF recommends; more make no difference."""
BATCH_SIZE: Final = 32
FILES: Final = ("model.xml", "model.bin")


def quantize_export(
    export_dir: Path, facts: ExportFacts, training: Split, validation: Split, rng: np.random.Generator
) -> ExportFacts:
    """Replaces the float32 graph with an int8 one; if that loses too much accuracy, logs a warning and keeps float32.

    Args:
        export_dir: contains model.xml and model.bin.
        facts: the facts of the float32 graph.
        training: photos for calibrating the ranges.
        validation: photos for comparing the accuracies.
        rng: selects the training photos.
    """
    log.info("Calibrating int8 on %d training photos.", min(NUM_PHOTOS, len(training)))
    rows = np.sort(rng.permutation(len(training))[:NUM_PHOTOS])
    with tempfile.TemporaryDirectory(dir=export_dir.parent, prefix="int8-") as folder:
        save_graph(_quantize(export_dir, training, rows), Path(folder))
        float_probabilities = _probabilities(export_dir, validation)
        int8_probabilities = _probabilities(Path(folder), validation)
        lost_accuracy = float(
            (float_probabilities.argmax(axis=1) == validation.labels).mean()
            - (int8_probabilities.argmax(axis=1) == validation.labels).mean()
        )
        if lost_accuracy > MAX_LOST:
            log.warning(
                "int8 would lose %.1f percentage points of validation accuracy, more than the %.1f allowed, so the "
                "exported graph stays in float32.",
                100 * lost_accuracy,
                100 * MAX_LOST,
            )
            return facts
        sizes = [sum((place / name).stat().st_size for name in FILES) / 1e6 for place in (export_dir, Path(folder))]
        for name in FILES:
            Path(folder, name).replace(export_dir / name)
    log.info(
        "The exported graph is in int8: %.1f MB instead of %.1f; validation accuracy %+.1f percentage points.",
        sizes[1],
        sizes[0],
        -100 * lost_accuracy,
    )
    return facts.model_copy(
        update={
            "precision": "int8",
            "sha256": export_sha256(export_dir),
            "max_probability_difference": float(np.abs(float_probabilities - int8_probabilities).max()),
            "num_compared": len(validation),
        }
    )


def _quantize(export_dir: Path, training: Split, rows: np.ndarray) -> "ov.Model":
    model = openvino().Core().read_model(export_dir / FILES[0])  # openvino() disables telemetry before NNCF is imported
    import nncf

    logging.getLogger("nncf").setLevel(logging.ERROR)
    photos = nncf.Dataset([training.gather(rows[index : index + 1]) for index in range(len(rows))])
    output_layer = _output_layer(model)
    with contextlib.redirect_stdout(io.StringIO()):  # hides NNCF's progress bars
        return nncf.quantize(
            model,
            photos,
            preset=nncf.QuantizationPreset.PERFORMANCE,
            subset_size=len(rows),
            ignored_scope=nncf.IgnoredScope(names=[output_layer]) if output_layer else None,
        )


def _output_layer(model: "ov.Model") -> str | None:
    """Returns the name of the last matrix product before the logits; None if there is none."""
    node = model.output("logits").get_node()
    while node.get_type_name() != "MatMul":
        if node.get_input_size() == 0:
            return None
        node = node.input_value(0).get_node()
    return str(node.get_friendly_name())


def _probabilities(export_dir: Path, split: Split) -> np.ndarray:
    graph = InferenceGraph(export_dir)
    batches = (np.arange(start, min(start + BATCH_SIZE, len(split))) for start in range(0, len(split), BATCH_SIZE))
    return np.concatenate([softmax(graph.run(split.gather(batch), with_feature_map=False).logits) for batch in batches])
