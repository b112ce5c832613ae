"""Asks the running service for the golden photos, and requires evaluation's answers."""

import logging
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.contract.errors import ArtifactError, ImageError, ServiceError
from components.contract.image.decode import decode_cost
from components.deploy.client import Client, Failure, Prediction
from components.deploy.service.protocol import MAX_BODY_BYTES
from components.deploy.service.settings import DEFAULT_DECODE_MB

log = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""How far a probability may lie from evaluation's."""
PHOTOS_PER_REQUEST = 16
BYTES_PER_REQUEST = 32 * 2**20
MAX_PHOTO_BYTES = MAX_BODY_BYTES - 2**20
LARGE_IMAGE_SIZE = (1024, 1024)
"""Models take smaller photos, and large JPEGs are scaled while they are decoded."""
NUM_TIMED = 50
NUM_WARM = 3


@dataclass(frozen=True)
class ExpectedPrediction:
    """What evaluation had for one photo.

    Attributes:
        label: the index of the class that it was given.
        probabilities: float32 (classes,).
        true_label: the index of the class that it has.
    """

    label: int
    probabilities: np.ndarray
    true_label: int


def read_expected(evaluation_dir: Path) -> dict[str, ExpectedPrediction]:
    """Evaluation's predictions for the test photos, by image_id.

    Raises:
        ArtifactError: predictions.parquet is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = evaluation_dir / "predictions.parquet"
    try:
        table = pq.read_table(path, filters=[("split", "=", "test")])
        columns = (table[name].to_pylist() for name in ("image_id", "predicted", "probabilities", "label"))
    except (OSError, pa.ArrowException, KeyError) as error:
        raise ArtifactError(
            f"An evaluation must contain {path.name} with the predictions for the test photos; {path} "
            f"cannot be read: {error}. Run evaluate again."
        ) from None
    return {
        image_id: ExpectedPrediction(label, np.asarray(probabilities, np.float32), true_label)
        for image_id, label, probabilities, true_label in zip(*columns, strict=True)
    }


def golden_photos(dataset_dir: Path) -> list[Path]:
    """The golden photos that the service takes; larger ones are named in the log.

    Raises:
        ArtifactError: there are none.
    """
    paths = sorted(path for path in (dataset_dir / "golden").glob("*") if path.is_file())
    accepted_paths = [path for path in paths if path.stat().st_size <= MAX_PHOTO_BYTES and _fits_memory(path)]
    for path in sorted({*paths} - {*accepted_paths}):
        log.warning(
            "%s exceeds a limit of the service (%d MiB, %d MiB decoded); it is not checked.",
            path,
            MAX_PHOTO_BYTES // 2**20,
            DEFAULT_DECODE_MB,
        )
    if not accepted_paths:
        raise ArtifactError(
            "The data set must contain golden photos to test the service; there are none in "
            f"{dataset_dir / 'golden'}. Run preprocess again."
        )
    return accepted_paths


def _fits_memory(path: Path) -> bool:
    """Whether a service has the memory to decode a photo; what is not a photo is for the service to refuse."""
    try:
        return decode_cost(path.read_bytes(), LARGE_IMAGE_SIZE).num_bytes <= DEFAULT_DECODE_MB * 2**20
    except ImageError:
        return True


def check_parity(
    client: Client,
    photos: Sequence[Path],
    expected: Mapping[str, ExpectedPrediction],
    class_names: Sequence[str],
) -> float:
    """Sends all photos, several per request, and compares.

    Args:
        client: of the running service.
        photos: golden photos, named by their image_id.
        expected: evaluation's predictions by image_id.
        class_names: in the order of the labels.

    Returns:
        The largest difference of any probability.

    Raises:
        ServiceError: an answer differs from evaluation's; names the photo and both values.
        ArtifactError: evaluation has no prediction for a photo.
    """
    largest = 0.0
    for group in group_photos(photos):
        for path, answer in zip(group, client.predict([path.read_bytes() for path in group]), strict=True):
            if path.stem not in expected:
                raise ArtifactError(
                    f"The evaluation must contain a prediction for each golden photo; {path} has none. "
                    "Run evaluate on this data set."
                )
            largest = max(largest, compare_answer(path, answer, expected[path.stem], class_names))
    return largest


def group_photos(photos: Sequence[Path]) -> Iterator[list[Path]]:
    """Groups of photos that go into one request each, by number and by size."""
    group: list[Path] = []
    num_bytes = 0
    for path in photos:
        size = path.stat().st_size
        if group and (len(group) == PHOTOS_PER_REQUEST or num_bytes + size > BYTES_PER_REQUEST):
            yield group
            group, num_bytes = [], 0
        group.append(path)
        num_bytes += size
    if group:
        yield group


def compare_answer(
    path: Path, answer: Prediction | Failure, expected: ExpectedPrediction, class_names: Sequence[str]
) -> float:
    """The largest difference of a probability between the service's answer and evaluation's.

    Raises:
        ServiceError: it is larger than TOLERANCE, or the label differs, or the service calls the photo broken.
    """
    if isinstance(answer, Failure):
        raise ServiceError(
            f"The service must give the same answer for {path} as evaluation; it answered: {answer.message}"
        )
    label = class_names[expected.label]
    if answer.label != label:
        share = expected.probabilities[expected.label]
        raise ServiceError(
            f"The service must give the same answer for {path} as evaluation, {label} ({share:.6f}); it "
            f"answered {answer.label} ({answer.confidence:.6f})."
        )
    served_probabilities = answer.probabilities
    differences = {
        name: abs(served_probabilities[name] - float(share))
        for name, share in zip(class_names, expected.probabilities, strict=True)
    }
    worst = max(differences, key=lambda name: differences[name])
    if not differences[worst] <= TOLERANCE:
        share = expected.probabilities[class_names.index(worst)]
        raise ServiceError(
            f"The service's probabilities must be within {TOLERANCE} of evaluation's; for {path} they are "
            f"{worst} {served_probabilities[worst]:.6f} and {share:.6f}."
        )
    return differences[worst]


def measure_latency(client: Client, photos: Sequence[Path]) -> float:
    """The median time of a request with one photo, in milliseconds."""
    timed_photos = [
        photos[number % len(photos)].read_bytes() for number in range(NUM_WARM + min(NUM_TIMED, 2 * len(photos)))
    ]
    times = []
    for photo in timed_photos:
        start_time = time.perf_counter()
        client.predict([photo])
        times.append(time.perf_counter() - start_time)
    return 1000 * statistics.median(times[NUM_WARM:])
