"""Selects example photos: confident errors, confused pairs of classes, and some correct answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.contract.artifacts.figures import ConfusedPair
from components.evaluate.measure.predictions import Predictions


@dataclass(frozen=True)
class Answer:
    """The model's prediction for one photo.

    Attributes:
        index: index of the photo in its split.
        image_id: content hash of the photo.
        label: the true class.
        predicted: the predicted class.
        probability: probability of the predicted class, from 0 to 1.
        true_probability: probability of the true class.
    """

    index: int
    image_id: str
    label: int
    predicted: int
    probability: float
    true_probability: float


def worst_mistakes(predictions: Predictions, num: int) -> list[Answer]:
    """The most confident wrong answers, at most `num`."""
    return _most_confident(predictions, np.flatnonzero(~predictions.correct), num)


def right_answers(predictions: Predictions, num: int) -> list[Answer]:
    """Correct answers with medium confidence, at most `num` and one per class, as examples of typical photos."""
    confidence = predictions.probabilities.max(axis=1)
    correct = np.flatnonzero(predictions.correct)
    if len(correct) == 0:
        return []
    by_distance_to_median = np.argsort(np.abs(confidence[correct] - np.median(confidence[correct])), kind="stable")
    indices: list[int] = []
    for index in correct[by_distance_to_median]:
        if len(indices) < num and predictions.labels[index] not in predictions.labels[indices]:
            indices.append(int(index))
    return [_read_answer(predictions, index) for index in indices]


def pair_mistakes(
    predictions: Predictions, pairs: Sequence[ConfusedPair], class_names: Sequence[str], num: int
) -> list[list[Answer]]:
    """The photos of each confused pair, at most `num` per pair, the most confident errors first."""
    answers = []
    for pair in pairs:
        label, predicted = class_names.index(pair.class_name), class_names.index(pair.predicted_as)
        photo_indices = np.flatnonzero((predictions.labels == label) & (predictions.predicted == predicted))
        answers.append(_most_confident(predictions, photo_indices, num))
    return answers


def _most_confident(predictions: Predictions, photo_indices: np.ndarray, num: int) -> list[Answer]:
    confidence = predictions.probabilities[photo_indices].max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    return [_read_answer(predictions, int(index)) for index in photo_indices[order][:num]]


def _read_answer(predictions: Predictions, index: int) -> Answer:
    probabilities, label = predictions.probabilities[index], int(predictions.labels[index])
    return Answer(
        index=index,
        image_id=predictions.image_ids[index],
        label=label,
        predicted=int(predictions.predicted[index]),
        probability=float(probabilities.max()),
        true_probability=float(probabilities[label]),
    )
