"""The freeze boundary: cached features lead to the same logits as photos."""

import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from components.contract.artifacts.dataset import Split, open_split
from components.contract.errors import ModelError
from components.contract.image.augment import augment, image_keys, photo_seeds
from components.contract.layers.stack import parse_layer
from components.contract.params.augmentation import AUGMENTATION_PRESETS
from components.contract.params.model import ModelParams
from components.contract.params.training import CachePrecision, Phase, TrainParams
from components.contract.system.cache import cache_dir
from components.train.loop import features
from components.train.loop.batches import Features, Photos
from components.train.loop.digest import network_digest
from components.train.loop.features import FeatureCache
from components.train.loop.inference import FeatureRequest
from components.train.loop.phases import make_examples
from components.train.network.architecture import Network, build_network
from components.train.network.freezing import frozen_part, learning_part, select
from components.train.setup import Photographs
from tests.support.artifacts import make_dataset
from tests.support.small_disk import remount, small_disk

MEDIUM = AUGMENTATION_PRESETS["medium"]


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Split, Split]:
    folder = tmp_path_factory.mktemp("made") / "dataset"
    make_dataset(folder, per_class=13, side=32)
    return open_split(folder, "train"), open_split(folder, "validation")


@pytest.fixture(scope="module")
def mobilenet(splits: tuple[Split, Split]) -> Network:
    """MobileNetV2 with random weights; batch normalization is adapted to the photos, so the features do not vanish."""
    keras.utils.set_random_seed(3)
    head = (parse_layer("GlobalAveragePooling2D"), parse_layer({"Dense": {"units": 8, "activation": "relu"}}))
    params = ModelParams(kind="pretrained", name="MobileNetV2", weights="imagenet", head=head)
    network = build_network(params, image_size=(32, 32), num_classes=3, batch_size=8)
    for layer in network.model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network.model(splits[0].gather(np.arange(len(splits[0]))), training=True)
    return network


