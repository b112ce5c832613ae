"""A network whose input is smaller than the prepared photos scales them down itself."""

from pathlib import Path

import keras
import numpy as np
import pytest

from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.params.training import Phase
from components.contract.system.atomic_files import file_sha256
from components.train.export.graph import export_network
from components.train.keras_import.importing import inspect_upload
from components.train.network.architecture import Network, build_network
from components.train.network.freezing import select
from components.train.network.initial_model import InitialModel
from components.train.network.pixels import shrink

OWN = tuple(map(parse_layer, [{"Conv2D": {"filters": 4, "kernel_size": 3}}, "GlobalAveragePooling2D"]))


def own(prepared: tuple[int, int], input_size: tuple[int, int]) -> Network:
    keras.utils.set_random_seed(3)
    params = ModelParams(kind="layers", layers=OWN)
    return build_network(params, image_size=prepared, input_size=input_size, num_classes=3, batch_size=4)


def photos(side: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize(("prepared", "input_size"), [((16, 16), (8, 8)), ((18, 20), (6, 10)), ((20, 16), (7, 16))])
def test_photos_are_shrunk_by_averaging(prepared: tuple[int, int], input_size: tuple[int, int]) -> None:
    pixels = keras.Input((*prepared, 3))
    model = keras.Model(pixels, shrink(pixels, input_size))
    assert tuple(model.output.shape[1:3]) == input_size
    even = np.full((1, *prepared, 3), 77.0, np.float32)
    assert np.allclose(model(even), 77)
    if prepared == (16, 16):
        photo = photos(16).astype(np.float32)
        expected = photo.reshape(3, 8, 2, 8, 2, 3).mean(axis=(2, 4))
        assert np.allclose(model(photo), expected, atol=1e-3)


def test_a_shrunk_photo_is_classified_like_a_photo_prepared_at_that_size() -> None:
    small = photos(12)
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    assert np.allclose(own((24, 24), (12, 12)).model(large), own((12, 12), (12, 12)).model(small), atol=1e-5)


def test_the_export_shrinks_photos_like_keras(tmp_path: Path) -> None:
    """export_network itself compares the graph with Keras, and fails if they differ."""
    facts = export_network(own((33, 30), (13, 14)), tmp_path / "export", np.zeros((0, 33, 30, 3), np.uint8))
    assert facts.max_probability_difference < 1e-5


def test_a_backbone_gets_the_smaller_photos_and_keeps_its_freeze_boundary() -> None:
    params = ModelParams(kind="pretrained", name="MobileNetV2", weights="none", head=(parse_layer("Flatten"),))
    network = build_network(params, image_size=(80, 80), input_size=(64, 64), num_classes=3, batch_size=4)
    assert network.model.input.shape[1:] == (80, 80, 3)
    assert network.feature_map is not None
    assert network.feature_map.shape[1:] == (2, 2, 1280)
    boundary = select(network, Phase(trainable="head")).boundary
    assert boundary is not None
    assert boundary.shape[1:] == (2 * 2 * 1280,)


def test_a_network_that_shrinks_photos_can_be_imported_again(tmp_path: Path) -> None:
    network = own((32, 32), (12, 12))
    network.model.save(tmp_path / "model.keras")
    facts = inspect_upload(tmp_path / "model.keras").model_copy(
        update={"model_sha256": file_sha256(tmp_path / "model.keras")}
    )
    (tmp_path / "import.json").write_text(facts.model_dump_json())
    initial_model = InitialModel(tmp_path, facts, "mine", "0 to 255", None, None, frozenset())
    params = ModelParams(kind="upload", path="mine.keras")
    again = build_network(params, image_size=(32, 32), num_classes=3, batch_size=4, initial_model=initial_model)
    assert np.allclose(again.model(photos(32)), network.model(photos(32)), atol=1e-5)
    large = photos(32).repeat(2, axis=1).repeat(2, axis=2)
    twice = build_network(
        params, image_size=(64, 64), input_size=(32, 32), num_classes=3, batch_size=4, initial_model=initial_model
    )
    assert np.allclose(twice.model(large), network.model(photos(32)), atol=1e-4)
