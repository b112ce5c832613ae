"""Fits a network to batches: loss, optimizer, early stopping, and a line in the log and in MLflow for each epoch."""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import keras

from components.contract.errors import ModelError
from components.contract.tracking import Run
from components.contract.train_params import TrainParams
from components.train.batches import Batches

log = logging.getLogger(__name__)

STEPS_PER_EXECUTION: Final = 8
"""Steps between two looks at what Python has to say; saves up to half of the time of small networks."""
REPORT_SECONDS: Final = 10.0
SYSTEM_METRICS_SECONDS: Final = 5


@dataclass(frozen=True)
class Fitted:
    """How the training went.

    Attributes:
        history: per epoch: loss, accuracy, val_loss, val_accuracy, learning_rate, images_per_second, seconds.
        best_epoch: counted from 1; its weights are the network's now.
    """

    history: dict[str, list[float]]
    best_epoch: int

    @property
    def epochs_run(self) -> int:
        return len(self.history["loss"])

    def at_best(self, name: str) -> float:
        """A figure of the best epoch."""
        return self.history[name][self.best_epoch - 1]


def fit(model: keras.Model, training: Batches, validation: Batches, params: TrainParams, run: Run) -> Fitted:
    """Trains in place, and leaves the weights of the epoch with the lowest validation loss.

    Args:
        model: gives logits.
        training: batches to learn from.
        validation: batches to choose the epoch by.
        params: epochs, optimizer, loss and early stopping.
        run: gets the figures of each epoch while training goes on.

    Raises:
        ModelError: the loss is no longer a number.
    """
    num_classes = model.output.shape[-1]
    model.compile(
        optimizer=OPTIMIZERS[params.optimizer](learning_rate(params, num_steps=params.epochs * len(training))),
        loss=crossentropy(num_classes, params.label_smoothing),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        steps_per_execution=STEPS_PER_EXECUTION,
        jit_compile=False,  # slower on a CPU, and no gain on networks of this size
    )
    stopping = params.early_stopping
    keeper = keras.callbacks.EarlyStopping(
        monitor="val_loss",
        mode="min",
        patience=stopping.patience if stopping else params.epochs,
        min_delta=stopping.min_delta if stopping else 0.0,
        restore_best_weights=True,
    )
    epochs = EpochLog(run, params.epochs, training.num_examples)
    model.fit(training, validation_data=validation, epochs=params.epochs, shuffle=False, verbose=0,
              callbacks=[epochs, keeper])  # fmt: skip
    fitted = Fitted(epochs.history, keeper.best_epoch + 1)
    log.info("Kept epoch %d of %d: validation loss %.4f, accuracy %.4f.", fitted.best_epoch, fitted.epochs_run,
             fitted.at_best("val_loss"), fitted.at_best("val_accuracy"))  # fmt: skip
    return fitted


OPTIMIZERS: dict[str, Callable[[Any], keras.Optimizer]] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": lambda learning_rate: keras.optimizers.SGD(learning_rate, momentum=0.9, nesterov=True),
}


def learning_rate(params: TrainParams, num_steps: int) -> Any:
    """The learning rate, or its way down over `num_steps`, for a Keras optimizer."""
    if params.schedule == "constant":
        return params.learning_rate
    return keras.optimizers.schedules.CosineDecay(params.learning_rate, num_steps)


def crossentropy(num_classes: int, label_smoothing: float) -> Callable[[Any, Any], Any]:
    """The crossentropy of integer labels, smoothed, and logits."""

    def smoothed(labels: Any, logits: Any) -> Any:
        targets = keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), num_classes)
        return keras.losses.categorical_crossentropy(targets, logits, from_logits=True, label_smoothing=label_smoothing)

    return smoothed


class EpochLog(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Notes, shows and sends the figures of each epoch, and stops when they are no numbers."""

    def __init__(self, run: Run, epochs: int, num_examples: int):
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self._run = run
        self._epochs = epochs
        self._num_examples = num_examples

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._training_started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch
        self._epoch_started = self._reported = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        now = time.monotonic()
        if now - self._reported < REPORT_SECONDS:
            return
        self._reported = now
        loss = float((logs or {})["loss"])
        self._check(loss)
        done = (batch + 1) / self.params["steps"]
        left = (now - self._epoch_started) * (1 - done) / done
        log.info("Epoch %d: %.0f %%, loss %.4f, %.0f s left in it.", self._epoch + 1, 100 * done, loss, left)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._validation_started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        now = time.monotonic()
        figures = {name: float(value) for name, value in (logs or {}).items()}
        self._check(figures["loss"], figures["val_loss"])
        figures["learning_rate"] = float(self.model.optimizer.learning_rate)
        figures["images_per_second"] = self._num_examples / (self._validation_started - self._epoch_started)
        figures["seconds"] = now - self._epoch_started
        for name, value in figures.items():
            self.history.setdefault(name, []).append(value)
        self._run.log_metrics(figures, step=epoch + 1)
        left = (now - self._training_started) / (epoch + 1) * (self._epochs - epoch - 1)
        log.info(
            "Epoch %*d of %d: loss %.4f, accuracy %.4f; validation loss %.4f, accuracy %.4f; %.0f images/s, at most "
            "%.0f s left.", len(str(self._epochs)), epoch + 1, self._epochs, figures["loss"], figures["accuracy"],
            figures["val_loss"], figures["val_accuracy"], figures["images_per_second"], left,
        )  # fmt: skip

    def _check(self, *losses: float) -> None:
        if not all(map(math.isfinite, losses)):
            rate = float(self.model.optimizer.learning_rate)
            raise ModelError(f"The loss must stay a number; in epoch {self._epoch + 1} it became "
                             f"{next(loss for loss in losses if not math.isfinite(loss))}. Set a smaller "
                             f"train.learning_rate (it is {rate:g}), or add BatchNormalization.")  # fmt: skip


@contextlib.contextmanager
def system_metrics(run: Run) -> Iterator[None]:
    """Sends the machine's load to the MLflow run while the block lasts."""
    if run.run_id is None:
        yield
        return
    logging.getLogger("mlflow.system_metrics").setLevel(logging.WARNING)
    try:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor: Any = SystemMetricsMonitor(  # type: ignore[no-untyped-call]
            run.run_id, sampling_interval=SYSTEM_METRICS_SECONDS, resume_logging=True
        )
    except Exception as error:  # psutil or the store may be missing, each with an error of its own
        log.warning("No system metrics: %s. Training goes on.", (str(error) or type(error).__name__).splitlines()[0])
        yield
        return
    monitor.start()
    try:
        yield
    finally:
        end = threading.Thread(target=monitor.finish, daemon=True)
        end.start()
        end.join(SYSTEM_METRICS_SECONDS)  # a store that does not answer must not hold up training
