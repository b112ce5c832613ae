"""The calibration of a model: fitted by evaluate, applied by evaluate and by the service.

    calibration.json   CalibrationFacts
    familiarity.npz    reference: float16 (n, features), unit-length embeddings of training photos

The computations need only NumPy: neither scikit-learn nor SciPy is installed in the service's container image.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field

from components.contract.errors import ArtifactError
from components.contract.inference.graph import softmax
from components.contract.record import StrictRecord
from components.contract.system.atomic_files import read_json, write_json

FORMAT_VERSION: Final = 1
CALIBRATION_FILES: Final = ("calibration.json", "familiarity.npz")
"""The files that deploy packs into the bento."""

Share = Annotated[float, Field(ge=0, le=1)]


class Abstention(StrictRecord):
    """When the model abstains."""

    target_accuracy: Share
    """The target for the accuracy of the answers."""
    threshold: Share | None
    """The model abstains if the probability of its answer is lower than this. None: no threshold reaches the target, so
    the model never abstains."""
    coverage: Share
    """The fraction of the validation photos for which the model does not abstain."""
    accuracy: Share
    """The accuracy on those photos."""


class Familiarity(StrictRecord):
    """When a photo counts as unlike the training photos."""

    method: Literal["nearest_neighbours"] = "nearest_neighbours"
    """The cosine distance between a photo's embedding and the k-th nearest reference embedding (Sun et al., 2022)."""
    num_neighbours: Annotated[int, Field(ge=1)]
    threshold: float
    """A photo farther away than this is unfamiliar."""
    familiar_share: Share
    """The fraction of the validation photos that are familiar by this threshold."""
    num_reference: Annotated[int, Field(ge=1)]
    """Number of training photos whose embeddings form the reference."""


class CalibrationFacts(StrictRecord):
    """The content of calibration.json."""

    format_version: Literal[1] = FORMAT_VERSION
    export_sha256: str
    """SHA-256 of the graph that the calibration belongs to."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """The number that the logits are divided by; 1 changes nothing, and a larger value lowers the confidence."""
    abstention: Abstention
    familiarity: Familiarity


@dataclass(frozen=True)
class Calibration:
    """The calibration of a model, with its reference embeddings.

    Attributes:
        facts: temperature and thresholds.
        reference: float32 (n, features), unit-length embeddings of training photos.
    """

    facts: CalibrationFacts
    reference: np.ndarray

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated probabilities: float32 (n, classes); the ranking of the classes is that of the logits.

        Args:
            logits: float32 (n, classes).
        """
        return softmax(np.asarray(logits, np.float64) / self.facts.temperature)

    def abstains(self, probabilities: np.ndarray) -> np.ndarray:
        """For which photos the model abstains: bool (n,).

        Args:
            probabilities: float32 (n, classes), calibrated.
        """
        threshold = self.facts.abstention.threshold
        confidence = np.asarray(probabilities, np.float64).max(axis=-1)
        withheld: np.ndarray = confidence < (0.0 if threshold is None else threshold)
        return withheld

    def unfamiliarity(self, embeddings: np.ndarray) -> np.ndarray:
        """The distance of photos from the training photos: float32 (n,), from 0 (the same) to 2 (the opposite).

        Args:
            embeddings: float32 (n, features), the output of the graph.
        """
        return neighbor_distance(embeddings, self.reference, self.facts.familiarity.num_neighbours)

    def is_unfamiliar(self, embeddings: np.ndarray) -> np.ndarray:
        """Which photos are farther from the training photos than the threshold: bool (n,)."""
        unfamiliar: np.ndarray = self.unfamiliarity(embeddings) > self.facts.familiarity.threshold
        return unfamiliar


def to_unit_length(embeddings: np.ndarray) -> np.ndarray:
    """Scales each row to length 1, as float32; a row of zeros is unchanged."""
    rows = np.asarray(embeddings, np.float32)
    rows = rows.reshape(len(rows), -1)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray = rows / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit


def neighbor_distance(embeddings: np.ndarray, reference: np.ndarray, num_neighbors: int) -> np.ndarray:
    """The cosine distance between each embedding and its k-th nearest reference row: float32 (n,), from 0 to 2.

    Args:
        embeddings: float32 (n, features).
        reference: float32 (m, features), unit length.
        num_neighbors: k; if the reference has fewer rows, the farthest row is used.
    """
    similarity = to_unit_length(embeddings) @ reference.T
    place = len(reference) - min(num_neighbors, len(reference))
    distances: np.ndarray = np.clip(1 - np.partition(similarity, place, axis=1)[:, place], 0, 2)
    return distances


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Writes calibration.json and familiarity.npz; equal calibrations produce the same bytes."""
    write_json(folder / "calibration.json", calibration.facts)
    np.savez(folder / "familiarity.npz", reference=calibration.reference.astype(np.float16))


def read_calibration(folder: Path) -> Calibration:
    """Reads the calibration from an evaluation folder, or from the `src` folder of a bento.

    Raises:
        ArtifactError: a file is missing or damaged, or has an unsupported format version.
    """
    facts = read_json(folder / "calibration.json", CalibrationFacts, "evaluation")
    path = folder / "familiarity.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            reference = arrays["reference"].astype(np.float32)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"The calibration file {path} cannot be read: {error}. Run evaluate again.") from None
    if reference.ndim != 2 or len(reference) != facts.familiarity.num_reference:
        raise ArtifactError(
            f"{path} must contain {facts.familiarity.num_reference} embeddings, the number given in "
            f"calibration.json; found an array of shape {reference.shape}. Run evaluate again."
        )
    return Calibration(facts, reference)
