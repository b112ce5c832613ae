"""The photos that the model named wrongly, the surest of them first."""

from dataclasses import dataclass

import numpy as np

from components.evaluate.predictions import Predictions


@dataclass(frozen=True)
class Mistake:
    """A photo that was named wrongly.

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


def worst_mistakes(predictions: Predictions, num: int) -> list[Mistake]:
    """The wrong answers that the model was surest of; fewer than `num` where it made fewer."""
    wrong = np.flatnonzero(predictions.predicted != predictions.labels)
    sureness = predictions.probabilities[wrong].max(axis=1)
    return [
        Mistake(
            index=int(index),
            image_id=predictions.image_ids[index],
            label=int(predictions.labels[index]),
            predicted=int(predictions.predicted[index]),
            probability=float(predictions.probabilities[index].max()),
            true_probability=float(predictions.probabilities[index, predictions.labels[index]]),
        )
        for index in wrong[np.argsort(-sureness, kind="stable")][:num]
    ]
