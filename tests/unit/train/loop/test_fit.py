"""The training loop: the best epoch is kept, errors are reported, equal seeds produce equal weights."""

import math
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow

from components.contract.errors import ModelError
from components.contract.params.training import Phase, TrainParams
from components.contract.tracking.run import Run
from components.train.loop.batches import Batches, Features
from components.train.loop.fit import PhaseFitter
from components.train.loop.mixup import Mixing
from components.train.loop.optimizer import OPTIMIZERS
from tests.unit.train.loop.points import batches, classifier, points, run_fit, validation_loss


def test_training_improves_the_model_and_records_a_full_history() -> None:
    model = classifier()
    result = run_fit(model, epochs=6)
    assert result.epochs_run == 6
    assert result.history.keys() == {
        "phase",
        "loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "learning_rate",
        "images_per_second",
        "input_wait",
        "seconds",
    }
    assert all(len(values) == 6 and all(map(math.isfinite, values)) for values in result.history.values())
    assert result.at_best("val_accuracy") > 0.85
    assert result.history["loss"][-1] < result.history["loss"][0]


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    model = classifier()
    result = run_fit(model, epochs=8, optimizer="sgd", learning_rate=1.5, schedule="constant")
    best = min(result.history["val_loss"])
    assert result.history["val_loss"][result.best_epoch - 1] == best
    assert result.best_epoch < 8, "the last epoch must not be the best: at this learning rate, the loss jumps"
    assert validation_loss(model) == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize(
    "optimizer",
    [name if name in ("adamw", "sgd") else pytest.param(name, marks=pytest.mark.proof) for name in sorted(OPTIMIZERS)],
)
def test_every_optimizer_that_the_params_accept_learns(optimizer: str) -> None:
    result = run_fit(classifier(), optimizer=optimizer, epochs=3)
    assert result.history["loss"][-1] < result.history["loss"][0]


def test_phases_continue_from_the_best_weights_and_the_best_of_all_phases_are_kept() -> None:
    model = classifier()
    wild = Phase(epochs=2, optimizer="sgd", learning_rate=5.0, schedule="constant")
    result = run_fit(model, phases=(Phase(epochs=5), wild))
    assert result.history["phase"] == [1] * 5 + [2] * 2
    assert result.best_epoch <= 5, "the second phase must not improve the model"
    assert validation_loss(model) == pytest.approx(min(result.history["val_loss"]), abs=1e-5)


def test_a_phase_inherits_unset_values_from_the_train_section() -> None:
    params = TrainParams(epochs=7, learning_rate=0.5, early_stopping=None, phases=(Phase(epochs=2), Phase()))
    first, second = params.all_phases
    assert (first.epochs, first.learning_rate, first.early_stopping) == (2, 0.5, None)
    assert second.epochs == 7
    assert TrainParams.model_validate_json(params.model_dump_json()).all_phases != params.all_phases, (
        "a dump sets every value, so phases inherit nothing from it: only resolved params may be written"
    )


def test_the_watch_callback_gets_each_epoch_and_can_end_training() -> None:
    epochs_seen: list[int] = []

    def watch(epoch: int, figures: dict[str, float]) -> None:
        epochs_seen.append(epoch)
        if figures["val_accuracy"] >= 0 and epoch == 2:
            raise KeyError("enough")

    params = TrainParams(epochs=5)
    with pytest.raises(KeyError, match="enough"):
        PhaseFitter(model := classifier(), params, Run(None), watch).fit(
            params.all_phases[0], model, batches(points(203, 0)), batches(points(90, 1))
        )
    assert epochs_seen == [1, 2]


def test_equal_seeds_produce_equal_weights_and_different_seeds_do_not() -> None:
    weights = []
    for seed in (1, 1, 2):
        model = classifier(seed)
        run_fit(model, seed=seed, epochs=1)
        weights.append(model.get_weights())
    assert all(np.array_equal(weight_a, weight_b) for weight_a, weight_b in zip(weights[0], weights[1], strict=True))
    assert not np.array_equal(weights[0][0], weights[2][0])


