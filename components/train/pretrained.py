"""Writes a pretrained backbone with its ImageNet classes as a model bundle, without training."""

import importlib.metadata
import json
import logging
import platform
from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np

from components.contract.artifacts.bundle import BundleInfo
from components.contract.artifacts.dataset import Source
from components.contract.errors import WeightsError
from components.contract.layers.backbones import BACKBONES
from components.contract.params.model import ModelParams
from components.contract.system.atomic_files import new_folder, write_json
from components.train.network.backbone import fetch_keras_file, find_weights, load_weights, weights_file

log = logging.getLogger(__name__)

NUM_CLASSES: Final = 1000
CLASS_INDEX: Final = "imagenet_class_index.json"
CLASS_INDEX_URL: Final = f"https://storage.googleapis.com/download.tensorflow.org/data/{CLASS_INDEX}"
LIBRARIES: Final = ("tensorflow", "keras", "numpy", "openvino")


def write_pretrained(name: str, weights: str, bundle_dir: Path) -> BundleInfo:
    """Writes a backbone with its ImageNet head as a model bundle.

    Args:
        name: the name of the backbone.
        weights: `imagenet`, or the path of a weights file that includes the top.
        bundle_dir: the output folder, created or replaced completely.

    Raises:
        WeightsError: the weights or the class names are missing, or do not match.
        ModelError: the exported graph disagrees with Keras.
    """
    side = BACKBONES[name].size
    class_names = imagenet_class_names()
    path = find_weights(name, weights, (side, side), with_top=True)
    if path is None:
        raise WeightsError(
            "A pretrained model must have weights; found none. Set the weights to imagenet or to a weights file."
        )
    from components.train.tensorflow.start import start_tensorflow

    start_tensorflow(seed=0)
    from components.train.export.graph import export_network
    from components.train.network.architecture import build_network, model_facts

    params = ModelParams(kind="pretrained", name=name, weights=weights, head="imagenet")  # type: ignore[arg-type]
    network = build_network(params, image_size=(side, side), num_classes=len(class_names), batch_size=1)
    weights_sha256 = load_weights(network.model, path, name, with_top=True)
    with new_folder(bundle_dir) as folder:
        export = export_network(network, folder / "export", np.empty((0, side, side, 3), np.uint8))
        log.info(
            "On %d photos, the probabilities of the exported graph differ from those of Keras by at most %.1e.",
            export.num_compared,
            export.max_probability_difference,
        )
        network.model.save(folder / "model.keras")
        write_json(folder / "history.json", {})
        versions = {library: importlib.metadata.version(library) for library in LIBRARIES}
        info = BundleInfo(
            dataset_name="imagenet",
            dataset_fingerprint=weights_sha256,
            source=Source(uri=weights_file(name, (side, side), with_top=True).url),
            class_names=class_names,
            image_size=(side, side),
            resize="crop",
            model=model_facts(network, params, weights_sha256, trained=(), num_trained=0),
            params={"model": params.model_dump(mode="json")},
            export=export,
            library_versions={"python": platform.python_version(), **versions},
            epochs_run=0,
            best_epoch=0,
        )
        write_json(folder / "bundle.json", info)
    return info


def imagenet_class_names() -> tuple[str, ...]:
    """Returns the names of ImageNet's classes in order; a name that occurs twice is followed by its WordNet id.

    Raises:
        WeightsError: Keras' class index is missing and cannot be downloaded, or is damaged.
    """
    path = fetch_keras_file(CLASS_INDEX_URL, CLASS_INDEX, "The names of ImageNet's classes")
    try:
        entries = _class_entries(path)
    except (ValueError, KeyError, TypeError):
        raise WeightsError(
            f"{path} must be Keras' list of ImageNet classes, with a WordNet id and a name for each number "
            f"from 0 to {NUM_CLASSES - 1}; found something else. Delete it, and Darkroom downloads it "
            f"again; without internet access, replace it with a copy of {CLASS_INDEX_URL}."
        ) from None
    counts = Counter(name for _, name in entries)
    return tuple(name if counts[name] == 1 else f"{name} ({wordnet_id})" for wordnet_id, name in entries)


def _class_entries(path: Path) -> list[tuple[str, str]]:
    """Reads the WordNet id and the name of each class from Keras' class index.

    Raises:
        ValueError: the file is not JSON, or has a different number of classes.
        KeyError: a number has no class.
        TypeError: the content does not have the structure of Keras' file.
    """
    index = json.loads(path.read_bytes())
    entries = [(str(wordnet_id), str(name)) for wordnet_id, name in (index[str(place)] for place in range(len(index)))]
    if len(entries) != NUM_CLASSES:
        raise ValueError(f"{len(entries)} entries")
    return entries