@pytest.fixture(scope="module")
def network() -> Network:
    """One convolution and a head."""
    pixels = keras.Input((32, 32, 3), dtype="uint8", name="pixels")
    features = keras.layers.Conv2D(4, 3, activation="relu", name="eye")(keras.layers.Rescaling(1 / 255)(pixels))
    base = keras.Model(pixels, features)
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    model = keras.Model(pixels, keras.layers.Dense(3, name="logits")(pooled))
    return Network(model=model, embedding=pooled, feature_map=features, backbone=base)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sets an empty cache and returns its folder for features."""
    monkeypatch.setenv("DARKROOM_CACHE", str(tmp_path))
    return tmp_path / "features"


def cache(network: Network, precision: CachePrecision = "float32", trainable: str = "head") -> FeatureCache:
    boundary = select(network, Phase(trainable=trainable)).boundary
    assert boundary is not None
    return FeatureCache(frozen_part(network, boundary), precision)


def make_request(split: Split, views: int = 1, **facts: Any) -> FeatureRequest:
    return FeatureRequest(split, **{"fingerprint": "f", "views": views, "augmentation": MEDIUM, "seed": 5} | facts)


@pytest.mark.parametrize(
    ("precision", "tolerance", "trainable"),
    [
        ("float32", 1e-4, "from block_13_expand"),
        ("float16", 5e-3, "head"),
        pytest.param("float32", 1e-4, "head", marks=pytest.mark.proof),
        pytest.param("float16", 5e-3, "from block_13_expand", marks=pytest.mark.proof),
    ],
)
def test_logits_from_cached_features_equal_those_of_the_whole_network(
    splits: tuple[Split, Split], mobilenet: Network, precision: CachePrecision, tolerance: float, trainable: str
) -> None:
    network = mobilenet
    train, validation = splits
    feature_cache = cache(network, precision, trainable)
    training_features, validation_features = (
        feature_cache.get(make_request(train, 3)),
        feature_cache.get(make_request(validation, fingerprint="g")),
    )
    photos = train.gather(np.arange(len(train)))
    keys = image_keys(train.image_ids)
    views = [photos] + [augment(photos, MEDIUM, photo_seeds(keys, seed=5, variant=view)) for view in (1, 2)]
    learning = learning_part(network, select(network, Phase(trainable=trainable)).boundary)
    rows = np.arange(len(train))
    # In epoch 0 the photos have the views 0, 1, 2, 0, 1, …
    mixed = np.array([views[row % 3][row] for row in rows])
    for split_features, pixels in (
        (training_features, mixed),
        (validation_features, validation.gather(np.arange(len(validation)))),
    ):
        expected = network.model.predict(pixels, verbose=0)
        logits = learning.predict(split_features.gather(np.arange(len(pixels)), 0), verbose=0)
        assert np.ptp(expected, axis=0).min() > 0.1, "the logits of the photos must differ"
        assert np.abs(logits - expected).max() < tolerance * np.abs(expected).max()
        lost = expected.max(axis=1) - expected[np.arange(len(expected)), logits.argmax(axis=1)]
        assert lost.max() < 2 * tolerance, "the top class may differ only if two logits are almost equal"
    assert np.array_equal(training_features.labels, train.labels)
    view_sums = np.array([[training_features.gather(rows[:1], epoch)[0].sum() for epoch in range(6)]])
    assert len(np.unique(view_sums)) == 3, "the three views must repeat"


def test_cached_features_are_not_computed_again(
    splits: tuple[Split, Split],
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = cache(network).get(make_request(splits[0], 2)).gather(np.arange(20), 0)
    assert len(list(folder.iterdir())) == 2
    monkeypatch.setattr(features, "fastest_inference", lambda _: pytest.fail("the features must be cached"))
    with caplog.at_level(logging.INFO, logger="components"):
        assert cache(network).can_hold(make_request(splits[0], 2))
    assert caplog.messages[-1].endswith("all cached.")
    assert np.array_equal(cache(network).get(make_request(splits[0], 2)).gather(np.arange(20), 0), first)


@pytest.mark.parametrize(
    ("views", "facts", "computed"),
    [
        (3, {}, 1),
        (2, {"fingerprint": "other"}, 2),
        (2, {"seed": 6}, 1),
        (2, {"augmentation": AUGMENTATION_PRESETS["light"]}, 1),
    ],
    ids=["another view", "other photos", "another seed", "another augmentation"],
)
def test_only_features_that_depend_on_a_change_are_computed_again(
    splits: tuple[Split, Split], network: Network, folder: Path, views: int, facts: dict[str, Any], computed: int
) -> None:
    cache(network).get(make_request(splits[0], 2))
    cache(network).get(make_request(splits[0], views, **facts))
    assert len(list(folder.iterdir())) == 2 + computed


def test_the_digest_depends_on_the_weights_but_not_on_whether_they_are_trainable(network: Network) -> None:
    layer = network.model.get_layer("eye")
    before = network_digest(network.model)
    weights = layer.get_weights()
    layer.set_weights([weights[0] + 1e-6, weights[1]])
    assert network_digest(network.model) != before
    layer.set_weights(weights)
    layer.trainable = not layer.trainable
    assert network_digest(network.model) == before, "whether a layer is trainable must not affect the digest"


def test_the_features_of_a_damaged_file_are_computed_again(
    splits: tuple[Split, Split], network: Network, folder: Path
) -> None:
    expected = cache(network).get(make_request(splits[0])).gather(np.arange(20), 0)
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    assert np.array_equal(cache(network).get(make_request(splits[0])).gather(np.arange(20), 0), expected)


def test_features_too_large_for_memory_stay_in_their_files(
    splits: tuple[Split, Split], network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.random.default_rng(0).permutation(len(splits[0]))
    in_memory = cache(network, "float16").get(make_request(splits[0], 2)).gather(rows, 0)
    monkeypatch.setattr(features, "LARGEST_IN_MEMORY", 1000)
    mapped = cache(network, "float16").get(make_request(splits[0], 2)).gather(rows, 0)
    assert mapped.dtype == np.float32
    assert np.array_equal(mapped, in_memory)


def test_the_cache_limit_is_respected_and_reported(
    splits: tuple[Split, Split],
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    one_view = len(splits[0]) * 4 * 4
    monkeypatch.setenv("DARKROOM_CACHE_GB", str(2.5 * one_view / 1e9))
    assert cache(network).can_hold(make_request(splits[0], 2))
    assert not cache(network).can_hold(make_request(splits[0], 3))
    assert "so every epoch runs the frozen layers again" in caplog.text
    for seed in (1, 2, 3):
        cache(network).get(make_request(splits[0], 2, seed=seed))
    assert len(list(folder.iterdir())) == 2, "the least recently used features must be removed"


def examples(network: Network, splits: tuple[Split, Split]) -> object:
    """What the head trains on: cached features, or photos if features cannot be cached."""
    params = TrainParams(trainable="head", augmentation="medium", views=3)
    selection = select(network, params)
    photos = Photographs(*splits, fingerprint="f")
    training_examples, _, boundary = make_examples(network, selection, photos, params, params)
    assert (boundary is None) == isinstance(training_examples, Photos)
    return training_examples


def test_training_uses_photos_if_a_full_or_read_only_disk_cannot_cache_features(
    splits: tuple[Split, Split],
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(features, "FREE_PART", 1000)  # as if there were enough space
    with small_disk(tmp_path / "disk", "8k") as disk:
        monkeypatch.setenv("DARKROOM_CACHE", str(disk))
        assert isinstance(examples(network, splits), Photos)
        assert f"Features cannot be cached in {disk / 'features'}: [Errno 28] No space left on device" in caplog.text
        assert len(list((disk / "features").iterdir())) == 2, "no partial file may remain"
        remount(disk, "size=64k")
        assert isinstance(examples(network, splits), Features)
        remount(disk, "ro")
        assert isinstance(examples(network, splits), Features), "features that are already cached must be used"
        monkeypatch.setenv("DARKROOM_CACHE", str(disk / "another"))
        assert isinstance(examples(network, splits), Photos)
        assert "Read-only file system" in caplog.messages[-1]


def test_progress_is_reported_with_rate_and_time_left(
    splits: tuple[Split, Split], network: Network, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.contract.system.progress.EVERY_SECONDS", 0)
    with caplog.at_level(logging.INFO, logger="components"):
        cache(network).get(make_request(splits[0]))
    assert caplog.messages[0].startswith("32 of 39 photos have passed through the frozen layers (view 1 of 1), ")
    assert caplog.messages[-1].endswith("per second, about 0 s left.")


def test_an_error_while_computing_features_is_raised(
    splits: tuple[Split, Split], network: Network, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    def broken(pixels: np.ndarray) -> np.ndarray:
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(features, "fastest_inference", lambda _: broken)
    with pytest.raises(RuntimeError, match="no such instruction"):
        cache(network).get(make_request(splits[0]))
    assert not list(folder.iterdir()), "no partial file may remain"


def test_nan_features_are_rejected_and_not_cached(splits: tuple[Split, Split]) -> None:
    pixels = keras.Input((32, 32, 3), dtype="uint8")
    frozen = keras.Model(pixels, keras.layers.Rescaling(1e38)(keras.layers.Rescaling(1e38)(pixels)))
    cache = FeatureCache(frozen, "float32")
    request = FeatureRequest(splits[0], "photos", 1, MEDIUM, 0)
    with pytest.raises(ModelError, match=r"^The frozen layers output NaN or infinity for one of the first \d+ photos"):
        cache.get(request)
    assert not [*(cache_dir() / "features").iterdir()]
