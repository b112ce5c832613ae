"""The metrics of a training run, epoch by epoch."""

from collections.abc import Callable
from dataclasses import dataclass, field

Watch = Callable[[int, dict[str, float]], None]
"""Called after each epoch with its number, counted from 1 over all phases, and its metrics; an exception ends the
training."""


@dataclass
class FitResult:
    """The metrics of the epochs, and the best epoch.

    Attributes:
        history: a list for each metric, with a value per epoch: phase (from 1), loss, accuracy, val_loss, val_accuracy,
            learning_rate, images_per_second, input_wait (the share of the time spent waiting for batches) and seconds.
        best_epoch: the number of the epoch whose weights are kept, counted from 1; 0 if nothing was trained.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0

    @property
    def epochs_run(self) -> int:
        """The number of epochs in the history."""
        return len(self.history.get("loss", ()))

    def at_best(self, name: str) -> float:
        """Returns a metric of the best epoch."""
        return self.history[name][self.best_epoch - 1]
