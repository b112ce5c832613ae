"""The packed model: bytes of a photo in, probabilities out. The service and `darkroom predict` run this same code."""

import io
from pathlib import Path

import numpy as np

from components.contract.deployment import ServiceFacts
from components.contract.errors import ImageError
from components.contract.image import decode
from components.contract.outputs import read_json
from components.contract.runtime import InferenceGraph, softmax


class Classifier:
    """The exported graph with its class names.

    Attributes:
        facts: what service.json says.
    """

    def __init__(self, folder: Path):
        """Loads and compiles the graph.

        Args:
            folder: service.json, export/ (`src` of a built bento).

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        self.facts = read_json(folder / "service.json", ServiceFacts, "bento")
        self._graph = InferenceGraph(folder / "export")

    def decode(self, data: bytes) -> np.ndarray:
        """A file's photo as the graph takes it: uint8 (height, width, 3), RGB. Threads may share it.

        Raises:
            ImageError: the file is no usable photo.
        """
        return decode(data, self.facts.image_size, self.facts.resize).pixels

    def classify(self, pixels: np.ndarray) -> np.ndarray:
        """Probabilities: float32 (n, classes); not to be called from two threads at once.

        Args:
            pixels: uint8 (n, height, width, 3), RGB.
        """
        return softmax(self._graph.run(pixels).logits)

    def warm(self) -> None:
        """Takes blank photos all the way once, so that the first real one is answered as fast as the next."""
        from PIL import Image

        for file_format in ("JPEG", "PNG"):
            file = io.BytesIO()
            Image.new("RGB", (64, 64)).save(file, file_format)
            self.classify(self.decode(file.getvalue())[np.newaxis])

    def ranked(self, probabilities: np.ndarray) -> list[tuple[str, float]]:
        """The classes of one photo, most probable first.

        Args:
            probabilities: float32 (classes,).

        Raises:
            ImageError: they are no numbers; code no_answer.
        """
        if not np.isfinite(probabilities).all():
            raise ImageError("no_answer", "The model must give a number for each class; for this photo it gave none.")
        order = np.argsort(-probabilities, kind="stable")
        # Seven decimals are all that float32 holds here; more would only lengthen the answer.
        values = np.round(probabilities.astype(np.float64), 7)
        return [(self.facts.class_names[index], float(values[index])) for index in order]
