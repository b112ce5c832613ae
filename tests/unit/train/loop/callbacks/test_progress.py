"""What training reports while it runs: metrics, waiting time, system metrics, and values that are not finite."""

import itertools
import json
import logging
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from components.contract.errors import ModelError
from components.contract.system.program import EVENTS_VARIABLE, FINISH_FILE, running_step
from components.contract.tracking import spool
from components.contract.tracking.run import Run
from components.train.loop.callbacks import progress
from components.train.loop.callbacks.progress import measure_input_wait, system_metrics
from tests.unit.train.loop.points import classifier, points, run_fit


@pytest.mark.parametrize(
    ("made_at", "start", "end", "waited"),
    [
        ([4.0], 5.0, 7.0, 0.0),
        ([6.0], 5.0, 7.0, 1.0),
        ([4.0, 4.5, 4.9], 5.0, 8.0, 0.0),
        ([6.0, 6.1, 6.2], 5.0, 9.0, 1.0),
        ([6.0, 8.0, 10.0], 5.0, 11.0, 3.0),
        ([5.0, 6.0, 9.0], 5.0, 10.0, 2.0),
        ([], 5.0, 6.0, 0.0),
    ],
    ids=["one, on time", "one, late", "all on time", "first late", "each late", "last late", "no batch"],
)
def test_the_time_spent_waiting_for_batches_is_computed_for_steps_of_equal_duration(
    made_at: list[float], start: float, end: float, waited: float
) -> None:
    assert measure_input_wait(np.array(made_at), start, end) == pytest.approx(waited)


@pytest.mark.parametrize(
    ("place", "activation", "report_seconds"),
    [
        (7, "relu", progress.REPORT_SECONDS),
        (202, "tanh", 0),
        *(
            pytest.param(place, activation, seconds, marks=pytest.mark.proof)
            for place, activation, seconds in itertools.product(
                (7, 202), ("relu", "tanh"), (progress.REPORT_SECONDS, 0)
            )
            if (place, activation, seconds) not in ((7, "relu", progress.REPORT_SECONDS), (202, "tanh", 0))
        ),
    ],
)
def test_nan_stops_training_within_the_epoch(
    place: int, activation: str, report_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss becomes NaN or, if oneDNN's ReLU turns NaN into 0, the weights become NaN by the end of the epoch."""
    monkeypatch.setattr(progress, "REPORT_SECONDS", report_seconds)
    values, labels = points(203, 0)
    values[place] = np.nan
    model = classifier(activation=activation)
    with pytest.raises(
        ModelError,
        match=r"^The (loss|weight \S+) became nan in epoch 1, after (8|13) of 13 batches\. "
        r"Set a smaller train\.learning_rate \(it is",
    ):
        run_fit(model, (values, labels))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", range(8))
def test_any_weight_that_is_not_finite_is_reported(value: float, place: int) -> None:
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(4), keras.layers.BatchNormalization(), keras.layers.Dense(3)]
    )
    assert progress.broken_weight(model) is None
    weights = model.get_weights()
    weights[place].flat[-1] = value
    model.set_weights(weights)
    broken = progress.broken_weight(model)
    assert broken == (model.weights[place].path, pytest.approx(value, nan_ok=True))


def test_each_epoch_and_the_progress_within_it_are_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "REPORT_SECONDS", 0)
    with caplog.at_level(logging.INFO, logger="components"):
        run_fit(classifier(), epochs=2)
    assert any(message.startswith("Epoch 1: 63 %, loss ") for message in caplog.messages)
    epochs = [message for message in caplog.messages if " of 2: " in message and message.startswith("Epoch")]
    assert len(epochs) == 2
    assert all(part in epochs[0] for part in ("accuracy", "validation loss", "images/s", "s left"))
    assert epochs[1].endswith("at most 0 s left.")
    assert caplog.messages[-1].startswith("Kept the weights of epoch ")


def test_without_an_mlflow_run_there_are_no_system_metrics() -> None:
    with system_metrics(Run(None)):
        pass


def test_a_missing_store_does_not_stop_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import mlflow

    (tmp_path / "file").touch()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/file/mlflow.db")
    with caplog.at_level(logging.WARNING, logger="components"), system_metrics(Run("0" * 32)):
        ends = time.monotonic() + 60
        while not caplog.messages and time.monotonic() < ends:
            time.sleep(0.05)
    assert caplog.messages[-1].startswith("No system metrics: ")


def test_a_finish_request_ends_training_after_the_current_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events_path = tmp_path / "events.jsonl"
    monkeypatch.setenv(EVENTS_VARIABLE, str(events_path))
    with running_step("train"):
        assert run_fit(classifier(), epochs=3).epochs_run == 3
        (tmp_path / FINISH_FILE).touch()
        assert run_fit(classifier(), epochs=3).epochs_run == 1
    events = [json.loads(line) for line in events_path.read_text().splitlines()]
    epochs = [event for event in events if event["event"] == "epoch"]
    assert [(event["epoch"], event["planned"]) for event in epochs] == [(1, 3), (2, 3), (3, 3), (1, 3)]
    assert 0 < epochs[0]["val_accuracy"] <= 1


def test_a_silent_store_delays_training_by_at_most_a_minute() -> None:
    assert spool.WAIT_SECONDS + spool.CLOSE_SECONDS + progress.SYSTEM_METRICS_SECONDS <= 60
