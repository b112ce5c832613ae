"""If a time limit leaves too few epochs for the last half of a network, the last quarter is trained instead."""

import logging
from pathlib import Path
from typing import Any

import pytest

from components.contract.params.training import TrainParams
from components.train.budget import settle
from components.train.budget.plan import PhaseCost, Plan
from tests.support.artifacts import make_dataset
from tests.unit.train.own_network import PARAMS

ANYTHING: Any = object()
"""The network and the photos: only the measurements, which are replaced here, use them."""
WITH_BLOCKS = TrainParams.model_validate(
    {
        "model": {"kind": "pretrained", "name": "MobileNetV2", "weights": None},
        "augmentation": "none",
        "phases": [{"trainable": "head", "epochs": 3}, {"trainable": "blocks", "epochs": 10}],
    }
)


@pytest.mark.parametrize(
    ("plan", "narrower_plan", "is_narrower"),
    [
        (Plan((2, 5), 5, 9.0), None, False),
        (Plan((1, 4), 5, 9.0), Plan((2, 8), 5, 9.0), True),
        (Plan((1, 4), 5, 9.0), Plan((1, 4), 5, 9.0), False),
        (Plan((13,), 5, 9.0), Plan((1, 2), 5, 9.0), True),
        (Plan((13,), 5, 9.0), Plan((13,), 5, 9.0), False),
    ],
    ids=["enough epochs", "more epochs", "equally many", "a phase more", "the head only"],
)
def test_fewer_blocks_are_trained_if_that_allows_more_epochs(
    plan: Plan,
    narrower_plan: Plan | None,
    is_narrower: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    measured: list[Any] = []

    def measure(_network: Any, _photos: Any, params: TrainParams, _measured: Any) -> tuple[PhaseCost, ...]:
        measured.append(params.all_phases[-1].trainable)
        return (PhaseCost(1.0), PhaseCost(1.0))

    monkeypatch.setattr(settle, "measure_inference", lambda *_: 0.01)
    monkeypatch.setattr(settle, "measure_phases", measure)
    monkeypatch.setattr(settle, "make_plan", lambda *_: plan if len(measured) == 1 else narrower_plan)
    info = make_dataset(tmp_path / "dataset", per_class=2)
    with caplog.at_level(logging.INFO):
        settled = settle.settle_budget(
            WITH_BLOCKS.model_copy(update={"minutes": 5.0}),
            ANYTHING,
            ANYTHING,
            info,
            checkpoint=None,
            elapsed_seconds=lambda: 20.0,
            export_seconds=1.0,
            startup_seconds=1.0,
        )
    assert measured == (["blocks"] if narrower_plan is None else ["blocks", "blocks 25%"])
    expected = narrower_plan if is_narrower else plan
    assert expected is not None
    assert [phase.epochs for phase in settled.params.all_phases] == list(expected.epochs)
    last = settled.params.all_phases[-1].trainable
    assert last == ("head" if len(expected.epochs) == 1 else "blocks 25%" if is_narrower else "blocks")
    assert ("trains blocks 25% instead of blocks" in caplog.text) == is_narrower


def test_only_the_last_phase_can_train_fewer_blocks() -> None:
    narrower = settle.train_fewer_blocks(WITH_BLOCKS)
    assert narrower is not None
    assert [phase.trainable for phase in narrower.all_phases] == ["head", "blocks 25%"]
    single = settle.train_fewer_blocks(PARAMS.model_copy(update={"trainable": "blocks"}))
    assert single is not None
    assert (single.phases, single.trainable) == ("auto", "blocks 25%")
    assert settle.train_fewer_blocks(PARAMS) is None
