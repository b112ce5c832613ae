"""The backbone that the trials of a search share: it is built once, and its weights are read once."""

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.train.network.backbone import build_backbone, load_weights

if TYPE_CHECKING:
    import keras


class SharedBackbone:
    """Keeps the most recent backbone; each trial gets it with the initial weights restored."""

    def __init__(self) -> None:
        self._key: object = None

    def get(
        self, name: str, weights_path: Path | None, image_size: tuple[int, int], input_size: tuple[int, int], seed: int
    ) -> tuple["keras.Model", str | None]:
        """Returns the backbone, from pixels to feature map, and the SHA-256 of its weights file.

        Afterwards, the random number generators have the same state, whether the backbone was built or reused.

        Args:
            name: a key of BACKBONES.
            weights_path: the result of `find_weights`; None for random weights.
            image_size: (height, width) of the photos.
            input_size: (height, width) to which the backbone scales the photos down.
            seed: the seed with which TensorFlow was started.

        Raises:
            ModelError: the network cannot be built for photos of this size.
            WeightsError: the weights do not match the network, or are damaged.
        """
        import keras

        key = (name, weights_path, image_size, input_size, seed)
        if key != self._key:
            self._key = None
            pixels = keras.Input((*image_size, 3), dtype="uint8", name="pixels")
            self._backbone = build_backbone(name, pixels, image_size=input_size)
            self._sha256 = load_weights(self._backbone, weights_path, name) if weights_path else None
            self._weights = self._backbone.get_weights()
            self._random: tuple[Any, Any] = random.getstate(), np.random.get_state()
            self._key = key
        else:
            self._backbone.set_weights(self._weights)
            random.setstate(self._random[0])
            np.random.set_state(self._random[1])
        return self._backbone, self._sha256
