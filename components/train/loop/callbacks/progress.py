"""Reports progress: the metrics during and after each epoch, and the load of the machine."""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import keras
import numpy as np

from components.contract.errors import ModelError
from components.contract.system.program import is_finish_requested, note_progress
from components.contract.tracking.run import Run
from components.train.loop.batches import Batches
from components.train.loop.deadline import Deadline
from components.train.tensorflow.precision import unwrap_optimizer

log = logging.getLogger(__name__)

REPORT_SECONDS: Final = 10.0
PART_SECONDS: Final = 1.0
"""The minimum time between two progress reports to the studio or another program."""
SYSTEM_METRICS_SECONDS: Final = 5


class EpochLog(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Logs metrics during and after each epoch, and stops the training if the loss or a weight is not finite."""

    def __init__(
        self,
        note: Callable[[dict[str, float]], None],
        note_step: Callable[[dict[str, float], int], None],
        *,
        phase: int,
        first: int,
        planned: int,
        training: Batches,
        deadline: Deadline,
    ):
        """Creates the callback of one phase.

        Args:
            note: called with the metrics of each epoch.
            note_step: called every few seconds with metrics and the number of completed steps.
            phase: the number of the phase, counted from 1.
            first: the number of the phase's first epoch, counted from 1 over all phases.
            planned: the total number of epochs if neither this phase nor a later one stops early.
            training: the training batches; in a resumed epoch, Keras sees only the remaining ones.
            deadline: ends the training before an epoch that would exceed it.
        """
        super().__init__()
        self._note = note
        self._note_step = note_step
        self._phase = phase
        self._first = first
        self._planned = planned
        self._training = training
        self._deadline = deadline
        self._means: dict[str, float] = {}
        self._earlier: dict[str, float] = {}
        self._training_start = time.monotonic()
        self._num_ended = 0

    def state(self) -> dict[str, float]:
        """Returns the state for a checkpoint within an epoch: the mean loss and accuracy over the batches so far."""
        return self._means

    def restore(self, state: dict[str, float]) -> None:
        """Restores the means of an interrupted epoch; called before training on its remaining batches."""
        self._earlier = state

    def on_epoch_begin(self, epoch: int, _logs: dict[str, Any] | None = None) -> None:
        """Resets the clocks and counters for the epoch."""
        self._epoch = self._first + epoch
        self._epoch_start = self._last_report = self._last_note = time.monotonic()
        self._waited, self._num_done = 0.0, 0

    def on_train_batch_begin(self, _batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras passes it by name
        """Records when the step starts."""
        self._step_start = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Updates the means of the epoch, reports them every few seconds, and checks loss, weights and deadline."""
        now = time.monotonic()
        num_done = min(batch + 1, len(self._training))  # with several steps per execution, Keras counts past the end
        self._waited += measure_input_wait(self._training.made_at[self._num_done : num_done], self._step_start, now)
        self._num_done = num_done
        num_seen, num_examples = self._training.num_seen(num_done), self._training.num_examples
        self._means = self._over_epoch(logs or {}, num_seen)
        self._check(self._means["loss"])
        if self._epoch > 1 and not self._deadline.allows(0.0):
            raise OutOfTimeError(f"The time limit was reached within epoch {self._epoch}, which is discarded.")
        rate = (num_seen - self._training.num_seen(0)) / (now - self._epoch_start)
        seconds_left = (num_examples - num_seen) / rate
        if now - self._last_note >= PART_SECONDS:
            self._last_note = now
            note_progress(
                "part",
                epoch=self._epoch,
                planned=self._planned,
                phase=self._phase,
                done=num_seen / num_examples,
                seconds_left=seconds_left,
                **self._means,
            )
        if now - self._last_report >= REPORT_SECONDS:
            self._last_report = now
            log.info(
                "Epoch %d: %.0f %%, loss %.4f, %.0f images/s, %.0f s left in this epoch.",
                self._epoch,
                100 * num_seen / num_examples,
                self._means["loss"],
                rate,
                seconds_left,
            )
            self._check_weights()
            self._tell_steps(rate, self._waited / (now - self._epoch_start))

    def _tell_steps(self, rate: float, input_wait: float) -> None:
        figures = {
            "loss": self._means["loss"],
            "images_per_second": rate,
            "input_wait": input_wait,
            "learning_rate": float(unwrap_optimizer(self.model).learning_rate),
        }
        num_batches = self._training.first_batch + self._num_done
        num_steps = (self._epoch - 1) * self._training.num_batches_of_epoch + num_batches
        self._note_step({f"step/{name}": value for name, value in figures.items()}, num_steps)

    def on_test_begin(self, _logs: dict[str, Any] | None = None) -> None:
        """Checks the weights and records the start of the validation."""
        self._check_weights()
        self._validation_start = time.monotonic()

    def on_epoch_end(self, _epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Logs the metrics of the epoch; stops the training on request, or if the time does not allow another epoch."""
        now = time.monotonic()
        figures = {name: float(value) for name, value in (logs or {}).items()}
        figures |= self._over_epoch(figures, self._training.num_examples)
        num_seen = self._training.num_examples - self._training.num_seen(0)
        self._means, self._earlier = {}, {}
        self._check(figures["loss"], figures["val_loss"])
        figures["phase"] = self._phase
        figures["learning_rate"] = float(unwrap_optimizer(self.model).learning_rate)
        training_seconds = self._validation_start - self._epoch_start
        figures["images_per_second"] = num_seen / training_seconds
        figures["input_wait"] = self._waited / training_seconds
        figures["seconds"] = now - self._epoch_start
        self._num_ended += 1
        seconds_left = (now - self._training_start) / self._num_ended * (self._planned - self._epoch)
        log.info(
            "Epoch %*d of %d: loss %.4f, accuracy %.4f; validation loss %.4f, accuracy %.4f; %.0f "
            "images/s, %.0f %% of the time spent waiting for data; at this speed, at most %.0f s left.",
            len(str(self._planned)),
            self._epoch,
            self._planned,
            figures["loss"],
            figures["accuracy"],
            figures["val_loss"],
            figures["val_accuracy"],
            figures["images_per_second"],
            100 * figures["input_wait"],
            seconds_left,
        )
        note_progress("epoch", epoch=self._epoch, planned=self._planned, seconds_left=seconds_left, **figures)
        self._note(figures)
        is_last = self._epoch == self._planned or self.model.stop_training
        if not is_last and not self._deadline.allows(figures["seconds"]):
            log.info("Training ends here, because another epoch would exceed the time limit.")
            self.model.stop_training = True
        if is_finish_requested() and not self.model.stop_training:
            log.info("Finish requested: training stops here and keeps the best epoch so far.")
            self.model.stop_training = True

    def _over_epoch(self, logs: Mapping[str, Any], num_seen: int) -> dict[str, float]:
        """Returns the means over the epoch so far, including batches before a resume, which Keras does not see."""
        num_earlier = self._training.num_seen(0)
        return {
            name: (self._earlier.get(name, 0.0) * num_earlier + float(logs[name]) * (num_seen - num_earlier)) / num_seen
            for name in ("loss", "accuracy")
        }

    def _check(self, *losses: float) -> None:
        for loss in losses:
            if not math.isfinite(loss):
                raise self._diverged("The loss", loss)

    def _check_weights(self) -> None:
        """Checks the weights, because a NaN weight may leave the loss finite: oneDNN's ReLU turns NaN into 0."""
        if (broken := broken_weight(self.model)) is not None:
            raise self._diverged(f"The weight {broken[0]}", broken[1])

    def _diverged(self, what: str, value: float) -> "DivergedError":
        rate = float(unwrap_optimizer(self.model).learning_rate)
        where = f"in epoch {self._epoch}, after {self._num_done} of {len(self._training)} batches"
        return DivergedError(
            f"{what} became {value} {where}. Set a smaller train.learning_rate (it is "
            f"{rate:g}), or add BatchNormalization."
        )


def broken_weight(model: keras.Model) -> tuple[str, float] | None:
    """Returns the path of the first weight that has NaN or infinity, and that value; None if there is none."""
    for weight, values in zip(model.weights, model.get_weights(), strict=True):
        is_number = np.isfinite(values)
        if not is_number.all():
            return weight.path, float(values[~is_number].flat[0])
    return None


def measure_input_wait(made_at: np.ndarray, start: float, end: float) -> float:
    """Computes the time that steps spent waiting for their batches.

    A step begins when the previous step has ended and its own batch is ready. All steps are assumed to take equally
    long.

    Args:
        made_at: float64 (steps,), the time when each batch was ready.
        start: the time when the first step requested its batch.
        end: the time when the last step ended.
    """
    num_steps = len(made_at)
    if num_steps == 0:
        return 0.0
    step_starts = np.maximum(made_at, start)
    of_a_step = ((end - step_starts) / np.arange(num_steps, 0, -1)).min()
    return max(0.0, float(end - start - num_steps * of_a_step))


class EndedError(ModelError):
    """The phase cannot continue; the results of the completed epochs are kept."""


class DivergedError(EndedError):
    """The loss or a weight became NaN or infinite."""


class OutOfTimeError(EndedError):
    """The time limit was reached within an epoch."""


@contextlib.contextmanager
def system_metrics(run: Run) -> Iterator[None]:
    """Sends the machine's load to the MLflow run while the block runs, without delaying the training."""
    if run.run_id is None:
        yield
        return
    logging.getLogger("mlflow.system_metrics").setLevel(logging.WARNING)
    try:  # imported before the thread starts: if two threads import MLflow at once, one may see it half imported
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
    except ImportError as error:
        log.warning("No system metrics: %s. Training continues.", error)
        yield
        return
    stop = threading.Event()
    sender = threading.Thread(target=_send_load, args=(SystemMetricsMonitor, run.run_id, stop), daemon=True)
    sender.start()
    try:
        yield
    finally:
        stop.set()
        sender.join(SYSTEM_METRICS_SECONDS)


def _send_load(make_monitor: Callable[..., Any], run_id: str, stop: threading.Event) -> None:
    try:
        monitor = make_monitor(run_id, sampling_interval=SYSTEM_METRICS_SECONDS, resume_logging=True)
    except Exception as error:  # psutil or the store may be missing, and each raises a different error
        log.warning("No system metrics: %s. Training continues.", (str(error) or type(error).__name__).splitlines()[0])
        return
    monitor.start()
    stop.wait()
    monitor.finish()
