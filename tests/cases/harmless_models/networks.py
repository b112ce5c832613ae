"""Small harmless networks, one of each kind that users train with Keras."""

from typing import Any

import numpy as np

from tests.cases.harmless_models.weights import fit_batch_normalization, randomize


def plain() -> Any:
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((24, 24, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(6, 3, activation="relu", kernel_regularizer="l2"),
            layers.MaxPooling2D(),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(4, activation="softmax"),
        ]
    )


def gray() -> Any:
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((20, 20, 1)),
            layers.Conv2D(5, 5, strides=2),
            layers.LeakyReLU(),
            layers.Flatten(),
            layers.Dense(8, activation="gelu"),
            layers.Dense(3),
        ]
    )


def residual() -> Any:
    import keras
    from keras import layers

    start = keras.Input((32, 32, 3))
    x = start / 127.5 - 1.0
    x = layers.Conv2D(8, 3, padding="same", kernel_constraint=keras.constraints.MaxNorm(3.0))(x)
    y = layers.SeparableConv2D(8, 3, padding="same", depth_multiplier=2)(x)
    y = layers.GroupNormalization(4)(y)
    y = layers.Activation("hard_swish")(y)
    x = layers.Add()([x, y])
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Dense(8, activation="sigmoid")(gate)
    x = layers.Multiply()([x, gate])
    x = x + layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.Concatenate()([layers.MaxPooling2D()(x), layers.AveragePooling2D(2)(x)])
    x = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.LayerNormalization()(x)
    x = layers.Reshape((-1, 16))(x)
    x = layers.Flatten()(layers.Permute((2, 1))(x))
    return keras.Model(start, layers.Softmax()(layers.Dense(5)(x)))


def transfer() -> Any:
    """A frozen submodel, called in inference mode after augmentation layers, as in most tutorials."""
    import keras
    from keras import layers

    base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(64, 64, 3), alpha=0.35)
    randomize(base)
    fit_batch_normalization(base, np.random.default_rng(2).uniform(-1, 1, (3, 64, 64, 3)))
    base.trainable = False
    start = keras.Input((64, 64, 3))
    x = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])(start)
    x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = base(x, training=False)
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(start, layers.Dense(4, activation="softmax")(x))


def partly_frozen() -> Any:
    model = transfer()
    base = next(layer for layer in model.layers if "mobilenet" in layer.name)
    base.trainable = True
    for layer in base.layers[:100]:
        layer.trainable = False
    return model


def sequential_of_models() -> Any:
    import keras
    from keras import layers

    def block(filters: int) -> Any:
        return keras.Sequential(
            [layers.Conv2D(filters, 3, use_bias=False), layers.BatchNormalization(), layers.ReLU(6.0)]
        )

    return keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            block(4),
            keras.Sequential([block(6), block(8)]),
            layers.GlobalMaxPooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def shared() -> Any:
    """One layer and one submodel, each used twice."""
    import keras
    from keras import layers

    start = keras.Input((16, 16, 3))
    convolution = layers.Conv2D(3, 3, padding="same", activation="tanh")
    inner = keras.Input((16, 16, 3))
    tower = keras.Model(inner, layers.Conv2D(3, 3, padding="same")(layers.BatchNormalization()(inner)), name="tower")
    scaled = layers.Rescaling(1 / 255)(start)
    x = convolution(convolution(scaled))
    x = layers.Subtract()([tower(x), tower(scaled)])
    return keras.Model(start, layers.Dense(3, activation="softmax")(layers.Flatten()(x)))


def ends_in_a_model() -> Any:
    import keras
    from keras import layers

    start = keras.Input((16, 16, 3))
    inner = keras.Input((14, 14, 4))
    head = keras.Model(inner, layers.Dense(3, activation="softmax")(layers.Flatten()(inner)), name="head")
    return keras.Model(start, head(layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(start))))


def ends_in_a_chain() -> Any:
    import keras
    from keras import layers

    start = keras.Input((16, 16, 3))
    head = keras.Sequential([layers.Flatten(), layers.Dense(3, activation="softmax")], name="head")
    return keras.Model(start, head(layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(start))))


def open_size() -> Any:
    import keras
    from keras import layers

    start = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu6")(start)
    return keras.Model(start, layers.Dense(3, activation="sigmoid")(layers.GlobalAveragePooling2D()(x)))


def adapted() -> Any:
    """A Normalization layer whose statistics are weights, and resizing, cropping and padding layers."""
    import keras
    from keras import layers

    normalization = layers.Normalization()
    normalization.adapt(np.random.default_rng(1).uniform(0, 255, (8, 20, 20, 3)).astype(np.float32))
    return keras.Sequential(
        [
            keras.Input((30, 30, 3)),
            layers.Resizing(24, 24),
            layers.CenterCrop(20, 20),
            normalization,
            layers.ZeroPadding2D(((1, 2), (3, 4))),
            layers.Cropping2D(((1, 2), (2, 2))),
            layers.Conv2D(4, 3, dilation_rate=2),
            layers.ELU(),
            layers.UpSampling2D(2, interpolation="bilinear"),
            layers.GaussianNoise(0.1),
            layers.SpatialDropout2D(0.2),
            layers.Conv2DTranspose(4, 3, strides=2),
            layers.UnitNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.AlphaDropout(0.1),
            layers.Dense(3, activation="softmax"),
        ]
    )


def features() -> Any:
    import keras

    return keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(64, 64, 3), alpha=0.35)


def pixels() -> Any:
    """A model with uint8 input, compiled with an optimizer that has state."""
    import keras
    from keras import layers

    start = keras.Input((16, 16, 3), dtype="uint8")
    x = layers.Rescaling([1 / 255, 1 / 127, 1 / 100], offset=[0.0, -1.0, 0.5])(start)
    x = layers.Conv2D(4, 3, groups=1, activation="silu", kernel_initializer="he_normal")(x)
    model = keras.Model(start, layers.Dense(3, activation="softmax")(layers.Flatten()(x)))
    model.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(1e-3, 10)),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy", keras.metrics.AUC()],
    )
    model.optimizer.build(model.trainable_variables)
    return model
