"""Ranks several models on the same validation photos: which is the most accurate, which are as good, which to take."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from components.contract.artifacts.figures import Interval
from components.contract.artifacts.leaderboard import Leaderboard, Row
from components.evaluate.formatting import listed, percent
from components.evaluate.gate.verdict import SURE, mcnemar
from components.evaluate.measure.metrics import macro_f1, percentile_interval, wilson_interval

RESAMPLES: Final = 10_000
AS_FAST: Final = 1.1
"""Among models that are as good, one that takes at most so many times as long as the fastest is as fast."""
NO_P: Final = 0.001
"""A smaller p is not told by its digits."""


@dataclass(frozen=True)
class Entrant:
    """A model as it was trained with one or more seeds.

    Attributes:
        name: no other has it.
        seeds: of its trainings.
        right: bool (seeds, n), whether each training's model names each validation photo rightly.
        predicted: int32 (seeds, n), what it names it.
        num_parameters, bundle_mb, latency_ms, latency_of_8_ms: of the first training's model.
        train_minutes: of one training, the mean.
    """

    name: str
    seeds: tuple[int, ...]
    right: np.ndarray
    predicted: np.ndarray
    num_parameters: int
    bundle_mb: float
    latency_ms: float
    latency_of_8_ms: float
    train_minutes: float

    @property
    def accuracy(self) -> float:
        """The share of photos that are classified correctly, over all trainings."""
        return float(self.right.mean())


def rank(
    entrants: Sequence[Entrant],
    labels: np.ndarray,
    dataset_name: str,
    left_out: Sequence[str],
    rng: np.random.Generator,
) -> Leaderboard:
    """The table, the most accurate first, and the pick.

    The most accurate is compared with each other one on the same photos: by McNemar's exact test where each was trained
    once, else by a bootstrap of photos and of trainings alike. The pick is the fastest of those that are as good.

    Args:
        entrants: at least one.
        labels: int32 (n,), of the validation photos, in the order of all entrants.
        dataset_name: what the data are called.
        left_out: a sentence for each model that could not be compared.
        rng: draws resamples.
    """
    ranked = sorted(entrants, key=lambda one: (-one.accuracy, one.latency_ms))
    best, *others = ranked
    p_values = holm([_chance(best, other, rng) for other in others])
    rows = tuple(
        Row(
            name=one.name,
            seeds=one.seeds,
            accuracies=tuple(one.right.mean(axis=1).tolist()),
            accuracy=_interval(one, rng),
            macro_f1=float(np.mean([_macro_f1(labels, predicted) for predicted in one.predicted])),
            num_parameters=one.num_parameters,
            bundle_mb=one.bundle_mb,
            latency_ms=one.latency_ms,
            latency_of_8_ms=one.latency_of_8_ms,
            train_minutes=one.train_minutes,
            on_front=not any(_dominates(other, one) for other in entrants),
            p_value=p_value,
            tied=p_value is None or p_value >= SURE,
        )
        for one, p_value in zip(ranked, (None, *p_values), strict=True)
    )
    pick = pick_of(rows)
    return Leaderboard(
        dataset_name=dataset_name,
        num_images=len(labels),
        rows=rows,
        pick=pick.name,
        reason=reason(rows, pick, len(labels)),
        left_out=tuple(left_out),
    )


def pick_of(rows: Sequence[Row]) -> Row:
    """The model to use.

    Of those that are as good as the most accurate one, and as fast as the fastest of them, it is the most accurate.
    """
    as_good = [row for row in rows if row.tied]
    fastest = min(row.latency_ms for row in as_good)
    return next(row for row in as_good if row.latency_ms <= AS_FAST * fastest)


def reason(rows: Sequence[Row], pick: Row, num_images: int) -> str:
    """Why the pick is to be taken, in one sentence."""
    best, figure = rows[0], f"{percent(pick.accuracy.value)} of the {num_images:,} validation photos"
    ties = [row for row in rows if row.tied and row is not pick]
    if len(rows) == 1:
        return f"Take {pick.name}, the only one that could be compared: it names {figure} rightly."
    if not ties:
        second = rows[1]
        return (
            f"Take {pick.name}: it names {figure} rightly, in {pick.latency_ms:.1f} ms each, and surely more than "
            f"any other ({second.name} is next with {percent(second.accuracy.value)}, p {p_text(second.p_value)})."
        )
    if pick is best:
        names, are = listed([row.name for row in ties]), "is" if len(ties) == 1 else "are"
        return (
            f"Take {pick.name}: it names {figure} rightly, in {pick.latency_ms:.1f} ms each, and {names}, a tie with "
            f"it (p {p_text(ties[0].p_value)}), {are} not faster by more than a tenth."
        )
    return (
        f"Take {pick.name}: it names {figure} rightly, which is a tie with the most accurate, {best.name} "
        f"({percent(best.accuracy.value)}, p {p_text(pick.p_value)}), and takes {pick.latency_ms:.1f} ms a photo "
        f"where that takes {best.latency_ms:.1f}."
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of several comparisons, so that all of them together are wrong no oftener than one (Holm, 1979)."""
    corrected, largest = [0.0] * len(p_values), 0.0
    for place, at in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[at]))
        corrected[at] = largest
    return corrected


