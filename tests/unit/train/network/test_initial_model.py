"""Uploaded models and earlier bundles: checked before the run, imported safely, then trained further."""

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from components.contract.artifacts.bundle import BundleInfo
from components.contract.errors import ArtifactError, ModelError, TrackingError, UploadError
from components.contract.layers.backbone_facts import PixelScale
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.params.resolve import resolve_train
from components.contract.params.training import TrainParams
from components.contract.system.atomic_files import file_sha256
from components.train.network.earlier_bundle import find_bundle
from components.train.network.initial_model import import_initial_model, inspect_model
from components.train.network.pixels import scale_pixels, to_gray
from tests.support.artifacts import make_bundle, make_dataset
from tests.unit.train.network.uploads import SIDE, build, classifier, make_initial_model, photos


@pytest.mark.parametrize("last", ["softmax", "softmax layer", "linear"])
def test_an_unchanged_model_outputs_its_own_logits(last: str, tmp_path: Path) -> None:
    model = classifier(last=last)
    network = build(make_initial_model(model, tmp_path / "import"))
    assert network.model.input.dtype == "uint8"
    expected = np.asarray(model(photos().astype(np.float32)))
    logits = np.asarray(network.model(photos()))
    answers = logits if last == "linear" else np.asarray(keras.ops.softmax(logits))
    assert np.allclose(answers, expected, atol=1e-5)
    assert network.embedding.shape == (None, 6)
    assert network.feature_map is not None
    assert network.feature_map.shape == (None, 22, 22, 6)
    assert network.backbone is not None
    assert "conv" in {layer.name for layer in network.backbone.layers}, "submodels must be unpacked into layers"


def test_a_model_that_outputs_neither_logits_nor_softmax_needs_a_new_head(tmp_path: Path) -> None:
    with pytest.raises(UploadError, match=r"classes is Dense with the activation sigmoid\. .*head=linear"):
        build(make_initial_model(classifier(last="sigmoid"), tmp_path / "import"))


@pytest.mark.parametrize(
    ("layer", "head", "features"),
    [("eye", None, (22, 22, 6)), ("conv", "vgg", (22, 22, 6)), ("pool", "dense", (6,)), ("pool", None, (6,))],
)
def test_a_new_head_can_follow_any_layer(layer: str, head: Any, features: tuple[int, ...], tmp_path: Path) -> None:
    model = classifier(classes=7)
    network = build(make_initial_model(model, tmp_path / "import", layer=layer), head)
    assert network.backbone is not None
    assert network.backbone.output.shape == (None, *features)
    assert network.model.output.shape == (None, 3)
    eye = model.get_layer("eye")
    inside = eye.get_layer("conv") if layer == "conv" else eye
    expected = np.asarray(inside(photos().astype(np.float32) / 255))
    expected = expected.mean(axis=(1, 2)) if layer == "pool" else expected
    assert np.allclose(np.asarray(network.backbone(photos())), expected, atol=1e-5)


def test_an_unknown_layer_name_is_rejected_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(UploadError, match=r"train\.model\.layer must be a layer .* 'pol' \(did you mean pool\?\)"):
        build(make_initial_model(classifier(), tmp_path / "import", layer="pol"))


def test_a_network_for_gray_photos_gets_gray_photos(tmp_path: Path) -> None:
    model = classifier(channels=1)
    network = build(make_initial_model(model, tmp_path / "import"))
    luma = (photos() @ np.array([0.299, 0.587, 0.114]))[..., None].astype(np.float32)
    assert np.allclose(keras.ops.softmax(network.model(photos())), model(luma), atol=1e-5)


@pytest.mark.parametrize(
    ("scale", "module"),
    [("-1 to 1", "mobilenet_v2"), ("ImageNet mean and deviation", "densenet"), ("BGR less ImageNet mean", "vgg16")],
)
def test_pixels_are_scaled_as_in_keras(scale: PixelScale, module: str) -> None:
    pixels = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    ours = keras.Model(pixels, scale_pixels(pixels, scale))(photos())
    theirs = getattr(keras.applications, module).preprocess_input(photos().astype(np.float32))
    assert np.allclose(np.asarray(ours), theirs, atol=1e-4)


