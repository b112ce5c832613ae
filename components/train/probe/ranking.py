"""Ranks the candidates of a probe, and chooses one."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from components.contract.artifacts.figures import CONFIDENCE, Interval, wilson_interval
from components.contract.artifacts.probe import Probe, ProbedNetwork
from components.contract.params.probing import Choice

_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


@dataclass(frozen=True)
class Measured:
    """A candidate that was probed.

    Attributes:
        network: the facts about the candidate, without its accuracy.
        is_right: whether each photo is classified correctly, bool (n,); the photos are the same for all candidates.
    """

    network: ProbedNetwork
    is_right: np.ndarray

    @property
    def accuracy(self) -> float:
        """The share of the photos that are classified correctly."""
        return float(np.mean(self.is_right))

    @property
    def interval(self) -> Interval:
        """The accuracy with its 95 % interval."""
        return wilson_interval(int(self.is_right.sum()), len(self.is_right))

    @property
    def milliseconds(self) -> float:
        """The time per photo in milliseconds."""
        assert self.network.ms_per_photo is not None, "a probed candidate must have a measured time"
        return self.network.ms_per_photo


def rank(
    measured: Sequence[Measured], others: Sequence[ProbedNetwork], choose: Choice, max_ms: float = math.inf
) -> Probe:
    """Sorts the candidates by their accuracy, and chooses one.

    A candidate is tied with the most accurate one if the 95 % interval of their paired difference contains 0.

    Args:
        measured: the probed candidates, at least one.
        others: the candidates that could not be probed.
        choose: most_accurate, or fastest: the fastest of those that are tied with the most accurate one.
        max_ms: the maximum time per photo, in milliseconds; if no candidate meets it, the fastest is chosen.
    """
    ranked = sorted(measured, key=lambda candidate: (-candidate.accuracy, candidate.milliseconds))
    best = ranked[0]
    ties = [candidate for candidate in ranked if is_tied(best.is_right, candidate.is_right)]
    fitting = [candidate for candidate in ranked if candidate.milliseconds <= max_ms]
    fitting_ties = [candidate for candidate in fitting if candidate in ties]
    if not fitting:
        chosen = min(ranked, key=lambda candidate: candidate.milliseconds)
        why = "it is the fastest, and none is fast enough for train.minutes"
    elif choose == "fastest" and fitting_ties:
        chosen = min(fitting_ties, key=lambda candidate: candidate.milliseconds)
        allowed = " and that train.minutes allows" if len(fitting_ties) < len(ties) else ""
        if len(ties) == 1:
            why = "no other is as accurate"
        elif len(fitting_ties) == 1:
            why = f"it is the only one that may be as accurate as the best{allowed}"
        else:
            why = f"it is the fastest of the {len(fitting_ties)} that may be as accurate as the best{allowed}"
    else:
        chosen = fitting[0]
        why = "it is the most accurate" if chosen is best else "it is the most accurate that train.minutes allows"
    networks = tuple(
        candidate.network.model_copy(update={"accuracy": candidate.interval, "is_tied": candidate in ties})
        for candidate in ranked
    )
    return Probe(
        networks=(*networks, *others),
        num_photos=len(best.is_right),
        chosen=chosen.network.candidate,
        why=f"{chosen.network.name}: {why}.",
    )


def is_tied(best: np.ndarray, other: np.ndarray) -> bool:
    """Whether two candidates may be equally accurate: the interval of their paired difference contains 0.

    Args:
        best: bool (n,), whether the more accurate candidate classifies each photo correctly.
        other: bool (n,), the same for the other candidate.
    """
    difference = best.astype(np.float64) - other
    return bool(difference.mean() <= _Z * difference.std() / math.sqrt(len(difference)))
