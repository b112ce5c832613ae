"""Moving statistics of batch normalization that cannot follow the weights within a short epoch."""

from typing import Final

import keras

from components.train.loop.batches import Batches

OLD_SHARE: Final = 0.05
"""The moving statistics are renewed if statistics from before the epoch still weigh more than this at its end."""
MAX_BATCHES: Final = 32
"""The statistics are means over this many batches at most."""


def renew_statistics(model: keras.Model, training: Batches) -> None:
    """Sets moving means and variances to those of training batches under the present weights.

    Precise batch normalization (Wu and Johnson 2021, arXiv:2105.07576). After an epoch that has enough steps for the
    momentum of each layer, nothing changes.

    Args:
        model: the part of the network that learns.
        training: in the epoch whose inputs are used.
    """
    layers = [
        layer
        for layer in model._flatten_layers()  # noqa: SLF001 - Keras has no public name for it
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
