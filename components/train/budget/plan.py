"""Plans a training run with a time limit: how many epochs of each phase, and how many views, fit into the limit."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

LEAST_SHARE: Final = 0.2
"""The last of several phases is left out if it would keep less than this share of its epochs."""
VIEWS_SHARE: Final = 0.5
"""If the last phase would keep less than this share of its epochs, fewer views are computed instead."""


@dataclass(frozen=True)
class PhaseCost:
    """The cost of a phase in seconds, estimated from a few batches.

    Attributes:
        epoch: the cost of one epoch, including its validation.
        views: the cost of the frozen features of each view of the training photos; 0 if they are cached. Empty if the
            phase does not use cached features.
        once: the cost of everything else: the features of the validation photos, and compilation.
        shared_views: the number of first views that the phase before also computes, in the same pass as its own.
    """

    epoch: float
    views: tuple[float, ...] = ()
    once: float = 0.0
    shared_views: int = 0

    def seconds(self, epochs: int, views: int, epochs_before: int = 0) -> float:
        """Returns the cost of the whole phase. Each epoch uses one view, so a short phase needs fewer views.

        Args:
            epochs: the number of epochs of the phase.
            views: the number of views of each photo.
            epochs_before: the number of epochs of the phase before.
        """
        num_shared = min(self.shared_views, epochs_before, views)
        return self.once + epochs * self.epoch + sum(self.views[num_shared : min(views, epochs)])


@dataclass(frozen=True)
class Plan:
    """The plan of a training run.

    Attributes:
        epochs: the number of epochs of each phase; phases at the end may be missing.
        views: the number of views of each training photo.
        seconds: the estimated time of the training.
    """

    epochs: tuple[int, ...]
    views: int
    seconds: float


def make_plan(costs: Sequence[PhaseCost], epochs: Sequence[int], views: int, seconds: float) -> Plan | None:
    """Plans the longest training run that fits into the time, but never a longer one than the params describe.

    All phases are shortened by the same factor. The number of views is reduced before the last phase loses more than
    half of its epochs. If the last phase would keep too few epochs, it is left out, and its epochs are added to the
    phase before it.

    Args:
        costs: the cost of each phase.
        epochs: the number of epochs of each phase, according to the params.
        views: the number of views of each training photo, according to the params.
        seconds: the maximum time of the training run.

    Returns:
        The plan; None if not even one epoch fits.
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
    """Returns the cost of the shortest training run: one epoch of the first phase, with one view."""
    return costs[0].seconds(1, 1)


def _longest(
    costs: Sequence[PhaseCost], epochs: Sequence[int], views: int, seconds: float, *, is_first: bool
) -> Plan | None:
    for shortened in _shorten(epochs, least=1 if is_first else math.ceil(LEAST_SHARE * epochs[-1])):
        numbers = zip(costs, shortened, (0, *shortened), strict=False)
        total = sum(cost.seconds(number, views, before) for cost, number, before in numbers)
        if total <= seconds:
            return Plan(shortened, views, total)
    return None


def _shorten(epochs: Sequence[int], least: int) -> Iterator[tuple[int, ...]]:
    """Yields the epochs of all phases, reduced step by step by a common factor, down to `least` in the last phase."""
    for last in range(epochs[-1], least - 1, -1):
        factor = last / epochs[-1]
        yield (*(max(1, round(number * factor)) for number in epochs[:-1]), last)
