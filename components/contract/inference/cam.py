"""The class activation map (Zhou et al., 2016): where in a photo a class was found, without gradients.

Behind global average pooling a class's logit is the mean of its map, so that the map is exact and the same as Grad-CAM.
The report and the service both show it; what they show of other networks is their own.
"""

from typing import Final

import numpy as np

from components.contract.inference.graph import Outputs

POOLING_TOLERANCE: Final = 1e-3
"""How near the embedding must come to the mean of the feature map, as a share of its largest value."""


def pools_by_mean(outputs: Outputs) -> bool:
    """Whether the embedding is the feature map's mean over space; False where the network has no feature map."""
    if outputs.feature_map is None:
        return False
    means = outputs.feature_map.mean(axis=(1, 2))
    if means.shape != outputs.embedding.shape:
        return False
    tolerance = POOLING_TOLERANCE * max(float(np.abs(means).max()), 1e-6)
    return bool(np.allclose(means, outputs.embedding, atol=tolerance))


def class_activation(feature_map: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How much each place speaks for a class, or against it where it is negative: float32 (n, rows, columns).

    Args:
        feature_map: float32 (n, rows, columns, channels).
        labels: int (n,), the class of each photo that is asked about.
        weights: float32 (classes, channels), of the output layer.
    """
    # A weight that all classes share moves no probability.
    class_weights = weights[labels] - weights.mean(axis=0)
    maps: np.ndarray = np.einsum("nhwc,nc->nhw", feature_map, class_weights, optimize=True).astype(np.float32)
    return maps


def scale_maps(maps: np.ndarray) -> np.ndarray:
    """What speaks for the class, each map from 0 to 1; a map that nothing stands out in is 0.

    Args:
        maps: float (n, rows, columns).
    """
    positive = np.maximum(maps, 0)
    largest = positive.max(axis=(1, 2), keepdims=True)
    shares: np.ndarray = (positive / np.maximum(largest, 1e-9)).astype(np.float32)
    return shares
