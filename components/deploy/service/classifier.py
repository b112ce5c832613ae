"""The packed model, which maps the content of a photo file to a prediction, for the service and `darkroom predict`."""

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
"""The maximum value of `unfamiliar` in an answer."""


@dataclass(frozen=True)
class Finding:
    """The model's result for one photo.

    Attributes:
        probabilities: float32 (classes,), calibrated if evaluation calibrated the model.
        embedding: float32 (features,).
        unfamiliar: the distance from the training photos, relative to the familiarity threshold; None if it was
            not measured.
    """

    probabilities: np.ndarray
    embedding: np.ndarray
    unfamiliar: float | None


class Classifier:
    """The exported graph with its class names and its calibration.

    Attributes:
        facts: the content of service.json.
        calibration: the calibration; None if the model is not calibrated.
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
            folder: contains service.json, export/ and, if the model is calibrated, calibration.json and familiarity.npz
                (`src` of a built bento).
            num_lanes: the maximum number of parallel batches; if above 1, a second copy of the graph is compiled.
            facts: the facts of a graph that has no service.json; None to read service.json.
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
        """Decodes a photo for the graph: uint8 (height, width, 3), RGB. Thread-safe.

        Raises:
            ImageError: the file is not a usable photo.
        """
        return self.open(data).pixels

    def open(self, data: bytes, admit: Callable[[DecodeCost], None] = accept_any) -> Photo:
        """Like `decode`, but also returns facts about the file; first passes the cost to `admit`, which may raise."""
        return decode(data, self.facts.image_size, self.facts.resize, self.facts.pixel_range, admit=admit)

    def classify(self, pixels: np.ndarray) -> np.ndarray:
        """Computes probabilities: float32 (n, classes).

        Args:
            pixels: uint8 (n, height, width, 3), RGB.
        """
        return self._probabilities(self.graph.run(pixels, with_feature_map=False).logits)

    def examine(self, pixels: np.ndarray, alone: bool = True) -> list[Finding]:
        """Computes the results for each photo.

        Args:
            pixels: uint8 (n, height, width, 3), RGB.
            alone: whether the batch runs alone and uses all cores; otherwise it uses the cores of one lane.
        """
        outputs = (self.graph if alone else self._lane_graph).run(pixels, with_feature_map=False)
        unfamiliar = self.measure_unfamiliar(outputs.embedding)
        return [
            Finding(*outputs_of_photo)
            for outputs_of_photo in zip(self._probabilities(outputs.logits), outputs.embedding, unfamiliar, strict=True)
        ]

    def measure_unfamiliar(self, embeddings: np.ndarray) -> Sequence[float | None]:
        """The distance of each photo from the training photos, relative to the familiarity threshold.

        Args:
            embeddings: float32 (n, features).

        Returns:
            One distance per photo; all are None if the model is not calibrated.
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
        """Whether the model abstains for one photo.

        Args:
            probabilities: float32 (classes,).
            threshold: the minimum confidence; None for the threshold that evaluation chose, if any.
        """
        if threshold is not None:
            # The confidence is rounded to seven decimals, as in the answer.
            return round(float(probabilities.max()), 7) < threshold
        return self.calibration is not None and bool(self.calibration.abstains(probabilities[np.newaxis])[0])

    def warm(self, max_batch_size: int = 1) -> None:
        """Classifies blank photos, so that the first real photo is answered as fast as later ones.

        Args:
            max_batch_size: the maximum size of the batches of 1, 2, 4 … photos that are classified.
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
        """Sorts the classes of one photo, the most probable first.

        Args:
            probabilities: float32 (classes,).

        Raises:
            ImageError: the probabilities are not finite (code `no_answer`).
        """
        if not np.isfinite(probabilities).all():
            raise ImageError(
                "no_answer",
                "The model returned NaN or infinity for this photo.",
            )
        order = np.argsort(-probabilities, kind="stable")
        # float32 is precise to about seven decimals here; more digits would only lengthen the answer.
        values = np.round(probabilities.astype(np.float64), 7)
        return [(self.facts.class_names[index], float(values[index])) for index in order]

    def _probabilities(self, logits: np.ndarray) -> np.ndarray:
        return softmax(logits) if self.calibration is None else self.calibration.probabilities(logits)
