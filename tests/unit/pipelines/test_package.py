"""A pretrained network is packaged as a service without training."""

import json
import socket
from pathlib import Path

import pytest

from components.contract.artifacts.bundle import read_bundle
from components.contract.errors import WeightsError
from components.train.pretrained import NUM_CLASSES, imagenet_class_names
from pipelines.cli.main import call
from pipelines.package import package


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Keras cache and no network access."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{unused.getsockname()[1]}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "keras"


def write_index(keras_home: Path, num: int = NUM_CLASSES) -> None:
    (keras_home / "models").mkdir(parents=True)
    names = {str(number): [f"n{number:08d}", f"thing_{number}"] for number in range(num)}
    names["7"] = ["n00000007", "thing_3"]
    (keras_home / "models" / "imagenet_class_index.json").write_text(json.dumps(names))


def test_a_missing_class_name_file_is_reported_when_offline(keras_home: Path) -> None:
    with pytest.raises(WeightsError) as error:
        imagenet_class_names()
    place = keras_home / "models" / "imagenet_class_index.json"
    assert (
        f"The names of ImageNet's classes are neither in Keras' cache nor downloadable: {place.name} is not in"
        in str(error.value)
    )
    assert f"Download https://storage.googleapis.com/download.tensorflow.org/data/{place.name}" in str(error.value)
    assert f"put it at {place}." in str(error.value)


def test_duplicate_class_names_are_made_unique(keras_home: Path) -> None:
    write_index(keras_home)
    names = imagenet_class_names()
    assert (names[0], names[3], names[7]) == ("thing_0", "thing_3 (n00000003)", "thing_3 (n00000007)")
    assert len(set(names)) == NUM_CLASSES


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"0": 3}', '{"0": ["n1", "one"]}'])
def test_an_invalid_class_name_file_is_rejected(keras_home: Path, content: str) -> None:
    (keras_home / "models").mkdir(parents=True)
    (keras_home / "models" / "imagenet_class_index.json").write_text(content)
    with pytest.raises(WeightsError, match="must be Keras' list of ImageNet classes"):
        imagenet_class_names()


def test_missing_weights_with_the_top_layer_are_reported_when_offline(keras_home: Path, tmp_path: Path) -> None:
    write_index(keras_home)
    with pytest.raises(WeightsError, match=r"xception_weights_tf_dim_ordering_tf_kernels\.h5 is not in"):
        package("Xception", "imagenet", tmp_path / "package")
    assert not (tmp_path / "package").exists()


@pytest.mark.proof
def test_weights_without_the_top_layer_cannot_be_packaged(keras_home: Path, tmp_path: Path, shared_dir: Path) -> None:
    write_index(keras_home)
    (weights,) = (shared_dir / "weights").glob("mobilenet_v2_*_no_top.h5")
    with pytest.raises(WeightsError, match="does not contain the weights of MobileNetV2 with its top"):
        package("MobileNetV2", str(weights), tmp_path / "package")
    assert not (tmp_path / "package").exists()


@pytest.mark.proof
def test_a_pretrained_network_is_served_with_its_classes(
    keras_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from components.train.tensorflow.start import start_tensorflow

    start_tensorflow(seed=3)
    import keras

    write_index(keras_home)
    keras.applications.MobileNetV2(weights=None).save(tmp_path / "weights.h5")
    output = tmp_path / "package"
    arguments = ["package", "--pretrained", "MobileNetV2", "--weights", str(tmp_path / "weights.h5"), "--json"]
    assert call([*arguments, "--output", str(output)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["tag"].startswith("mobilenetv2:")
    bundle = read_bundle(Path(result["bundle"]))
    assert (bundle.image_size, bundle.resize, len(bundle.class_names)) == ((224, 224), "crop", 1000)
    assert (Path(result["bento"]) / "src" / "export" / "model.xml").is_file()
