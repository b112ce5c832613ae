"""Packages a pretrained network as a bento without training, for `darkroom package`."""

import logging
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from components.contract.artifacts.bento import ServiceFacts
from components.contract.artifacts.bundle import BundleInfo
from components.contract.system.atomic_files import new_folder

log = logging.getLogger(__name__)

NUM_PHOTOS: Final = 8


def package(name: str, weights: str, output_dir: Path) -> ServiceFacts:
    """Writes the bundle and the bento of a backbone with ImageNet's classes, and tests the bento over HTTP.

    Args:
        name: the name of the backbone.
        weights: `imagenet`, or the path of a weights file that includes the top layer.
        output_dir: the folder of the package, with model/ and bento/; it is created or completely replaced.

    Raises:
        WeightsError: the weights or the class names are missing, or do not match.
        ModelError: the outputs of the exported graph differ from those of the Keras model.
        ServiceError: the bento cannot be built or started, or its answers differ from those of the exported graph.
    """
    from components.deploy.bento.build import build_bento
    from components.train.pretrained import write_pretrained

    with new_folder(output_dir) as folder:
        bundle = write_pretrained(name, weights, folder / "model")
        facts = build_bento(folder / "model", bundle, name.lower(), folder / "bento" / "bento")
        log.info("Built the bento %s.", facts.tag)
        difference = _ask(folder, bundle)
        log.info(
            "The bento's answers over HTTP for %d generated photos match those of the exported graph within %.1e.",
            NUM_PHOTOS,
            difference,
        )
    return facts


def _ask(folder: Path, bundle: BundleInfo) -> float:
    """Returns the largest difference between the service's and the graph's probabilities for generated photos."""
    from PIL import Image

    from components.contract.image.decode import decode
    from components.contract.inference.graph import InferenceGraph, softmax
    from components.deploy.bento.server import serving
    from components.deploy.client import Client
    from components.deploy.parity import ExpectedPrediction, check_parity

    rng = np.random.default_rng(0)
    height, width = bundle.image_size
    with tempfile.TemporaryDirectory(prefix="darkroom-package-") as scratch:
        photos = [Path(scratch) / f"{number}.png" for number in range(NUM_PHOTOS)]
        for number, path in enumerate(photos):
            coarse = rng.integers(0, 256, (2 + number, 3 + number, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((width + 40, height + 7)).save(path)
        pixels = np.stack(
            [decode(path.read_bytes(), bundle.image_size, bundle.resize, bundle.pixel_range).pixels for path in photos]
        )
        probabilities = softmax(InferenceGraph(folder / "model" / "export").run(pixels).logits)
        expected = {
            path.stem: ExpectedPrediction(int(shares.argmax()), shares, int(shares.argmax()))
            for path, shares in zip(photos, probabilities, strict=True)
        }
        with serving(folder / "bento") as url, Client(url) as client:
            return check_parity(client, photos, expected, bundle.class_names)
