"""Classifies photos for the page with a finished model, using the same code as the service."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from components.contract.errors import ArtifactError
from components.contract.validation_messages import nearest
from pipelines.studio.results import find_finished_run
from pipelines.studio.settings import StudioError
from pipelines.studio.workers import Workers

if TYPE_CHECKING:
    import numpy as np

    from components.contract.inference.cam import Explainer
    from components.deploy.service.classifier import Classifier

PACKAGES_DIR: Final = Path("packages")
PACKAGE: Final = "package-"
"""The prefix in the names of pretrained networks that were packaged without training."""


class Playground:
    """Classifies and explains photos; keeps the most recently used model loaded."""

    def __init__(self, home: Path, workers: Workers):
        self._home = home
        self._workers = workers
        self._model: tuple[Path, Classifier, Explainer] | None = None
        self._lock = threading.Lock()

    def predict(self, name: str, photo: bytes) -> dict[str, Any]:
        """Classifies one photo.

        Args:
            name: the id of a run, or the name of a package.
            photo: the content of the file.

        Raises:
            StudioError: the file is not a usable photo.
            ArtifactError: there is no such model.
        """
        with self._lock:
            classifier, _ = self._load(name)
            pixels, _ = self._decode(classifier, photo)
            finding = classifier.examine(pixels[None])[0]
            ranked = classifier.rank_classes(finding.probabilities)
            return {
                "label": ranked[0][0],
                "probabilities": ranked[:5],
                "unfamiliar": finding.unfamiliar,
                "abstained": classifier.abstains(finding.probabilities),
                "num_classes": len(ranked),
            }

    def explain(self, name: str, photo: bytes, class_name: str) -> tuple[bytes, str]:
        """Shows where in a photo the model saw a class; returns a PNG, and the name of the explanation method.

        Raises:
            StudioError: the file is not a usable photo, or there is no such class.
            ArtifactError: there is no such model.
        """
        from components.deploy.service.overlay import display_size, draw_overlay

        with self._lock:
            classifier, explainer = self._load(name)
            label = _find_label(classifier.facts.class_names, class_name)
            pixels, native_size = self._decode(classifier, photo)
            heat = explainer.explain(pixels, label)
            size = display_size(classifier.facts.image_size, native_size, classifier.facts.resize)
            return draw_overlay(pixels, heat.values, size), heat.method

    def explain_pixels(self, name: str, pixels: "np.ndarray", class_name: str) -> tuple[bytes, str]:
        """Like `explain`, but for a photo that is already preprocessed.

        Args:
            name: the id of a run.
            pixels: uint8 (height, width, 3), RGB.
            class_name: the class to look for.

        Raises:
            StudioError: there is no such class.
            ArtifactError: there is no such model.
        """
        from components.deploy.service.overlay import display_size, draw_overlay

        with self._lock:
            classifier, explainer = self._load(name)
            heat = explainer.explain(pixels, _find_label(classifier.facts.class_names, class_name))
            size = display_size(classifier.facts.image_size, classifier.facts.image_size, "crop")
            return draw_overlay(pixels, heat.values, size), heat.method

    def _decode(self, classifier: "Classifier", photo: bytes) -> "tuple[np.ndarray, tuple[int, int]]":
        """Returns the pixels for the model, and the size of the original photo."""
        facts = classifier.facts
        return self._workers.decode(photo, facts.image_size, facts.resize, facts.pixel_range)

    def models(self) -> list[str]:
        """Lists the packaged pretrained networks, but not the runs."""
        paths = PACKAGES_DIR.glob("*/bento/bento/src/service.json")
        return sorted(PACKAGE + path.parents[3].name for path in paths)

    def _load(self, name: str) -> "tuple[Classifier, Explainer]":
        from components.contract.inference.cam import Explainer
        from components.deploy.service.classifier import Classifier

        folder = bento_dir(name) / "bento" / "src"
        if self._model is None or self._model[0] != folder:
            self._model = None
            classifier = Classifier(folder)
            self._model = folder, classifier, Explainer(classifier.graph)
        return self._model[1], self._model[2]


def bento_dir(name: str) -> Path:
    """Finds the folder that contains the bento of a run or a package.

    Raises:
        ArtifactError: there is no such run or package.
    """
    if not name.startswith(PACKAGE):
        return find_finished_run(name) / "bento"
    folder = PACKAGES_DIR / name.removeprefix(PACKAGE)
    if "/" in name or ".." in name or not (folder / "bento").is_dir():
        raise ArtifactError(f"There is no package {name[:80]!r}.")
    return folder / "bento"


def _find_label(class_names: Sequence[str], class_name: str) -> int:
    if class_name not in class_names:
        raise StudioError(
            f"{class_name[:80]!r} is not one of the model's classes{nearest(class_name[:80], class_names)}.", 404
        )
    return class_names.index(class_name)
