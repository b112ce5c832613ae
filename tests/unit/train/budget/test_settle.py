"""Training with a time limit: its plan, how it ends, and that the recorded params reproduce the model."""

import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.contract.artifacts.bundle import read_bundle
from components.contract.artifacts.dataset import read_info
from components.contract.errors import ParamsError
from components.contract.params.pipeline import parse_section
from components.contract.params.training import Phase, TrainParams
from components.contract.tracking.run import Run
from components.train.budget import settle
from components.train.budget.measurement import measure_inference, measure_phases
from components.train.budget.plan import PhaseCost, Plan
from components.train.loop.deadline import Deadline
from components.train.loop.fit_result import FitResult
from components.train.loop.phases import train_phases
from components.train.setup import open_network, open_photographs
from components.train.step import train
from tests.unit.train.own_network import PARAMS

TWO_PHASES = PARAMS.model_copy(
    update={
        "phases": (
            Phase(epochs=2, trainable="all", augmentation="light"),
            Phase(epochs=6, trainable="last 1", augmentation="light", learning_rate=0.01),
        ),
        "views": 5,
    }
)
TWO_PHASES = TWO_PHASES.model_copy(update={"phases": TWO_PHASES.all_phases})


@pytest.fixture(autouse=True)
def _own_folders(mlflow_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DARKROOM_CHECKPOINTS", str(tmp_path / "checkpoints"))


class RefusingDeadline(Deadline):
    """A deadline that is reached after `num_epochs` epochs."""

    def __init__(self, num_epochs: int):
        super().__init__()
        self._num_epochs = num_epochs

    def allows(self, seconds: float) -> bool:
        self._num_epochs -= seconds > 0
        self.is_reached = self.is_reached or self._num_epochs <= 0
        return not self.is_reached


def run_phases(
    dataset_dir: Path, params: TrainParams, deadline: Deadline | None = None, *, is_measured: bool = False
) -> tuple[FitResult, list[np.ndarray]]:
    """Trains, after measuring the cost if requested, and returns the result and the final weights."""
    info = read_info(dataset_dir)
    photos, network = open_photographs(dataset_dir, info), open_network(params, info).network
    if is_measured:
        measure_inference(network, photos, params)
        measure_phases(network, photos, params)
    result = train_phases(network, photos, params, Run(None), deadline=deadline)
    return result, network.model.get_weights()


def test_measuring_the_cost_does_not_change_training(photos_of_32: Path) -> None:
    _, plain = run_phases(photos_of_32, TWO_PHASES)
    _, measured = run_phases(photos_of_32, TWO_PHASES, is_measured=True)
    assert all(map(np.array_equal, plain, measured))


def test_a_measurement_includes_features_and_views_that_are_not_cached(photos_of_32: Path) -> None:
    info = read_info(photos_of_32)
    photos, network = open_photographs(photos_of_32, info), open_network(TWO_PHASES, info).network
    whole, frozen = measure_phases(network, photos, TWO_PHASES)
    assert whole.views == ()
    assert len(frozen.views) == 5
    assert all(seconds > 0 for seconds in (whole.epoch, whole.once, frozen.epoch, frozen.once, *frozen.views))
    frozen_alone = TWO_PHASES.model_copy(update={"phases": TWO_PHASES.all_phases[1:]})
    train_phases(network, photos, frozen_alone, Run(None))
    network = open_network(TWO_PHASES, info).network
    assert measure_phases(network, photos, TWO_PHASES)[1].views == (0.0,) * 5


@pytest.mark.parametrize(("num_epochs", "phase_epochs"), [(1, [1]), (3, [2, 1])])
def test_shortened_training_can_be_repeated_exactly(
    photos_of_32: Path, num_epochs: int, phase_epochs: list[int]
) -> None:
    result, weights = run_phases(photos_of_32, TWO_PHASES, RefusingDeadline(num_epochs))
    assert result.epochs_run == num_epochs
    params = settle.record_epochs(TWO_PHASES, result)
    assert [phase.epochs for phase in params.all_phases] == phase_epochs
    assert params.all_phases[-1].planned_epochs == TWO_PHASES.all_phases[len(phase_epochs) - 1].epochs
    repeated_params = parse_section(TrainParams, json.dumps(params.model_dump(mode="json")))
    repeated, repeated_weights = run_phases(photos_of_32, repeated_params)
    assert repeated.history["val_loss"] == result.history["val_loss"]
    assert repeated.history["learning_rate"] == result.history["learning_rate"]
    assert all(map(np.array_equal, repeated_weights, weights))


def test_a_deadline_within_an_epoch_discards_that_epoch(photos_of_32: Path) -> None:
    class Late(RefusingDeadline):
        """A deadline that is reached in the middle of an epoch."""

        def allows(self, seconds: float) -> bool:
            self._num_epochs -= seconds == 0
            self.is_reached = self.is_reached or self._num_epochs <= 0
            return not self.is_reached

    params = PARAMS.model_copy(update={"batch_size": 4})
    result, weights = run_phases(photos_of_32, params, Late(10))
    assert 1 <= result.epochs_run < params.epochs
    assert all(len(values) == result.epochs_run for values in result.history.values())
    _, repeated = run_phases(photos_of_32, settle.record_epochs(params, result))
    assert all(map(np.array_equal, repeated, weights))


def test_the_first_epoch_is_always_finished(photos_of_32: Path) -> None:
    result, _ = run_phases(photos_of_32, TWO_PHASES, Deadline(0.0))
    assert result.epochs_run == 1
    assert settle.record_epochs(TWO_PHASES, result).all_phases[0].epochs == 1


@pytest.mark.parametrize(
    ("plan", "expected"),
    [(Plan((1, 4), 3, 9.0), [1, 4]), (Plan((7,), 5, 9.0), [7])],
)
def test_a_plan_becomes_params_without_a_time_limit(plan: Plan, expected: list[int]) -> None:
    params = settle.apply_plan(TWO_PHASES.model_copy(update={"minutes": 2.0}), plan)
    assert [phase.epochs for phase in params.all_phases] == expected
    assert (params.minutes, params.views) == (None, plan.views)
    assert params.all_phases[0].trainable == "all"
    one_phase = settle.apply_plan(PARAMS.model_copy(update={"minutes": 2.0}), Plan((3,), 1, 9.0))
    assert (one_phase.phases, one_phase.epochs) == ("auto", 3)


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (Plan((2, 6), 5, 60.0), "allows 2 epochs (trainable: all) and 6 epochs (trainable: last 1)."),
        (Plan((1, 4), 5, 60.0), "allows 1 of 2 epochs (trainable: all) and 4 of 6 epochs (trainable: last 1)."),
        (
            Plan((1, 3), 2, 60.0),
            "allows 1 of 2 epochs (trainable: all) and 3 of 6 epochs (trainable: last 1), 2 of 5 views.",
        ),
        (Plan((1,), 1, 60.0), "allows 1 epoch (trainable: all), 1 of 5 views, without the phase (trainable: last 1)."),
    ],
)
def test_a_plan_is_described_with_its_estimate(plan: Plan, sentence: str) -> None:
    text = settle.describe_plan(plan, TWO_PHASES.model_copy(update={"minutes": 2.5}), 20.0, 40.0)
    assert text == (
        f"train.minutes: 2.5 {sentence} Estimate for the run: 2.0 minutes, of which 20 s have passed, 60 s are for "
        "training and 40 s are for export, evaluation and service."
    )


