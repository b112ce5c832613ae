"""`darkroom model export`: writes a run's model in another format, loads it again and compares it with the service.

<target>/ contains the model's files and
    model.json    ExportedModelCard: classes, preprocessing, thresholds, versions
    predict.py    classifies photos with the model, without Darkroom
"""

import logging
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from components.contract.artifacts.bundle import read_bundle
from components.contract.artifacts.dataset import Split, open_split
from components.contract.artifacts.exported_model import ExportedModelCard, Format
from components.contract.errors import ArtifactError, ModelError
from components.contract.image.decode import decode
from components.contract.inference.calibration import CALIBRATION_FILES, read_calibration
from components.contract.inference.graph import InferenceGraph, softmax
from components.contract.system.atomic_files import new_folder, write_json
from components.train.export.formats.onnx import load_onnx, write_onnx
from components.train.export.formats.openvino import load_openvino, write_openvino
from components.train.export.formats.source import Ask, Source
from components.train.export.formats.tensorflow import (
    load_litert,
    load_saved_model,
    write_litert,
    write_litert_int8,
    write_saved_model,
)
from components.train.export.graph import NUM_COMPARED_PHOTOS, PHOTOS_AT_ONCE, TOLERANCE, with_odd_photos
from components.train.export.quantize import MAX_LOST

log = logging.getLogger(__name__)

NUM_VALIDATION: Final = 500
NUM_CALIBRATION: Final = 200
NUM_TIMED: Final = 20

WRITERS: Final[dict[Format, tuple[Callable[[Source, Path], None], Callable[[Path], Ask]]]] = {
    "savedmodel": (write_saved_model, load_saved_model),
    "onnx": (write_onnx, load_onnx),
    "litert": (write_litert, load_litert),
    "litert-int8": (write_litert_int8, load_litert),
    "openvino": (write_openvino, load_openvino),
}


@dataclass(frozen=True)
class ExportedModel:
    """The result of comparing an exported model with the service.

    Attributes:
        path: the folder of the exported model.
        format: the format of the exported model.
        num_photos: the number of compared golden photos.
        same_label: the number of golden photos for which the model predicts the same label as the service.
        max_probability_difference: the largest difference between probabilities on the golden photos.
        size_bytes: the size of the model's files.
        latency_ms: the median time for one photo on this machine, without decoding.
    """

    path: str
    format: Format
    num_photos: int
    same_label: int
    max_probability_difference: float
    size_bytes: int
    latency_ms: float


def export_model(
    dataset_dir: Path, bundle_dir: Path, evaluation_dir: Path, target: Path, format_name: Format = "savedmodel"
) -> ExportedModel:
    """Writes a model in another format, loads it again and compares it with the graph that the service runs.

    Args:
        dataset_dir: contains golden/ (the photos on which the models are compared) and the splits (needed for int8).
        bundle_dir: contains bundle.json, model.keras and export/.
        evaluation_dir: contains calibration.json with the temperature; without it, probabilities are uncalibrated.
        target: a new folder.
        format_name: the format to write.

    Raises:
        ArtifactError: the target exists, or a folder is missing or damaged.
        ModelError: the format cannot represent the model, or the exported model disagrees with the service.
    """
    if target.exists():
        raise ArtifactError(f"The output must be a new folder; {target} exists. Choose another one with --output.")
    bundle = read_bundle(bundle_dir)
    if bundle.export.precision != "float32" and format_name != "openvino":
        raise ModelError(
            f"The service runs this model in int8, but {format_name} would be exported from float32, so its results "
            "would differ. Train with train.export_precision=float32, or export with --format openvino."
        )
    calibration = read_calibration(evaluation_dir).facts if (evaluation_dir / CALIBRATION_FILES[0]).exists() else None
    source = Source(
        bundle_dir,
        bundle,
        calibration.temperature if calibration else 1.0,
        lambda: _calibration_photos(open_split(dataset_dir, "train")),
    )
    card = ExportedModelCard(
        format=format_name,
        class_names=bundle.class_names,
        image_size=bundle.image_size,
        resize=bundle.resize,
        pixel_range=bundle.pixel_range,
        abstention_threshold=calibration.abstention.threshold if calibration else None,
        dataset_fingerprint=bundle.dataset_fingerprint,
        mlflow_run_id=bundle.mlflow_run_id,
    )
    write, load = WRITERS[format_name]
    graph = InferenceGraph(bundle_dir / "export")
    photos = _golden_pixels(dataset_dir, card)
    with new_folder(target) as folder:
        write(source, folder)
        size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        ask = _load(load, folder, format_name)
        serve = _service(graph, source.temperature)
        compared = with_odd_photos(photos)
        expected, actual = serve(compared), ask(compared)
        if format_name == "litert-int8":
            _check_accuracy(ask, serve, open_split(dataset_dir, "validation"))
        else:
            _check_equality(actual, expected, format_name)
        expected, actual = expected[: len(photos)], actual[: len(photos)]
        write_json(folder / "model.json", card)
        shutil.copyfile(Path(__file__).with_name("predict.py"), folder / "predict.py")
    exported = ExportedModel(
        path=str(target),
        format=format_name,
        num_photos=len(photos),
        same_label=int((expected.argmax(axis=1) == actual.argmax(axis=1)).sum()),
        max_probability_difference=float(np.abs(expected - actual).max()),
        size_bytes=size_bytes,
        latency_ms=_measure_latency(ask, photos[:1]),
    )
    log.info(
        "%s: %d of %d golden photos get the service's label; largest difference between probabilities: %.1e; %.1f MB, "
        "%.1f ms per photo.",
        target,
        exported.same_label,
        exported.num_photos,
        exported.max_probability_difference,
        exported.size_bytes / 1e6,
        exported.latency_ms,
    )
    return exported


