"""How a training went, epoch by epoch."""

from collections.abc import Callable
from dataclasses import dataclass, field

Watch = Callable[[int, dict[str, float]], None]
"""Is given the number of each epoch, counted from 1 over all phases, and its figures; an error that it raises ends the
training."""


@dataclass
class FitResult:
    """How the training went.

    Attributes:
        history: per epoch: phase (from 1), loss, accuracy, val_loss, val_accuracy, learning_rate, images_per_second,
            input_wait (the part of the time in which batches were waited for), seconds.
        best_epoch: counted from 1; its weights are the network's now. 0 if nothing was trained.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0

    @property
    def epochs_run(self) -> int:
        """The number of epochs in the history."""
        return len(self.history.get("loss", ()))

    def at_best(self, name: str) -> float:
        """A figure of the best epoch."""
        return self.history[name][self.best_epoch - 1]
