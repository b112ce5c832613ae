"""Test helpers: trained models as users save them, and their import."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from components.contract.layers.backbone_facts import PixelScale
from components.contract.params.model import ModelParams
from components.contract.system.atomic_files import file_sha256, write_json
from components.train.keras_import.importing import inspect_upload
from components.train.network.architecture import Network, build_network
from components.train.network.initial_model import InitialModel

SIDE = 24


def photos(num: int = 4) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (num, SIDE, SIDE, 3), dtype=np.uint8)


def classifier(*, classes: int = 3, scaled: bool = True, channels: int = 3, last: str = "softmax") -> keras.Model:
    """A typical saved network: a backbone as a submodel, called in inference mode."""
    keras.utils.set_random_seed(4)
    start = keras.Input((SIDE, SIDE, channels))
    eye = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, channels)),
            keras.layers.Conv2D(6, 3, name="conv", activation="relu"),
            keras.layers.BatchNormalization(name="norm"),
        ],
        name="eye",
    )
    x = keras.layers.Rescaling(1 / 255)(start) if scaled else start
    x = keras.layers.GlobalAveragePooling2D(name="pool")(eye(x, training=False))
    if last == "softmax layer":
        return keras.Model(start, keras.layers.Softmax()(keras.layers.Dense(classes)(x)))
    return keras.Model(start, keras.layers.Dense(classes, activation=last, name="classes")(x))


def make_initial_model(
    model: keras.Model, folder: Path, pixels: PixelScale = "0 to 255", layer: str | None = None
) -> InitialModel:
    """Imports a model like `import_initial_model`, but without the confined build, which test_harmless.py covers."""
    folder.mkdir()
    model.save(folder / "model.keras")
    facts = inspect_upload(folder / "model.keras").model_copy(
        update={"model_sha256": file_sha256(folder / "model.keras")}
    )
    write_json(folder / "import.json", facts)
    return InitialModel(folder, facts, "mine", pixels, layer, None, frozenset())


def build(initial_model: InitialModel, head: Any = None) -> Network:
    params = ModelParams(kind="upload", path="mine.keras", head=head)
    return build_network(params, image_size=(SIDE, SIDE), num_classes=3, batch_size=4, initial_model=initial_model)
