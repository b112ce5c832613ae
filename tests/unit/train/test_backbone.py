"""Pretrained weights: found, fetched or refused with what to do."""

import socket
import time
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from components.contract.errors import WeightsError
from components.train.backbone import BACKBONES, build_backbone, find_weights, load_weights

FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of Keras, and no way to the network."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{unused.getsockname()[1]}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    return tmp_path / "keras"


def mobilenet(width: int = 32) -> keras.Model:
    return build_backbone("MobileNetV2", keras.Input((width, width, 3), dtype="uint8", name="pixels"))


def test_without_a_network_the_message_names_file_place_and_the_other_way(keras_home: Path) -> None:
    started = time.monotonic()
    with pytest.raises(WeightsError) as error:
        find_weights("MobileNetV2", "imagenet", (224, 224))
    assert time.monotonic() - started < 5
    assert f"{FILE} is not in {keras_home / 'models'} and cannot be fetched: " in str(error.value)
    assert f"Fetch https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/{FILE}" in str(error.value)
    assert f"put it at {keras_home / 'models' / FILE}, or name a copy of it with train.model.weights=PATH" in str(
        error.value
    )
    assert not list(keras_home.rglob("*.h5"))


def test_a_file_in_keras_cache_needs_no_network(keras_home: Path) -> None:
    path = keras_home / "models" / FILE
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w"):
        pass
    assert find_weights("MobileNetV2", "imagenet", (224, 224)) == path


@pytest.mark.parametrize(
    ("image_size", "trained_at"),
    [((224, 224), 224), ((96, 96), 96), ((160, 160), 160), ((100, 100), 224), ((96, 128), 224)],
)
def test_the_weights_fit_the_size_of_the_photos(image_size: tuple[int, int], trained_at: int) -> None:
    assert f"_1.0_{trained_at}_no_top.h5" in BACKBONES["MobileNetV2"].weights_url(image_size)


def test_the_table_names_what_keras_would_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(name: str, origin: str, **_: object) -> str:
        asked.append(origin)
        raise FileNotFoundError

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", note)
    for name, row in BACKBONES.items():
        with pytest.raises(FileNotFoundError):
            getattr(keras.applications, name)(include_top=False, input_shape=(96, 96, 3))
        assert asked[-1] == row.weights_url((96, 96))


def test_no_weights_need_no_file() -> None:
    assert find_weights("MobileNetV2", "none", (224, 224)) is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.h5", None, "there is no file at"),
        ("weights.h5", b"", "must be an HDF5 file named"),
        ("weights.h5", b"<html>404</html>", "must be an HDF5 file named"),
        ("weights.bin", b"\x89HDF\r\n\x1a\n", "must be an HDF5 file named"),
    ],
)
def test_what_is_no_weights_file_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as error:
        find_weights("MobileNetV2", str(path), (224, 224))
    assert str(path) in str(error.value)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    path = tmp_path / "other.weights.h5"
    other.save_weights(path)
    with pytest.raises(WeightsError, match="must hold the weights of MobileNetV2 without its top; it does not: "):
        load_weights(mobilenet(), path, "MobileNetV2")


def test_weights_with_the_top_are_refused_with_the_count_of_layers(tmp_path: Path) -> None:
    path = tmp_path / "with_top.h5"
    keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), classes=5).save(path)
    with pytest.raises(WeightsError, match="expected 104 layers, found 105"):
        load_weights(mobilenet(), path, "MobileNetV2")


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
def test_weights_of_both_generations_of_keras_are_taken(tmp_path: Path, suffix: str) -> None:
    saved = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3))
    path = tmp_path / f"mine{suffix}"
    saved.save_weights(path) if suffix == ".weights.h5" else saved.save(path)
    loaded = mobilenet()
    digest = load_weights(loaded, path, "MobileNetV2")
    assert len(digest) == 64
    assert all(np.array_equal(one, other) for one, other in zip(loaded.get_weights(), saved.get_weights(), strict=True))


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    saved = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3))
    saved.get_layer("Conv1").set_weights([np.full((3, 3, 3, 32), np.nan)])
    path = tmp_path / "nan.weights.h5"
    saved.save_weights(path)
    with pytest.raises(WeightsError, match="must be finite numbers"):
        load_weights(mobilenet(), path, "MobileNetV2")


def test_preprocessing_is_that_of_keras_applications() -> None:
    pixels = np.arange(256, dtype=np.uint8).repeat(12).reshape(1, 32, 32, 3)
    ours = mobilenet().get_layer("rescaling")(pixels)
    theirs = keras.applications.mobilenet_v2.preprocess_input(pixels.astype(np.float32))
    assert np.allclose(np.asarray(ours), theirs, atol=1e-6)


def test_the_imagenet_weights_load(shared_dir: Path) -> None:
    path = find_weights("MobileNetV2", str(next((shared_dir / "weights").glob("*.h5"))), (224, 224))
    assert path is not None
    backbone = mobilenet()
    assert len(load_weights(backbone, path, "MobileNetV2")) == 64
    assert backbone.get_layer("Conv1").get_weights()[0].std() > 0.1
