"""Where in a photo the model found a class, without gradients, which an exported graph does not have.

Where the output layer follows global average pooling, the class activation map (Zhou et al., 2016) is exact: the
class's logit is the mean of the map. Elsewhere each place of the photo is covered in turn (occlusion: Zeiler and
Fergus, 2014), which needs nothing of the network.
"""

import io
from dataclasses import dataclass

import numpy as np

from components.contract.inference.cam import class_activation, pools_by_mean, scale_maps
from components.contract.inference.graph import InferenceGraph
from components.deploy.service.protocol import Method

PATCHES = 8
"""Places along each side that are covered in turn."""
BATCH_SIZE = 16
OPACITY = 0.55
SHOWN_SIDE = 320
"""The longer side of an overlay, in pixels, at least."""


@dataclass(frozen=True)
class Heat:
    """How much each place speaks for a class.

    Attributes:
        values: float32 (rows, columns), from 0 (not at all) to 1 (the most of this photo).
        method: how it was found.
    """

    values: np.ndarray
    method: Method


class Explainer:
    """Explains answers of a graph; not to be used by two threads at once, nor while the graph runs elsewhere."""

    def __init__(self, graph: InferenceGraph):
        """Chooses the method that fits the network.

        Args:
            graph: the exported graph.
        """
        self._graph = graph
        self._weights = graph.class_weights() if self._pools_by_mean() else None

    @property
    def method(self) -> Method:
        """The method that explains the answers of this graph."""
        return "occlusion" if self._weights is None else "class activation map"

    def explain(self, pixels: np.ndarray, label: int) -> Heat:
        """The heat of one photo for one class.

        Args:
            pixels: uint8 (height, width, 3), RGB.
            label: the index of the class.
        """
        values = self._occlude(pixels, label) if self._weights is None else self._activate(pixels, label)
        return Heat(scale_maps(values[np.newaxis])[0], self.method)

    def _activate(self, pixels: np.ndarray, label: int) -> np.ndarray:
        feature_map = self._graph.run(pixels[np.newaxis]).feature_map
        assert feature_map is not None, "the constructor has looked"
        assert self._weights is not None, "the constructor has looked"
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
        # In log-odds: a probability near 1 hardly moves, whatever is covered.
        values: np.ndarray = log_odds(photo_logits, label) - log_odds(logits, label)
        return values.reshape(rows, columns)

    def _pools_by_mean(self) -> bool:
        if "feature_map" not in self._graph.outputs:
            return False
        noise = np.random.default_rng(0).integers(0, 256, (1, *self._graph.image_size, 3)).astype(np.uint8)
        outputs = self._graph.run(noise)
        assert outputs.feature_map is not None, "it is among the outputs"
        # A map of one place shows nothing.
        return min(outputs.feature_map.shape[1:3]) > 1 and pools_by_mean(outputs)


def log_odds(logits: np.ndarray, label: int) -> np.ndarray:
    """Of one class against all others: float64 (n,).

    Args:
        logits: float32 (n, classes), of two classes at least.
        label: the index of the class.
    """
    other_logits = np.delete(np.asarray(logits, np.float64), label, axis=1)
    largest = other_logits.max(axis=1)
    odds: np.ndarray = logits[:, label] - largest - np.log(np.exp(other_logits - largest[:, np.newaxis]).sum(axis=1))
    return odds


def draw_overlay(pixels: np.ndarray, heat: np.ndarray, size: tuple[int, int]) -> bytes:
    """The photo under its heat, as a PNG.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        heat: float32 (rows, columns), from 0 to 1.
        size: (height, width) of the picture, in pixels.
    """
    import cv2
    from PIL import Image

    is_enlarged = size[0] > 2 * pixels.shape[0]
    photo = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_NEAREST if is_enlarged else cv2.INTER_LINEAR)
    smooth = np.clip(cv2.resize(heat, size[::-1], interpolation=cv2.INTER_CUBIC), 0, 1)
    # Viridis keeps its order for colour-blind eyes and in grey.
    colors = cv2.applyColorMap((smooth * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1]
    share = smooth[..., np.newaxis]
    # What does not matter fades to grey, so that what does stands out by colour.
    gray = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., np.newaxis]
    picture = (1 - OPACITY * share) * (share * photo + (1 - share) * gray) + OPACITY * share * colors
    file = io.BytesIO()
    Image.fromarray(np.rint(picture).clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def display_size(image_size: tuple[int, int], native_size: tuple[int, int], resize: str) -> tuple[int, int]:
    """(height, width) in which a photo is shown: large enough to be looked at, and stretched ones in their own shape.

    Args:
        image_size: (height, width) of the photo as the graph takes it.
        native_size: (height, width) of the photo as it came.
        resize: how it was fitted.
    """
    height, width = native_size if resize == "stretch" else image_size
    scale = max(SHOWN_SIDE, *image_size) / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))
