"""Keras layers that Darkroom's own networks do not use: the export of a model with such a layer agrees with Keras."""

from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import pytest

from components.train.export.graph import export_network
from tests.unit.train.network.uploads import SIDE, build, make_initial_model, photos

L: Final = keras.layers
PREPROCESSING: Final = {
    "Normalization": lambda: L.Normalization(mean=[120.0, 110.0, 100.0], variance=[900.0, 800.0, 700.0]),
    "Resizing": lambda: L.Resizing(16, 12),
    "CenterCrop": lambda: L.CenterCrop(18, 20),
    "RandomFlip": lambda: L.RandomFlip("horizontal"),
    "RandomRotation": lambda: L.RandomRotation(0.1),
    "RandAugment": lambda: L.RandAugment(value_range=(0, 255)),
    "RandomErasing": lambda: L.RandomErasing(value_range=(0, 255)),
    "RandomHue": lambda: L.RandomHue(0.1, value_range=(0, 255)),
}


def attend(kind: str, tokens: Any) -> Any:
    """The output of an attention layer, of shape positions × channels."""
    if kind == "MultiHeadAttention":
        return L.MultiHeadAttention(2, 8)(tokens, tokens)
    if kind == "GroupQueryAttention":
        return L.GroupQueryAttention(8, 4, 2)(tokens, tokens)
    return getattr(L, kind)(use_scale=True)([tokens, tokens])


def finish(start: Any, features: Any) -> keras.Model:
    return keras.Model(start, L.Dense(3, activation="softmax", name="classes")(features))


def require_same_answers(model: keras.Model, folder: Path) -> None:
    network = build(make_initial_model(model, folder / "import"))
    expected = np.asarray(model(photos().astype(np.float32), training=False))
    assert np.allclose(keras.ops.softmax(network.model(photos(), training=False)), expected, atol=1e-5)
    facts = export_network(network, folder / "export", photos(8))
    assert facts.max_probability_difference < 1e-5


@pytest.mark.parametrize("kind", ["MultiHeadAttention", "GroupQueryAttention", "Attention", "AdditiveAttention"])
def test_exported_attention_layers_agree_with_keras(kind: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    start = L.Input((SIDE, SIDE, 3))
    tokens = L.Reshape((16, 12))(L.Conv2D(12, 6, strides=6)(L.Rescaling(1 / 255)(start)))
    tokens = L.LayerNormalization()(L.Add()([tokens, attend(kind, tokens)]))
    require_same_answers(finish(start, L.GlobalAveragePooling1D()(tokens)), tmp_path)


@pytest.mark.parametrize("kind", PREPROCESSING)
def test_exported_preprocessing_layers_agree_with_keras(kind: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    start = L.Input((SIDE, SIDE, 3))
    features = L.Conv2D(6, 3)(L.Rescaling(1 / 255)(PREPROCESSING[kind]()(start)))
    require_same_answers(finish(start, L.GlobalAveragePooling2D()(features)), tmp_path)
