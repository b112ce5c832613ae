"""The photos that tell where a model fails: its surest mistakes, those behind each confused pair, and right answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.contract.artifacts.figures import ConfusedPair
from components.evaluate.measure.predictions import Predictions


@dataclass(frozen=True)
class Answer:
    """What the model said of one photo.

    Attributes:
        index: where it stands in its split.
        image_id: its content hash.
        label: its class.
        predicted: the class that it was taken for.
        probability: of the class that it was taken for, from 0 to 1.
        true_probability: of its own class.
    """

    index: int
    image_id: str
    label: int
    predicted: int
    probability: float
    true_probability: float


def worst_mistakes(predictions: Predictions, num: int) -> list[Answer]:
    """The wrong answers that the model was surest of; fewer than `num` where it made fewer."""
    return _surest(predictions, np.flatnonzero(~predictions.right), num)


def right_answers(predictions: Predictions, num: int) -> list[Answer]:
    """Right answers of middling sureness, of as many classes as can be: what the model does on a usual photo."""
    sureness = predictions.probabilities.max(axis=1)
    right = np.flatnonzero(predictions.right)
    if len(right) == 0:
        return []
    middle = np.argsort(np.abs(sureness[right] - np.median(sureness[right])), kind="stable")
    chosen: list[int] = []
    for at in right[middle]:
        if len(chosen) < num and predictions.labels[at] not in predictions.labels[chosen]:
            chosen.append(int(at))
    return [_answer(predictions, at) for at in chosen]


def behind_pairs(
    predictions: Predictions, pairs: Sequence[ConfusedPair], class_names: Sequence[str], num: int
) -> list[list[Answer]]:
    """The photos behind each confused pair, at most `num` of each, the surest mistakes first."""
    found = []
    for pair in pairs:
        label, predicted = class_names.index(pair.class_name), class_names.index(pair.predicted_as)
        cell = np.flatnonzero((predictions.labels == label) & (predictions.predicted == predicted))
        found.append(_surest(predictions, cell, num))
    return found


def _surest(predictions: Predictions, photos: np.ndarray, num: int) -> list[Answer]:
    sureness = predictions.probabilities[photos].max(axis=1)
    return [_answer(predictions, int(at)) for at in photos[np.argsort(-sureness, kind="stable")][:num]]


def _answer(predictions: Predictions, at: int) -> Answer:
    probabilities, label = predictions.probabilities[at], int(predictions.labels[at])
    return Answer(
        index=at,
        image_id=predictions.image_ids[at],
        label=label,
        predicted=int(predictions.predicted[at]),
        probability=float(probabilities.max()),
        true_probability=float(probabilities[label]),
    )
