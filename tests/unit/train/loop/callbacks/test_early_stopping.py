"""The callbacks after each validation: patience, averaged weights, and the plateau schedule."""

import numpy as np
import pytest

from components.contract.params.training import EarlyStopping, TrainParams
from components.contract.tracking.run import Run
from components.train.loop.fit import PhaseFitter
from tests.unit.train.loop.points import batches, classifier, points, run_fit, validation_loss


def test_training_stops_when_the_validation_loss_no_longer_falls() -> None:
    stopping = EarlyStopping(patience=2, min_delta=0.9)
    result = run_fit(classifier(), epochs=50, early_stopping=stopping)
    assert result.epochs_run == 3
    assert result.best_epoch == 1


def test_the_moving_average_of_the_weights_is_validated_and_kept() -> None:
    plain, mean = classifier(), classifier()
    jumping = {"epochs": 3, "optimizer": "sgd", "learning_rate": 0.8, "schedule": "constant"}
    run_fit(plain, **jumping)
    result = run_fit(mean, ema=0.9, **jumping)
    assert validation_loss(mean) == pytest.approx(min(result.history["val_loss"]), abs=1e-5)
    assert not np.allclose(mean.get_weights()[0], plain.get_weights()[0])


def test_the_mean_of_the_weights_of_the_last_epochs_is_validated_and_kept() -> None:
    model = classifier()
    ends: list[list[np.ndarray]] = []
    params = TrainParams(epochs=4, optimizer="sgd", learning_rate=0.8, schedule="constant", swa=0.5)
    fitter = PhaseFitter(model, params, Run(None), watch=lambda *_: ends.append(model.get_weights()))
    fitter.fit(params, model, batches(points(203, 0), shuffle_seed=42), batches(points(90, 1)))
    validated = [*ends[:3], [(third + fourth) / 2 for third, fourth in zip(*ends[2:], strict=True)]]
    kept_weights = model.get_weights()
    best = validated[fitter.result.best_epoch - 1]
    assert all(np.allclose(weight, expected, atol=1e-6) for weight, expected in zip(kept_weights, best, strict=True))
    for weights, expected in zip(validated, fitter.result.history["val_loss"], strict=True):
        model.set_weights(weights)
        assert validation_loss(model) == pytest.approx(expected, abs=1e-5)


def test_a_plateau_lowers_the_learning_rate() -> None:
    result = run_fit(
        classifier(), epochs=8, optimizer="sgd", learning_rate=3.0, schedule="plateau", decay_epochs=1, decay_factor=0.1
    )
    rates = result.history["learning_rate"]
    assert rates[0] == pytest.approx(3.0)
    assert rates == sorted(rates, reverse=True)
    losses = result.history["val_loss"]
    worse = [epoch for epoch in range(1, 7) if losses[epoch] >= min(losses[:epoch])]
    assert worse, "with this learning rate, the loss must jump"
    assert rates[worse[0] + 1] == pytest.approx(0.3)
