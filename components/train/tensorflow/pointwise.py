"""Computes pointwise convolutions as matrix products while a network is trained on a CPU.

A convolution with a 1 × 1 kernel is a matrix product, and so are its gradients; TensorFlow's general gradients of
convolutions take twice as long. Pointwise convolutions account for most of the work in a MobileNetV2 or a ResNet50.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf


@contextlib.contextmanager
def pointwise_as_products(model: keras.Model) -> Iterator[None]:
    """Replaces pointwise convolutions on a CPU within the block; models compiled in it must not be used after it."""
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    layers = [] if has_gpu else [*filter(_is_pointwise, model._flatten_layers())]  # noqa: SLF001 - Keras has no public name for this
    for layer in layers:
        layer.convolution_op = _product(*layer.strides)
    try:
        yield
    finally:
        for layer in layers:
            del layer.convolution_op


def _is_pointwise(layer: Any) -> bool:
    """Whether a layer is a pointwise convolution; subclasses do not count, as they may compute something else."""
    return (
        type(layer) is keras.layers.Conv2D
        and layer.kernel_size == (1, 1)
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )


def _product(down: int, across: int) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Creates the replacement for a convolution with these strides, without the bias, which Keras adds."""

    def multiplied(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        sampled = inputs if down == across == 1 else inputs[:, ::down, ::across]
        return keras.ops.matmul(sampled, keras.ops.squeeze(kernel, (0, 1)))

    return multiplied
