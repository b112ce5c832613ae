"""Ranks models on the same validation photos: which is the most accurate, which are tied, and which to use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from components.contract.artifacts.figures import Interval, wilson_interval
from components.contract.artifacts.leaderboard import Leaderboard, Row
from components.contract.text import join_names
from components.evaluate.formatting import percent
from components.evaluate.gate.comparison import SIGNIFICANCE_LEVEL, count_disagreements, mcnemar
from components.evaluate.measure.metrics import macro_f1, percentile_interval

RESAMPLES: Final = 10_000
MAX_SLOWDOWN: Final = 1.1
"""Among tied models, one that takes at most this many times as long as the fastest counts as equally fast."""
MIN_P: Final = 0.001
"""A smaller p-value is shown as "< 0.001"."""


@dataclass(frozen=True)
class Entrant:
    """A model, trained with one or more seeds.

    Attributes:
        name: the unique name of the model.
        seeds: the seed of each training run.
        correct: bool (seeds, n), whether the model of each seed classifies each validation photo correctly.
        predicted: int32 (seeds, n), the predicted class.
        num_parameters, bundle_mb: the size of the model of the first seed.
        latency_ms, latency_of_8_ms: the time that this model takes for one photo and for eight photos.
        train_minutes: the mean duration of a training run.
    """

    name: str
    seeds: tuple[int, ...]
    correct: np.ndarray
    predicted: np.ndarray
    num_parameters: int
    bundle_mb: float
    latency_ms: float
    latency_of_8_ms: float
    train_minutes: float

    @property
    def accuracy(self) -> float:
        """The share of photos that are classified correctly, averaged over all training runs."""
        return float(self.correct.mean())


def rank(
    entrants: Sequence[Entrant],
    labels: np.ndarray,
    dataset_name: str,
    left_out: Sequence[str],
    rng: np.random.Generator,
) -> Leaderboard:
    """Ranks the models, the most accurate first, and picks the one to use.

    The most accurate model is compared with each of the others on the same photos: by McNemar's exact test if both were
    trained once, otherwise by a bootstrap of photos and training runs. `choose_pick` explains the choice.

    Args:
        entrants: the models, at least one.
        labels: int32 (n,), the labels of the validation photos, in the same order as in every entrant.
        dataset_name: the name of the data set.
        left_out: a sentence for each model that could not be compared.
        rng: draws the resamples.
    """
    ranked_entrants = sorted(entrants, key=lambda entrant: (-entrant.accuracy, entrant.latency_ms))
    best, *others = ranked_entrants
    p_values = holm([_p_value(best, other, rng) for other in others])
    rows = tuple(
        Row(
            name=entrant.name,
            seeds=entrant.seeds,
            accuracies=tuple(entrant.correct.mean(axis=1).tolist()),
            accuracy=_accuracy_interval(entrant, rng),
            macro_f1=float(np.mean([_macro_f1(labels, predicted) for predicted in entrant.predicted])),
            num_parameters=entrant.num_parameters,
            bundle_mb=entrant.bundle_mb,
            latency_ms=entrant.latency_ms,
            latency_of_8_ms=entrant.latency_of_8_ms,
            train_minutes=entrant.train_minutes,
            on_front=not any(_dominates(other, entrant) for other in entrants),
            p_value=p_value,
            tied=p_value is None or p_value >= SIGNIFICANCE_LEVEL,
        )
        for entrant, p_value in zip(ranked_entrants, (None, *p_values), strict=True)
    )
    pick = choose_pick(rows)
    return Leaderboard(
        dataset_name=dataset_name,
        num_images=len(labels),
        rows=rows,
        pick=pick.name,
        reason=explain_pick(rows, pick, len(labels)),
        left_out=tuple(left_out),
    )


def choose_pick(rows: Sequence[Row]) -> Row:
    """The model to use.

    Of the models that are tied with the best, those about as fast as the fastest are considered; the most accurate of
    these is the pick.
    """
    as_good = [row for row in rows if row.tied]
    fastest = min(row.latency_ms for row in as_good)
    return next(row for row in as_good if row.latency_ms <= MAX_SLOWDOWN * fastest)


def explain_pick(rows: Sequence[Row], pick: Row, num_images: int) -> str:
    """One sentence that explains the pick."""
    best, share = rows[0], f"{percent(pick.accuracy.value)} of the {num_images:,} validation photos"
    ties = [row for row in rows if row.tied and row is not pick]
    if len(rows) == 1:
        return f"Use {pick.name}, the only model that could be compared: it classifies {share} correctly."
    if not ties:
        second = rows[1]
        return (
            f"Use {pick.name}: it classifies {share} correctly, significantly more than any other model "
            f"({second.name} is next with {percent(second.accuracy.value)}, p {format_p(second.p_value)}), and takes "
            f"{pick.latency_ms:.1f} ms per photo."
        )
    if pick is best:
        names, verb = join_names([row.name for row in ties]), "is" if len(ties) == 1 else "are"
        return (
            f"Use {pick.name}: it classifies {share} correctly, and takes {pick.latency_ms:.1f} ms per photo; "
            f"{names}, tied with it (p {format_p(ties[0].p_value)}), {verb} at most a tenth "
            "faster."
        )
    return (
        f"Use {pick.name}: it classifies {share} correctly, is tied with the most accurate model, "
        f"{best.name} ({percent(best.accuracy.value)}, p {format_p(pick.p_value)}), and takes "
        f"{pick.latency_ms:.1f} ms per photo instead of {best.latency_ms:.1f}."
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of several comparisons, corrected for their number (Holm, 1979)."""
    corrected, largest = [0.0] * len(p_values), 0.0
    for position, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - position) * p_values[index]))
        corrected[index] = largest
    return corrected


