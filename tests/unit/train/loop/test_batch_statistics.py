"""Batch normalization in epochs with few steps."""

import keras
import numpy as np
import pytest

from components.contract.params.training import TrainParams
from components.contract.tracking.run import Run
from components.train.loop.batch_statistics import OLD_SHARE, renew_statistics
from components.train.loop.batches import Batches, Features
from components.train.loop.fit import PhaseFitter
from tests.unit.train.loop.points import batches, classifier, points


def normalizing(momentum: float = 0.99, *, trainable: bool = True) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((2,))
    values = keras.layers.Dense(16, "relu")(inputs)
    values = keras.layers.BatchNormalization(momentum=momentum, trainable=trainable)(values)
    return keras.Model(inputs, keras.layers.Dense(3)(values))


def statistics(model: keras.Model) -> tuple[np.ndarray, np.ndarray]:
    return np.array(model.layers[2].moving_mean), np.array(model.layers[2].moving_variance)


def test_statistics_are_means_over_the_batches() -> None:
    model, training = normalizing(), batches(points(64, 0), shuffle_seed=0)
    renew_statistics(model, training)
    hidden = keras.Model(model.input, model.layers[1].output)
    values = [np.array(hidden(inputs)) for inputs in training.full_batches(4)]
    mean, variance = statistics(model)
    assert mean == pytest.approx(np.mean([batch.mean(0) for batch in values], 0), abs=1e-5)
    assert variance == pytest.approx(np.mean([batch.var(0) for batch in values], 0), abs=1e-5)
    assert model.layers[2].momentum == 0.99


def test_statistics_are_the_same_for_the_rest_of_an_interrupted_epoch() -> None:
    whole, rest = (normalizing() for _ in range(2))
    training = batches(points(64, 0), shuffle_seed=0)
    training.begin(2)
    renew_statistics(whole, training)
    training.begin(2, first_batch=3)
    renew_statistics(rest, training)
    assert all(map(np.array_equal, statistics(whole), statistics(rest)))


@pytest.mark.parametrize(
    ("momentum", "num_steps", "trainable", "is_renewed"),
    [
        (0.9, 28, True, True),
        (0.9, 29, True, False),
        (0.99, 29, True, True),
        (0.5, 4, True, True),
        (0.5, 5, True, False),
        (0.9, 28, False, False),
    ],
)
def test_statistics_are_recomputed_after_short_epochs(
    momentum: float, num_steps: int, trainable: bool, is_renewed: bool
) -> None:
    assert (momentum**num_steps > OLD_SHARE) == (is_renewed or not trainable)
    model = normalizing(momentum, trainable=trainable)
    before = statistics(model)
    renew_statistics(model, batches(points(16 * num_steps, 0)))
    assert all(map(np.array_equal, before, statistics(model))) != is_renewed


def test_a_network_without_batch_normalization_is_unchanged() -> None:
    model = classifier()
    before = model.get_weights()
    renew_statistics(model, batches(points(32, 0)))
    assert all(map(np.array_equal, before, model.get_weights()))


@pytest.mark.parametrize("averaging", [{}, {"ema": 0.9}, {"swa": 0.9}])
def test_a_small_data_set_is_learned_with_batch_normalization(averaging: dict[str, float]) -> None:
    model = normalizing()
    params = TrainParams(epochs=10, learning_rate=0.01, **averaging)
    values, labels = points(42, 0)
    training = Batches(Features([values + 100], labels), 16, shuffle_seed=0, passes=4)
    values, labels = points(90, 1)
    validation = Batches(Features([values + 100], labels), 16)
    fitter = PhaseFitter(model, params, Run(None))
    fitter.fit(params.all_phases[0], model, training, validation)
    assert fitter.result.at_best("val_accuracy") > 0.7
    renewed = statistics(model)
    assert np.all(renewed[0] >= 0)
    assert fitter.result.at_best("val_loss") == pytest.approx(_loss(model, validation), abs=1e-4)


def _loss(model: keras.Model, validation: Batches) -> float:
    inputs, labels = (np.concatenate(parts) for parts in zip(*map(validation.__getitem__, range(6)), strict=True))
    losses = keras.losses.sparse_categorical_crossentropy(labels, model(inputs, training=False), from_logits=True)
    return float(np.mean(losses))
