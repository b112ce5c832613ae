"""The order of a trained model's outputs: read from its label file, and checked against the data's classes."""

import dataclasses
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from components.contract.errors import UploadError
from components.contract.params.model import ModelParams
from components.train.network.architecture import build_network
from components.train.network.initial_model import inspect_model
from tests.unit.train.network.uploads import SIDE, build, classifier, make_initial_model, photos


def test_outputs_are_reordered_to_the_order_of_the_classes(tmp_path: Path) -> None:
    model = classifier()
    initial_model = dataclasses.replace(make_initial_model(model, tmp_path / "import"), class_order=(1, 2, 0))
    network = build(initial_model)
    expected = np.asarray(model(photos().astype(np.float32)))[:, [1, 2, 0]]
    assert np.allclose(keras.ops.softmax(network.model(photos())), expected, atol=1e-5)
    assert network.embedding.shape == (None, 6), "reordering must not change which layer is the embedding"


@pytest.mark.parametrize("order", [None, (1, 0)])
def test_one_sigmoid_output_for_two_classes_becomes_two_logits(order: tuple[int, ...] | None, tmp_path: Path) -> None:
    model = classifier(classes=1, last="sigmoid")
    initial_model = dataclasses.replace(make_initial_model(model, tmp_path / "import"), class_order=order)
    params = ModelParams(kind="upload", path="mine.keras")
    network = build_network(params, image_size=(SIDE, SIDE), num_classes=2, batch_size=4, initial_model=initial_model)
    second = np.asarray(model(photos().astype(np.float32)))[:, 0]
    answers = np.asarray(keras.ops.softmax(network.model(photos())))
    assert np.allclose(answers[:, 1 if order is None else 0], second, atol=1e-5)
    assert network.embedding.shape == (None, 6)


def test_the_classes_of_a_zip_are_checked_against_those_of_the_data(tmp_path: Path) -> None:
    classifier().save(tmp_path / "keras_model.h5")
    with zipfile.ZipFile(tmp_path / "converted_keras.zip", "w") as file:
        file.write(tmp_path / "keras_model.h5", "keras_model.h5")
        file.writestr("labels.txt", "0 zebra\n1 ape\n2 monkey\n")
    model = ModelParams(path=str(tmp_path / "converted_keras.zip"))
    found_model, given_model = inspect_model(model)
    assert found_model.class_names == ("zebra", "ape", "monkey")
    assert given_model is not None
    assert "the outputs are zebra, ape, monkey, as listed in converted_keras.zip" in given_model.decisions[-1]
    with pytest.raises(UploadError, match="distinguishes 3 classes, but 2 are listed in the params"):
        inspect_model(model.model_copy(update={"class_names": ("a", "b")}))
