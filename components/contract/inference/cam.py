"""Explains which regions of a photo support a class, for the report, the service and the studio.

An exported graph has no gradients. If the output layer follows global average pooling, the class activation map (Zhou
et al., 2016) is exact and equal to Grad-CAM: apart from the bias, the mean of the map is the logit of the class.
Otherwise, each region of the photo is covered in turn (occlusion: Zeiler and Fergus, 2014), which works for any
network.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from components.contract.inference.graph import InferenceGraph, Outputs

Method = Literal["class activation map", "occlusion"]

POOLING_TOLERANCE: Final = 1e-3
"""The tolerance when the embedding is compared with the feature map's means, as a fraction of the largest mean."""
PATCHES = 8
"""The number of regions along each side."""
BATCH_SIZE = 16


def pools_by_mean(outputs: Outputs) -> bool:
    """Whether the embedding is the spatial mean of the feature map; False if the network has no feature map."""
    if outputs.feature_map is None:
        return False
    means = outputs.feature_map.mean(axis=(1, 2))
    if means.shape != outputs.embedding.shape:
        return False
    tolerance = POOLING_TOLERANCE * max(float(np.abs(means).max()), 1e-6)
    return bool(np.allclose(means, outputs.embedding, atol=tolerance))


def class_activation(feature_map: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How much each region supports a class (positive) or contradicts it (negative): float32 (n, rows, columns).

    Args:
        feature_map: float32 (n, rows, columns, channels).
        labels: int (n,), the class to explain for each photo.
        weights: float32 (classes, channels), the weights of the output layer.
    """
    # Subtracting the mean weights of all classes does not change any probability.
    class_weights = weights[labels] - weights.mean(axis=0)
    maps: np.ndarray = np.einsum("nhwc,nc->nhw", feature_map, class_weights, optimize=True).astype(np.float32)
    return maps


def scale_maps(maps: np.ndarray) -> np.ndarray:
    """Scales the positive values of each map to the range from 0 to 1; a map without positive values becomes 0.

    Args:
        maps: float (n, rows, columns).
    """
    positive = np.maximum(maps, 0)
    largest = positive.max(axis=(1, 2), keepdims=True)
    shares: np.ndarray = (positive / np.maximum(largest, 1e-9)).astype(np.float32)
    return shares


@dataclass(frozen=True)
class Heat:
    """How much each region of a photo supports a class.

    Attributes:
        values: float32 (rows, columns), from 0 (not at all) to 1 (the most in this photo).
        method: how the values were computed.
    """

    values: np.ndarray
    method: Method


class Explainer:
    """Explains the predictions of a graph. Not thread-safe: during a call, no other thread may use it or the graph."""

    def __init__(self, graph: InferenceGraph):
        """Chooses the method that fits the network.

        Args:
            graph: the exported graph.
        """
        self._graph = graph
        self._weights = graph.class_weights() if self._pools_by_mean() else None

    @property
    def method(self) -> Method:
        """The method that is used for this graph."""
        return "occlusion" if self._weights is None else "class activation map"

    def explain(self, pixels: np.ndarray, label: int) -> Heat:
        """Explains one class for one photo.

        Args:
            pixels: uint8 (height, width, 3), RGB.
            label: the index of the class.
        """
        values = self._occlude(pixels, label) if self._weights is None else self._activate(pixels, label)
        return Heat(scale_maps(values[np.newaxis])[0], self.method)

    def _activate(self, pixels: np.ndarray, label: int) -> np.ndarray:
        feature_map = self._graph.run(pixels[np.newaxis]).feature_map
        assert feature_map is not None, "the constructor checked that there is a feature map"
        assert self._weights is not None, "the caller checked that there are weights"
        values: np.ndarray = class_activation(feature_map, np.array([label]), self._weights)[0]
        return values

    def _occlude(self, pixels: np.ndarray, label: int) -> np.ndarray:
        height, width = pixels.shape[:2]
        rows, columns = min(PATCHES, height), min(PATCHES, width)
        row_edges = np.linspace(0, height, rows + 1).astype(int)
        column_edges = np.linspace(0, width, columns + 1).astype(int)
        gray = pixels.reshape(-1, 3).mean(axis=0).astype(np.uint8)
        occluded_photos = np.repeat(pixels[np.newaxis], rows * columns, axis=0)
        for patch, photo in enumerate(occluded_photos):
            row, column = divmod(patch, columns)
            photo[row_edges[row] : row_edges[row + 1], column_edges[column] : column_edges[column + 1]] = gray
        chunks = [occluded_photos[start : start + BATCH_SIZE] for start in range(0, len(occluded_photos), BATCH_SIZE)]
        logits = np.concatenate([self._graph.run(chunk, with_feature_map=False).logits for chunk in chunks])
        photo_logits = self._graph.run(pixels[np.newaxis], with_feature_map=False).logits
        # Log-odds are used because a probability near 1 hardly changes, no matter what is covered.
        values: np.ndarray = log_odds(photo_logits, label) - log_odds(logits, label)
        return values.reshape(rows, columns)

    def _pools_by_mean(self) -> bool:
        if "feature_map" not in self._graph.outputs:
            return False
        noise = np.random.default_rng(0).integers(0, 256, (1, *self._graph.image_size, 3)).astype(np.uint8)
        outputs = self._graph.run(noise)
        assert outputs.feature_map is not None, "feature_map is among the outputs"
        # A map with only one cell explains nothing.
        return min(outputs.feature_map.shape[1:3]) > 1 and pools_by_mean(outputs)


def log_odds(logits: np.ndarray, label: int) -> np.ndarray:
    """The log-odds of one class against all others: float64 (n,).

    Args:
        logits: float32 (n, classes), with at least two classes.
        label: the index of the class.
    """
    other_logits = np.delete(np.asarray(logits, np.float64), label, axis=1)
    largest = other_logits.max(axis=1)
    odds: np.ndarray = logits[:, label] - largest - np.log(np.exp(other_logits - largest[:, np.newaxis]).sum(axis=1))
    return odds
