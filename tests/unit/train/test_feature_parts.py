"""Parallel tasks compute exactly the features that tune and train need."""

from pathlib import Path

import pytest

from components.contract.artifacts.dataset import read_info
from components.contract.params.training import Phase, TrainParams
from components.contract.system.atomic_files import write_json
from components.train.feature_parts import compute_features
from components.train.loop import features
from components.train.loop.phases import make_examples
from components.train.network.freezing import select
from components.train.setup import open_network, open_photographs, settle_mirror
from tests.support.artifacts import make_dataset

PARAMS = TrainParams.model_validate_json(
    '{"model": {"kind": "pretrained", "name": "MobileNetV2", "weights": null}, "trainable": "head", "epochs": 2,'
    ' "views": 2, "augmentation": "medium", "phases": [{}]}'
)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DARKROOM_CACHE", str(tmp_path / "cache"))
    make_dataset(tmp_path / "dataset", per_class=4, side=32)
    return tmp_path / "dataset"


def refuse(*_: object) -> None:
    raise AssertionError("features must not be computed again")


@pytest.mark.parametrize("mirror_pairs", [(), (("left", "right"),)], ids=["may mirror", "must not mirror"])
def test_the_train_step_reuses_the_features_that_the_tasks_computed(
    dataset: Path, monkeypatch: pytest.MonkeyPatch, mirror_pairs: tuple[tuple[str, str], ...]
) -> None:
    info = read_info(dataset).model_copy(update={"mirror_pairs": mirror_pairs})
    write_json(dataset / "dataset.json", info)
    assert sum(compute_features(dataset, PARAMS, part, 2) for part in range(2)) == 2 + 1
    monkeypatch.setattr(features, "fastest_inference", refuse)
    params = settle_mirror(PARAMS, info)
    network = open_network(params, info).network
    (phase,) = params.all_phases
    photos = open_photographs(dataset, info)
    *_, boundary = make_examples(network, select(network, phase), photos, phase, params)
    assert boundary is not None


def test_no_features_are_computed_from_layers_that_an_earlier_phase_trains(dataset: Path) -> None:
    phases = (Phase(trainable="all", epochs=1), Phase(trainable="head", epochs=1))
    assert compute_features(dataset, PARAMS.model_copy(update={"phases": phases}), 0, 1) == 0
