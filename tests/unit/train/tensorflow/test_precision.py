"""Mixed precision: only the layers use it, and only during training."""

from typing import get_args

import keras
import numpy as np
import pytest

from components.contract.params.training import Precision, TrainParams
from components.contract.tracking.run import Run
from components.train.loop.batches import Batches, Features
from components.train.loop.fit import PhaseFitter
from components.train.tensorflow.precision import compute_in, resolve_precision, unwrap_optimizer

HALVES = ("bfloat16", "float16")


def classifier() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 3))
    values = keras.layers.BatchNormalization()(keras.layers.Conv2D(8, 3, activation="relu")(inputs))
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(values)))


def photos() -> Features:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 96).astype(np.int32)
    return Features([rng.normal(np.eye(3)[labels][:, None, None], 1, (96, 6, 6, 3)).astype(np.float32)], labels)


def test_without_a_gpu_float32_is_used_by_default() -> None:
    assert resolve_precision("auto") == "float32"
    assert [resolve_precision(precision) for precision in get_args(Precision) if precision != "auto"] == [
        "float32",
        "bfloat16",
        "float16",
    ]


@pytest.mark.parametrize("precision", HALVES)
def test_layers_use_the_precision_only_inside_the_context_manager(precision: Precision) -> None:
    model = classifier()
    before = model.get_config()
    values = np.ones((2, 6, 6, 3), np.float32)
    expected = np.asarray(model(values))
    with compute_in(precision, model):
        halved = model(values)
        assert halved.dtype.name == precision
        assert {variable.dtype for variable in model.variables} == {"float32"}
    assert 0 < np.abs(np.asarray(keras.ops.cast(halved, "float32")) - expected).max() < 0.02
    assert np.array_equal(np.asarray(model(values)), expected)
    assert model.get_config() == before


@pytest.mark.parametrize("precision", HALVES)
def test_training_with_mixed_precision_learns_and_scales_gradients(precision: Precision) -> None:
    model = classifier()
    params = TrainParams(epochs=6, learning_rate=0.03, precision=precision, ema=0.9, schedule="plateau", accumulate=2)
    fitter = PhaseFitter(model, params, Run(None))
    fitter.fit(params, model, Batches(photos(), 16, shuffle_seed=0), Batches(photos(), 16))
    assert fitter.result.at_best("val_accuracy") > 0.85
    assert fitter.result.history["learning_rate"][0] == pytest.approx(0.03)
    assert unwrap_optimizer(model).use_ema
    assert (unwrap_optimizer(model) is not model.optimizer) == (precision == "float16")
    logits = np.asarray(model(photos().gather(np.arange(96), 0), training=False))
    assert (logits.argmax(axis=1) == photos().labels).mean() == pytest.approx(
        fitter.result.at_best("val_accuracy"), abs=0.03
    )
