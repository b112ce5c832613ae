"""Writes harmless models as files, with photos and the models' outputs for them."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from components.contract.layers.backbones import BACKBONES as FACTS
from tests.cases.harmless_models import networks
from tests.cases.harmless_models.weights import fit_batch_normalization, fit_head, randomize

BACKBONES = dict.fromkeys(FACTS, 64) | dict.fromkeys(
    ("InceptionV3", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small", "Xception"), 96
)
"""Backbone → height and width of its input in pixels; small, so that the tests are fast."""


def _backbone(name: str) -> Callable[[], Any]:
    def make() -> Any:
        import keras

        side = BACKBONES[name]
        return getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=10)

    return make


MODELS: dict[str, Callable[[], Any]] = {
    "adapted": networks.adapted,
    "ends_in_a_chain": networks.ends_in_a_chain,
    "ends_in_a_model": networks.ends_in_a_model,
    "features": networks.features,
    "gray": networks.gray,
    "open_size": networks.open_size,
    "partly_frozen": networks.partly_frozen,
    "pixels": networks.pixels,
    "plain": networks.plain,
    "residual": networks.residual,
    "sequential_of_models": networks.sequential_of_models,
    "shared": networks.shared,
    "transfer": networks.transfer,
    **{name: _backbone(name) for name in BACKBONES},
}

FORMS = {"keras": "{}.keras", "h5": "{}.h5", "zip": "{}.zip", "weights": "{}.weights.h5", "weights2": "{}-weights.h5"}


def file_name(name: str) -> str:
    """Returns the file name for `plain.keras`, `plain.h5`, `plain.zip` (an .h5 in a zip) or `plain.weights`."""
    model, form = name.split(".")
    return FORMS[form].format(model)


def make(folder: Path, names: list[str]) -> None:
    """Writes the models' files and their outputs."""
    import keras

    for name in names:
        keras.utils.clear_session()
        keras.utils.set_random_seed(11)
        model_name, form = name.split(".")
        model = MODELS[model_name]()
        shape = tuple(side or 40 for side in model.input_shape[1:])
        photos = np.random.default_rng(3).integers(0, 256, (3, *shape)).astype(model.inputs[0].dtype)
        if model_name not in ("transfer", "partly_frozen"):
            randomize(model)
            fit_batch_normalization(model, photos)
            fit_head(model, photos)
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
    """Writes only the weights, in Keras 2's layout, as in the files of keras.applications."""
    import h5py
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)
