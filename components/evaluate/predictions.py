"""Scores the exported graph, the very thing that will be served, on one split of the prepared data set."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from components.contract.dataset import Split, SplitName
from components.contract.errors import ArtifactError
from components.contract.runtime import InferenceGraph, softmax

log = logging.getLogger(__name__)

BATCH_SIZE = 64
PROGRESS_SECONDS = 5.0


@dataclass(frozen=True)
class Predictions:
    """What the graph said of one split.

    Attributes:
        split: its name.
        image_ids: n strings.
        labels: int32 (n,), the true classes.
        logits: float32 (n, classes), finite.
    """

    split: SplitName
    image_ids: Sequence[str]
    labels: np.ndarray
    logits: np.ndarray

    @cached_property
    def probabilities(self) -> np.ndarray:
        """float32 (n, classes)."""
        return softmax(self.logits)

    @cached_property
    def predicted(self) -> np.ndarray:
        """int32 (n,), the class of the highest probability."""
        labels: np.ndarray = self.probabilities.argmax(axis=1).astype(np.int32)
        return labels


def score(graph: InferenceGraph, split: Split, name: SplitName, num_classes: int) -> Predictions:
    """Runs the graph on every photo of a split, in batches; tells its progress in the log.

    Raises:
        ArtifactError: the split holds no photo, or the graph does not give one finite number per class.
    """
    if len(split) == 0:
        raise ArtifactError(f"The {name} split must hold at least one photo to be scored; it holds none. Give "
                            "preprocess more photos, or a larger fraction for this split.")  # fmt: skip
    batches = []
    started = told = time.monotonic()
    for start in range(0, len(split), BATCH_SIZE):
        stop = min(start + BATCH_SIZE, len(split))
        batches.append(graph.run(split.gather(np.arange(start, stop))).logits)
        now = time.monotonic()
        if now - told >= PROGRESS_SECONDS:
            rate = stop / (now - started)
            log.info("%s: %d of %d photos, %.0f a second, %.0f s left", name, stop, len(split), rate,
                     (len(split) - stop) / rate)  # fmt: skip
            told = now
    logits = np.concatenate(batches)
    if logits.shape[1] != num_classes:
        raise ArtifactError(f"The exported graph must give {num_classes} numbers per photo, one per class; it gives "
                            f"{logits.shape[1]}. Train again on this data set.")  # fmt: skip
    _require_finite(logits, split, name)
    log.info("Scored %d %s photos in %.1f s", len(split), name, time.monotonic() - started)
    return Predictions(name, split.image_ids, split.labels, logits)


def write_predictions(path: Path, all_predictions: Sequence[Predictions]) -> None:
    """One parquet file: split, image_id, label, predicted, probabilities."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [
        pa.table({
            "split": pa.array([one.split] * len(one.labels), pa.string()),
            "image_id": pa.array(one.image_ids, pa.string()),
            "label": pa.array(one.labels, pa.int32()),
            "predicted": pa.array(one.predicted, pa.int32()),
            "probabilities": pa.array(list(one.probabilities), pa.list_(pa.float32())),
        })
        for one in all_predictions
    ]  # fmt: skip
    pq.write_table(pa.concat_tables(tables), path)


def _require_finite(logits: np.ndarray, split: Split, name: SplitName) -> None:
    broken = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(broken):
        raise ArtifactError(
            f"The exported graph must answer every photo with finite numbers; {len(broken)} of {len(split)} {name} "
            f"photos got NaN or infinity, the first is {split.image_ids[broken[0]]}. The network diverged: train it "
            "again with a lower learning rate."
        )
