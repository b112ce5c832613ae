"""The train step on a pretrained backbone."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from components.contract.errors import ModelError, WeightsError
from components.contract.inference.graph import InferenceGraph
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.params.training import EarlyStopping, TrainParams
from components.train.step import train


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    """MobileNetV2 with random weights."""
    keras.utils.set_random_seed(5)
    return keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3))


@pytest.fixture(scope="module")
def random_weights(backbone: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a file that contains the weights of `backbone` in Keras' weights format."""
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    backbone.save_weights(path)
    return path


def pretrained(**model: Any) -> TrainParams:
    head = (parse_layer("GlobalAveragePooling2D"), parse_layer({"Dense": {"units": 8, "activation": "relu"}}))
    model_params = ModelParams(**{"kind": "pretrained", "name": "MobileNetV2", "head": head} | model)
    stopping = EarlyStopping(patience=2)
    return TrainParams(
        model=model_params,
        epochs=3,
        batch_size=8,
        augmentation="medium",
        views=2,
        early_stopping=stopping,
        trainable="head",
    )


def test_a_frozen_backbone_keeps_its_weights_and_the_export_accepts_pixels(
    photos_of_32: Path, backbone: keras.Model, random_weights: Path, tmp_path: Path, mlflow_store: str
) -> None:
    import hashlib

    bundle = train(photos_of_32, pretrained(weights=str(random_weights)), tmp_path / "model")
    assert (bundle.model.kind, bundle.model.name) == ("pretrained", "MobileNetV2")
    assert bundle.model.trained_layers == ("dense_1", "logits")
    assert bundle.model.num_trained_parameters == 1280 * 8 + 8 + 8 * 3 + 3
    assert bundle.model.weights_sha256 == hashlib.sha256(random_weights.read_bytes()).hexdigest()
    model = keras.saving.load_model(tmp_path / "model" / "model.keras")
    for layer in backbone.layers[1:]:
        saved_weights = model.get_layer(layer.name).get_weights()
        assert all(
            np.array_equal(weight_a, weight_b)
            for weight_a, weight_b in zip(layer.get_weights(), saved_weights, strict=True)
        )
    outputs = InferenceGraph(tmp_path / "model" / "export").run(np.zeros((2, 32, 32, 3), np.uint8))
    assert (outputs.logits.shape, outputs.embedding.shape) == ((2, 3), (2, 8))
    assert outputs.feature_map is not None
    assert outputs.feature_map.shape == (2, 1, 1, 1280)
    assert not list((tmp_path / "model").glob("features-*"))


def test_missing_weights_are_reported_before_tensorflow_starts(photos_of_32: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no file at"):
        train(photos_of_32, pretrained(weights=str(tmp_path / "absent.h5")), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_an_invalid_head_is_reported_with_layer_and_shape(
    photos_of_32: Path, random_weights: Path, tmp_path: Path
) -> None:
    head = (parse_layer({"Dense": {"units": 8}}),)
    with pytest.raises(ModelError, match=r"train\.model\.head\[0\] Dense\(units=8\) .* Its input is 1 × 1 × 1280\."):
        train(photos_of_32, pretrained(weights=str(random_weights), head=head), tmp_path / "model")
