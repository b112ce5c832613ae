"""Keras callbacks that validate averaged weights, keep the best weights, stop early, and lower the learning rate."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from components.contract.params.training import Phase
from components.train.loop.batch_statistics import renew_statistics
from components.train.loop.batches import Batches
from components.train.tensorflow.precision import unwrap_optimizer


class Keeper(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Validates the averaged weights if averaging is on, keeps the best weights, and stops early.

    Attributes:
        mean: the mean of the weights after each averaged epoch so far; empty before the first of these epochs.
    """

    def __init__(self, keep: Callable[[float], None], phase: Phase, swa: float | None, training: Batches):
        """Creates the callback of one phase.

        Args:
            keep: called with the validation loss whenever the weights are the best of the phase so far.
            phase: the resolved phase.
            swa: the last epochs whose weights are averaged, as a share of the planned epochs; None for no averaging.
            training: the batches from which the moving statistics of batch normalization are renewed.
        """
        super().__init__()
        self.mean: list[np.ndarray] = []
        self._num_averaged = 0
        self._keep = keep
        self._training = training
        self._stopping = phase.early_stopping
        planned = phase.planned_epochs
        self._first_averaged = planned - round(planned * swa) if swa else planned
        self._epoch = 0
        self._lowest = math.inf
        self._waited = 0

    def state(self) -> dict[str, float]:
        """Returns the state for a checkpoint; before the first validation, it contains no loss."""
        return _waiting(self._lowest, self._waited) | {"averaged": self._num_averaged}

    def restore(self, state: dict[str, Any], mean: Sequence[np.ndarray] = ()) -> None:
        """Restores the state from a checkpoint."""
        self._lowest, self._waited = state.get("lowest", math.inf), state.get("waited", 0)
        self.mean, self._num_averaged = list(mean), state["averaged"]

    def on_epoch_begin(self, epoch: int, _logs: dict[str, Any] | None = None) -> None:
        """Records the index of the epoch."""
        self._epoch = epoch

    def on_test_begin(self, _logs: dict[str, Any] | None = None) -> None:
        """Updates the mean of the weights, loads it for the validation, and renews the moving statistics."""
        if self._epoch >= self._first_averaged:
            self._num_averaged += 1
            weights = self.model.get_weights()
            means = self.mean or weights
            self.mean = [
                mean + (weight - mean) / self._num_averaged for mean, weight in zip(means, weights, strict=True)
            ]
        self._swap()
        renew_statistics(self.model, self._training)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Keeps the weights if their validation loss is the lowest so far, and restores the training weights."""
        loss = float((logs or {})["loss"])
        if loss < self._lowest - (self._stopping.min_delta if self._stopping else 0.0):
            self._lowest, self._waited = loss, 0
            self._keep(loss)
        else:
            self._waited += 1
        self._swap()

    def on_epoch_end(self, _epoch: int, _logs: dict[str, Any] | None = None) -> None:
        """Stops the training if the validation loss has not fallen for `patience` epochs."""
        if self._stopping and self._waited >= self._stopping.patience:
            self.model.stop_training = True

    def _swap(self) -> None:
        """Swaps the weights with their mean: that of the last epochs, or the optimizer's moving average."""
        if self.mean:
            weights = self.model.get_weights()
            self.model.set_weights(self.mean)
            self.mean = weights
        optimizer = unwrap_optimizer(self.model)
        if not optimizer.use_ema:
            return
        variables, means = optimizer._trainable_variables, optimizer._model_variables_moving_average  # noqa: SLF001 - Keras has no public names for these
        for weight, mean in zip(variables, means, strict=True):
            value = weight.numpy()
            weight.assign(mean)
            mean.assign(value)


class Plateau(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Lowers the learning rate if the validation loss has not fallen for some epochs."""

    def __init__(self, phase: Phase):
        super().__init__()
        self._phase = phase
        self._lowest = math.inf
        self._waited = 0

    def state(self) -> dict[str, float]:
        """Returns the state for a checkpoint; empty before the first validation."""
        return _waiting(self._lowest, self._waited)

    def restore(self, state: dict[str, Any]) -> None:
        """Restores the state from a checkpoint."""
        self._lowest, self._waited = state.get("lowest", math.inf), state.get("waited", 0)

    def on_epoch_end(self, _epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Lowers the learning rate if the validation loss has not fallen for `decay_epochs` epochs."""
        loss = float((logs or {})["val_loss"])
        self._lowest, self._waited = (loss, 0) if loss < self._lowest else (self._lowest, self._waited + 1)
        if self._waited >= self._phase.decay_epochs:
            self._waited = 0
            scale = unwrap_optimizer(self.model)._learning_rate.scale  # noqa: SLF001 - the public attribute returns a number
            scale.assign(scale * self._phase.decay_factor)


def _waiting(lowest: float, waited: int) -> dict[str, float]:
    return {"lowest": lowest, "waited": waited} if math.isfinite(lowest) else {}
