"""Makers of honest models of every kind, to be uploaded; and their answers, to be compared with our copies'.

Run as a program, because TensorFlow is started in as few processes as can be:

    python -m tests.cases.harmless_models make FOLDER NAME…
        writes each NAME's file, and NAME.npz with photos and answers
    python -m tests.cases.harmless_models compare FOLDER
        loads FOLDER/NAME/ (an import) for each NAME.npz and prints JSON: the largest difference of each, relative to
        the largest answer
"""

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BACKBONES = {
    "ConvNeXtSmall": 64,
    "ConvNeXtTiny": 64,
    "DenseNet121": 64,
    "EfficientNetV2B0": 64,
    "EfficientNetV2B1": 64,
    "EfficientNetV2B2": 64,
    "EfficientNetV2B3": 64,
    "EfficientNetV2S": 64,
    "InceptionV3": 96,
    "MobileNetV2": 96,
    "NASNetMobile": 64,
    "ResNet50": 64,
    "VGG16": 64,
    "Xception": 96,
}
"""Photos' sides in pixels; small, to be quick."""


def _plain() -> Any:
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


def _grey() -> Any:
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


def _residual() -> Any:
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


def _transfer() -> Any:
    """A frozen submodel called in inference mode, as in every tutorial, behind augmentation layers."""
    import keras
    from keras import layers

    base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(64, 64, 3), alpha=0.35)
    _randomise(base)
    _settle(base, np.random.default_rng(2).uniform(-1, 1, (3, 64, 64, 3)))
    base.trainable = False
    start = keras.Input((64, 64, 3))
    x = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])(start)
    x = layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = base(x, training=False)
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(start, layers.Dense(4, activation="softmax")(x))


def _partly_frozen() -> Any:
    model = _transfer()
    base = next(layer for layer in model.layers if "mobilenet" in layer.name)
    base.trainable = True
    for layer in base.layers[:100]:
        layer.trainable = False
    return model


def _sequential_of_models() -> Any:
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


def _shared() -> Any:
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


def _ends_in_a_model() -> Any:
    import keras
    from keras import layers

    start = keras.Input((16, 16, 3))
    inner = keras.Input((14, 14, 4))
    head = keras.Model(inner, layers.Dense(3, activation="softmax")(layers.Flatten()(inner)), name="head")
    return keras.Model(start, head(layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(start))))


def _ends_in_a_chain() -> Any:
    import keras
    from keras import layers

    start = keras.Input((16, 16, 3))
    head = keras.Sequential([layers.Flatten(), layers.Dense(3, activation="softmax")], name="head")
    return keras.Model(start, head(layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(start))))


def _open_size() -> Any:
    import keras
    from keras import layers

    start = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu6")(start)
    return keras.Model(start, layers.Dense(3, activation="sigmoid")(layers.GlobalAveragePooling2D()(x)))


def _adapted() -> Any:
    """Normalization whose statistics are weights, and resizing, cropping and padding."""
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


def _features() -> Any:
    import keras

    return keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(64, 64, 3), alpha=0.35)


def _pixels() -> Any:
    """Takes uint8, and is compiled with an optimizer that has state."""
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


def _backbone(name: str) -> Callable[[], Any]:
    def make() -> Any:
        import keras

        side = BACKBONES[name]
        return getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=10)

    return make


MODELS: dict[str, Callable[[], Any]] = {
    "adapted": _adapted,
    "ends_in_a_chain": _ends_in_a_chain,
    "ends_in_a_model": _ends_in_a_model,
    "features": _features,
    "grey": _grey,
    "open_size": _open_size,
    "partly_frozen": _partly_frozen,
    "pixels": _pixels,
    "plain": _plain,
    "residual": _residual,
    "sequential_of_models": _sequential_of_models,
    "shared": _shared,
    "transfer": _transfer,
    **{name: _backbone(name) for name in BACKBONES},
}

