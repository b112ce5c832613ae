"""Sets weights that make differences between two copies of a network visible in their outputs."""

from typing import Any

import numpy as np


def randomize(model: Any) -> None:
    """Sets the weights to distinct random values, so that swapped weights are noticed."""
    rng = np.random.default_rng(5)
    for weight in model.weights:
        value = np.asarray(weight)
        if value.dtype.kind != "f" or weight.name in ("mean", "variance"):
            continue
        if weight.name == "moving_variance":
            weight.assign(rng.uniform(0.8, 1.2, value.shape))
        elif weight.name in ("kernel", "depthwise_kernel", "pointwise_kernel"):
            weight.assign(value * rng.uniform(0.8, 1.2, value.shape))
        else:
            weight.assign(value + rng.normal(0, 0.1, value.shape))


def fit_batch_normalization(model: Any, photos: np.ndarray) -> None:
    """Sets batch normalization to the statistics of `photos`, so that the outputs differ between photos."""
    import keras

    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    if layers:
        model(photos, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def fit_head(model: Any, photos: np.ndarray) -> None:
    """Centers and scales the inputs of the last softmax, because saturated probabilities would hide differences."""
    import keras

    head = model.layers[-1]
    if not isinstance(head, keras.layers.Dense) or head.activation is not keras.activations.softmax:
        return
    logits = np.asarray(keras.Model(model.inputs, head.input)(photos, training=False) @ head.kernel + head.bias)
    scale = (logits - logits.mean(axis=0)).std()
    head.kernel.assign(head.kernel / scale)
    head.bias.assign((head.bias - logits.mean(axis=0)) / scale)
