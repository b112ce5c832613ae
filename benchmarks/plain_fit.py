"""Trains MobileNetV2 with plain Keras, frozen up to a layer; this script does not import Darkroom.

Prints the median seconds of an epoch: `python benchmarks/plain_fit.py LAYER FOLDER`, where LAYER is the first trained
layer, or `head` to train only the head, and FOLDER contains photos.npy, uint8 (n, height, width, 3), and labels.npy,
int32 (n,).
"""

import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

EPOCHS = 3
BATCH_SIZE = 32


class Clock(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Records the start of each epoch, and the end of the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def on_epoch_begin(self, _epoch: int, _logs: object = None) -> None:
        """Records the time at which an epoch begins."""
        self.times.append(time.perf_counter())

    def on_train_end(self, _logs: object = None) -> None:
        """Records the time at which the training ends."""
        self.times.append(time.perf_counter())


def main(first_trained: str, folder: Path) -> None:
    """Trains for a few epochs, and prints the median seconds of the epochs after the first."""
    photos, labels = np.load(folder / "photos.npy"), np.load(folder / "labels.npy")
    backbone = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=photos.shape[1:])
    is_trained = False
    for layer in backbone.layers:
        is_trained = is_trained or layer.name == first_trained
        layer.trainable = is_trained
    inputs = keras.Input(photos.shape[1:])
    features = keras.layers.GlobalAveragePooling2D()(backbone(keras.layers.Rescaling(1 / 127.5, -1)(inputs)))
    logits = keras.layers.Dense(int(labels.max()) + 1)(keras.layers.Dropout(0.2)(features))
    model = keras.Model(inputs, logits)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    clock = Clock()
    model.fit(photos, labels, epochs=EPOCHS, batch_size=BATCH_SIZE, verbose=0, callbacks=[clock])
    # TensorFlow compiles in the first epoch.
    print(statistics.median(np.diff(clock.times)[1:]))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
