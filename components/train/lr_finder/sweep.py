"""Trains with a learning rate that rises from batch to batch."""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from components.contract.system.progress import Progress
from components.train.loop.batches import Batches
from components.train.loop.callbacks.progress import broken_weight

log = logging.getLogger(__name__)


class RisingRate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras has no types
    """A schedule with one learning rate per step."""

    def __init__(self, rates: np.ndarray):
        super().__init__()
        self._rates = keras.ops.convert_to_tensor(rates.astype(np.float32))

    def __call__(self, step: Any) -> Any:
        """Returns the rate of a step, counted from 0; steps beyond the last rate get the last rate."""
        return keras.ops.take(self._rates, keras.ops.minimum(step, len(self._rates) - 1))

    def get_config(self) -> dict[str, Any]:
        """Never called: a range test saves no model."""
        raise NotImplementedError("The learning rate schedule cannot be serialized; the range test creates it.")


class Losses(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Records the loss of each batch, and stops the training at the end of the range test."""

    def __init__(self, num_batches: int, burst: Callable[[Sequence[float]], bool]):
        super().__init__()
        self.values: list[float] = []
        self._num_batches = num_batches
        self._burst = burst
        self._progress = Progress()

    def on_train_batch_begin(self, _batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras passes it by name
        """Resets the metrics, so that the loss is that of one batch."""
        self.model.reset_metrics()  # Keras reports the mean of the epoch so far

    def on_train_batch_end(self, _batch: int, logs: dict[str, Any] | None = None) -> None:
        """Records the loss of the batch, and stops the training when the range test is over."""
        loss = float((logs or {})["loss"])
        if math.isfinite(loss):
            self.values.append(loss)
        # After NaN, the next loss may be finite: oneDNN's ReLU turns NaN into 0.
        is_broken = not math.isfinite(loss) or broken_weight(self.model) is not None
        if is_broken or len(self.values) == self._num_batches or self._burst(self.values):
            self.model.stop_training = True
        elif self._progress.is_due():
            log.info("Batch %d of at most %d: loss %.4f.", len(self.values), self._num_batches, loss)


def raise_rate(
    model: keras.Model, batches: Batches, rates: np.ndarray, burst: Callable[[Sequence[float]], bool]
) -> list[float]:
    """Trains on one batch at each rate.

    Args:
        model: the compiled model.
        batches: the training batches, repeated as often as necessary.
        rates: the learning rates, float (n,).
        burst: called with the losses so far; returns whether to stop early.

    Returns:
        The loss of each batch before its step; fewer than n if the test stopped early, for example at NaN.
    """
    model.optimizer.learning_rate = RisingRate(rates)
    losses = Losses(len(rates), burst)
    next_epoch = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _logs: batches.begin(epoch))
    epochs = math.ceil(len(rates) / len(batches))
    model.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[next_epoch, losses])
    return losses.values
