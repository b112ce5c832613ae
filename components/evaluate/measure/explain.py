"""Where in a photo the model found what it named, without gradients, which an exported graph does not have.

Where the output layer follows global average pooling, the class activation map (Zhou et al., 2016) is exact, and the
same as Grad-CAM: the class's logit is the mean of the map. Elsewhere it is Eigen-CAM (Muhammad and Yeasin, 2020), the
first principal component of the feature map, which shows what the network looked at, whichever class it then named.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from components.contract.inference.cam import class_activation, pools_by_mean, scale_maps
from components.contract.inference.graph import InferenceGraph, Outputs

SHADE = 0.25
"""How bright a place is shown that did not matter; a spotlight needs no colour to be understood."""

Method = Literal["class activation map", "Eigen-CAM"]


@dataclass(frozen=True)
class Explanations:
    """Maps of n photos.

    Attributes:
        method: how they were made; None where the network has no feature map to look at.
        maps: float32 (n, rows, columns), from 0 (did not matter) to 1 (mattered most in this photo).
    """

    method: Method | None
    maps: np.ndarray


NO_EXPLANATIONS = Explanations(None, np.empty((0, 0, 0), np.float32))


def explain(graph: InferenceGraph, pixels: np.ndarray, labels: np.ndarray) -> Explanations:
    """What spoke for a class in each photo.

    Args:
        graph: the exported graph.
        pixels: uint8 (n, height, width, 3), RGB.
        labels: int (n,), the class of each that is asked about.
    """
    if "feature_map" not in graph.outputs or len(pixels) == 0:
        return NO_EXPLANATIONS
    outputs = graph.run(pixels)
    return compute_maps(outputs, labels, graph.class_weights() if pools_by_mean(outputs) else None)


def compute_maps(outputs: Outputs, labels: np.ndarray, weights: np.ndarray | None) -> Explanations:
    """The maps, from what the graph gave.

    Args:
        outputs: with a feature map.
        labels: int (n,).
        weights: float32 (classes, channels), of an output layer behind global average pooling; None for any other.
    """
    feature_map = outputs.feature_map
    assert feature_map is not None, "the caller has looked"
    if min(feature_map.shape[1:3]) < 2:
        return NO_EXPLANATIONS
    if weights is None:
        return Explanations("Eigen-CAM", scale_maps(_principal_component(feature_map)))
    return Explanations("class activation map", scale_maps(class_activation(feature_map, labels, weights)))


def spotlight(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A photo that is bright where it mattered: uint8 (height, width, 3), RGB.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        heat: float32 (rows, columns), from 0 to 1.
    """
    import cv2

    height, width = pixels.shape[:2]
    upscaled_heat = np.clip(cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)[..., None]
    spotlit_pixels: np.ndarray = np.rint(pixels * (SHADE + (1 - SHADE) * upscaled_heat)).astype(np.uint8)
    return spotlit_pixels


def _principal_component(feature_map: np.ndarray) -> np.ndarray:
    """Each photo's feature map along its first principal direction: float32 (n, rows, columns)."""
    num, rows, columns, channels = feature_map.shape
    places = feature_map.reshape(num, rows * columns, channels).astype(np.float64)
    places -= places.mean(axis=1, keepdims=True)
    # Of places × places, which are few: the same component as of channels × channels.
    values, vectors = np.linalg.eigh(places @ places.transpose(0, 2, 1))
    component = vectors[:, :, -1] * np.sqrt(np.maximum(values[:, -1:], 0))
    # Its sign is arbitrary: the few places that stand out are what was looked at.
    skew = (component**3).sum(axis=1, keepdims=True)
    signed_component: np.ndarray = np.where(skew < 0, -component, component).astype(np.float32)
    return signed_component.reshape(num, rows, columns)
