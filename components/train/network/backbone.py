"""Builds pretrained backbones, and finds or downloads their weights.

The layers of a backbone become layers of the network itself, so that each of them can be addressed by name.
"""

import http.client
import logging
import os
import urllib.request
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from components.contract.errors import ModelError, WeightsError
from components.contract.layers.backbones import BACKBONES
from components.contract.system.atomic_files import file_sha256, write_file
from components.train.network.pixels import scale_pixels, shrink

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

FETCH_TIMEOUT_SECONDS: Final = 15
_PUBLIC_FILES: Final = "https://storage.googleapis.com"


_MOBILENET_SIDES: Final = (96, 128, 160, 192, 224)
_OWN_SCALING: Final = ("ConvNeXt", "EfficientNetV2", "MobileNetV3")
"""The name prefixes of networks that Keras builds with preprocessing layers by default."""


@dataclass(frozen=True)
class WeightsFile:
    """A file of ImageNet weights: its URL, and its name in Keras' cache."""

    url: str
    name: str


def weights_file(name: str, image_size: tuple[int, int], *, with_top: bool = False) -> WeightsFile:
    """Returns the file with the ImageNet weights of a backbone for photos of this size, (height, width)."""
    files = BACKBONES[name].weight_files
    height, width = image_size
    side = height if height == width and height in _MOBILENET_SIDES else 224
    file = (files.with_top if with_top else files.without_top).format(side=side)
    cache_name = files.cache_names[0 if with_top else 1] if files.cache_names else file
    return WeightsFile(f"{_PUBLIC_FILES}/{files.folder}/{file}", cache_name)


def is_cached(name: str, image_size: tuple[int, int]) -> bool:
    """Whether the ImageNet weights of a backbone without its top are in Keras' cache."""
    return _keras_path(weights_file(name, image_size).name).exists()


def find_weights(name: str, weights: str, image_size: tuple[int, int], *, with_top: bool = False) -> Path | None:
    """Finds the pretrained weights; ImageNet weights are downloaded into Keras' cache folder if they are missing.

    Args:
        name: the name of the backbone.
        weights: `imagenet`, `none`, or a path.
        image_size: (height, width) of the network's input, in pixels.
        with_top: whether to return weights that include the output layer for the 1,000 ImageNet classes.

    Returns:
        The path of the weights file; None for `none`.

    Raises:
        WeightsError: the file is missing and cannot be downloaded, or is not an HDF5 file.
    """
    if weights == "none":
        return None
    imagenet_file = weights_file(name, image_size, with_top=with_top)
    if weights == "imagenet":
        path = fetch_keras_file(
            imagenet_file.url,
            imagenet_file.name,
            f"The ImageNet weights of {name}",
            ", or set the path of a copy with train.model.weights=PATH",
        )
    else:
        path = Path(weights).expanduser()
    if not path.is_file():
        raise WeightsError(
            f"train.model.weights must be imagenet, none or the path of a weights file; "
            f"there is no file at {path.absolute()}."
        )
    import h5py

    if path.suffix not in (".h5", ".hdf5") or not h5py.is_hdf5(path):
        raise WeightsError(
            f"Pretrained weights must be an HDF5 file named *.h5; {path} is not. Download it again from "
            f"{imagenet_file.url}, or set another file."
        )
    return path


def build_backbone(
    name: str, pixels: "keras.KerasTensor", *, image_size: tuple[int, int] | None = None, with_top: bool = False
) -> "keras.Model":
    """Builds a backbone with random weights, from pixels to its feature map or, with the top, to 1,000 logits.

    Args:
        name: a key of BACKBONES.
        pixels: uint8 (batch, height, width, 3), RGB.
        image_size: (height, width) to which the pixels are scaled down; None keeps their size.
        with_top: whether to output logits.

    Raises:
        ModelError: the network cannot be built for photos of this size.
    """
    import keras

    scale = BACKBONES[name].pixels
    settings: dict[str, Any] = {"classifier_activation": None} if with_top else {}
    if scale is not None and name.startswith(_OWN_SCALING):
        settings["include_preprocessing"] = False
    input_size = image_size or tuple(pixels.shape[1:3])
    is_shrunk = input_size != tuple(pixels.shape[1:3])
    start = pixels if scale is None and not is_shrunk else scale_pixels(pixels, scale or "0 to 255")
    start = shrink(start, input_size) if is_shrunk else start
    try:
        application = getattr(keras.applications, name)(
            include_top=with_top, weights=None, input_tensor=start, **settings
        )
    except ValueError as error:
        size = " × ".join(map(str, input_size))
        raise ModelError(f"{name} cannot be built for photos of {size} px: {' '.join(str(error).split())}") from None
    return keras.Model(pixels, application.output, name=name)  # not `application`: some expect their input in a list


def load_weights(model: "keras.Model", path: Path, name: str, *, with_top: bool = False) -> str:
    """Loads pretrained weights into a backbone.

    Returns:
        The SHA-256 of the file.

    Raises:
        WeightsError: the weights do not match the network, or are damaged.
    """
    import numpy as np

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras warns if it skips the weights of a layer
            model.load_weights(path)
    except (ValueError, KeyError, OSError, TypeError, AttributeError, UserWarning) as error:
        reason = " ".join(str(error).split()).removesuffix(".")
        top = "with" if with_top else "without"
        raise WeightsError(
            f"{path} does not contain the weights of {name} {top} its top: {reason}. Set the "
            "correct file with train.model.weights, or remove this file if it is damaged."
        ) from None
    if not all(np.isfinite(values).all() for values in model.get_weights()):
        raise WeightsError(f"Pretrained weights must be finite numbers; {path} has NaN or infinity. Use another file.")
    return file_sha256(path)


def fetch_keras_file(url: str, name: str, what: str, other_way: str = "") -> Path:
    """Returns the path of a file in Keras' cache folder, and downloads the file if it is missing.

    Args:
        url: the URL of the file.
        name: the name of the file in Keras' cache.
        what: the content of the file, as the plural subject of the error message.
        other_way: another remedy to suggest in the error message.

    Raises:
        WeightsError: the file is missing and cannot be downloaded; the message names the file and the folder.
    """
    path = _keras_path(name)
    if path.exists():
        return path
    log.info("Downloading %s into %s.", path.name, path.parent)
    try:
        with urllib.request.urlopen(url, timeout=FETCH_TIMEOUT_SECONDS) as response:  # noqa: S310 - our own https URLs
            write_file(path, response.read())
    except (OSError, http.client.HTTPException) as error:
        raise WeightsError(
            f"{what} are neither in Keras' cache nor downloadable: {path.name} is not in {path.parent} and "
            f"cannot be downloaded: {getattr(error, 'reason', error)}. Download {url} on a machine with "
            f"internet access and put it at {path}{other_way}."
        ) from None
    return path


def _keras_path(name: str) -> Path:
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return home / "models" / name
