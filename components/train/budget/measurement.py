"""Measures the speed of this machine with a few batches of each training phase, and with inference on some photos.

A measurement leaves the network unchanged, so training afterwards produces the same weights as without a measurement.
"""

import contextlib
import logging
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import keras
import numpy as np

from components.contract.params.augmentation import AugmentationParams
from components.contract.params.training import Phase, TrainParams
from components.contract.system.progress import Progress
from components.train.budget.plan import PhaseCost
from components.train.loop.batch_statistics import renew_statistics
from components.train.loop.batches import Batches, Examples, Photos
from components.train.loop.compile import as_input, compile_model
from components.train.loop.features import FeatureCache
from components.train.loop.inference import PHOTOS_AT_ONCE, FeatureRequest, Infer, compute_features, fastest_inference
from components.train.loop.phases import batch_makers, feature_requests, features_ahead
from components.train.network.architecture import Network
from components.train.network.freezing import frozen_part, learning_part, rate_scales, select
from components.train.setup import Photographs
from components.train.tensorflow.pointwise import pointwise_as_products
from components.train.tensorflow.precision import compute_in

log = logging.getLogger(__name__)

LONG_ENOUGH: Final = ((3, 1.0), (1, 4.0))
"""Pairs of (number of batches, groups of batches or blocks of photos; seconds). A measurement ends as soon as it has
reached both values of any pair. The first batch, group or block is not counted."""
NUM_EPOCHS: Final = 4
"""The maximum number of epochs of a measurement; a data set with only a few batches needs several."""
MAX_BLOCKS: Final = 9
"""The maximum number of blocks of PHOTOS_AT_ONCE photos that pass through the frozen layers; the first is not timed."""
UPKEEP: Final = 1.05
"""The factor by which checkpoints and logs lengthen an epoch."""