def _golden_pixels(dataset_dir: Path, card: ExportedModelCard) -> np.ndarray:
    paths = sorted(path for path in (dataset_dir / "golden").glob("*") if path.is_file())[:NUM_COMPARED_PHOTOS]
    if not paths:
        raise ArtifactError(
            f"The data set has no golden photos to compare models on: {dataset_dir / 'golden'} is empty. "
            "Run preprocess again."
        )
    return np.stack(
        [decode(path.read_bytes(), card.image_size, card.resize, card.pixel_range).pixels for path in paths]
    )


def _calibration_photos(split: Split) -> Iterator[np.ndarray]:
    rows = np.sort(np.random.default_rng(0).permutation(len(split))[:NUM_CALIBRATION])
    return (split.gather(rows[index : index + 1]) for index in range(len(rows)))


def _service(graph: InferenceGraph, temperature: float) -> Ask:
    return lambda pixels: softmax(graph.run(pixels, with_feature_map=False).logits / temperature)


def _load(load: Callable[[Path], Ask], folder: Path, format_name: Format) -> Ask:
    try:
        ask = load(folder)
    except Exception as error:  # each runtime has its own errors
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"The exported model cannot be loaded by the runtime of {format_name}: {reason}. Nothing is written. "
            "Choose another format."
        ) from None
    return lambda pixels: np.concatenate(
        [ask(pixels[start : start + PHOTOS_AT_ONCE]) for start in range(0, len(pixels), PHOTOS_AT_ONCE)]
    )


def _check_equality(actual: np.ndarray, expected: np.ndarray, format_name: Format) -> None:
    difference = float(np.abs(actual - expected).max())
    if not difference <= TOLERANCE:  # also rejects NaN
        raise ModelError(
            f"Probabilities of the exported model must be within {TOLERANCE:g} of the service's; with "
            f"{format_name}, they differ by up to {difference:.1e}. Nothing is written. Choose another format."
        )


def _check_accuracy(ask: Ask, serve: Ask, split: Split) -> None:
    rows = np.arange(min(len(split), NUM_VALIDATION))
    photos, labels = split.gather(rows), split.labels[rows]
    accuracy, served_accuracy = (float((run(photos).argmax(axis=1) == labels).mean()) for run in (ask, serve))
    if not served_accuracy - accuracy <= MAX_LOST:
        raise ModelError(
            f"An int8 model may lose at most {100 * MAX_LOST:g} percentage points of validation accuracy; this one has "
            f"{100 * accuracy:.1f} % instead of {100 * served_accuracy:.1f} % ({len(rows)} photos). Nothing is "
            "written. Export with --format litert."
        )


def _measure_latency(ask: Ask, photo: np.ndarray) -> float:
    seconds = []
    for _ in range(NUM_TIMED):
        start_time = time.perf_counter()
        ask(photo)
        seconds.append(time.perf_counter() - start_time)
    return round(1000 * statistics.median(seconds), 3)
