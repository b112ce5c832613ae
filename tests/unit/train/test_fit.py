"""Training itself: the best epoch is kept, faults are told, equal seeds give equal weights."""

import logging
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from components.contract.errors import ModelError
from components.contract.tracking import Run
from components.contract.train_params import EarlyStopping, TrainParams
from components.train import fit as fit_module
from components.train.batches import Batches, Features
from components.train.fit import OPTIMIZERS, Fitted, crossentropy, fit, learning_rate, system_metrics


def blobs(num: int, seed: int) -> Features:
    """Three clouds of points that overlap a little."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, num).astype(np.int32)
    centres = np.array([[0, 0], [2, 0], [0, 2]], np.float32)
    return Features((centres[labels] + rng.normal(0, 0.7, (num, 2))).astype(np.float32), labels)


def classifier(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((2,))
    hidden = keras.layers.Dropout(0.1)(keras.layers.Dense(16, "relu")(inputs))
    return keras.Model(inputs, keras.layers.Dense(3)(hidden))


def run_fit(model: keras.Model, **params: Any) -> Fitted:
    chosen = TrainParams(**{"epochs": 4, "learning_rate": 0.01, "early_stopping": None} | params)
    training = Batches(blobs(203, 0), 16, shuffle_seed=chosen.seed)
    return fit(model, training, Batches(blobs(90, 1), 16), chosen, Run(None))


def validation_loss(model: keras.Model) -> float:
    validation = blobs(90, 1)
    return float(np.mean(crossentropy(3, 0.0)(validation.labels, model(validation.values, training=False))))


def test_training_learns_and_keeps_a_full_history() -> None:
    model = classifier()
    fitted = run_fit(model, epochs=6)
    assert fitted.epochs_run == 6
    assert fitted.history.keys() == {
        "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "images_per_second", "seconds",
    }  # fmt: skip
    assert all(len(values) == 6 and all(map(math.isfinite, values)) for values in fitted.history.values())
    assert fitted.at_best("val_accuracy") > 0.85
    assert fitted.history["loss"][-1] < fitted.history["loss"][0]


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    model = classifier()
    fitted = run_fit(model, epochs=8, optimizer="sgd", learning_rate=1.5, schedule="constant")
    best = min(fitted.history["val_loss"])
    assert fitted.history["val_loss"][fitted.best_epoch - 1] == best
    assert fitted.best_epoch < 8, "with this rate the loss jumps, so that the last epoch is not the best"
    assert validation_loss(model) == pytest.approx(best, abs=1e-5)


def test_training_stops_when_the_validation_loss_no_longer_falls() -> None:
    stopping = EarlyStopping(patience=2, min_delta=0.9)
    fitted = run_fit(classifier(), epochs=50, early_stopping=stopping)
    assert fitted.epochs_run == 3
    assert fitted.best_epoch == 1


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_every_optimizer_of_the_params_learns(optimizer: str) -> None:
    fitted = run_fit(classifier(), optimizer=optimizer, epochs=3)
    assert fitted.history["loss"][-1] < fitted.history["loss"][0]


def test_every_optimizer_of_the_params_is_known() -> None:
    assert OPTIMIZERS.keys() == set(TrainParams.model_fields["optimizer"].annotation.__args__)


def test_the_cosine_ends_near_nothing_and_a_constant_rate_stays() -> None:
    falling = run_fit(classifier(), epochs=4, schedule="cosine").history["learning_rate"]
    assert falling == pytest.approx([0.01 * (1 + math.cos(math.pi * part)) / 2 for part in (0.25, 0.5, 0.75, 1)])
    assert run_fit(classifier(), epochs=2, schedule="constant").history["learning_rate"] == pytest.approx([0.01] * 2)
    assert learning_rate(TrainParams(schedule="constant"), 10) == 0.001


def test_equal_seeds_give_equal_weights_and_others_do_not() -> None:
    weights = []
    for seed in (1, 1, 2):
        model = classifier(seed)
        run_fit(model, seed=seed)
        weights.append(model.get_weights())
    assert all(np.array_equal(one, other) for one, other in zip(weights[0], weights[1], strict=True))
    assert not np.array_equal(weights[0][0], weights[2][0])


def test_label_smoothing_is_that_of_keras() -> None:
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 3, 20), rng.normal(size=(20, 3)).astype(np.float32)
    plain = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    assert np.allclose(np.asarray(crossentropy(3, 0.0)(labels, logits)), np.asarray(plain), atol=1e-6)
    smooth = keras.losses.categorical_crossentropy(
        keras.utils.to_categorical(labels, 3).astype(np.float32), logits, from_logits=True, label_smoothing=0.1
    )
    assert np.allclose(np.asarray(crossentropy(3, 0.1)(labels, logits)), np.asarray(smooth), atol=1e-6)


def test_a_loss_that_is_no_number_stops_training_and_says_where() -> None:
    broken = blobs(203, 0)
    broken.values[7] = np.nan
    with pytest.raises(ModelError, match=r"in epoch 1 it became nan\. Set a smaller train\.learning_rate \(it is"):
        fit(classifier(), Batches(broken, 16, shuffle_seed=1), Batches(blobs(90, 1), 16), TrainParams(), Run(None))


def test_each_epoch_and_the_way_within_one_are_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_module, "REPORT_SECONDS", 0)
    with caplog.at_level(logging.INFO, logger="components"):
        run_fit(classifier(), epochs=2)
    assert any(message.startswith("Epoch 1: 62 %, loss ") for message in caplog.messages)
    epochs = [message for message in caplog.messages if " of 2: " in message and message.startswith("Epoch")]
    assert len(epochs) == 2
    assert all(part in epochs[0] for part in ("accuracy", "validation loss", "images/s", "s left"))
    assert epochs[1].endswith("at most 0 s left.")
    assert caplog.messages[-1].startswith("Kept epoch ")


def test_without_a_run_there_are_no_system_metrics() -> None:
    with system_metrics(Run(None)):
        pass


def test_a_store_that_is_gone_does_not_stop_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import mlflow

    (tmp_path / "file").touch()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/file/mlflow.db")
    with caplog.at_level(logging.WARNING, logger="components"), system_metrics(Run("0" * 32)):
        done = True
    assert done
    assert caplog.messages[-1].startswith("No system metrics: ")