class Clock(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Times the batches of a training run, and stops it when enough of them have been timed."""

    def __init__(self, training: Batches):
        super().__init__()
        self._training = training
        self._start = time.monotonic()
        self._ends: list[tuple[int, float]] = []
        self._num_before = 0

    def on_epoch_begin(self, epoch: int, _logs: dict[str, Any] | None = None) -> None:
        """Shuffles the photos for the epoch."""
        self._num_before = epoch * len(self._training)
        self._training.begin(epoch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras passes it by name
        """Records the time."""
        num_done = self._num_before + min(batch + 1, len(self._training))
        self._ends.append((num_done, time.monotonic()))
        seconds = self._ends[-1][1] - self._ends[0][1]
        if any(len(self._ends) > least and seconds >= enough for least, enough in LONG_ENOUGH):
            self.model.stop_training = True

    @property
    def seconds_per_batch(self) -> float:
        """The mean time of a batch, not counting the first."""
        (first, start), (last, end) = self._ends[0], self._ends[-1]
        return (end - start) / (last - first) if last > first else (end - self._start) / last

    @property
    def seconds_at_start(self) -> float:
        """The additional time of the first batch, for compilation."""
        return max(0.0, self._ends[0][1] - self._start - self._ends[0][0] * self.seconds_per_batch)


class Sample:
    """The inputs of a few photos, repeated for all photos of a split."""

    def __init__(self, values: np.ndarray, labels: np.ndarray):
        """Stores the inputs.

        Args:
            values: the inputs of the few photos, (m, …).
            labels: the labels of all photos, int32 (n,).
        """
        self.labels = labels
        self._values = values

    def gather(self, rows: np.ndarray, _epoch: int) -> np.ndarray:
        """Returns the inputs of these rows, (len(rows), …)."""
        values: np.ndarray = self._values[rows % len(self._values)]
        return values


def measure_phases(
    network: Network, photos: Photographs, params: TrainParams, measured: Sequence[PhaseCost] = ()
) -> tuple[PhaseCost, ...]:
    """Measures the cost of each phase, in seconds; `measured`: the known costs of the first phases."""
    costs: list[PhaseCost] = []
    shared_views = 0
    for number, phase in enumerate(params.all_phases, start=1):
        if number <= len(measured):
            costs.append(measured[number - 1])
        else:
            with _unchanged(network.model):
                costs.append(_measure_phase(network, photos, phase, params, shared_views))
        training, _ = features_ahead(network, photos, params, number)
        shared_views = sum(seconds > 0 for seconds, _ in zip(costs[-1].views, training, strict=False))
    return tuple(costs)


def measure_inference(network: Network, photos: Photographs, params: TrainParams) -> float:
    """Measures the inference time of the whole network, in seconds per photo."""
    request = FeatureRequest(photos.training, "", 1, AugmentationParams(), params.seed)
    return time_inference(fastest_inference(network.model), request, np.dtype(np.float32))[0]


def _measure_phase(
    network: Network, photos: Photographs, phase: Phase, params: TrainParams, shared_views: int
) -> PhaseCost:
    """Measures a phase.

    Args:
        network: the network; which of its layers are trainable is changed.
        photos: the photos for training and validation.
        phase: the resolved phase.
        params: the resolved train section.
        shared_views: the number of first views that the phase before also computes; if there are any, it also computes
            the features of the validation photos.
    """
    selection = select(network, phase)
    if not selection.trained:
        return PhaseCost(0.0)
    augmentation, seed = phase.augmentation_params, params.seed
    training: Examples = Photos(photos.training, augmentation, seed)
    validation: Examples = Photos(photos.validation, AugmentationParams(), seed)
    boundary, once = selection.boundary, 0.0
    views: tuple[float, ...] = ()
    if boundary is not None:
        frozen = frozen_part(network, boundary)
        cache = FeatureCache(frozen, params.cache_precision)
        requests = feature_requests(photos, phase, params)
        if cache.has_room(*requests):
            start = time.monotonic()
            infer = fastest_inference(frozen)
            once = time.monotonic() - start
            seconds, values = time_inference(infer, requests[0], np.dtype(params.cache_precision))
            views = tuple(seconds * len(photos.training) * is_missing for is_missing in cache.missing(requests[0]))
            num_validation = 0 if shared_views else len(photos.validation) * sum(cache.missing(requests[1]))
            once = (once if any(views) else 0.0) + seconds * num_validation
            training = Sample(values.astype(np.float32), photos.training.labels)
            validation = Sample(values.astype(np.float32), photos.validation.labels)
        else:
            boundary = None
    make_training, make_validation = batch_makers(network, photos, phase, params, training, validation)
    model = learning_part(network, boundary)
    batches = make_training(params.batch_size)
    with compute_in(params.precision, model), pointwise_as_products(model):
        scales = rate_scales(network, selection, phase.layer_decay)
        compile_model(model, phase, params, batches, scales, params.accumulate)
        clock = Clock(batches)
        model.fit(as_input(model, batches), epochs=NUM_EPOCHS, shuffle=False, verbose=0, callbacks=[clock])
        validation_seconds, seconds_at_start = _time_validation(model, make_validation(params.batch_size), batches)
    log.info(
        "Measured: %.0f ms for a batch of %d photos, %.1f s for validation%s.",
        1000 * clock.seconds_per_batch,
        params.batch_size,
        validation_seconds,
        f", {sum(views) / len(views):.1f} s for the frozen features of a view" if views else "",
    )
    epoch = UPKEEP * (len(batches) * clock.seconds_per_batch + validation_seconds)
    return PhaseCost(epoch, views, once + clock.seconds_at_start + seconds_at_start, shared_views)


def time_inference(infer: Infer, request: FeatureRequest, dtype: np.dtype) -> tuple[float, np.ndarray]:
    """Returns the seconds per photo, including reading and augmentation, and the outputs for a few photos, (m, …)."""
    num_photos = min(len(request.split), MAX_BLOCKS * PHOTOS_AT_ONCE)
    view = min(1, request.views - 1)
    blocks, ends = [], []
    for (block,) in compute_features(infer, request, view, dtype, range(num_photos), Progress(num_photos)):
        blocks.append(block)
        ends.append(time.monotonic())
        if any(len(ends) > least and ends[-1] - ends[0] >= enough for least, enough in LONG_ENOUGH):
            break
    if len(ends) == 1:  # with few photos, there is only one block: it is run again, because the first run is not timed
        start = time.monotonic()
        infer(request.split.gather(np.arange(num_photos)))
        return (time.monotonic() - start) / num_photos, blocks[0]
    return (ends[-1] - ends[0]) / sum(map(len, blocks[1:])), np.concatenate(blocks)


def _time_validation(model: keras.Model, validation: Batches, training: Batches) -> tuple[float, float]:
    """Returns the time of a validation, and the additional time of the first validation, both in seconds."""
    num_batches = min(len(validation), 2 * model.steps_per_execution)
    seconds = []
    for _ in range(2):
        start = time.monotonic()
        model.evaluate(as_input(model, validation), steps=num_batches, verbose=0)
        seconds.append((time.monotonic() - start) * len(validation) / num_batches)
    start = time.monotonic()
    renew_statistics(model, training)
    return seconds[1] + time.monotonic() - start, max(0.0, seconds[0] - seconds[1])


@contextlib.contextmanager
def _unchanged(model: keras.Model) -> Iterator[None]:
    """Restores the weights and the states of the random number generators after the block."""
    values = [np.array(variable) for variable in model.variables]
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        for variable, value in zip(model.variables, values, strict=True):
            variable.assign(value)
        random.setstate(states[0])
        np.random.set_state(states[1])
