"""When the head is trained before the last blocks, each photo passes through the frozen layers once for both phases."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.contract.artifacts.dataset import read_info
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.params.training import Phase, TrainParams
from components.contract.system.cache import cache_dir
from components.contract.tracking.run import Run
from components.train.budget.measurement import measure_phases
from components.train.feature_parts import compute_features
from components.train.loop import features
from components.train.loop.inference import fastest_inference
from components.train.loop.phases import features_ahead, train_phases
from components.train.network.architecture import Network, build_network
from components.train.network.freezing import frozen_part, select
from components.train.setup import open_network, open_photographs
from tests.support.artifacts import make_dataset

HEAD_FIRST = ({"trainable": "head", "epochs": 2}, {"trainable": "blocks", "epochs": 3})


def params_of(*phases: dict[str, Any], views: int = 3) -> TrainParams:
    model = {"kind": "pretrained", "name": "MobileNetV2", "weights": None}
    return TrainParams.model_validate(
        {"model": model, "augmentation": "light", "views": views, "phases": phases, "min_epoch_steps": 1}
    )


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """20 training photos and 7 validation photos."""
    make_dataset(tmp_path / "dataset", per_class=7, side=32)
    return tmp_path / "dataset"


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The passes of photos through frozen layers: the split, and the index of the view."""
    counted: list[tuple[str, int]] = []
    compute = features.compute_features

    def count(infer: Any, request: features.FeatureRequest, view: int, *rest: Any) -> Iterator[Any]:
        counted.append((request.fingerprint.rpartition(" ")[2], view))
        return compute(infer, request, view, *rest)

    monkeypatch.setattr(features, "compute_features", count)
    return counted


def use_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_CACHE", str(folder))


def open_for_training(dataset: Path, params: TrainParams) -> Network:
    return open_network(params, read_info(dataset)).network


def train(dataset: Path, params: TrainParams) -> list[float]:
    """Returns the validation losses."""
    photos = open_photographs(dataset, read_info(dataset))
    return train_phases(open_for_training(dataset, params), photos, params, Run(None)).history["val_loss"]


def cached_files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (cache_dir() / "features").glob("*.npy")}


def test_each_view_is_computed_once_for_both_phases_with_the_same_values(
    dataset: Path, passes: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = params_of(*HEAD_FIRST)
    use_cache(tmp_path / "together", monkeypatch)
    losses, together = train(dataset, params), cached_files()
    assert passes == [("train", 0), ("train", 1), ("validation", 0), ("train", 2)]
    use_cache(tmp_path / "apart", monkeypatch)
    monkeypatch.setattr("components.train.loop.phases.features_ahead", lambda *_: ([], []))
    assert train(dataset, params) == losses
    assert len(passes) == 4 + 7
    assert cached_files() == together


@pytest.mark.parametrize("name", ["EfficientNetB0", "MobileNetV3Small"])
def test_one_pass_returns_only_the_outputs_of_the_parts_in_their_order(name: str) -> None:
    """Without names, OpenVINO's converter would also output the inputs of EfficientNet's activations."""
    head = (parse_layer("GlobalAveragePooling2D"),)
    params = ModelParams(kind="pretrained", name=name, weights="none", head=head)
    network = build_network(params, image_size=(32, 32), num_classes=3, batch_size=8)
    parts = [
        frozen_part(network, boundary)
        for trainable in ("blocks", "head")
        if (boundary := select(network, Phase(trainable=trainable)).boundary) is not None
    ]
    assert len(parts) == 2
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    for ordered in (parts, parts[::-1], parts[:1]):
        outputs = fastest_inference(*ordered)(pixels)
        assert len(outputs) == len(ordered)
        for part, output in zip(ordered, outputs, strict=True):
            expected = np.asarray(part(pixels, training=False))
            assert np.abs(output - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("phases", "num_files"),
    [
        (HEAD_FIRST, (2, 1)),
        (({"trainable": "head", "epochs": 2}, {"trainable": "blocks 10%", "epochs": 1}), (1, 1)),
        (({"trainable": "head"}, {"trainable": "blocks", "augmentation": "strong"}), (1, 1)),
        (({"trainable": "head"}, {"trainable": "all"}), (0, 0)),
        (({"trainable": "blocks"}, {"trainable": "head"}), (0, 0)),
        (({"trainable": "all"}, {"trainable": "head"}), (0, 0)),
        (({"trainable": "head"}, {"trainable": "head"}), (0, 0)),
        (({"trainable": "none"}, {"trainable": "blocks"}), (0, 0)),
        (({"trainable": "head"},), (0, 0)),
    ],
    ids=[
        "blocks next",
        "fewer views",
        "other photos",
        "all next",
        "head next",
        "all first",
        "the same",
        "none",
        "last",
    ],
)
def test_only_features_of_layers_that_stay_frozen_are_computed_ahead(
    dataset: Path, phases: Any, num_files: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cache(tmp_path / "cache", monkeypatch)
    params = params_of(*phases)
    photos = open_photographs(dataset, read_info(dataset))
    training, validation = features_ahead(open_for_training(dataset, params), photos, params, 1)
    assert (len(training), len(validation)) == num_files


def test_nothing_is_computed_ahead_without_space_for_it(
    dataset: Path, passes: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cache(tmp_path / "cache", monkeypatch)
    monkeypatch.setenv("DARKROOM_CACHE_GB", str(2e-4))  # enough for three views at the head, not for the blocks
    params = params_of({"trainable": "head", "epochs": 2}, {"trainable": "blocks", "epochs": 1})
    train(dataset, params)
    assert passes == [("train", 0), ("train", 1), ("validation", 0)]


def test_parallel_tasks_compute_each_portion_once(
    dataset: Path, passes: list[tuple[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cache(tmp_path / "cache", monkeypatch)
    params = params_of(*HEAD_FIRST)
    assert compute_features(dataset, params, 0, 1) == 3 + 1
    assert sorted(passes) == [("train", 0), ("train", 1), ("train", 2), ("validation", 0)]
    losses = train(dataset, params)
    assert len(passes) == 4
    use_cache(tmp_path / "alone", monkeypatch)
    assert train(dataset, params) == losses


def test_the_estimate_counts_each_view_once(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_cache(tmp_path / "cache", monkeypatch)
    params = params_of(*HEAD_FIRST)
    photos = open_photographs(dataset, read_info(dataset))
    head, blocks = measure_phases(open_for_training(dataset, params), photos, params)
    assert (len(head.views), head.shared_views) == (2, 0)
    assert (len(blocks.views), blocks.shared_views) == (3, 2)
    train(dataset, params_of(HEAD_FIRST[0]))
    head, blocks = measure_phases(open_for_training(dataset, params), photos, params)
    assert (sum(head.views), blocks.shared_views) == (0, 0), "cached views are not computed, so none is shared"
