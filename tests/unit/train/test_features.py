"""The freeze boundary: a cached way to the logits is the same way."""

import logging
from pathlib import Path

import keras
import numpy as np
import pytest

from components.contract.augment import augment, image_keys, photo_seeds
from components.contract.dataset import Split, open_split
from components.contract.layers import parse_layer
from components.contract.model_params import ModelParams
from components.contract.train_params import AUGMENTATION_PRESETS, TrainParams
from components.train import features
from components.train.architecture import Network, build_network
from components.train.features import at_boundary, compute_features, fastest_inference
from tests.made import make_dataset

MEDIUM = AUGMENTATION_PRESETS["medium"]


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Split, Split]:
    folder = tmp_path_factory.mktemp("made") / "dataset"
    make_dataset(folder, per_class=13, side=32)
    return open_split(folder, "train"), open_split(folder, "validation")


@pytest.fixture(scope="module")
def network() -> Network:
    keras.utils.set_random_seed(3)
    head = (parse_layer("GlobalAveragePooling2D"), parse_layer({"Dense": {"units": 8, "activation": "relu"}}))
    params = ModelParams(kind="pretrained", name="MobileNetV2", weights="imagenet", head=head)
    return build_network(params, image_size=(32, 32), num_classes=3, batch_size=8)


def test_logits_through_the_cache_are_those_of_the_whole_network(
    splits: tuple[Split, Split], network: Network, tmp_path: Path
) -> None:
    params = TrainParams(augmentation="medium", views=3, seed=5)
    learnt, checked = at_boundary(network, *splits, params, tmp_path)
    train, validation = splits
    keys = image_keys(train.image_ids)
    photos = train.gather(np.arange(len(train)))
    views = [photos] + [augment(photos, MEDIUM, photo_seeds(keys, seed=5, variant=view)) for view in (1, 2)]
    expected = network.model.predict(np.concatenate(views), verbose=0)
    found = network.learning_part().predict(learnt.values, verbose=0)
    assert np.abs(found - expected).max() < 1e-4
    assert np.array_equal(learnt.labels, np.tile(train.labels, 3))
    whole = network.model.predict(validation.gather(np.arange(len(validation))), verbose=0)
    assert np.abs(network.learning_part().predict(checked.values, verbose=0) - whole).max() < 1e-4
    assert len(checked.labels) == len(validation), "validation is never augmented"
    assert not list(tmp_path.iterdir()), "what fits into memory stays there"


def test_features_too_large_for_memory_stand_in_a_file_as_float16(
    splits: tuple[Split, Split], network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    infer = fastest_inference(network.frozen_part())
    options = {"views": 2, "augmentation": MEDIUM, "seed": 5}
    exact = compute_features(infer, (1280,), splits[0], **options, store=tmp_path / "unused.npy")
    monkeypatch.setattr(features, "LARGEST_IN_MEMORY", 1000)
    stored = compute_features(infer, (1280,), splits[0], **options, store=tmp_path / "features.npy")
    assert isinstance(stored.values, np.memmap)
    assert (tmp_path / "features.npy").stat().st_size < 78 * 1280 * 2 + 1000
    assert np.allclose(stored.values, exact.values, rtol=1e-3, atol=1e-6)


def test_progress_names_rate_and_time_left(
    splits: tuple[Split, Split], network: Network, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(features, "REPORT_SECONDS", 0)
    with caplog.at_level(logging.INFO, logger="components"):
        compute_features(
            lambda pixels: pixels.mean(axis=(1, 2)), (3,), splits[0], views=1, augmentation=MEDIUM, seed=5,
            store=tmp_path / "unused.npy",
        )  # fmt: skip
    assert caplog.messages[0].startswith("32 of 39 variants have passed the frozen layers, ")
    assert caplog.messages[-1].startswith("39 of 39 variants")
    assert caplog.messages[-1].endswith("a second, 0 s left.")


def test_a_fault_on_the_way_to_the_features_is_not_lost(splits: tuple[Split, Split], tmp_path: Path) -> None:
    def broken(pixels: np.ndarray) -> np.ndarray:
        raise RuntimeError("no such instruction")

    with pytest.raises(RuntimeError, match="no such instruction"):
        compute_features(
            broken, (3,), splits[0], views=1, augmentation=MEDIUM, seed=5, store=tmp_path / "unused.npy"
        )  # fmt: skip
