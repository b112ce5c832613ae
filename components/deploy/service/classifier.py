"""The packed model: bytes of a photo in, an answer out. The service and `darkroom predict` run this same code."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.contract.artifacts.bento import ServiceFacts
from components.contract.errors import ImageError
from components.contract.image.decode import Photo, decode
from components.contract.image.decoding_cost import DecodeCost, accept_any
from components.contract.inference.calibration import Calibration, read_calibration
from components.contract.inference.graph import InferenceGraph, softmax
from components.contract.system.atomic_files import read_json

NEVER_FAMILIAR = 1e6
"""The largest unfamiliarity that is reported."""


@dataclass(frozen=True)
class Finding:
    """What the graph found in one photo.

    Attributes:
        probabilities: float32 (classes,), calibrated where evaluation calibrated the model.
        embedding: float32 (features,).
        unfamiliar: the distance from the training photos over the largest that is familiar; None if unmeasured.
    """

    probabilities: np.ndarray
    embedding: np.ndarray
    unfamiliar: float | None


class Classifier:
    """The exported graph with its class names and its calibration.

    Attributes:
        facts: what service.json says.
        calibration: None if evaluation made none.
    """

    def __init__(
        self,
        folder: Path,
        num_lanes: int = 1,
        *,
        facts: ServiceFacts | None = None,
        calibration_dir: Path | None = None,
    ):
        """Loads and compiles the graph.

        Args:
            folder: service.json, export/, and where evaluation calibrated the model, calibration.json and
                familiarity.npz (`src` of a built bento).
            num_lanes: batches that may run beside each other; the graph is compiled a second time for them.
            facts: of a graph without a service.json; None reads the file.
            calibration_dir: the folder of the calibration; None for `folder`.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        self.facts = facts or read_json(folder / "service.json", ServiceFacts, "bento")
        self.graph = InferenceGraph(folder / "export")
        self._num_lanes = num_lanes if num_lanes > 1 else 0
        self._lane_graph = InferenceGraph(folder / "export", num_streams=num_lanes) if self._num_lanes else self.graph
        self.calibration: Calibration | None = (
            read_calibration(calibration_dir or folder) if self.facts.calibrated else None
        )

    def decode(self, data: bytes) -> np.ndarray:
        """A file's photo as the graph takes it: uint8 (height, width, 3), RGB. Threads may share it.

        Raises:
            ImageError: the file is not a usable photo.
        """
        return self.open(data).pixels

    def open(self, data: bytes, admit: Callable[[DecodeCost], None] = accept_any) -> Photo:
        """As `decode`, with what the file says of the photo; `admit` receives the cost before and may raise."""
        return decode(data, self.facts.image_size, self.facts.resize, self.facts.pixel_range, admit=admit)

    def classify(self, pixels: np.ndarray) -> np.ndarray:
        """Probabilities: float32 (n, classes).

        Args:
            pixels: uint8 (n, height, width, 3), RGB.
        """
        return self._probabilities(self.graph.run(pixels, with_feature_map=False).logits)

    def examine(self, pixels: np.ndarray, alone: bool = True) -> list[Finding]:
        """All that is answered about each photo.

        Args:
            pixels: uint8 (n, height, width, 3), RGB.
            alone: whether to take all cores; otherwise as many as each lane has.
        """
        outputs = (self.graph if alone else self._lane_graph).run(pixels, with_feature_map=False)
        unfamiliar = self.measure_unfamiliar(outputs.embedding)
        return [
            Finding(*outputs_of_photo)
            for outputs_of_photo in zip(self._probabilities(outputs.logits), outputs.embedding, unfamiliar, strict=True)
        ]

    def measure_unfamiliar(self, embeddings: np.ndarray) -> Sequence[float | None]:
        """How far photos are from the training photos, over the largest distance that is familiar; None if unmeasured.

        Args:
            embeddings: float32 (n, features).
        """
        if self.calibration is None:
            return [None] * len(embeddings)
        farthest = max(self.calibration.facts.familiarity.threshold, 1 / NEVER_FAMILIAR)
        distances = self.calibration.unfamiliarity(embeddings)
        unfamiliar: list[float | None] = np.round(
            np.minimum(distances / farthest, NEVER_FAMILIAR).astype(np.float64), 4
        ).tolist()
        return unfamiliar

    def abstains(self, probabilities: np.ndarray, threshold: float | None = None) -> bool:
        """Whether the answer to one photo is withheld.

        Args:
            probabilities: float32 (classes,).
            threshold: the least confidence; None for evaluation's, if it chose one.
        """
        if threshold is not None:
            # As it is reported, in seven decimals.
            return round(float(probabilities.max()), 7) < threshold
        return self.calibration is not None and bool(self.calibration.abstains(probabilities[np.newaxis])[0])

    def warm(self, max_batch_size: int = 1) -> None:
        """Takes blank photos all the way once, so that the first real one is answered as fast as the next.

        Args:
            max_batch_size: batches of 1, 2, 4 … photos up to this size are tried.
        """
        from PIL import Image

        for file_format in ("JPEG", "PNG"):
            file = io.BytesIO()
            Image.new("RGB", (64, 64)).save(file, file_format)
            pixels = self.decode(file.getvalue())
        size = 1
        while size <= max_batch_size:
            for alone in (True, *[False] * self._num_lanes):  # each lane in turn
                self.examine(np.repeat(pixels[np.newaxis], size, axis=0), alone)
            size *= 2

    def rank_classes(self, probabilities: np.ndarray) -> list[tuple[str, float]]:
        """The classes of one photo, most probable first.

        Args:
            probabilities: float32 (classes,).

        Raises:
            ImageError: they are not finite; code no_answer.
        """
        if not np.isfinite(probabilities).all():
            raise ImageError(
                "no_answer",
                "The model must return a number for each class; for this photo it returned NaN or infinity.",
            )
        order = np.argsort(-probabilities, kind="stable")
        # Seven decimals are all that float32 holds here; more would only lengthen the answer.
        values = np.round(probabilities.astype(np.float64), 7)
        return [(self.facts.class_names[index], float(values[index])) for index in order]

    def _probabilities(self, logits: np.ndarray) -> np.ndarray:
        return softmax(logits) if self.calibration is None else self.calibration.probabilities(logits)
