"""Computes the brightness, confidence and embeddings of photos, or reads them from a prediction log."""

import itertools
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from components.contract.artifacts.dataset import open_split
from components.contract.errors import DataError, ImageError
from components.contract.image.decode import MAX_BYTES
from components.contract.system.budget import Budget, read_regular
from components.contract.system.progress import Progress
from components.deploy.monitoring.drift import MAX_PHOTOS, Traits
from components.deploy.service.classifier import Classifier
from components.deploy.service.predictions.prediction_log import LoggedPrediction, brightness

log = logging.getLogger(__name__)

BATCH_SIZE = 32


def held_out_traits(classifier: Classifier, dataset_dir: Path, rng: np.random.Generator) -> Traits:
    """Computes the traits of the validation and test photos, or of MAX_PHOTOS of them if there are more.

    Args:
        classifier: the model that was trained on the data set.
        dataset_dir: contains dataset.json and the shards.
        rng: selects the photos.

    Raises:
        ArtifactError: the data set is missing or damaged.
    """
    splits = [open_split(dataset_dir, name) for name in ("validation", "test")]
    places = [(split, index) for split in splits for index in range(len(split))]
    order = rng.permutation(len(places))[:MAX_PHOTOS]
    photos = (("", places[place][0].image(places[place][1])) for place in order)
    return _examine(classifier, photos, len(order))


def folder_traits(classifier: Classifier, files: Sequence[Path]) -> Traits:
    """Computes the traits of photo files; files that are not usable photos are logged and skipped.

    Raises:
        DataError: no file is usable.
    """
    photos = ((str(file), pixels) for file in files if (pixels := _decode(classifier, file)) is not None)
    traits = _examine(classifier, photos, len(files))
    if not len(traits):
        raise DataError(f"At least one file must be a usable photo; usable files: 0 of {len(files)}.")
    return traits


def logged_traits(predictions: Iterable[LoggedPrediction], tag: str) -> Traits:
    """Reads the traits of the predictions that one bento logged; embeddings of other bentos are not comparable.

    Args:
        predictions: from `read_log`.
        tag: the tag of the bento.

    Raises:
        DataError: there are no such predictions, or their embeddings differ in length.
    """
    budget = Budget(
        "The prediction log", "Choose fewer days with --since.", members="predictions", max_memory_bytes=2**30
    )
    others_by_tag: Counter[str] = Counter()
    rows: list[tuple[float, float, np.ndarray, str, str]] = []
    for prediction in predictions:
        if prediction.bento != tag:
            others_by_tag[prediction.bento] += 1
            continue
        budget.spend(len(prediction.embedding), num_members=1, memory_bytes=len(prediction.embedding) * 3 // 2 + 200)
        if rows and len(prediction.vector) != len(rows[0][2]):
            raise DataError(
                f"All embeddings of {tag} must have the same length; that of the prediction {prediction.id} is "
                "different. Remove its line from the log."
            )
        row = prediction.brightness, prediction.confidence, prediction.vector, prediction.label, prediction.id
        rows.append(row)
    if not rows:
        other_bentos = ", ".join(sorted(others_by_tag)) or "none"
        raise DataError(
            f"The prediction log has no predictions of {tag}; bentos in the log: {other_bentos}. "
            "Choose the served run with --run, or different days with --since."
        )
    if others_by_tag:
        log.info("Number of skipped predictions of other bentos: %d.", others_by_tag.total())
    light, confidence, embeddings, labels, ids = zip(*rows, strict=True)
    return Traits(
        np.array(light, np.float32), np.array(confidence, np.float32), np.stack(embeddings), list(labels), list(ids)
    )


def _decode(classifier: Classifier, file: Path) -> np.ndarray | None:
    try:
        return classifier.decode(read_regular(file, MAX_BYTES))
    except ImageError as error:
        log.warning("%s is skipped: %s", file, error)
    except OSError as error:
        log.warning("%s is skipped because it cannot be read: %s", file, error.strerror)
    return None


def _examine(classifier: Classifier, photos: Iterable[tuple[str, np.ndarray]], number: int) -> Traits:
    light, confidence, embeddings, labels, names = [], [], [], [], []
    progress = Progress(number)
    for batch in _batches(photos):
        findings = classifier.examine(np.stack([pixels for _, pixels in batch]))
        for (name, pixels), finding in zip(batch, findings, strict=True):
            light.append(brightness(pixels))
            confidence.append(float(finding.probabilities.max()))
            embeddings.append(finding.embedding)
            labels.append(classifier.facts.class_names[int(finding.probabilities.argmax())])
            names.append(name)
        progress.report(len(labels))
    rows = np.stack(embeddings) if embeddings else np.empty((0, 0), np.float32)
    return Traits(np.array(light, np.float32), np.array(confidence, np.float32), rows, labels, names)


def _batches(photos: Iterable[tuple[str, np.ndarray]]) -> Iterator[list[tuple[str, np.ndarray]]]:
    iterator = iter(photos)
    while batch := list(itertools.islice(iterator, BATCH_SIZE)):
        yield batch
