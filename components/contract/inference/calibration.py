"""The calibration of a model: fitted by evaluate, applied by evaluate and by the service.

    calibration.json   CalibrationFacts
    familiarity.npz    reference: float16 (n, features), unit-length embeddings of training photos

NumPy is all that is needed here: the service holds neither scikit-learn nor SciPy.
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
"""What deploy packs."""

Share = Annotated[float, Field(ge=0, le=1)]


class Abstention(StrictRecord):
    """When the model abstains."""

    target_accuracy: Share
    """Of what is answered."""
    threshold: Share | None
    """An answer less probable than this is withheld. None: no threshold reaches the target, and none is withheld."""
    coverage: Share
    """The share of the validation photos that are answered."""
    accuracy: Share
    """Of the answered validation photos."""


class Familiarity(StrictRecord):
    """When a photo is unlike all that the model was trained on."""

    method: Literal["nearest_neighbours"] = "nearest_neighbours"
    """The cosine distance of a photo's embedding to the k-th nearest of the reference (Sun et al., 2022)."""
    num_neighbours: Annotated[int, Field(ge=1)]
    threshold: float
    """A photo farther away than this is unfamiliar."""
    familiar_share: Share
    """The share of the validation photos that the threshold calls familiar."""
    num_reference: Annotated[int, Field(ge=1)]
    """Training photos in the reference."""


class CalibrationFacts(StrictRecord):
    """The content of calibration.json."""

    format_version: Literal[1] = FORMAT_VERSION
    export_sha256: str
    """Of the graph whose answers these are."""
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Logits are divided by it; 1 changes nothing, more makes answers less sure."""
    abstention: Abstention
    familiarity: Familiarity


@dataclass(frozen=True)
class Calibration:
    """The facts with the arrays that they need.

    Attributes:
        facts: temperature and thresholds.
        reference: float32 (n, features), unit-length embeddings of training photos.
    """

    facts: CalibrationFacts
    reference: np.ndarray

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated probabilities: float32 (n, classes), in the order of confidence that the logits had.

        Args:
            logits: float32 (n, classes).
        """
        return softmax(np.asarray(logits, np.float64) / self.facts.temperature)

    def abstains(self, probabilities: np.ndarray) -> np.ndarray:
        """Which answers are withheld: bool (n,).

        Args:
            probabilities: float32 (n, classes), calibrated.
        """
        threshold = self.facts.abstention.threshold
        confidence = np.asarray(probabilities, np.float64).max(axis=-1)
        withheld: np.ndarray = confidence < (0.0 if threshold is None else threshold)
        return withheld

    def unfamiliarity(self, embeddings: np.ndarray) -> np.ndarray:
        """How far photos lie from what was learned: float32 (n,), from 0 (the same) to 2 (the opposite).

        Args:
            embeddings: float32 (n, features), as the graph gives them.
        """
        return neighbor_distance(embeddings, self.reference, self.facts.familiarity.num_neighbours)

    def is_unfamiliar(self, embeddings: np.ndarray) -> np.ndarray:
        """Which photos lie beyond the threshold: bool (n,)."""
        unfamiliar: np.ndarray = self.unfamiliarity(embeddings) > self.facts.familiarity.threshold
        return unfamiliar


def to_unit_length(embeddings: np.ndarray) -> np.ndarray:
    """Each row at length 1, as float32; a row of zeros, which has no direction, stays one."""
    rows = np.asarray(embeddings, np.float32)
    rows = rows.reshape(len(rows), -1)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray = rows / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit


def neighbor_distance(embeddings: np.ndarray, reference: np.ndarray, num_neighbors: int) -> np.ndarray:
    """The cosine distance to the k-th nearest row of the reference: float32 (n,), from 0 to 2.

    Args:
        embeddings: float32 (n, features).
        reference: float32 (m, features), unit length.
        num_neighbors: k; where the reference is smaller, its farthest row counts.
    """
    similarity = to_unit_length(embeddings) @ reference.T
    place = len(reference) - min(num_neighbors, len(reference))
    distances: np.ndarray = np.clip(1 - np.partition(similarity, place, axis=1)[:, place], 0, 2)
    return distances


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Writes both files; equal calibrations give equal bytes."""
    write_json(folder / "calibration.json", calibration.facts)
    np.savez(folder / "familiarity.npz", reference=calibration.reference.astype(np.float16))


def read_calibration(folder: Path) -> Calibration:
    """The calibration in an evaluation folder, or in a bento's `src`.

    Raises:
        ArtifactError: a file is missing, damaged, or of another format version.
    """
    facts = read_json(folder / "calibration.json", CalibrationFacts, "evaluation")
    path = folder / "familiarity.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            reference = arrays["reference"].astype(np.float32)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ArtifactError(
            f"The calibration must contain {path.name}; {path} cannot be read: {error}. Run evaluate again."
        ) from None
    if reference.ndim != 2 or len(reference) != facts.familiarity.num_reference:
        raise ArtifactError(
            f"{path} must contain the {facts.familiarity.num_reference} embeddings listed in "
            f"calibration.json; found an array of shape {reference.shape}. Run evaluate again."
        )
    return Calibration(facts, reference)
