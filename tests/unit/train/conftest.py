"""Starts TensorFlow once for all tests in this folder, before any of them imports Keras."""

from pathlib import Path

import pytest

from components.train.tensorflow.start import start_tensorflow
from tests.support.artifacts import make_dataset

start_tensorflow(seed=0)


@pytest.fixture(scope="module")
def photos_of_32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "dataset"
    make_dataset(folder, per_class=8, side=32)
    return folder
