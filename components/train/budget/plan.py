"""Plans a training with a time limit: how many epochs of each phase, and how many views, fit into the limit."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

LEAST_SHARE: Final = 0.2
"""The share of its epochs that a later phase must keep; with fewer epochs, the phase is left out."""
VIEWS_SHARE: Final = 0.5
"""If the last phase would keep less than this share of its epochs, fewer views are computed instead."""


@dataclass(frozen=True)
class PhaseCost:
    """The cost of a phase in seconds, estimated from a few batches.

    Attributes:
        epoch: for one epoch, including its validation.
        views: for the frozen features of each view of the training photos; 0 if they are cached. Empty without
            features.
        once: for everything else: features of the validation photos, compilation.
    """

    epoch: float
    views: tuple[float, ...] = ()
    once: float = 0.0

    def seconds(self, epochs: int, views: int) -> float:
        """The cost of the whole phase. Each epoch uses one view, so a short phase needs fewer views."""
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
    """Returns the longest training that fits the time, but never a longer one than the params set.

    All phases are shortened by the same factor. Fewer views are computed before the last phase loses more than half
    of its epochs. If the last phase would keep too few epochs, it is left out, and the phase before it gets its epochs.

    Args:
        costs: of each phase.
        epochs: of each phase in the params.
        views: of each training photo in the params.
        seconds: the maximum time of the training.

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
    """The cost of the shortest training: one epoch of the first phase, with one view."""
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
    """Yields fewer and fewer epochs for all phases, by the same factor, down to `least` epochs of the last one."""
    for last in range(epochs[-1], least - 1, -1):
        factor = last / epochs[-1]
        yield (*(max(1, round(number * factor)) for number in epochs[:-1]), last)