def _p_value(first: Entrant, second: Entrant, rng: np.random.Generator) -> float:
    """The two-sided p-value of the difference between two models."""
    if len(first.correct) == len(second.correct) == 1:
        return mcnemar(*count_disagreements(first.correct[0], second.correct[0]))
    first_accuracies, second_accuracies = _resample_accuracies([first, second], rng)
    difference = first_accuracies - second_accuracies
    below = (np.count_nonzero(difference <= 0) + 1) / (RESAMPLES + 1)
    above = (np.count_nonzero(difference >= 0) + 1) / (RESAMPLES + 1)
    return float(min(1.0, 2 * min(below, above)))


def _accuracy_interval(entrant: Entrant, rng: np.random.Generator) -> Interval:
    if len(entrant.correct) == 1:
        return wilson_interval(int(entrant.correct.sum()), entrant.correct.shape[1])
    return percentile_interval(entrant.accuracy, _resample_accuracies([entrant], rng)[0])


def _resample_accuracies(entrants: Sequence[Entrant], rng: np.random.Generator) -> list[np.ndarray]:
    """The mean accuracy of each entrant in each resample; the photos drawn are the same for all entrants."""
    # Photos that the same training runs classify correctly are drawn together: a resample is a count per pattern.
    trainings = np.concatenate([entrant.correct for entrant in entrants])
    patterns, counts = np.unique(trainings, axis=1, return_counts=True)
    photo_weights = rng.multinomial(counts.sum(), counts / counts.sum(), size=RESAMPLES) / counts.sum()
    means, start = [], 0
    for entrant in entrants:
        num_trainings = len(entrant.correct)
        training_accuracies = photo_weights @ patterns[start : start + num_trainings].T
        training_indices = rng.integers(0, num_trainings, size=(RESAMPLES, num_trainings))
        means.append(np.take_along_axis(training_accuracies, training_indices, axis=1).mean(axis=1))
        start += num_trainings
    return means


def _macro_f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    num_classes = int(max(labels.max(), predicted.max())) + 1
    counts = (
        np.bincount(some_labels, minlength=num_classes)
        for some_labels in (labels[labels == predicted], labels, predicted)
    )
    return float(macro_f1(*counts))


def _dominates(entrant: Entrant, other: Entrant) -> bool:
    entrant_costs, other_costs = ((-model.accuracy, model.latency_ms, model.bundle_mb) for model in (entrant, other))
    pairs = list(zip(entrant_costs, other_costs, strict=True))
    is_as_good = all(cost <= other_cost for cost, other_cost in pairs)
    return is_as_good and any(cost < other_cost for cost, other_cost in pairs)


def format_p(value: float | None) -> str:
    """Formats a p-value as `= 0.388` or `< 0.001`."""
    assert value is not None, "every model except the most accurate one must have a p-value"
    return f"< {MIN_P}" if value < MIN_P else f"= {value:.3f}"