def test_the_recorded_params_reproduce_training_with_a_time_limit(
    photos_of_32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(settle, "make_plan", lambda *_: Plan((1, 4), 2, 30.0))
    limited = TWO_PHASES.model_copy(update={"minutes": 30.0})
    with caplog.at_level(logging.INFO):
        bundle = train(photos_of_32, limited, tmp_path / "model")
    assert (
        "train.minutes: 30 allows 1 of 2 epochs (trainable: all) and 4 of 6 epochs (trainable: last 1), 2 of 5 views."
        in caplog.text
    )
    assert bundle.budget is not None
    assert bundle.budget.plan in caplog.text
    assert (bundle.budget.minutes, bundle.budget.is_cut, bundle.epochs_run) == (30.0, False, 5)
    assert bundle.budget.estimated_seconds is not None
    assert bundle.budget.estimated_seconds > 30
    params = parse_section(TrainParams, json.dumps(bundle.params))
    assert (params.minutes, params.views, [phase.epochs for phase in params.all_phases]) == (None, 2, [1, 4])
    repeated = train(photos_of_32, params, tmp_path / "repeated")
    assert repeated.budget is None
    weights = [(tmp_path / name / "export" / "model.bin").read_bytes() for name in ("model", "repeated")]
    assert weights[0] == weights[1]
    assert not list((tmp_path / "checkpoints").glob("*/phase-*"))


def test_resumed_training_keeps_its_plan(
    photos_of_32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    limited = TWO_PHASES.model_copy(update={"minutes": 30.0})
    monkeypatch.setattr(settle, "make_plan", lambda *_: Plan((1, 4), 2, 30.0))
    with monkeypatch.context() as patch:
        patch.setattr("components.train.export.graph.save_graph", lambda *_: None)
        patch.setattr("components.train.loop.callbacks.saving.Saver.on_test_batch_end", lambda *_, **__: None)
        patch.setattr("components.train.step._write_preview", fail)
        patch.setattr("components.train.export.graph.check_exportable", lambda _network: None)
        patch.setattr("components.train.export.graph.export_network", fail)
        with pytest.raises(KeyboardInterrupt):
            train(photos_of_32, limited, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    monkeypatch.setattr(settle, "make_plan", fail)
    with caplog.at_level(logging.INFO):
        bundle = train(photos_of_32, limited, tmp_path / "model")
    assert "The training continues with its original plan." in caplog.text
    assert bundle.budget is not None
    assert bundle.budget.estimated_seconds is None
    assert (bundle.params["minutes"], bundle.params["views"], bundle.epochs_run) == (None, 2, 5)
    assert read_bundle(tmp_path / "model").params == bundle.params


def test_a_limit_that_is_too_small_is_reported_with_the_minimum(photos_of_32: Path, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"enough for one epoch: about \d+\.\d minutes on this machine; it is 0\.01"):
        train(photos_of_32, PARAMS.model_copy(update={"minutes": 0.01}), tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert not list((tmp_path / "checkpoints").glob("*/phase-*"))


def test_the_error_message_contains_a_sufficient_limit(photos_of_32: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "measure_phases", lambda *_: (PhaseCost(30.0, (20.0,), 10.0),))
    monkeypatch.setattr(settle, "measure_inference", lambda *_: 0.0)
    info = read_info(photos_of_32)
    photos, network = open_photographs(photos_of_32, info), open_network(PARAMS, info).network
    limit, epochs = 0.01, 0
    for _ in range(2):
        params = PARAMS.model_copy(update={"minutes": limit})
        try:
            settled = settle.settle_budget(
                params,
                network,
                photos,
                info,
                checkpoint=None,
                elapsed_seconds=lambda: 25.0,
                export_seconds=2.0,
                startup_seconds=10.0,
            )
            epochs = settled.params.epochs
        except ParamsError as error:
            limit = float(str(error).split("about ")[1].split()[0])
    assert epochs == 1


def test_a_deadline_is_reached_once_it_refuses_a_duration() -> None:
    assert Deadline().allows(1e12)
    deadline = Deadline(100.0)
    assert deadline.allows(1.0)
    assert not deadline.is_reached
    assert not deadline.allows(math.inf)
    assert deadline.is_reached
