"""Scores the exported graph, the one that the service runs, on one split of the prepared data set."""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from components.contract.artifacts.dataset import Split, SplitName
from components.contract.errors import ArtifactError
from components.contract.inference.graph import InferenceGraph, softmax
from components.contract.system.progress import Progress

log = logging.getLogger(__name__)

BATCH_SIZE = 64


@dataclass(frozen=True)
class Predictions:
    """The graph's predictions for one split.

    Attributes:
        split: the name of the split.
        image_ids: the content hash of each of the n photos.
        labels: int32 (n,), the true classes.
        logits: float32 (n, classes), finite.
        embeddings: float32 (n, features), the input of the output layer.
        features: float32 (n, channels), the means of the feature map over all positions; None if they were not
            requested, or the graph has no feature map.
        temperature: the temperature that the logits are divided by, as fitted by the calibration.
    """

    split: SplitName
    image_ids: Sequence[str]
    labels: np.ndarray
    logits: np.ndarray
    embeddings: np.ndarray
    features: np.ndarray | None = None
    temperature: float = 1.0

    @cached_property
    def probabilities(self) -> np.ndarray:
        """The probabilities at this temperature: float32 (n, classes)."""
        return softmax(np.asarray(self.logits, np.float64) / self.temperature)

    @cached_property
    def predicted(self) -> np.ndarray:
        """The class with the highest probability: int32 (n,)."""
        labels: np.ndarray = self.probabilities.argmax(axis=1).astype(np.int32)
        return labels

    @cached_property
    def correct(self) -> np.ndarray:
        """Whether each photo is classified correctly: bool (n,)."""
        correct: np.ndarray = self.predicted == self.labels
        return correct


def score(
    graph: InferenceGraph, split: Split, name: SplitName, num_classes: int, *, with_features: bool = False
) -> Predictions:
    """Runs the graph on every photo in a split, in batches; logs the progress.

    Args:
        graph: the exported graph.
        split: the photos.
        name: the name of the split.
        num_classes: number of classes in the data set.
        with_features: whether to return the means of the feature map.

    Raises:
        ArtifactError: the split is empty, or the graph does not return one finite number per class.
    """
    if len(split) == 0:
        raise ArtifactError(
            f"The {name} split must have at least one photo; it has none. Add photos, or set a larger "
            "fraction for this split."
        )
    start_time = time.monotonic()
    batches = (
        (start, split.gather(np.arange(start, min(start + BATCH_SIZE, len(split)))))
        for start in range(0, len(split), BATCH_SIZE)
    )
    logits, embeddings, features = run_batches(graph, batches, len(split), name, with_features=with_features)
    if logits.shape[1] != num_classes:
        raise ArtifactError(
            f"The exported graph must return {num_classes} numbers per photo, one per class; it returns "
            f"{logits.shape[1]}. Train again on this data set."
        )
    _require_finite(logits, split, name)
    log.info("Scored %d %s photos in %.1f s", len(split), name, time.monotonic() - start_time)
    return Predictions(name, split.image_ids, split.labels, logits, embeddings, features)


def run_batches(
    graph: InferenceGraph,
    batches: Iterable[tuple[int, np.ndarray]],
    num_images: int,
    name: str,
    *,
    with_features: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Returns the logits, the flat embeddings and, if requested and available, the means of the feature map.

    Args:
        graph: the exported graph.
        batches: the start index of each batch and its photos: uint8 (b, height, width, 3), RGB.
        num_images: number of photos in all batches.
        name: what these photos are called in the log.
        with_features: whether to return the means of the feature map.
    """
    logits, embeddings, features = [], [], []
    progress = Progress(num_images, f"{name} photos")
    for start, pixels in batches:
        outputs = graph.run(pixels, with_feature_map=with_features)
        logits.append(outputs.logits)
        embeddings.append(outputs.embedding.reshape(len(pixels), -1))
        if outputs.feature_map is not None:
            features.append(outputs.feature_map.mean(axis=(1, 2)))
        progress.report(start + len(pixels))
    return np.concatenate(logits), np.concatenate(embeddings), np.concatenate(features) if features else None


def write_predictions(path: Path, all_predictions: Sequence[Predictions]) -> None:
    """Writes a Parquet file with the columns split, image_id, label, predicted and probabilities."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [
        pa.table(
            {
                "split": pa.array([predictions.split] * len(predictions.labels), pa.string()),
                "image_id": pa.array(predictions.image_ids, pa.string()),
                "label": pa.array(predictions.labels, pa.int32()),
                "predicted": pa.array(predictions.predicted, pa.int32()),
                "probabilities": pa.array(list(predictions.probabilities), pa.list_(pa.float32())),
            }
        )
        for predictions in all_predictions
    ]
    pq.write_table(pa.concat_tables(tables), path)


def _require_finite(logits: np.ndarray, split: Split, name: SplitName) -> None:
    invalid_rows = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(invalid_rows):
        num_invalid, first_id = len(invalid_rows), split.image_ids[invalid_rows[0]]
        raise ArtifactError(
            f"The exported graph must return finite numbers for every photo; for {num_invalid} of "
            f"{len(split)} {name} photos it returned NaN or infinity (first photo: {first_id}). The "
            "network diverged: train it again with a lower learning rate."
        )
