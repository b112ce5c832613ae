"""Trials can share a backbone, and each produces the same weights as with a separate one."""

from pathlib import Path

import numpy as np
import pytest

from components.contract.artifacts.dataset import DatasetInfo
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.params.resolve import resolve_train
from components.contract.params.training import TrainParams
from components.contract.tracking.run import Run
from components.train.loop.phases import train_phases
from components.train.network.shared_backbone import SharedBackbone
from components.train.setup import Photographs, open_network, open_photographs
from tests.support.artifacts import make_dataset

SIDE = 32


@pytest.fixture(scope="module")
def photo_set(tmp_path_factory: pytest.TempPathFactory) -> tuple[DatasetInfo, Photographs]:
    folder = tmp_path_factory.mktemp("made") / "dataset"
    info = make_dataset(folder, per_class=8, side=SIDE)
    return info, open_photographs(folder, info)


def read_params(rate: float, seed: int = 0) -> TrainParams:
    layers = ({"GlobalAveragePooling2D": {}}, {"Dense": {"units": 8}}, {"Dropout": {"rate": rate}})
    model = ModelParams(kind="pretrained", name="MobileNetV2", weights="none", head=tuple(map(parse_layer, layers)))
    params = TrainParams(
        model=model,
        augmentation="none",
        epochs=1,
        min_epoch_steps=3,
        trainable="from block_16_expand",
        learning_rate=0.01,
        seed=seed,
    )
    return resolve_train(params, (SIDE, SIDE))[0]


def trained(
    photo_set: tuple[DatasetInfo, Photographs], params: TrainParams, shared_backbone: SharedBackbone | None
) -> list[np.ndarray]:
    info, photographs = photo_set
    network = open_network(params, info, shared_backbone=shared_backbone).network
    train_phases(network, photographs, params, Run(None))
    weights: list[np.ndarray] = network.model.get_weights()
    return weights


def test_each_trial_produces_the_same_weights_as_with_its_own_backbone(
    photo_set: tuple[DatasetInfo, Photographs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DARKROOM_CACHE", str(tmp_path))
    shared_backbone = SharedBackbone()
    for params in (read_params(0.1), read_params(0.5)):
        shared, alone = trained(photo_set, params, shared_backbone), trained(photo_set, params, None)
        assert all(np.array_equal(weight_a, weight_b) for weight_a, weight_b in zip(shared, alone, strict=True))


def test_the_backbone_is_built_once_for_all_matching_trials(photo_set: tuple[DatasetInfo, Photographs]) -> None:
    info, _ = photo_set
    shared_backbone = SharedBackbone()
    first, again, other = (
        open_network(params, info, shared_backbone=shared_backbone).network.backbone
        for params in (read_params(0.1), read_params(0.5), read_params(0.5, seed=1))
    )
    assert first is again
    assert other is not first
