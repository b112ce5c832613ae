"""Recognizing which network a weights file is for, by the number of weights in the file."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from components.contract.errors import ParamsError, WeightsError
from components.contract.layers.backbones import BACKBONES
from components.contract.params.model import ModelParams
from components.contract.params.resolve import resolve_train
from components.contract.params.training import TrainParams
from components.train.keras_import.weights_network import recognize_network
from components.train.network.initial_model import inspect_model


def write_weights(path: Path, num_values: int) -> Path:
    """Writes weights in Keras 3's layout: layers with `num_values` numbers in total, and an optimizer's state."""
    kernel = np.ones((num_values // 2, 1), np.float32)
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = kernel
        file["layers/conv2d_1/vars/0"] = np.ones(num_values - len(kernel), np.float32)
        file["optimizer/vars/0"] = np.ones(7, np.float32)
    return path


def test_no_two_backbones_have_the_same_number_of_weights() -> None:
    assert len({facts.num_parameters for facts in BACKBONES.values()}) == len(BACKBONES)


@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3Small"])
def test_the_network_of_a_weights_file_need_not_be_named(name: str, tmp_path: Path) -> None:
    path = write_weights(tmp_path / "mine.weights.h5", BACKBONES[name].num_parameters)
    model, initial_model = inspect_model(ModelParams(weights=str(path)))
    assert (model.name, model.weights) == (name, str(path))
    train, decisions = resolve_train(TrainParams(model=model), (224, 224), initial_model)
    assert (train.model.kind, train.model.name) == ("pretrained", name)
    assert f"mine.weights.h5 contains {name}'s {BACKBONES[name].num_parameters:,} parameters" in decisions[0]


@pytest.mark.parametrize("difference", [-1, 1])
def test_weights_of_an_unknown_network_are_rejected(difference: int, tmp_path: Path) -> None:
    num_values = BACKBONES["MobileNetV3Small"].num_parameters + difference
    with pytest.raises(WeightsError, match=rf"contains {num_values:,} parameters, .*train\.model\.path") as error:
        recognize_network(write_weights(tmp_path / "other.h5", num_values))
    assert str(tmp_path / "other.h5") in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.h5", None, "found none at"),
        ("broken.h5", b"\x89HDF\r\n\x1a\n", "cannot be opened"),
        ("page.h5", b"<html>404</html>", "must be a .keras file"),
        ("network.keras", b"PK\x03\x04", "If it contains a whole network, set train.model.path instead"),
    ],
)
def test_a_file_that_is_not_a_weights_file_is_rejected(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"Pretrained weights (must be|cannot be read)") as error:
        inspect_model(ModelParams(weights=str(path)))
    assert message in str(error.value)


def test_if_the_weights_file_cannot_be_read_the_network_must_be_named() -> None:
    with pytest.raises(ParamsError, match=r"train\.model\.name must be set .* the file is /data/weights\.h5"):
        resolve_train(TrainParams(model=ModelParams(weights="/data/weights.h5")), (224, 224))


def test_the_shared_weights_are_those_of_mobilenetv2(shared_dir: Path) -> None:
    assert recognize_network(next((shared_dir / "weights").glob("*.h5"))) == "MobileNetV2"
