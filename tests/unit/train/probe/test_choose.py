"""The probe that the train step runs: real networks with random weights, on photos of three colors."""

import json
import logging
from pathlib import Path

import keras
import numpy as np
import pytest

from components.contract.artifacts.dataset import read_info
from components.contract.errors import DataError, WeightsError
from components.contract.params.pipeline import load_params
from components.contract.params.resolve import resolve
from components.contract.params.training import TrainParams
from components.train.budget import measurement
from components.train.loop import features
from components.train.network.backbone import build_backbone
from components.train.network.candidates import inspect_initial_model
from components.train.probe import choose
from components.train.setup import open_photographs
from components.train.step import train
from tests.support.artifacts import make_dataset


@pytest.fixture(scope="module")
def weights_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two weights files, each with random weights for one backbone."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("MobileNetV2", "MobileNetV3Small"):
        keras.utils.set_random_seed(0)
        pixels = keras.Input((32, 32, 3), dtype="uint8")
        build_backbone(name, pixels).save_weights(folder / f"{name}.weights.h5")
    return folder


@pytest.fixture(autouse=True)
def _own_folders(mlflow_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DARKROOM_CACHE", "DARKROOM_CHECKPOINTS", "KERAS_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))


@pytest.fixture
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no internet access")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def settle(dataset_dir: Path, *settings: str) -> TrainParams:
    """The train params for a data set, resolved as in a run."""
    size = read_info(dataset_dir).image_size
    settings = ("data.uri=photos", f"preprocess.image_size={list(size)}", "train.model.name=auto", *settings)
    params, facts = inspect_initial_model(load_params(None, settings))
    return resolve(params, native_size=size, data_name="photos", initial_model=facts).params.train


def candidates(*paths: Path) -> str:
    return f"train.model.candidates={json.dumps([str(path) for path in paths])}"


def test_the_chosen_network_is_trained_and_its_features_are_not_computed_again(
    photos_of_32: Path,
    weights_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    computed: list[tuple[int, int]] = []
    compute = features.compute_features

    def count(infer: object, request: features.FeatureRequest, view: int, *rest: object) -> object:
        computed.append((len(request.split), view))
        return compute(infer, request, view, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(features, "compute_features", count)
    files = [weights_dir / f"{name}.weights.h5" for name in ("MobileNetV2", "MobileNetV3Small")]
    params = settle(
        photos_of_32, candidates(*files), "train.preset=fast", "train.trainable=head", "train.epochs=1", "train.seed=7"
    )
    assert (params.model.name, params.model.choose) == ("auto", "fastest")
    with caplog.at_level(logging.INFO):
        bundle = train(photos_of_32, params, tmp_path / "model")
    assert bundle.probe is not None
    assert bundle.probe.num_photos == 24
    assert {network.name for network in bundle.probe.networks} == {path.name for path in files}
    assert all(network.accuracy and network.ms_per_photo for network in bundle.probe.networks)
    assert f"train.model.name: auto became {bundle.probe.why}" in caplog.text
    assert "Accuracy of a linear head on frozen features, cross-validated on 24 training photos." in caplog.text
    assert bundle.model.name in bundle.probe.chosen
    assert bundle.params["model"]["name"] == bundle.model.name
    assert bundle.params["model"]["candidates"] is None
    assert computed == [(24, 0), (24, 0), (24, 0)], (
        "features must be computed once per candidate for the training photos, then once for the validation photos"
    )

    repeated = train(photos_of_32, TrainParams.model_validate_json(json.dumps(bundle.params)), tmp_path / "repeated")
    assert repeated.probe is None
    weights = [(tmp_path / name / "export" / "model.bin").read_bytes() for name in ("model", "repeated")]
    assert weights[0] == weights[1]


def test_a_probe_of_the_same_candidates_is_reused(
    photos_of_32: Path, weights_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files = [weights_dir / f"{name}.weights.h5" for name in ("MobileNetV2", "MobileNetV3Small")]
    params, info = settle(photos_of_32, candidates(*files)), read_info(photos_of_32)
    photos = open_photographs(photos_of_32, info)
    first = choose.settle_network(params, info, photos)
    monkeypatch.setattr(measurement, "time_inference", None)
    with caplog.at_level(logging.INFO):
        assert choose.settle_network(params, info, photos) == first
    assert "These candidates have already been probed on these photos." in caplog.text


@pytest.mark.usefixtures("_offline")
def test_a_single_candidate_with_weights_is_used_without_a_probe(
    photos_of_32: Path, weights_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "_probe_once", None)
    info = read_info(photos_of_32)
    params = settle(photos_of_32, candidates(Path("ResNet50V2"), weights_dir / "MobileNetV2.weights.h5"))
    settled, probe = choose.settle_network(params, info, open_photographs(photos_of_32, info))
    assert probe is not None
    table = "\n".join(choose.table_lines(probe))
    assert (settled.model.name, settled.image_size, probe.num_photos) == ("MobileNetV2", None, 0)
    assert "it is the only candidate that can be used, so nothing was probed." in table
    assert "ResNet50V2             not probed: no weights" in table
    named = settle(photos_of_32, "train.model.name=MobileNetV2", "train.model.weights=none")
    assert settled.model.head == named.model.head


@pytest.mark.usefixtures("_offline")
def test_without_any_weights_the_message_says_what_to_do(photos_of_32: Path) -> None:
    info = read_info(photos_of_32)
    with pytest.raises(
        WeightsError, match=r"at least one candidate with weights; none of EfficientNetB0, .*candidates="
    ):
        choose.settle_network(settle(photos_of_32), info, open_photographs(photos_of_32, info))


def test_params_that_name_a_network_are_unchanged(photos_of_32: Path) -> None:
    info = read_info(photos_of_32)
    params = settle(photos_of_32).model_copy(update={"model": settle(photos_of_32, "train.model.name=VGG16").model})
    assert choose.settle_network(params, info, open_photographs(photos_of_32, info)) == (params, None)


@pytest.mark.parametrize("per_class", [1, 2])
def test_a_probe_needs_two_classes_with_two_photos_each(weights_dir: Path, tmp_path: Path, per_class: int) -> None:
    make_dataset(tmp_path / "dataset", per_class=per_class, side=32)
    info = read_info(tmp_path / "dataset")
    files = [weights_dir / f"{name}.weights.h5" for name in ("MobileNetV2", "MobileNetV3Small")]
    params, photos = settle(tmp_path / "dataset", candidates(*files)), open_photographs(tmp_path / "dataset", info)
    if per_class == 1:
        with pytest.raises(DataError, match="two classes must have two training photos each; found 0 of 3"):
            choose.settle_network(params, info, photos)
    else:
        probe = choose.settle_network(params, info, photos)[1]
        assert probe is not None
        assert probe.num_photos == 6


def test_candidates_use_their_own_input_size_if_the_photos_are_larger(
    weights_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dataset(tmp_path / "dataset", per_class=2, side=260)
    info = read_info(tmp_path / "dataset")
    monkeypatch.setattr(choose, "_probe_once", lambda settled, others, *_: (_ for _ in ()).throw(KeyError(settled)))
    files = [weights_dir / f"{name}.weights.h5" for name in ("MobileNetV2", "MobileNetV3Small")]
    params = settle(tmp_path / "dataset", candidates(*files))
    with pytest.raises(KeyError) as error:
        choose.settle_network(params, info, open_photographs(tmp_path / "dataset", info))
    assert [settled.image_size for settled in error.value.args[0].values()] == [(224, 224), (224, 224)]
    assert np.prod(info.image_size) == 260 * 260