FORMS = {"keras": "{}.keras", "h5": "{}.h5", "zip": "{}.zip", "weights": "{}.weights.h5", "weights2": "{}-weights.h5"}


def file_name(name: str) -> str:
    """The file of `plain.keras`, `plain.h5`, `plain.zip` (an .h5 in a zip) or `MobileNetV2.weights` (weights only)."""
    model, form = name.split(".")
    return FORMS[form].format(model)


def _randomise(model: Any) -> None:
    """Weights that differ from each other, so that none can stand for another unseen."""
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


def _settle(model: Any, photos: np.ndarray) -> None:
    """Gives batch normalisation the statistics of `photos`, so that deep random networks do not answer all alike."""
    import keras

    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    usual = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    if layers:
        model(photos, training=True)
    for layer, momentum in zip(layers, usual, strict=True):
        layer.momentum = momentum


def make(folder: Path, names: list[str]) -> None:
    """Writes the models' files, and what they answer."""
    import keras

    for name in names:
        keras.utils.clear_session()
        keras.utils.set_random_seed(11)
        model_name, form = name.split(".")
        model = MODELS[model_name]()
        shape = tuple(side or 40 for side in model.input_shape[1:])
        photos = np.random.default_rng(3).integers(0, 256, (3, *shape)).astype(model.inputs[0].dtype)
        if model_name not in ("transfer", "partly_frozen"):
            _randomise(model)
            _settle(model, photos)
        path = folder / file_name(name)
        if form == "zip":
            model.save(folder / "inner.h5")
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.write(folder / "inner.h5", "My model/inner.h5")
                archive.writestr("__MACOSX/My model/._inner.h5", b"\0")
        elif form == "weights":
            model.save_weights(path)
        elif form == "weights2":
            _save_legacy_weights(model, path)
        else:
            model.save(path)
        np.savez(folder / f"{name}.npz", photos=photos, answers=np.asarray(model(photos, training=False)))


def _save_legacy_weights(model: Any, path: Path) -> None:
    """Weights alone in Keras 2's layout, as keras.applications' files have it."""
    import h5py
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)


def compare(folder: Path) -> dict[str, float]:
    """The largest difference between each model's answers and our copy's, relative to the largest answer above 1.

    Our copy answers twice: as it is, and wired flat for training to go on from.
    """
    import keras

    from components.train.keras_import.facts import read_import
    from components.train.keras_import.loading import cut, load, opened
    from components.train.keras_import.wiring import wire

    differences = {}
    for path in sorted(folder.glob("*.npz")):
        expected = np.load(path)
        model, facts = load(folder / path.stem), read_import(folder / path.stem)
        answers = np.asarray(model(expected["photos"], training=False))
        features = cut(model, facts.feature_layer)(expected["photos"], training=False)
        foretold = next(layer.output_shape for layer in facts.layers if layer.name == facts.feature_layer)
        assert None in facts.input_shape or features.shape[1:] == foretold, (path.stem, facts.feature_layer)
        assert answers.shape == expected["answers"].shape
        assert np.ptp(expected["answers"], axis=0).max() > 1e-3, f"{path.stem} answers every photo alike"
        scale = max(1.0, float(np.abs(expected["answers"]).max()))
        with opened(folder / path.stem) as (plan, weights_path):
            start = keras.Input(expected["photos"].shape[1:], dtype=plan.graph.input_dtype)
            wired = wire(plan, weights_path, start, set(), as_logits=False)
        flat = keras.Model(start, wired.output)
        assert not any(isinstance(layer, keras.Model) for layer in flat.layers), "submodels dissolve"
        flat_answers = np.asarray(flat(expected["photos"], training=False))
        for given in (answers, flat_answers):
            difference = float(np.abs(given - expected["answers"]).max()) / scale
            differences[path.stem] = max(difference, differences.get(path.stem, 0.0))
    return differences


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), sys.argv[3:])
    else:
        print(json.dumps(compare(Path(sys.argv[2]))))
