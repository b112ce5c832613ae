"""Points in the plane that a small classifier learns within a few epochs."""

from typing import Any

import keras
import numpy as np

from components.contract.params.training import TrainParams
from components.contract.tracking.run import Run
from components.train.loop.batches import Batches, Features
from components.train.loop.fit import PhaseFitter
from components.train.loop.fit_result import FitResult

Points = tuple[np.ndarray, np.ndarray]


def points(num: int, seed: int) -> Points:
    """Three slightly overlapping clouds of points."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, num).astype(np.int32)
    centers = np.array([[0, 0], [2, 0], [0, 2]], np.float32)
    return (centers[labels] + rng.normal(0, 0.7, (num, 2))).astype(np.float32), labels


def batches(labeled_points: Points, **options: Any) -> Batches:
    values, labels = labeled_points
    return Batches(Features([values], labels), 16, **options)


def classifier(seed: int = 0, activation: str = "relu") -> keras.Model:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((2,))
    hidden = keras.layers.Dropout(0.1)(keras.layers.Dense(16, activation)(inputs))
    return keras.Model(inputs, keras.layers.Dense(3)(hidden))


def run_fit(model: keras.Model, training: Points | None = None, **params: Any) -> FitResult:
    fit_params = TrainParams(**{"epochs": 4, "learning_rate": 0.01, "early_stopping": None} | params)
    fitter = PhaseFitter(model, fit_params, Run(None))
    training_batches = batches(points(203, 0) if training is None else training, shuffle_seed=fit_params.seed)
    for phase in fit_params.all_phases:
        fitter.fit(phase, model, training_batches, batches(points(90, 1)))
    return fitter.result


def validation_loss(model: keras.Model) -> float:
    values, labels = points(90, 1)
    losses = keras.losses.sparse_categorical_crossentropy(labels, model(values, training=False), from_logits=True)
    return float(np.mean(losses))
