"""What a training tells while it goes on: a line for each epoch, and the load of the machine."""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import keras

from components.contract.console import asked_to_finish, note_progress
from components.contract.errors import ModelError
from components.contract.tracking import Run
from components.train.batches import Batches
from components.train.precision import own_optimizer

log = logging.getLogger(__name__)

REPORT_SECONDS: Final = 10.0
PART_SECONDS: Final = 1.0
"""Between two notes for whoever follows the run."""
SYSTEM_METRICS_SECONDS: Final = 5


class EpochLog(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Shows and hands on the figures of each epoch, and stops when they are no numbers."""

    def __init__(
        self, note: Callable[[dict[str, float]], None], *, phase: int, first: int, planned: int, training: Batches
    ):
        """Makes the callback of one phase.

        Args:
            note: is given the figures of each epoch.
            phase: counted from 1.
            first: the number of its first epoch, counted from 1 over all phases.
            planned: epochs of all phases, if none stops early.
            training: what is learnt from, of which Keras may see only the rest of an epoch.
        """
        super().__init__()
        self._note = note
        self._phase = phase
        self._first = first
        self._planned = planned
        self._training = training
        self._means: dict[str, float] = {}
        self._earlier: dict[str, float] = {}
        self._training_started = time.monotonic()
        self._num_ended = 0

    def state(self) -> dict[str, float]:
        """What a checkpoint within an epoch holds of it: the means over what was seen of that epoch."""
        return self._means

    def restore(self, state: dict[str, float]) -> None:
        """The first epoch to come is the rest of one that was interrupted."""
        self._earlier = state

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = self._first + epoch
        self._epoch_started = self._reported = self._noted = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._means = self._over_epoch(logs or {}, self._training.num_seen(batch + 1))
        now = time.monotonic()
        if now - self._noted < PART_SECONDS:
            return
        self._noted = now
        part = min(1.0, (batch + 1) / len(self._training))
        left = (now - self._epoch_started) * (1 - part) / part
        done = self._training.num_seen(batch + 1) / self._training.num_examples
        if math.isfinite(self._means["loss"]):
            note_progress("part", epoch=self._epoch, planned=self._planned, done=done, seconds_left=left, **self._means)
        if now - self._reported < REPORT_SECONDS:
            return
        self._reported = now
        self._check(self._means["loss"])
        log.info("Epoch %d: %.0f %%, loss %.4f, %.0f s left in it.", self._epoch, 100 * done, self._means["loss"], left)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._validation_started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        now = time.monotonic()
        figures = {name: float(value) for name, value in (logs or {}).items()}
        figures |= self._over_epoch(figures, self._training.num_examples)
        num_seen = self._training.num_examples - self._training.num_seen(0)
        self._means, self._earlier = {}, {}
        self._check(figures["loss"], figures["val_loss"])
        figures["phase"] = self._phase
        figures["learning_rate"] = float(own_optimizer(self.model).learning_rate)
        figures["images_per_second"] = num_seen / (self._validation_started - self._epoch_started)
        figures["seconds"] = now - self._epoch_started
        self._num_ended += 1
        left = (now - self._training_started) / self._num_ended * (self._planned - self._epoch)
        log.info(
            "Epoch %*d of %d: loss %.4f, accuracy %.4f; validation loss %.4f, accuracy %.4f; %.0f images/s, at most "
            "%.0f s left.", len(str(self._planned)), self._epoch, self._planned, figures["loss"], figures["accuracy"],
            figures["val_loss"], figures["val_accuracy"], figures["images_per_second"], left,
        )  # fmt: skip
        note_progress("epoch", epoch=self._epoch, planned=self._planned, seconds_left=left, **figures)
        self._note(figures)
        if asked_to_finish() and not self.model.stop_training:
            log.info("Asked to finish: the training ends here, with the best epoch so far.")
            self.model.stop_training = True

    def _over_epoch(self, logs: Mapping[str, Any], num_seen: int) -> dict[str, float]:
        """The means over all of the epoch so far, of which Keras may have seen only the rest."""
        num_earlier = self._training.num_seen(0)
        return {
            name: (self._earlier.get(name, 0.0) * num_earlier + float(logs[name]) * (num_seen - num_earlier)) / num_seen
            for name in ("loss", "accuracy")
        }

    def _check(self, *losses: float) -> None:
        if not all(map(math.isfinite, losses)):
            rate = float(own_optimizer(self.model).learning_rate)
            raise DivergedError(f"The loss must stay a number; in epoch {self._epoch} it became "
                                f"{next(loss for loss in losses if not math.isfinite(loss))}. Set a smaller "
                                f"train.learning_rate (it is {rate:g}), or add BatchNormalization.")  # fmt: skip


class DivergedError(ModelError):
    """The loss is no longer a number."""


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
