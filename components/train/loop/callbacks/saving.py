"""Saves checkpoints at the end of epochs, every few minutes within an epoch, and on SIGTERM."""

import contextlib
import logging
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import keras

from components.train.loop.batches import Batches
from components.train.loop.checkpoint import Checkpoints, State

log = logging.getLogger(__name__)

SAVE_SECONDS: Final = 120.0
"""The minimum time between two checkpoints within an epoch."""
LARGEST_SHARE: Final = 0.05
"""The maximum share of the time that saving may take; if epochs are very short, some end without a checkpoint."""

MakeState = Callable[[int, int, bool], State]
"""Called with the number of completed epochs of the phase, the number of completed batches of the next epoch, and
whether the phase is over."""


class Saver(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Saves checkpoints; must be the last callback, so that the state of the other callbacks is up to date."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        make_state: MakeState,
        training: Batches,
        epochs: int,
        stop_requested: threading.Event,
    ):
        """Creates the callback of one phase.

        Args:
            checkpoints: where the states are saved.
            make_state: returns the current state of the training.
            training: the training batches; in a resumed epoch, Keras sees only the remaining ones.
            epochs: the number of epochs of the phase.
            stop_requested: the event that is set when the training must end.
        """
        super().__init__()
        self._checkpoints = checkpoints
        self._make_state = make_state
        self._training = training
        self._epochs = epochs
        self._stop_requested = stop_requested
        self._cost = 0.0
        self._last_save = time.monotonic()

    def on_epoch_begin(self, epoch: int, _logs: dict[str, Any] | None = None) -> None:
        """Records the index of the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Saves within the epoch if a checkpoint is due, and exits if SIGTERM has arrived."""
        # With several steps per execution, Keras counts past the last batch.
        step = min(self._training.first_batch + batch + 1, self._training.num_batches_of_epoch)
        if step == self._training.num_batches_of_epoch or not math.isfinite(float((logs or {})["loss"])):
            return
        if self._stop_requested.is_set() or time.monotonic() - self._last_save > SAVE_SECONDS:
            self._save(self._epoch, step, is_phase_over=False)
        self._leave_if_asked()

    def on_test_batch_end(self, _batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras passes it by name
        """Exits if SIGTERM has arrived."""
        self._leave_if_asked()

    def on_epoch_end(self, epoch: int, _logs: dict[str, Any] | None = None) -> None:
        """Saves between epochs if a checkpoint is due, and exits if SIGTERM has arrived."""
        is_phase_over = self.model.stop_training or epoch + 1 == self._epochs
        is_due = time.monotonic() - self._last_save >= self._cost / LARGEST_SHARE
        if is_due or is_phase_over or self._stop_requested.is_set():
            self._save(epoch + 1, 0, is_phase_over=is_phase_over)
        self._leave_if_asked()

    def _save(self, epoch: int, step: int, *, is_phase_over: bool) -> None:
        start = time.monotonic()
        self._checkpoints.save(self._make_state(epoch, step, is_phase_over))
        self._last_save = time.monotonic()
        self._cost = self._last_save - start

    def _leave_if_asked(self) -> None:
        if self._stop_requested.is_set():
            log.warning(
                "Received SIGTERM; training stops. To resume it from the last checkpoint, start it again with the same "
                "photos and params."
            )
            sys.exit(128 + signal.SIGTERM)


@contextlib.contextmanager
def catch_sigterm(listens: bool) -> Iterator[threading.Event]:
    """Yields an event; if `listens`, SIGTERM sets it instead of ending the process, so the caller must check it."""
    stop_requested = threading.Event()
    if not listens or threading.current_thread() is not threading.main_thread():
        yield stop_requested  # Python handles signals only in the main thread
        return
    before = signal.signal(signal.SIGTERM, lambda *_: stop_requested.set())
    try:
        yield stop_requested
    finally:
        signal.signal(signal.SIGTERM, before)
