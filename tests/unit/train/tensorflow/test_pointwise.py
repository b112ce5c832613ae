"""Computing pointwise convolutions as matrix products does not change their outputs or gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.train.tensorflow.pointwise import pointwise_as_products

PHOTOS = np.random.default_rng(0).normal(size=(4, 9, 7, 5)).astype(np.float32)


def network(**options: object) -> keras.Model:
    """A model within a model, like a backbone in a network."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((9, 7, 5))
    backbone = keras.Model(inputs, keras.layers.Conv2D(6, 1, **options)(inputs))
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(backbone(inputs))))


def outcome(model: keras.Model) -> tuple[np.ndarray, list[np.ndarray], list[str]]:
    """Returns the logits, the gradients and the types of the operations used."""

    @tf.function
    def passed(photos: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            tape.watch(photos)
            logits = model(photos)
            loss = tf.reduce_sum(logits**2)
        return logits, tape.gradient(loss, [photos, *(weight.value for weight in model.trainable_weights)])

    photos = tf.constant(PHOTOS)
    logits, gradients = passed(photos)
    kinds = [operation.type for operation in passed.get_concrete_function(photos).graph.get_operations()]
    return logits.numpy(), [gradient.numpy() for gradient in gradients], kinds


@pytest.mark.parametrize(
    "options", [{}, {"use_bias": False, "activation": "relu"}, {"strides": 2, "padding": "same"}, {"strides": (2, 3)}]
)
def test_logits_and_gradients_equal_those_of_the_convolution(options: dict[str, object]) -> None:
    model = network(**options)
    logits, gradients, kinds = outcome(model)
    with pointwise_as_products(model):
        products, of_products, their_kinds = outcome(model)
    assert np.allclose(products, logits, atol=1e-5)
    assert all(
        np.allclose(actual, expected, atol=1e-4) for actual, expected in zip(of_products, gradients, strict=True)
    )
    assert "Conv2DBackpropInput" in kinds
    assert not any(kind.startswith("Conv2D") for kind in their_kinds)
    assert "Conv2D" in outcome(model)[2], "afterwards, the layer must be a convolution again"


@pytest.mark.parametrize("options", [{"kernel_size": 3}, {"kernel_size": (1, 2)}, {"kernel_size": 1, "groups": 2}])
def test_convolutions_that_are_not_pointwise_are_unchanged(options: dict[str, int]) -> None:
    inputs = keras.Input((9, 7, 4))
    model = keras.Model(inputs, keras.layers.Conv2D(6, **options)(inputs))
    with pointwise_as_products(model):
        assert "convolution_op" not in vars(model.layers[1])
