"""Backbones match those of Keras, and their weights are found, downloaded, or refused with advice."""

import importlib
import socket
import time
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from components.contract.errors import ModelError, WeightsError
from components.contract.layers.backbone_sizes import feature_shape, warn_of_small_photos
from components.contract.layers.backbones import BACKBONES
from components.contract.params.model import ModelParams
from components.contract.params.training import Phase
from components.train.network.architecture import build_network
from components.train.network.backbone import build_backbone, find_weights, load_weights, weights_file
from components.train.network.freezing import select

FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Keras cache, without internet access."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{unused.getsockname()[1]}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    return tmp_path / "keras"


def mobilenet(width: int = 32) -> keras.Model:
    return build_backbone("MobileNetV2", keras.Input((width, width, 3), dtype="uint8", name="pixels"))


def test_without_internet_access_the_message_names_the_file_and_alternatives(keras_home: Path) -> None:
    start = time.monotonic()
    with pytest.raises(WeightsError) as error:
        find_weights("MobileNetV2", "imagenet", (224, 224))
    assert time.monotonic() - start < 5
    assert f"{FILE} is not in {keras_home / 'models'} and cannot be downloaded: " in str(error.value)
    assert f"Download https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/{FILE} " in str(
        error.value
    )
    assert f"put it at {keras_home / 'models' / FILE}, or set the path of a copy with train.model.weights=PATH" in str(
        error.value
    )
    assert not list(keras_home.rglob("*.h5"))


def test_a_file_in_the_keras_cache_needs_no_internet_access(keras_home: Path) -> None:
    path = keras_home / "models" / FILE
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w"):
        pass
    assert find_weights("MobileNetV2", "imagenet", (224, 224)) == path


@pytest.mark.parametrize(
    ("image_size", "trained_at"),
    [((224, 224), 224), ((96, 96), 96), ((160, 160), 160), ((100, 100), 224), ((96, 128), 224)],
)
def test_the_chosen_weights_match_the_photo_size(image_size: tuple[int, int], trained_at: int) -> None:
    assert weights_file("MobileNetV2", image_size).name.endswith(f"_1.0_{trained_at}_no_top.h5")


QUICK = ("MobileNetV2", "MobileNetV3Small", "VGG16")
EACH = [name if name in QUICK else pytest.param(name, marks=pytest.mark.proof) for name in BACKBONES]


def test_every_backbone_of_the_contract_has_its_own_weights_file() -> None:
    assert len({weights_file(name, (224, 224)).name for name in BACKBONES}) == len(BACKBONES)


@pytest.mark.parametrize("name", EACH)
def test_the_table_names_the_weights_files_that_keras_downloads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[tuple[str, str]] = []

    def note(file_name: str, origin: str, **_: object) -> str:
        requests.append((file_name, origin))
        raise FileNotFoundError

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", note)
    size = BACKBONES[name].size
    for with_top in (False, True):
        with pytest.raises(FileNotFoundError):
            getattr(keras.applications, name)(include_top=with_top, input_shape=(size, size, 3))
        expected_file = weights_file(name, (size, size), with_top=with_top)
        assert requests[-1] == (expected_file.name, expected_file.url)


@pytest.mark.parametrize("name", EACH)
def test_the_contract_predicts_the_shape_of_a_backbones_features(name: str) -> None:
    smallest = BACKBONES[name].smallest
    sizes = [(smallest, smallest + 33), (smallest + 1, smallest + 62), (smallest + 30, BACKBONES[name].size)]
    for size in sizes[: 1 if name in QUICK else 3]:
        built = build_backbone(name, keras.Input((*size, 3), dtype="uint8", name="pixels"))
        assert built.output.shape == (None, *feature_shape(name, size))
    with pytest.raises(ModelError, match=f"{name} needs photos of at least {smallest} px on each side"):
        feature_shape(name, (smallest - 1, 300))


@pytest.mark.parametrize("name", EACH)
def test_the_last_blocks_of_a_backbone_exist_and_have_a_freeze_boundary(name: str) -> None:
    side = BACKBONES[name].smallest
    params = ModelParams(kind="pretrained", name=name, weights="none", head="linear")  # type: ignore[arg-type]
    network = build_network(params, image_size=(side, side), num_classes=3, batch_size=1)
    assert network.backbone is not None
    selection = select(network, Phase(trainable="blocks"))
    assert selection.boundary is not None
    # Each NASNet cell uses the outputs of the two cells before it, so the boundary must precede the first cell.
    assert (selection.boundary_name == "stem_bn1") == (name == "NASNetMobile")
    num_trained = sum(int(np.prod(weight.shape)) for weight in network.model.trainable_weights)
    assert 0.1 < num_trained / network.model.count_params() < 0.95
    assert network.backbone.count_params() == BACKBONES[name].num_parameters


