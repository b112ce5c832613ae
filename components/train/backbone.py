"""Pretrained backbones: which there are, where their weights come from, and how they are built.

A backbone is built flat into the network, so that each of its layers can be addressed by name.
"""

import hashlib
import http.client
import logging
import os
import urllib.request
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components.contract.errors import ModelError, WeightsError
from components.contract.outputs import write_file

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

FETCH_TIMEOUT_SECONDS: Final = 15
_KERAS_WEIGHTS: Final = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclass(frozen=True)
class Backbone:
    """A row of the table.

    Attributes:
        constructor: its name in keras.applications.
        preprocess: from pixels, 0 to 255, to what the weights were trained on; made of layers.
        weights_url: the ImageNet weights without top for photos of (height, width).
    """

    constructor: str
    preprocess: Callable[["keras.KerasTensor"], "keras.KerasTensor"]
    weights_url: Callable[[tuple[int, int]], str]


def _from_minus_one_to_one(pixels: "keras.KerasTensor") -> "keras.KerasTensor":
    import keras

    return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescaling")(pixels)


def _mobilenet_v2_url(image_size: tuple[int, int]) -> str:
    height, width = image_size
    trained_at = height if height == width and height in (96, 128, 160, 192, 224) else 224
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{trained_at}_no_top.h5"
    return f"{_KERAS_WEIGHTS}/mobilenet_v2/{name}"


BACKBONES: dict[str, Backbone] = {
    "MobileNetV2": Backbone("MobileNetV2", _from_minus_one_to_one, _mobilenet_v2_url),
}


def find_weights(name: str, weights: str, image_size: tuple[int, int]) -> Path | None:
    """The file of pretrained weights; ImageNet's are fetched into Keras' own cache folder where they are not there.

    Args:
        name: of the backbone.
        weights: `imagenet`, `none`, or a path.
        image_size: (height, width) in pixels.

    Returns:
        None for `none`.

    Raises:
        WeightsError: the file is missing and cannot be fetched, or is no HDF5 file.
    """
    if weights == "none":
        return None
    path = _imagenet_weights(name, image_size) if weights == "imagenet" else Path(weights).expanduser()
    if not path.is_file():
        raise WeightsError(f"train.model.weights must be imagenet, none or the path of a weights file; "
                           f"there is no file at {path.absolute()}.")  # fmt: skip
    import h5py

    if path.suffix not in (".h5", ".hdf5") or not h5py.is_hdf5(path):
        raise WeightsError(f"Pretrained weights must be an HDF5 file named *.h5; {path} is not. Fetch it again from "
                           f"{BACKBONES[name].weights_url(image_size)}, or name another.")  # fmt: skip
    return path


def build_backbone(name: str, pixels: "keras.KerasTensor") -> "keras.Model":
    """The network without its top, from pixels to its feature map, with random weights.

    Raises:
        ModelError: it cannot be built for photos of this size.
    """
    import keras

    backbone = BACKBONES[name]
    constructor = getattr(keras.applications, backbone.constructor)
    try:
        return constructor(include_top=False, weights=None, input_tensor=backbone.preprocess(pixels))
    except ValueError as error:
        size = " × ".join(map(str, pixels.shape[1:3]))
        raise ModelError(f"{name} cannot be built for photos of {size} px: {' '.join(str(error).split())}") from None


def load_weights(model: "keras.Model", path: Path, name: str) -> str:
    """Loads pretrained weights into a backbone.

    Returns:
        The SHA-256 of the file.

    Raises:
        WeightsError: they belong to another network, or are damaged.
    """
    import numpy as np

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras warns where it leaves a layer at random weights
            model.load_weights(path)
    except (ValueError, KeyError, OSError, TypeError, AttributeError, UserWarning) as error:
        reason = " ".join(str(error).split()).removesuffix(".")
        raise WeightsError(
            f"{path} must hold the weights of {name} without its top; it does not: {reason}. "
            "Name the right file with train.model.weights, or remove a damaged one."
        ) from None
    if not all(np.isfinite(values).all() for values in model.get_weights()):
        raise WeightsError(f"Pretrained weights must be finite numbers; some in {path} are not. Use another file.")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _imagenet_weights(name: str, image_size: tuple[int, int]) -> Path:
    url = BACKBONES[name].weights_url(image_size)
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    path = home / "models" / url.rpartition("/")[2]
    if path.exists():
        return path
    log.info("Fetching %s into %s.", path.name, path.parent)
    try:
        with urllib.request.urlopen(url, timeout=FETCH_TIMEOUT_SECONDS) as response:
            write_file(path, response.read())
    except (OSError, http.client.HTTPException) as error:
        raise WeightsError(
            f"The ImageNet weights of {name} must be in Keras' cache or within reach; {path.name} is not in "
            f"{path.parent} and cannot be fetched: {getattr(error, 'reason', error)}. Fetch {url} where there is a "
            f"network and put it at {path}, or name a copy of it with train.model.weights=PATH."
        ) from None
    return path