def test_pixel_ranges_0_to_1_and_0_to_255_are_supported() -> None:
    pixels = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    assert np.allclose(keras.Model(pixels, scale_pixels(pixels, "0 to 1"))(photos()), photos() / 255, atol=1e-6)
    assert np.allclose(keras.Model(pixels, scale_pixels(pixels, "0 to 255"))(photos()), photos())
    with pytest.raises(ModelError, match="ImageNet mean and deviation is for color photos"):
        scale_pixels(to_gray(pixels), "ImageNet mean and deviation")


# --- checks before a run ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def upload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a network whose pixel range cannot be inferred."""
    path = tmp_path_factory.mktemp("upload") / "my shoes.h5"
    classifier(classes=5, scaled=False).save(path)
    return path


def model_params(**model: Any) -> ModelParams:
    return ModelParams.model_validate(model)


def test_the_pixel_range_is_required_if_the_network_does_not_determine_it(upload: Path) -> None:
    with pytest.raises(
        ModelError, match=r"train\.model\.pixels must be the pixel range on which my shoes\.h5 was trained"
    ):
        inspect_model(model_params(path=str(upload)))


def test_an_inspection_returns_size_features_and_decisions(upload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(upload.parent)
    model, given_model = inspect_model(model_params(path=upload.name, pixels="0 to 1", head="dense"))
    assert given_model is not None
    assert model.path == str(upload)
    assert (given_model.image_size, given_model.features) == ((SIDE, SIDE), (22, 22, 6))
    assert "the new head follows the layer eye of my shoes.h5" in given_model.decisions[1]
    train, decisions = resolve_train(TrainParams(model=model), (SIDE, SIDE), given_model)
    assert train.model.kind == "upload"
    assert isinstance(train.model.head, tuple)
    assert "its pixel range is 0 to 1. It is set in the params." in decisions[0]
    with pytest.raises(ModelError, match=r"my shoes\.h5 needs photos of 24 × 24 px; the photos are 32 × 32 px"):
        resolve_train(TrainParams(model=model), (32, 32), given_model)
    flat = model.model_copy(update={"head": (parse_layer({"Dense": {"units": 4}}),)})
    with pytest.raises(ModelError, match=r"train\.model\.head\[0\] .* Its input is 22 × 22 × 6\."):
        resolve_train(TrainParams(model=flat), (SIDE, SIDE), given_model)


def test_a_model_with_the_wrong_number_of_classes_is_refused_by_the_step(upload: Path, tmp_path: Path) -> None:
    with pytest.raises(UploadError, match="value for each of the 3 classes; this one outputs a vector of 5"):
        import_initial_model(
            model_params(kind="upload", path=str(upload), pixels="0 to 1"),
            (SIDE, SIDE),
            ("a", "b", "c"),
            tmp_path / "model",
        )
    with pytest.raises(UploadError, match="found none at"):
        import_initial_model(
            model_params(kind="upload", path=str(tmp_path / "absent.h5")), (SIDE, SIDE), None, tmp_path / "model"
        )


def test_a_bundle_is_found_by_its_run_name_and_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    info = make_dataset(tmp_path / "dataset", per_class=2)
    make_bundle(tmp_path / "runs" / "today" / "model", info)
    folder = tmp_path / "runs" / "today" / "model"
    for name in ("today", "runs/today", "runs/today/model", str(folder)):
        assert find_bundle(name) == folder
    with pytest.raises(
        ArtifactError, match=r"'yesterday' is none of these \(did you mean today\?\); latest runs in this folder: today"
    ):
        find_bundle("yesterday")
    model, given_model = inspect_model(model_params(**{"from": "today"}))
    assert model.from_ == str(folder)
    assert given_model is not None
    assert given_model.image_size == info.image_size
    assert json.loads(model.model_dump_json())["from"] == str(folder)


def test_a_registered_model_is_downloaded_by_alias_version_or_run_id(tmp_path: Path, mlflow_store: str) -> None:
    from mlflow import MlflowClient

    info = make_dataset(tmp_path / "dataset", per_class=2)
    make_bundle(tmp_path / "bundle", info)
    (tmp_path / "bundle" / "model.keras").write_bytes(b"the network")
    (tmp_path / "bundle" / "train_image_ids.txt").write_text("a\n")
    client = MlflowClient()
    run_id = client.create_run(client.create_experiment("colors", f"file://{tmp_path}/artifacts")).info.run_id
    client.log_artifacts(run_id, str(tmp_path / "bundle"), "bundle")
    client.create_registered_model("colors")
    version = client.create_model_version("colors", f"runs:/{run_id}/bundle", run_id).version
    client.set_registered_model_alias("colors", "champion", version)
    folders = [find_bundle(name) for name in ("colors@champion", f"colors@{version}", run_id)]
    assert len(set(folders)) == 1
    assert (folders[0] / "model.keras").read_bytes() == b"the network"
    assert BundleInfo.model_validate_json((folders[0] / "bundle.json").read_text()).class_names == info.class_names
    with pytest.raises(TrackingError, match="MLflow did not return the bundle of colors@best: "):
        find_bundle("colors@best")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"kind": "upload"}, "kind upload needs `path`"),
        ({"kind": "bundle"}, "kind bundle needs `from`"),
        ({"kind": "bundle", "path": "x"}, "kind bundle needs `from`, not path"),
        ({"path": "x", "from": "y"}, "from cannot be combined with path, which implies kind upload"),
        ({"path": "x", "weights": "none"}, "weights cannot be combined with path"),
        ({"from": "x", "pixels": "0 to 1"}, "pixels cannot be combined with from"),
        ({"layers": ("Flatten",), "layer": "conv"}, "layer cannot be combined with layers"),
        ({"path": "x", "pixels": "0-255"}, "Input should be '0 to 255'"),
        ({"path": "x", "head": "wide"}, "Input should be 'linear', 'dense', 'vgg'"),
        ({"path": "x", "head": "imagenet"}, "head: imagenet needs a model of kind pretrained; found kind upload"),
        ({"path": "x", "head": ()}, "head must have at least one layer"),
    ],
)
def test_contradictory_params_are_rejected(model: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_params(**model)


@pytest.mark.proof
def test_an_upload_is_trained_and_the_resulting_bundle_is_trained_further(tmp_path: Path, mlflow_store: str) -> None:
    from components.train.step import train

    make_dataset(tmp_path / "dataset", per_class=8, side=SIDE)
    classifier(classes=5).save(tmp_path / "inner.h5")
    with zipfile.ZipFile(tmp_path / "upload.zip", "w") as archive:
        archive.write(tmp_path / "inner.h5", "inner.h5")
    model = model_params(kind="upload", path=str(tmp_path / "upload.zip"), head="linear")
    params = TrainParams(model=model, epochs=2, batch_size=8, augmentation="none", learning_rate=0.01)
    params, _ = resolve_train(params, (SIDE, SIDE))
    first = train(tmp_path / "dataset", params, tmp_path / "first")
    assert (first.model.kind, first.model.trained_layers) == ("upload", ("logits",))
    assert first.model.uploaded_sha256 == file_sha256(tmp_path / "upload.zip")
    assert first.model.imported_sha256 not in (None, first.model.uploaded_sha256)
    onward = params.model_copy(update={"model": model_params(**{"kind": "bundle", "from": str(tmp_path / "first")})})
    second = train(tmp_path / "dataset", onward, tmp_path / "second")
    assert second.model.uploaded_sha256 == file_sha256(tmp_path / "first" / "model.keras")
    assert second.model.from_mlflow_run_id == first.mlflow_run_id
    before, after = (keras.saving.load_model(tmp_path / name / "model.keras") for name in ("first", "second"))
    assert [layer.name for layer in after.layers] == [layer.name for layer in before.layers]
    assert np.array_equal(after.get_layer("conv").get_weights()[0], before.get_layer("conv").get_weights()[0])