@pytest.mark.parametrize("name", EACH)
def test_a_backbone_preprocesses_photos_like_keras(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both networks have the same weights; Darkroom's gets the photos, and Keras' the output of preprocess_input."""
    keras.utils.clear_session()  # restarts the numbering in automatic layer names
    side = BACKBONES[name].smallest
    ours = build_backbone(name, keras.Input((side, side, 3), dtype="uint8", name="pixels"))
    if name.startswith("EfficientNetB"):
        theirs = efficientnet_with_imagenet_weights(name, ours, monkeypatch)
    else:
        theirs = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(side, side, 3))
        theirs.set_weights(ours.get_weights())
    photos = np.random.default_rng(1).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    module = importlib.import_module(getattr(keras.applications, name).__module__)
    expected = np.asarray(theirs(module.preprocess_input(photos.astype(np.float32))))
    assert np.ptp(expected) > 0
    assert np.allclose(np.asarray(ours(photos)), expected, atol=1e-4 * max(1, np.abs(expected).max()))


def efficientnet_with_imagenet_weights(name: str, ours: keras.Model, monkeypatch: pytest.MonkeyPatch) -> keras.Model:
    """Builds the network with the scaling layer that Keras adds for ImageNet weights; copies the weights of `ours`."""
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    (normalization,) = (layer for layer in ours.layers if isinstance(layer, keras.layers.Normalization))
    normalization.set_weights([mean, deviation, np.array(0)])
    monkeypatch.setattr("keras.src.applications.efficientnet.file_utils.get_file", lambda *_, **__: "unused")
    monkeypatch.setattr("keras.Model.load_weights", lambda *_: None)
    side = BACKBONES[name].smallest
    theirs: keras.Model = getattr(keras.applications, name)(include_top=False, input_shape=(side, side, 3))
    theirs.set_weights(ours.get_weights())
    return theirs


def test_photos_far_smaller_than_a_backbone_expects_cause_a_warning() -> None:
    assert "was trained on photos of 299 px. Yours are 32 × 32 px" in str(warn_of_small_photos("Xception", (32, 32)))
    assert warn_of_small_photos("Xception", (150, 100)) is None
    assert warn_of_small_photos("MobileNetV2", (400, 300)) is None


def test_random_weights_need_no_file() -> None:
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
def test_an_invalid_weights_file_is_rejected(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
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
    with pytest.raises(WeightsError, match="does not contain the weights of MobileNetV2 without its top: "):
        load_weights(mobilenet(), path, "MobileNetV2")


def test_weights_that_include_the_top_are_rejected_with_both_layer_counts(tmp_path: Path) -> None:
    path = tmp_path / "with_top.h5"
    keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), classes=5).save(path)
    with pytest.raises(WeightsError, match="expected 104 layers, found 105"):
        load_weights(mobilenet(), path, "MobileNetV2")


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5"])
def test_weights_of_keras_2_and_3_are_accepted(tmp_path: Path, suffix: str) -> None:
    saved = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3))
    path = tmp_path / f"mine{suffix}"
    saved.save_weights(path) if suffix == ".weights.h5" else saved.save(path)
    loaded = mobilenet()
    digest = load_weights(loaded, path, "MobileNetV2")
    assert len(digest) == 64
    assert all(
        np.array_equal(actual, expected)
        for actual, expected in zip(loaded.get_weights(), saved.get_weights(), strict=True)
    )


def test_nan_weights_are_rejected(tmp_path: Path) -> None:
    saved = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3))
    saved.get_layer("Conv1").set_weights([np.full((3, 3, 3, 32), np.nan)])
    path = tmp_path / "nan.weights.h5"
    saved.save_weights(path)
    with pytest.raises(WeightsError, match="must be finite numbers"):
        load_weights(mobilenet(), path, "MobileNetV2")


def test_the_imagenet_head_outputs_a_thousand_logits(tmp_path: Path) -> None:
    model = build_backbone("MobileNetV2", keras.Input((32, 32, 3), dtype="uint8", name="pixels"), with_top=True)
    assert model.output.shape == (None, 1000)
    saved = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3))
    saved.save(tmp_path / "with_top.h5")
    load_weights(model, tmp_path / "with_top.h5", "MobileNetV2", with_top=True)
    photos = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    expected = np.asarray(saved(photos / 127.5 - 1))
    assert np.allclose(np.asarray(keras.ops.softmax(model(photos))), expected, atol=1e-5)


def test_the_shared_imagenet_weights_can_be_loaded(shared_dir: Path) -> None:
    path = find_weights("MobileNetV2", str(next((shared_dir / "weights").glob("*.h5"))), (224, 224))
    assert path is not None
    backbone = mobilenet()
    assert len(load_weights(backbone, path, "MobileNetV2")) == 64
    assert backbone.get_layer("Conv1").get_weights()[0].std() > 0.1
