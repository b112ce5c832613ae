"""Checks whether the photos that a service receives still resemble those that its model was trained for.

Three signals are compared: brightness, confidence, and the content of the photos (the embeddings). Served photos are
compared with the validation and test photos of the data set, not with its training photos: a model is more confident on
its training photos than on any others, so confidence would always seem to have drifted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from components.contract.record import BaseRecord

MIN_PHOTOS: Final = 50
"""The minimum number of photos on each side of the comparison."""
MAX_PHOTOS: Final = 2000
"""The maximum number of photos on each side; more would only take longer."""
SIGNIFICANCE: Final = 0.01
"""The probability of reporting drift if there is none, divided among the three signals."""
MIN_DISTANCE: Final = 0.2
"""A smaller Kolmogorov–Smirnov distance does not count as drift, even if it is significant."""
MIN_SEPARATION: Final = 0.65
"""A smaller separation does not count as drift. A pair consists of a served photo and a data set photo;
the separation is the share of pairs in which a classifier identifies the served photo: 0.5 by chance."""
SHRINKAGE: Final = 0.1

Verdict = Literal["drift", "no drift", "cannot tell"]


@dataclass(frozen=True)
class Traits:
    """The compared properties of n photos.

    Attributes:
        brightness: float32 (n,), the mean of the pixels, from 0 to 255.
        confidence: float32 (n,), the probability of the most probable class.
        embeddings: float32 (n, features).
        labels: the n class names that the model predicted.
        names: the ids of the n predictions, or the paths of the n photos; photos from a data set have no names.
    """

    brightness: np.ndarray
    confidence: np.ndarray
    embeddings: np.ndarray
    labels: Sequence[str]
    names: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def draw(self, number: int, rng: np.random.Generator) -> "Traits":
        """Draws at most `number` photos at random."""
        if len(self) <= number:
            return self
        indices = np.sort(rng.choice(len(self), number, replace=False))
        return Traits(
            self.brightness[indices],
            self.confidence[indices],
            self.embeddings[indices],
            [self.labels[index] for index in indices],
        )


class Signal(BaseRecord):
    """The comparison of one property."""

    name: Literal["brightness", "confidence", "embeddings"]
    method: str
    size: float
    """The size of the difference: a distance from 0 to 1 or, for embeddings, the share of separated pairs."""
    matters_from: float
    p_value: float
    drifted: bool
    text: str


class ClassShare(BaseRecord):
    """The share of a class among the predictions, for the data set and for the service."""

    class_name: str
    reference: float
    served: float


class Drift(BaseRecord):
    """The result of the comparison."""

    verdict: Verdict
    reason: str
    num_reference: int
    num_served: int
    signals: tuple[Signal, ...]
    classes: tuple[ClassShare, ...]


def compare(reference: Traits, served: Traits, class_names: Sequence[str], rng: np.random.Generator) -> Drift:
    """Compares served photos with photos from the data set.

    Args:
        reference: the validation and test photos.
        served: the photos that the service classified.
        class_names: in the order of the labels.
        rng: draws photos, and splits the embeddings into halves.
    """
    numbers = {"num_reference": len(reference), "num_served": len(served)}
    reference, served = reference.draw(MAX_PHOTOS, rng), served.draw(MAX_PHOTOS, rng)
    classes = tuple(
        ClassShare(
            class_name=name, reference=compute_share(reference.labels, name), served=compute_share(served.labels, name)
        )
        for name in class_names
    )
    if min(len(reference), len(served)) < MIN_PHOTOS:
        reason = (
            f"A comparison needs at least {MIN_PHOTOS} photos on each side, but the service has "
            f"{numbers['num_served']} and the data set has {numbers['num_reference']}."
        )
        return Drift(verdict="cannot tell", reason=reason, signals=(), classes=classes, **numbers)
    signals = (
        _compare_values("brightness", reference.brightness, served.brightness, ("darker", "brighter")),
        _compare_values("confidence", reference.confidence, served.confidence, ("lower", "higher")),
        _compare_embeddings(reference.embeddings, served.embeddings, rng),
    )
    drift_texts = [signal.text for signal in signals if signal.drifted]
    reason = " ".join(drift_texts) or "Brightness, confidence and embeddings show no drift from the data set."
    return Drift(
        verdict="drift" if drift_texts else "no drift", reason=reason, signals=signals, classes=classes, **numbers
    )


def compute_share(labels: Sequence[str], class_name: str) -> float:
    """The share of a class among the labels, from 0 to 1; 0 if there are no labels."""
    return sum(label == class_name for label in labels) / max(1, len(labels))


def _compare_values(
    name: Literal["brightness", "confidence"], reference: np.ndarray, served: np.ndarray, words: tuple[str, str]
) -> Signal:
    from scipy.stats import ks_2samp

    test = ks_2samp(reference, served, method="asymp")
    distance, p_value = float(test.statistic), float(test.pvalue)
    has_drifted = p_value < SIGNIFICANCE / 3 and distance >= MIN_DISTANCE
    before, after = float(np.median(reference)), float(np.median(served))
    word = words[int(after > before)]
    what = "Served photos are" if name == "brightness" else "Confidence is"
    change = f"{what} {word} than in the data set: the median is {after:.3g} instead of {before:.3g}."
    text = (
        change
        if has_drifted
        else f"{name.capitalize()} is about the same as in the data set: the medians are {after:.3g} and {before:.3g}."
    )
    return Signal(
        name=name,
        method="Kolmogorov–Smirnov test",
        size=distance,
        matters_from=MIN_DISTANCE,
        p_value=p_value,
        drifted=has_drifted,
        text=text,
    )


def _compare_embeddings(reference: np.ndarray, served: np.ndarray, rng: np.random.Generator) -> Signal:
    share, p_value = separation(reference, served, rng)
    has_drifted = p_value < SIGNIFICANCE / 3 and share >= MIN_SEPARATION
    pair_text = (
        f"a classifier separates served photos from photos of the data set in {100 * share:.0f} % of the "
        "pairs (by chance: 50 %)."
    )
    text = (
        f"The content of the photos differs: {pair_text}"
        if has_drifted
        else f"The content of the photos is similar: {pair_text}"
    )
    # The method is that of Lopez-Paz and Oquab (2017), with a linear classifier.
    return Signal(
        name="embeddings",
        method="Classifier two-sample test, linear discriminant",
        size=share,
        matters_from=MIN_SEPARATION,
        p_value=p_value,
        drifted=has_drifted,
        text=text,
    )


def separation(reference: np.ndarray, served: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """How well a linear discriminant separates served photos from reference photos.

    It is trained on half of the photos, and tested on the other half.

    Args:
        reference: float32 (n, features).
        served: float32 (m, features).
        rng: splits the photos into halves.

    Returns:
        The share of separated pairs (the area under the ROC curve), and the p-value (Mann–Whitney).
    """
    from scipy.stats import mannwhitneyu

    training_halves, test_halves = zip(_split_in_halves(reference, rng), _split_in_halves(served, rng), strict=True)
    scores = [half @ _fisher_direction(*training_halves) for half in test_halves]
    test = mannwhitneyu(scores[1], scores[0], alternative="greater", method="asymptotic", use_continuity=False)
    chance = float(np.nan_to_num(test.pvalue, nan=0.5))  # NaN if all scores are equal
    return float(test.statistic) / (len(scores[0]) * len(scores[1])), chance


def _split_in_halves(rows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    order = rng.permutation(len(rows))
    return rows[order[::2]].astype(np.float64), rows[order[1::2]].astype(np.float64)


def _fisher_direction(reference: np.ndarray, served: np.ndarray) -> np.ndarray:
    """Fisher's discriminant; its covariance is shrunk toward a sphere, as there may be fewer photos than features."""
    centered = np.concatenate([reference - reference.mean(axis=0), served - served.mean(axis=0)])
    covariance = centered.T @ centered / len(centered)
    sphere = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    covariance *= 1 - SHRINKAGE
    covariance[np.diag_indices_from(covariance)] += SHRINKAGE * sphere
    direction: np.ndarray = np.linalg.solve(covariance, served.mean(axis=0) - reference.mean(axis=0))
    return direction
