"""Renews the moving statistics of batch normalization if they lag behind the weights after a short epoch."""

from typing import Final

import keras

from components.train.loop.batches import Batches

OLD_SHARE: Final = 0.05
"""The moving statistics are renewed if, after an epoch, the values from before the epoch have more than this weight."""
MAX_BATCHES: Final = 32
"""The renewed statistics are means over at most this many batches."""


def renew_statistics(model: keras.Model, training: Batches) -> None:
    """Sets moving means and variances to those of training batches under the current weights.

    This is precise batch normalization (Wu and Johnson 2021, arXiv:2105.07576). Nothing changes if the epoch has enough
    steps for the momentum of each layer.

    Args:
        model: the trained part of the network.
        training: its current epoch provides the inputs.
    """
    layers = [
        layer
        for layer in model._flatten_layers()  # noqa: SLF001 - Keras has no public name for this
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    if not any(layer.momentum**training.num_batches_of_epoch > OLD_SHARE for layer in layers):
        return
    momenta = [layer.momentum for layer in layers]
    try:
        for number, inputs in enumerate(training.full_batches(MAX_BATCHES)):
            for layer in layers:
                layer.momentum = number / (number + 1)  # moving values become the mean over all batches so far
            model(inputs, training=True)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
