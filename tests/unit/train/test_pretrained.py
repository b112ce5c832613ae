"""A pretrained network with its original top becomes a model bundle."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from components.contract.artifacts.bundle import read_bundle
from components.contract.inference.graph import InferenceGraph, softmax
from components.train import pretrained
from components.train.pretrained import NUM_CLASSES, write_pretrained


@pytest.mark.filterwarnings("ignore:.*legacy:UserWarning")  # Keras warns that its own .h5 file has a legacy format
def test_an_unchanged_pretrained_network_becomes_a_bundle_without_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = dataclasses.replace(pretrained.BACKBONES["MobileNetV2"], size=32)  # small, so that the test is quick
    monkeypatch.setattr(pretrained, "BACKBONES", {"MobileNetV2": facts})
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    index = {str(number): [f"n{number}", f"thing {number}"] for number in range(NUM_CLASSES)}
    (tmp_path / "models" / "imagenet_class_index.json").write_text(json.dumps(index))
    network = keras.applications.MobileNetV2((32, 32, 3), weights=None)
    photos = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)
    # Uses the batch statistics of `photos`; otherwise, the output of so many random layers hardly depends on the photo.
    for layer in network.layers:
        layer.momentum = 0.0
    network(photos / 127.5 - 1, training=True)
    network.save_weights(tmp_path / "top.weights.h5")

    bundle = write_pretrained("MobileNetV2", str(tmp_path / "top.weights.h5"), tmp_path / "bundle")

    assert bundle == read_bundle(tmp_path / "bundle")
    assert (bundle.model.trained_layers, bundle.model.num_trained_parameters) == ((), 0)
    assert bundle.model.num_parameters == network.count_params()
    assert bundle.class_names == tuple(f"thing {number}" for number in range(NUM_CLASSES))
    answers = softmax(InferenceGraph(tmp_path / "bundle" / "export").run(photos).logits)
    assert answers.max() > 0.003
    np.testing.assert_allclose(answers, network(photos / 127.5 - 1), atol=1e-4)
