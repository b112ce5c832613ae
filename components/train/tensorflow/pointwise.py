"""Pointwise convolutions as products of matrices, while a network is trained on a CPU.

A convolution whose kernel is 1 × 1 is such a product, and so are its gradients; those that TensorFlow has for
convolutions of any size take twice as long there. They are most of what a MobileNetV2 or a ResNet50 computes.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf


@contextlib.contextmanager
def pointwise_as_products(model: keras.Model) -> Iterator[None]:
    """Within the block, on a CPU; what is compiled within is of no use after it."""
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    layers = [] if has_gpu else [*filter(_is_pointwise, model._flatten_layers())]  # noqa: SLF001 - Keras has no public name for it
    for layer in layers:
        layer.convolution_op = _product(*layer.strides)
    try:
        yield
    finally:
        for layer in layers:
            del layer.convolution_op


def _is_pointwise(layer: Any) -> bool:
    """Layers of others may compute something else in the end."""
    return (
        type(layer) is keras.layers.Conv2D
        and layer.kernel_size == (1, 1)
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )


def _product(down: int, across: int) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """What takes the place of a layer's convolution with these strides, without its bias."""

    def multiplied(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        sampled = inputs if down == across == 1 else inputs[:, ::down, ::across]
        return keras.ops.matmul(sampled, keras.ops.squeeze(kernel, (0, 1)))

    return multiplied
