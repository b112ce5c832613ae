"""The network as a SavedModel for TensorFlow Serving, beside the bento: pixels in, the service's probabilities out.

<target>/1/saved_model.pb                   and variables/, as TensorFlow Serving expects a first version
<target>/1/assets.extra/class_names.json    in the order of the probabilities
"""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from components.contract.artifacts.bundle import BundleInfo, read_bundle
from components.contract.artifacts.dataset import open_split
from components.contract.errors import ArtifactError, ModelError
from components.contract.inference.calibration import CALIBRATION_FILES, read_calibration
from components.contract.inference.graph import InferenceGraph, softmax
from components.contract.system.atomic_files import new_folder
from components.train.tensorflow.start import start_tensorflow

log = logging.getLogger(__name__)

TOLERANCE: Final = 1e-4
"""How far a probability may lie from that of the graph that the service runs."""
NUM_COMPARED: Final = 64
BATCH_SIZE: Final = 16
VERSION: Final = "1"
SIGNATURE: Final = "serving_default"


def export_saved_model(dataset_dir: Path, bundle_dir: Path, evaluation_dir: Path, target: Path) -> float:
    """Writes the SavedModel, loads it again, and compares it with the graph that the service runs.

    Args:
        dataset_dir: the data set; its validation photos are compared on.
        bundle_dir: bundle.json, model.keras, export/.
        evaluation_dir: calibration.json, whose temperature the probabilities have; without one they are uncalibrated.
        target: a new folder.

    Returns:
        The largest difference of a probability.

    Raises:
        ArtifactError: the target exists, or a folder is missing or damaged.
        ModelError: the model is served in int8, or the SavedModel disagrees with the service.
    """
    if target.exists():
        raise ArtifactError(f"The SavedModel must go into a new folder; {target} exists. Name another with --output.")
    bundle = read_bundle(bundle_dir)
    if bundle.export.precision != "float32":
        raise ModelError(
            f"A SavedModel is in float32, and the model in {bundle_dir} is served in int8: they would "
            "differ. Train with train.export_precision=float32."
        )
    split = open_split(dataset_dir, "validation")
    photos = split.gather(np.arange(min(NUM_COMPARED, len(split))))
    has_calibration = (evaluation_dir / CALIBRATION_FILES[0]).exists()
    temperature = read_calibration(evaluation_dir).facts.temperature if has_calibration else 1.0
    expected = softmax(InferenceGraph(bundle_dir / "export").run(photos, with_feature_map=False).logits / temperature)
    with new_folder(target) as folder:
        _write(bundle_dir, bundle, temperature, folder / VERSION)
        difference = float(np.abs(_ask(folder / VERSION, photos) - expected).max())
        if not difference <= TOLERANCE:  # NaN is neither
            raise ModelError(
                f"A SavedModel's probabilities must lie within {TOLERANCE:g} of the service's; one "
                f"differs by {difference:.1e}. Nothing is written. Train the model again."
            )
    log.info("The SavedModel in %s agrees with the service on %d photos, to %.1e.", target, len(photos), difference)
    return difference


def _write(bundle_dir: Path, bundle: BundleInfo, temperature: float, folder: Path) -> None:
    start_tensorflow(seed=0)
    import keras
    import tensorflow as tf

    try:
        model = keras.saving.load_model(bundle_dir / "model.keras", compile=False)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"A model bundle must hold model.keras; the one in {bundle_dir} cannot be loaded: {error}. Train again."
        ) from None

    def answer(pixels: Any) -> dict[str, Any]:
        logits = model(pixels, training=False)
        return {"logits": logits, "probabilities": tf.nn.softmax(logits / temperature)}

    archive = keras.export.ExportArchive()
    archive.track(model)
    pixels = tf.TensorSpec((None, *bundle.image_size, 3), tf.uint8, name="pixels")
    archive.add_endpoint(SIGNATURE, answer, input_signature=[pixels])
    archive.write_out(folder, verbose=False)
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "class_names.json").write_text(json.dumps(bundle.class_names, ensure_ascii=False))


def _ask(folder: Path, photos: np.ndarray) -> np.ndarray:
    """What the written file answers, loaded as TensorFlow Serving loads it: float32 (n, classes)."""
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    ask: Callable[..., Any] = loaded.signatures[SIGNATURE]
    batches = [photos[start : start + BATCH_SIZE] for start in range(0, len(photos), BATCH_SIZE)]
    return np.concatenate([ask(pixels=tf.constant(batch))["probabilities"].numpy() for batch in batches])
