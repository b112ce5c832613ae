"""Fits a network, phase by phase, and keeps the best weights."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import keras
import numpy as np

from components.contract.tracking import Run
from components.contract.train_params import EarlyStopping, Phase, TrainParams
from components.train.batches import Batches
from components.train.live import DivergedError, EpochLog
from components.train.optimizing import make_loss, make_optimizer

log = logging.getLogger(__name__)

STEPS_PER_EXECUTION: Final = 8
"""Steps between two looks at what Python has to say; saves up to half of the time of small networks."""

Watch = Callable[[int, dict[str, float]], None]
"""Is given the number of each epoch, counted from 1 over all phases, and its figures; an error that it raises ends the
training."""


@dataclass
class Fitted:
    """How the training went.

    Attributes:
        history: per epoch: phase (from 1), loss, accuracy, val_loss, val_accuracy, learning_rate, images_per_second,
            seconds.
        best_epoch: counted from 1; its weights are the network's now. 0 where nothing was trained.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0

    @property
    def epochs_run(self) -> int:
        return len(self.history.get("loss", ()))

    def at_best(self, name: str) -> float:
        """A figure of the best epoch."""
        return self.history[name][self.best_epoch - 1]


class Fitting:
    """A training that goes on from phase to phase, and always knows its best weights."""

    def __init__(self, network: keras.Model, params: TrainParams, run: Run, watch: Watch | None = None):
        """Begins; nothing is trained yet.

        Args:
            network: the whole network.
            params: loss, averaging and phases.
            run: gets the figures of each epoch while training goes on.
            watch: sees them as well.
        """
        self.fitted = Fitted()
        self._network = network
        self._params = params
        self._run = run
        self._watch = watch
        self._phase_number = 0
        self._lowest = math.inf
        self._best: list[np.ndarray] | None = None

    def fit(
        self, phase: Phase, model: keras.Model, training: Batches, validation: Batches,
        scales: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        """Trains one phase in place, and leaves the best weights of all phases so far.

        Where the loss is no longer a number, the phase ends, and the best weights so far are kept.

        Args:
            phase: resolved.
            model: the part of the network that learns; gives logits.
            training: batches to learn from.
            validation: batches to choose the epoch by.
            scales: how much of the learning rate each weight gets, by its path.

        Raises:
            ModelError: the loss was never a number.
        """
        self._phase_number += 1
        model.compile(
            optimizer=make_optimizer(
                phase,
                len(training),
                ema=self._params.ema,
                scales=scales and [scales[weight.path] for weight in model.trainable_weights],
            ),
            loss=make_loss(self._params, training.labels, model.output.shape[-1]),
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            steps_per_execution=STEPS_PER_EXECUTION,
            jit_compile=False,  # slower on a CPU, and no gain on networks of this size
        )
        callbacks = [Keeper(self.keep, phase.early_stopping), self._epoch_log(phase, training.num_examples)]
        if phase.schedule == "plateau":
            callbacks.append(Plateau(phase))
        try:
            model.fit(training, validation_data=validation, epochs=phase.epochs, shuffle=False, verbose=0,
                      callbacks=callbacks)  # fmt: skip
        except DivergedError as error:
            if self._best is None:
                raise
            log.warning("%s The best weights so far are kept.", error)
        assert self._best is not None, "the first epoch is the best so far"
        self._network.set_weights(self._best)
        log.info("Kept epoch %d of %d: validation loss %.4f, accuracy %.4f.", self.fitted.best_epoch,
                 self.fitted.epochs_run, self.fitted.at_best("val_loss"),
                 self.fitted.at_best("val_accuracy"))  # fmt: skip

    def keep(self, loss: float) -> None:
        """Keeps the weights as they are now where no epoch had a lower validation loss."""
        if loss < self._lowest:
            self._lowest = loss
            self._best = self._network.get_weights()
            self.fitted.best_epoch = self.fitted.epochs_run + 1

    def _epoch_log(self, phase: Phase, num_examples: int) -> EpochLog:
        to_come = sum(later.epochs for later in self._params.all_phases[self._phase_number :])
        return EpochLog(
            self._note, phase=self._phase_number, first=self.fitted.epochs_run + 1,
            planned=self.fitted.epochs_run + phase.epochs + to_come, num_examples=num_examples,
        )  # fmt: skip

    def _note(self, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self.fitted.history.setdefault(name, []).append(value)
        self._run.log_metrics(figures, step=self.fitted.epochs_run)
        if self._watch is not None:
            self._watch(self.fitted.epochs_run, figures)


class Keeper(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Validates the running mean of the weights where the optimizer has one, keeps the best, and stops early."""

    def __init__(self, keep: Callable[[float], None], stopping: EarlyStopping | None):
        super().__init__()
        self._keep = keep
        self._stopping = stopping
        self._lowest = math.inf
        self._waited = 0

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._swap()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {})["loss"])
        if loss < self._lowest - (self._stopping.min_delta if self._stopping else 0.0):
            self._lowest, self._waited = loss, 0
            self._keep(loss)
        else:
            self._waited += 1
        self._swap()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._stopping and self._waited >= self._stopping.patience:
            self.model.stop_training = True

    def _swap(self) -> None:
        """Exchanges the weights and their running mean."""
        optimizer = self.model.optimizer
        if not optimizer.use_ema:
            return
        for weight, mean in zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True):
            value = weight.numpy()
            weight.assign(mean)
            mean.assign(value)


class Plateau(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Lowers the learning rate where the validation loss has not fallen for some epochs."""

    def __init__(self, phase: Phase):
        super().__init__()
        self._phase = phase
        self._lowest = math.inf
        self._waited = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {})["val_loss"])
        self._lowest, self._waited = (loss, 0) if loss < self._lowest else (self._lowest, self._waited + 1)
        if self._waited >= self._phase.decay_epochs:
            self._waited = 0
            scale = self.model.optimizer._learning_rate.scale
            scale.assign(scale * self._phase.decay_factor)
