"""Estimates the time of a training run on this machine, from an earlier run or from the size of the network."""

import json
import math
import threading
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np

from components.contract.layers.backbones import BACKBONES
from components.contract.layers.stack import trace
from components.contract.params.pipeline import Params
from components.contract.params.training import Phase
from components.contract.record import BaseRecord
from pipelines.runners import runs

AROUND: Final = 45.0
"""The seconds that a run takes in addition to training: to load libraries, export the model and check the service."""
BACKWARD: Final = 3.0
"""A training step takes about three times the work of a forward pass."""
SHARE: Final = 0.35
"""The speed at which a network is computed, as a share of the machine's speed for large matrix products."""
TRAINED_SHARES: Final = {"none": 0.0, "head": 0.0, "all": 1.0}
UNKNOWN_SHARE: Final = 0.6
"""The assumed share of the computation in trained layers that the user has named."""
SPREAD: Final = 1.8
MEASURED_SECONDS: Final = 0.3
"""The duration of the measurement of the machine's speed; its fastest product counts, because programs interrupt it."""
UNKNOWN_MULTIPLY_ADDS: Final = 1e9
UNKNOWN_SIZE: Final = 224
"""The assumed cost of an unknown network: UNKNOWN_MULTIPLY_ADDS for UNKNOWN_SIZE × UNKNOWN_SIZE pixels."""

_measuring = threading.Lock()


class Estimate(BaseRecord):
    """The estimated time of a run.

    Attributes:
        low, high: the range, in seconds.
        why: the basis of the estimate, in sentences.
    """

    low: float
    high: float
    why: str


def estimate(params: Params, num_photos: int) -> Estimate:
    """Estimates the time of a run.

    Args:
        params: the resolved params.
        num_photos: the approximate number of training photos.
    """
    work, why = _estimate_training(params, num_photos)
    trials = params.tune.trials * 0.6
    seconds = AROUND + num_photos / 400 + work * (1 + trials)
    stops = any(phase.early_stopping is not None for phase in params.train.all_phases)
    if stops:
        why += " Training stops earlier if the validation loss no longer improves."
    low, high = seconds / (SPREAD if stops else 1.3), seconds * SPREAD
    if (minutes := params.train.minutes) is not None and high > 60 * minutes:
        why = f"Limited by train.minutes: {minutes:g}. {why}"
        low, high = min(low, 60 * minutes), 60 * minutes
    return Estimate(low=low, high=high, why=why)


def _estimate_training(params: Params, num_photos: int) -> tuple[float, str]:
    train = params.train
    model = train.model
    height, width = params.preprocess.size
    passes = train.passes_per_epoch(max(1, num_photos))
    epochs = passes * sum(phase.epochs for phase in train.all_phases)
    measured_rate = _find_measured_rate(params)
    if measured_rate is not None:
        why = f"Based on {measured_rate:,.0f} photos per second in your latest run of this network."
        return epochs * num_photos / measured_rate, why
    rate = measure_machine_rate() * SHARE
    if model.kind == "pretrained" and model.name in BACKBONES:
        multiply_adds = (
            BACKBONES[model.name].giga_multiply_adds * 1e9 * (height * width) / BACKBONES[model.name].size ** 2
        )
        frozen_work = multiply_adds * num_photos * train.views
        trained_epochs = sum(phase.epochs * _trained_share(phase) for phase in train.all_phases)
        training_work = passes * trained_epochs * num_photos * multiply_adds * BACKWARD
        why = "Based on the size of the network and the speed of this machine; frozen layers are computed once."
        return (frozen_work + training_work) / rate + epochs * num_photos / 20_000, why
    if model.kind == "layers" and model.layers is not None:
        multiply_adds = sum(layer.multiply_adds for layer in trace(model.layers, (height, width, 3)))
        why = "Based on the size of the network and the speed of this machine."
        return epochs * num_photos * (multiply_adds * BACKWARD / rate + 2e-5), why
    multiply_adds = UNKNOWN_MULTIPLY_ADDS * (height * width) / UNKNOWN_SIZE**2
    why = "A rough estimate: the size of your model is not known yet."
    return epochs * num_photos * multiply_adds * BACKWARD / rate, why


def _trained_share(phase: Phase) -> float:
    """The share of a pretrained network's computation that each epoch repeats; the rest is computed once."""
    share = phase.trained_share
    return TRAINED_SHARES.get(str(phase.trainable), UNKNOWN_SHARE) if share is None else share


def _find_measured_rate(params: Params) -> float | None:
    """The speed, in photos per second, of the newest run with the same image size, network, batch size and phases."""
    for run in runs.list_runs():
        summary = run.summary
        if summary is None or summary["dataset"]["image_size"] != list(params.preprocess.size):
            continue
        try:
            earlier_train = json.loads((run.path / "model" / "bundle.json").read_text(encoding="utf-8"))["params"]
            history = json.loads((run.path / "model" / "history.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError):
            continue
        train = params.train.model_dump(mode="json")
        if all(earlier_train.get(key) == train[key] for key in ("model", "trainable", "batch_size", "phases")):
            return _median(history.get("images_per_second", ()))
    return None


def _median(values: Iterable[float]) -> float | None:
    usable_values = [value for value in values if math.isfinite(value) and value > 0]
    return float(np.median(usable_values)) if usable_values else None


def measure_machine_rate() -> float:
    """Measures how many multiply-adds per second this machine performs in a matrix product; only once per process."""
    with _measuring:  # two requests at the same time would slow each other's measurement down
        return _measure_machine_rate()


@lru_cache(maxsize=1)
def _measure_machine_rate() -> float:
    side = 768
    matrix, other = (np.ones((side, side), np.float32) for _ in range(2))
    shortest_seconds, end_time = math.inf, time.perf_counter() + MEASURED_SECONDS
    while math.isinf(shortest_seconds) or time.perf_counter() < end_time:
        start_time = time.perf_counter()
        matrix @ other
        shortest_seconds = min(shortest_seconds, time.perf_counter() - start_time)
    return side**3 / shortest_seconds
