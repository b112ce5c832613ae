"""Sends the golden photos to the running service, and compares its answers with evaluation's predictions."""

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
"""The maximum difference between the service's probability of a class and evaluation's."""
PHOTOS_PER_REQUEST = 16
BYTES_PER_REQUEST = 32 * 2**20
MAX_PHOTO_BYTES = MAX_BODY_BYTES - 2**20
LARGE_IMAGE_SIZE = (1024, 1024)
"""The image size for which the decoding cost is estimated. It is larger than the input of most models, so that the
cost is not underestimated: the smaller the size, the more a large JPEG is scaled down during decoding."""
NUM_TIMED = 50
NUM_WARM = 3


@dataclass(frozen=True)
class ExpectedPrediction:
    """Evaluation's prediction for one photo.

    Attributes:
        label: the index of the predicted class.
        probabilities: float32 (classes,).
        true_label: the index of the true class.
    """

    label: int
    probabilities: np.ndarray
    true_label: int


def read_expected(evaluation_dir: Path) -> dict[str, ExpectedPrediction]:
    """Reads evaluation's predictions for the test photos, by image_id.

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
    """The golden photos that the service accepts; photos that exceed its limits are logged and left out.

    Raises:
        ArtifactError: there are no such photos.
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
            f"The data set must have golden photos to test the service with; {dataset_dir / 'golden'} has none that "
            "the service accepts. Run preprocess again."
        )
    return accepted_paths


def _fits_memory(path: Path) -> bool:
    """Whether the service has enough memory to decode a photo; True for broken files, which the service rejects."""
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
    """Sends all photos, several per request, and compares the answers.

    Args:
        client: a client for the running service.
        photos: golden photos, named after their image_id.
        expected: evaluation's predictions by image_id.
        class_names: in the order of the labels.

    Returns:
        The largest difference between the service's probability of a class and evaluation's.

    Raises:
        ServiceError: an answer differs from evaluation's prediction; the message contains the path and both values.
        ArtifactError: evaluation has no prediction for a photo.
    """
    largest = 0.0
    for group in group_photos(photos):
        for path, answer in zip(group, client.predict([path.read_bytes() for path in group]), strict=True):
            if path.stem not in expected:
                raise ArtifactError(
                    f"The evaluation has no prediction for the golden photo {path}. Run evaluate on this data set."
                )
            largest = max(largest, compare_answer(path, answer, expected[path.stem], class_names))
    return largest


def group_photos(photos: Sequence[Path]) -> Iterator[list[Path]]:
    """Groups photos into requests, each with a limited number of photos and bytes."""
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
    """The largest difference between the service's probability of a class and evaluation's, for one photo.

    Raises:
        ServiceError: the difference is larger than TOLERANCE, the label differs, or the service rejects the photo.
    """
    if isinstance(answer, Failure):
        raise ServiceError(f"The service rejects {path}, which evaluation classified; it answered: {answer.message}")
    label = class_names[expected.label]
    if answer.label != label:
        share = expected.probabilities[expected.label]
        raise ServiceError(
            f"The service and evaluation disagree about {path}: evaluation predicts {label} ({share:.6f}), the "
            f"service {answer.label} ({answer.confidence:.6f})."
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
            f"The service's probabilities must be within {TOLERANCE} of evaluation's; for {path}, the service "
            f"returns {worst} {served_probabilities[worst]:.6f}, evaluation {share:.6f}."
        )
    return differences[worst]


def measure_latency(client: Client, photos: Sequence[Path]) -> float:
    """Measures the median time of a request with one photo, in milliseconds."""
    timed_photos = [
        photos[number % len(photos)].read_bytes() for number in range(NUM_WARM + min(NUM_TIMED, 2 * len(photos)))
    ]
    times = []
    for photo in timed_photos:
        start_time = time.perf_counter()
        client.predict([photo])
        times.append(time.perf_counter() - start_time)
    return 1000 * statistics.median(times[NUM_WARM:])
