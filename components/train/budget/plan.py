"""The plan for a time limit: how many epochs of each phase, and how many views, fit into the seconds of a training."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

LEAST_SHARE: Final = 0.2
"""Of its epochs that a phase after the first must keep; with fewer it is left out."""
VIEWS_SHARE: Final = 0.5
"""Of the epochs of the last phase: with fewer than these, views are given up for epochs."""


@dataclass(frozen=True)
class PhaseCost:
    """What a phase takes, in seconds, by a measurement of a few batches.

    Attributes:
        epoch: an epoch with its validation.
        views: the frozen features of each view of the training photos; 0 where they are cached. Empty without features.
        once: all else: features of the validation photos, compilation.
    """

    epoch: float
    views: tuple[float, ...] = ()
    once: float = 0.0

    def seconds(self, epochs: int, views: int) -> float:
        """The whole phase. Each epoch uses one view, so that a short phase needs fewer."""
        return self.once + epochs * self.epoch + sum(self.views[: min(views, epochs)])


@dataclass(frozen=True)
class Plan:
    """The plan of a training.

    Attributes:
        epochs: of each phase; phases at the end may be missing.
        views: of each training photo.
        seconds: of the training.
    """

    epochs: tuple[int, ...]
    views: int
    seconds: float


def make_plan(costs: Sequence[PhaseCost], epochs: Sequence[int], views: int, seconds: float) -> Plan | None:
    """The longest training that fits, and never a longer one than the params have.

    All phases are shortened by the same factor. Views are given up before half of the epochs of the last phase are. If
    the last phase would keep too few epochs, it is left out, and the phase before it gets its epochs.

    Args:
        costs: of each phase.
        epochs: of each phase, as the params have them.
        views: the same.
        seconds: that training may take.

    Returns:
        None if not even one epoch fits.
    """
    for num_phases in range(len(costs), 0, -1):
        wanted = (*epochs[: num_phases - 1], sum(epochs[num_phases - 1 :]))
        fitting = [
            plan
            for num_views in range(views, 0, -1)
            if (plan := _longest(costs[:num_phases], wanted, num_views, seconds, is_first=num_phases == 1))
        ]
        if fitting:
            long_enough = (plan for plan in fitting if plan.epochs[-1] >= VIEWS_SHARE * wanted[-1])
            return next(long_enough, None) or max(fitting, key=lambda plan: (plan.epochs[-1], plan.views))
    return None


def least_seconds(costs: Sequence[PhaseCost]) -> float:
    """The shortest training: one epoch of the first phase, with one view."""
    return costs[0].seconds(1, 1)


def _longest(
    costs: Sequence[PhaseCost], epochs: Sequence[int], views: int, seconds: float, *, is_first: bool
) -> Plan | None:
    for shortened in _shorten(epochs, least=1 if is_first else math.ceil(LEAST_SHARE * epochs[-1])):
        total = sum(cost.seconds(number, views) for cost, number in zip(costs, shortened, strict=True))
        if total <= seconds:
            return Plan(shortened, views, total)
    return None


def _shorten(epochs: Sequence[int], least: int) -> Iterator[tuple[int, ...]]:
    """The epochs of each phase, by the same factor fewer each time, down to the least of the last phase."""
    for last in range(epochs[-1], least - 1, -1):
        factor = last / epochs[-1]
        yield (*(max(1, round(number * factor)) for number in epochs[:-1]), last)