def _chance(one: Entrant, other: Entrant, rng: np.random.Generator) -> float:
    """How often chance alone makes them differ so much, in both directions."""
    if len(one.right) == len(other.right) == 1:
        ours, theirs = one.right[0], other.right[0]
        return mcnemar(int(np.count_nonzero(ours & ~theirs)), int(np.count_nonzero(~ours & theirs)))
    first, second = _resampled([one, other], rng)
    difference = first - second
    below, above = ((np.count_nonzero(side) + 1) / (RESAMPLES + 1) for side in (difference <= 0, difference >= 0))
    return float(min(1.0, 2 * min(below, above)))


def _interval(one: Entrant, rng: np.random.Generator) -> Interval:
    if len(one.right) == 1:
        return wilson_interval(int(one.right.sum()), one.right.shape[1])
    return percentile_interval(one.accuracy, _resampled([one], rng)[0])


def _resampled(entrants: Sequence[Entrant], rng: np.random.Generator) -> list[np.ndarray]:
    """Each one's mean accuracy over resamples of the photos, which are the same for all, and of its trainings."""
    # Photos on which all trainings do alike are drawn together, so that no resample ever touches a photo.
    patterns, counts = np.unique(np.concatenate([one.right for one in entrants]), axis=1, return_counts=True)
    drawn = rng.multinomial(counts.sum(), counts / counts.sum(), size=RESAMPLES) / counts.sum()
    means, start = [], 0
    for one in entrants:
        num = len(one.right)
        of_each = drawn @ patterns[start : start + num].T
        chosen = rng.integers(0, num, size=(RESAMPLES, num))
        means.append(np.take_along_axis(of_each, chosen, axis=1).mean(axis=1))
        start += num
    return means


def _macro_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    num_classes = int(max(labels.max(), predicted.max())) + 1
    counts = (np.bincount(some, minlength=num_classes) for some in (labels[labels == predicted], labels, predicted))
    return float(macro_f1(*counts))


def _dominates(one: Entrant, other: Entrant) -> bool:
    ours, theirs = ((-model.accuracy, model.latency_ms, model.bundle_mb) for model in (one, other))
    pairs = list(zip(ours, theirs, strict=True))
    return all(mine <= its for mine, its in pairs) and any(mine < its for mine, its in pairs)


def p_text(value: float | None) -> str:
    """`= 0.388`, or `< 0.001`."""
    assert value is not None, "only the most accurate has none"
    return f"< {NO_P}" if value < NO_P else f"= {value:.3f}"
