"""Fits a network, phase by phase, and keeps the best weights."""

import functools
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from components.contract.errors import ModelError
from components.contract.params.training import Phase, TrainParams
from components.contract.tracking.run import Run
from components.train.loop.batches import Batches
from components.train.loop.callbacks.early_stopping import Keeper, Plateau
from components.train.loop.callbacks.progress import EndedError, EpochLog
from components.train.loop.callbacks.saving import Saver, catch_sigterm
from components.train.loop.checkpoint import Checkpoints, State
from components.train.loop.compile import as_input, compile_model
from components.train.loop.deadline import Deadline
from components.train.loop.fit_result import FitResult, Watch
from components.train.tensorflow.devices import num_devices
from components.train.tensorflow.pointwise import pointwise_as_products
from components.train.tensorflow.precision import compute_in, optimizer_variables

log = logging.getLogger(__name__)


class PhaseFitter:
    """Trains one phase after another and keeps the best weights.

    Attributes:
        next_phase: the number of the next phase, counted from 1; a resumed run skips the phases that are complete.
        batch_size: the batch size of the params, or a smaller one if there is not enough memory for it.
        result: the metrics of all epochs so far, and the best epoch.
    """

    def __init__(
        self,
        network: keras.Model,
        params: TrainParams,
        run: Run,
        watch: Watch | None = None,
        checkpoints: Checkpoints | None = None,
        deadline: Deadline | None = None,
    ):
        """Starts a training run, or restores an interrupted one; nothing is trained yet.

        Args:
            network: the whole network; gets the weights of the checkpoint if there is one.
            params: determine the loss, weight averaging and the phases.
            run: receives the metrics of each epoch; after a resume, also those of earlier epochs that it lacks.
            watch: receives the metrics of each epoch.
            checkpoints: store the state of the training run; None trains without checkpoints.
            deadline: ends the training run; None trains without a time limit.
        """
        self.result = FitResult()
        self.next_phase = 1
        self.batch_size = params.batch_size
        self._network = network
        self._params = params
        self._run = run
        self._watch = watch
        self._checkpoints = checkpoints
        self._deadline = deadline or Deadline()
        self._lowest = math.inf
        self._best: list[np.ndarray] | None = None
        self._num_logged = 0
        self._checkpoint = checkpoints.newest() if checkpoints else None
        if self._checkpoint is not None:
            self._resume(self._checkpoint)

    def fit_in_memory(
        self,
        phase: Phase,
        model: keras.Model,
        make_training: Callable[[int], Batches],
        make_validation: Callable[[int], Batches],
        scales: Mapping[str, float] | None = None,
    ) -> None:
        """Trains the next phase like `fit`, with smaller batches if there is not enough memory.

        On one device, an optimizer step still uses the same number of photos, from several batches.

        Args:
            phase: the resolved phase.
            model: the trained part of the network.
            make_training: creates training batches of a given size.
            make_validation: creates validation batches of a given size; the best epoch is selected on them.
            scales: the learning rate factor of each weight, keyed by the weight's path; None for 1 everywhere.

        Raises:
            ModelError: there is not enough memory even for one photo at a time, or `fit` raises it.
            SystemExit: `fit` raises it.
        """
        from tensorflow import errors

        weights, best = self._network.get_weights(), (self._best, self._lowest, self.result.best_epoch)
        epochs_run = self.result.epochs_run
        while True:
            try:
                self.fit(phase, model, make_training(self.batch_size), make_validation(self.batch_size), scales)
            except errors.ResourceExhaustedError as error:
                if self.batch_size == 1:
                    raise ModelError(
                        "There is not enough memory even to train on one photo at a time: "
                        f"{error.message.splitlines()[0]}. Set a smaller preprocess.image_size, use "
                        "a smaller network, or train fewer layers."
                    ) from None
                log.warning(
                    "There is not enough memory for train.batch_size %d; the phase restarts with %d.",
                    self.batch_size,
                    self.batch_size // 2,
                )
                self.batch_size //= 2
                self._network.set_weights(weights)
                self._best, self._lowest, self.result.best_epoch = best
                self.result.history = {name: row[:epochs_run] for name, row in self.result.history.items()}
                self._checkpoint = None
            else:
                return

    def fit(
        self,
        phase: Phase,
        model: keras.Model,
        training: Batches,
        validation: Batches,
        scales: Mapping[str, float] | None = None,
    ) -> None:
        """Trains the next phase in place, then loads the best weights of all phases so far.

        If the loss or a weight becomes NaN or infinite, or if time runs out within an epoch, the phase ends, and the
        best weights so far are kept.

        Args:
            phase: the resolved phase.
            model: the trained part of the network; outputs logits.
            training: the training batches.
            validation: the batches on which the best epoch is selected.
            scales: the learning rate factor of each weight, keyed by the weight's path; None for 1 everywhere.

        Raises:
            ModelError: the loss or a weight was not finite in the first epoch.
            SystemExit: SIGTERM arrived while training with checkpoints; training can resume from the last one.
        """
        with compute_in(self._params.precision, model), pointwise_as_products(model):
            self._fit(phase, model, training, validation, scales)
        assert self._best is not None, "the first epoch must have become the best so far"
        self._network.set_weights(self._best)
        self.next_phase += 1
        log.info(
            "Kept the weights of epoch %d of %d: validation loss %.4f, accuracy %.4f.",
            self.result.best_epoch,
            self.result.epochs_run,
            self.result.at_best("val_loss"),
            self.result.at_best("val_accuracy"),
        )

    def _fit(
        self,
        phase: Phase,
        model: keras.Model,
        training: Batches,
        validation: Batches,
        scales: Mapping[str, float] | None,
    ) -> None:
        compile_model(model, phase, self._params, training, scales, self._batches_a_step())
        callbacks: list[Any] = [Keeper(self.keep, phase, self._params.swa, training), self._epoch_log(phase, training)]
        if phase.schedule == "plateau":
            callbacks.append(Plateau(phase))
        epoch = self._restore_phase(model, callbacks, training)
        try:
            with catch_sigterm(self._checkpoints is not None) as stop_requested:
                others: list[Any] = [
                    keras.callbacks.LambdaCallback(
                        on_epoch_begin=lambda epoch, _logs: training.begin(epoch, training.first_batch)
                    )
                ]
                if self._checkpoints is not None:
                    make_state = functools.partial(self._state, model, tuple(callbacks))
                    others.append(Saver(self._checkpoints, make_state, training, phase.epochs, stop_requested))
                self._run_epochs(phase, model, training, validation, epoch, [*callbacks, *others])
        except EndedError as error:
            if self._best is None:
                raise
            log.warning("%s The best weights so far are kept.", error)

    def _run_epochs(
        self, phase: Phase, model: keras.Model, training: Batches, validation: Batches, epoch: int, callbacks: list[Any]
    ) -> None:
        options = {
            "validation_data": as_input(model, validation),
            "shuffle": False,
            "verbose": 0,
            "callbacks": callbacks,
        }
        if training.first_batch:  # an interrupted epoch continues; Keras sees only its remaining batches
            model.fit(as_input(model, training), initial_epoch=epoch, epochs=epoch + 1, **options)
            epoch += 1
            training.begin(epoch)
            if model.stop_training:
                return
        if epoch < phase.epochs:
            model.fit(as_input(model, training), initial_epoch=epoch, epochs=phase.epochs, **options)

    def keep(self, loss: float) -> None:
        """Keeps the current weights if `loss`, their validation loss, is the lowest so far."""
        if loss < self._lowest:
            self._lowest = loss
            self._best = self._network.get_weights()
            self.result.best_epoch = self.result.epochs_run + 1

    def _batches_a_step(self) -> int:
        """Returns the number of batches per optimizer step: 1 on several devices, which cannot accumulate gradients."""
        return self._params.accumulate * self._params.batch_size // self.batch_size if num_devices() == 1 else 1

    def _epoch_log(self, phase: Phase, training: Batches) -> EpochLog:
        to_come = sum(later.epochs for later in self._params.all_phases[self.next_phase :])
        before = sum(number == self.next_phase for number in self.result.history.get("phase", ()))
        first = self.result.epochs_run + 1 - before
        return EpochLog(
            self._note,
            self._run.log_metrics,
            phase=self.next_phase,
            first=first,
            planned=first - 1 + phase.epochs + to_come,
            training=training,
            deadline=self._deadline,
        )

    def _note(self, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self.result.history.setdefault(name, []).append(value)
        if self.result.epochs_run > self._num_logged:
            self._run.log_metrics(figures, step=self.result.epochs_run)
        if self._watch is not None:
            self._watch(self.result.epochs_run, figures)

    def _state(self, model: keras.Model, callbacks: tuple[Any, ...], epoch: int, step: int, ended: bool) -> State:
        """Returns the complete state of the training, including the weights that this phase does not train."""
        facts = {
            "history": self.result.history,
            "best_epoch": self.result.best_epoch,
            "lowest": self._lowest if self._best else None,
            "callbacks": {type(callback).__name__: callback.state() for callback in callbacks},
            "mlflow_run_id": self._run.run_id,
            "batch_size": self.batch_size,
            "params": self._params.model_dump(mode="json"),
        }
        arrays = {
            "network": [np.array(variable) for variable in self._network.variables],
            "best": self._best or [],
            "optimizer": [np.array(variable) for variable in optimizer_variables(model)],
            "mean": callbacks[0].mean,
        }
        return State(self.next_phase, epoch, step, ended, facts, arrays)

    def _resume(self, checkpoint: State) -> None:
        for variable, value in zip(self._network.variables, checkpoint.arrays["network"], strict=True):
            variable.assign(value)
        facts = checkpoint.facts
        self.result = FitResult(facts["history"], facts["best_epoch"])
        if checkpoint.arrays["best"]:
            self._best, self._lowest = checkpoint.arrays["best"], facts["lowest"]
        self.next_phase = checkpoint.phase
        self.batch_size = facts["batch_size"]
        log.info(
            "Resuming from a checkpoint: phase %d; completed epochs: %d; completed batches of the next epoch: %d.",
            checkpoint.phase,
            checkpoint.epoch,
            checkpoint.step,
        )
        if checkpoint.ended and self._best is not None:
            self._network.set_weights(self._best)
            self.next_phase += 1
        if self._run.run_id is not None:
            self._num_logged = self._run.last_step("val_loss")
            for number in range(self._num_logged, self.result.epochs_run):
                figures = {name: values[number] for name, values in self.result.history.items()}
                self._run.log_metrics(figures, step=number + 1)
            if facts["mlflow_run_id"] not in (None, self._run.run_id):
                self._run.set_tags({"darkroom.resumed_from": facts["mlflow_run_id"]})

    def _restore_phase(self, model: keras.Model, callbacks: list[Any], training: Batches) -> int:
        """Restores optimizer, callbacks and batches from the checkpoint; returns the number of completed epochs."""
        checkpoint = self._checkpoint
        if checkpoint is None or checkpoint.ended or checkpoint.phase != self.next_phase:
            return 0
        model.optimizer.build(model.trainable_variables)
        for variable, value in zip(optimizer_variables(model), checkpoint.arrays["optimizer"], strict=True):
            variable.assign(value)
        for callback in callbacks:
            arguments = (checkpoint.arrays["mean"],) if isinstance(callback, Keeper) else ()
            callback.restore(checkpoint.facts["callbacks"][type(callback).__name__], *arguments)
        training.begin(checkpoint.epoch, checkpoint.step)
        self._checkpoint = None
        return checkpoint.epoch