def test_with_too_little_memory_batches_are_halved_and_accumulated(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    really_fit = keras.Model.fit

    def fit(model: keras.Model, training: Any, **options: Any) -> Any:
        if len(next(iter(training))[0]) > 8:
            raise tensorflow.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return really_fit(model, training, **options)

    monkeypatch.setattr(keras.Model, "fit", fit)
    params = TrainParams(epochs=3, learning_rate=0.01, early_stopping=None, batch_size=32)
    examples = Features([points(200, 0)[0]], points(200, 0)[1])
    model = classifier()
    fitter = PhaseFitter(model, params, Run(None))
    fitter.fit_in_memory(params, model, partial(Batches, examples, shuffle_seed=1), partial(Batches, examples))
    assert fitter.batch_size == 8
    assert fitter.result.epochs_run == 3
    assert model.optimizer.gradient_accumulation_steps == 4
    assert [message for message in caplog.messages if "memory for train.batch_size" in message] == [
        f"There is not enough memory for train.batch_size {size}; the phase restarts with {size // 2}."
        for size in (32, 16)
    ]
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: fit(model, [[np.empty(9)]]))
    with pytest.raises(ModelError, match="train on one photo at a time: OOM when allocating tensor"):
        fitter.fit_in_memory(params, model, partial(Batches, examples), partial(Batches, examples))


def test_two_accumulated_batches_of_half_the_size_train_like_one_batch() -> None:
    trained = []
    for batch_size, accumulate in ((32, 1), (16, 2)):
        params = TrainParams(
            epochs=2,
            optimizer="sgd",
            schedule="constant",
            early_stopping=None,
            batch_size=batch_size,
            accumulate=accumulate,
        )
        keras.utils.set_random_seed(0)
        inputs = keras.Input((2,))
        model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
        examples = Features([points(192, 0)[0]], points(192, 0)[1])
        fitter = PhaseFitter(model, params, Run(None))
        fitter.fit_in_memory(params, model, partial(Batches, examples, shuffle_seed=1), partial(Batches, examples))
        trained.append(model.get_weights())
    assert all(np.allclose(weight_a, weight_b, atol=1e-6) for weight_a, weight_b in zip(*trained, strict=True))


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_training_works_with_mixed_photos(kind: str) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 120).astype(np.int32)
    photos = rng.normal(np.eye(3)[labels][:, None, None], 1, (120, 6, 6, 3)).astype(np.float32)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 3))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs)))
    params = TrainParams(epochs=4, learning_rate=0.03, imbalance="class_weights", label_smoothing=0.05)
    fitter = PhaseFitter(model, params, Run(None))
    mixing = Mixing(**{"mixup": 0.0, "cutmix": 0.0, "num_classes": 3} | {kind: 0.5})
    examples = Features([photos], labels)
    fitter.fit(params, model, Batches(examples, 16, shuffle_seed=0, mixing=mixing), Batches(examples, 16))
    assert fitter.result.at_best("val_accuracy") > 0.9


def test_the_best_weights_before_a_nan_loss_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    model = classifier()
    wild = Phase(epochs=30, optimizer="sgd", learning_rate=10.0, momentum=0.99, schedule="constant")
    values, labels = points(203, 0)
    fitter = PhaseFitter(model, TrainParams(phases=(Phase(epochs=3), wild)), Run(None))
    fitter.fit(Phase(epochs=3), model, batches((values, labels)), batches(points(90, 1)))
    best = validation_loss(model)
    fitter.fit(wild, model, batches((values * 1e30, labels)), batches(points(90, 1)))
    assert "The best weights so far are kept." in caplog.text
    assert fitter.result.best_epoch <= 3
    assert validation_loss(model) == pytest.approx(best, abs=1e-6)
