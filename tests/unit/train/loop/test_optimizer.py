"""Losses and learning rate schedules match their published definitions."""

import math
from typing import Any, get_args

import keras
import numpy as np
import pytest

from components.contract.params.training import Phase, TrainParams
from components.train.loop.optimizer import OPTIMIZERS, Rate, class_weights, make_loss, make_optimizer

LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2], np.int32)


def rates(num_epochs: int, steps_per_epoch: int, **phase: Any) -> list[float]:
    rate = Rate(Phase(epochs=num_epochs, learning_rate=0.1, **phase), steps_per_epoch)
    return [float(rate(step)) for step in range(num_epochs * steps_per_epoch + 1)]


def test_the_cosine_schedule_falls_to_zero() -> None:
    expected = [0.05 * (1 + math.cos(math.pi * step / 8)) for step in range(9)]
    assert rates(4, 2, schedule="cosine") == pytest.approx(expected, abs=1e-7)


def test_the_rate_rises_linearly_during_warmup_and_then_follows_the_schedule() -> None:
    schedule = rates(4, 5, schedule="constant", warmup_epochs=1.8)
    assert schedule[:9] == pytest.approx([0.1 * (step + 1) / 10 for step in range(9)])
    assert schedule[9:] == pytest.approx([0.1] * 12)
    assert rates(4, 5, schedule="cosine", warmup_epochs=1)[5] == pytest.approx(0.1)


def test_a_schedule_can_be_planned_for_more_epochs_than_the_phase_has() -> None:
    for schedule in ("cosine", "one_cycle", "step"):
        whole, cut = rates(6, 5, schedule=schedule), rates(3, 5, schedule=schedule, schedule_epochs=6)
        assert cut[:15] == whole[:15]
    assert rates(6, 5, schedule_epochs=3) == rates(6, 5)


def test_one_cycle_rises_and_falls() -> None:
    schedule = rates(10, 10, schedule="one_cycle")
    assert schedule[0] == pytest.approx(0.004)
    assert schedule[30] == pytest.approx(0.1)
    assert schedule[-1] == pytest.approx(0, abs=1e-7)
    assert schedule[:31] == sorted(schedule[:31])
    assert schedule[30:] == sorted(schedule[30:], reverse=True)


def test_the_step_schedule_lowers_the_rate_at_regular_intervals() -> None:
    schedule = rates(6, 2, schedule="step", decay_epochs=2, decay_factor=0.5)
    assert schedule[:12] == pytest.approx([0.1] * 4 + [0.05] * 4 + [0.025] * 4)


def test_every_optimizer_that_the_params_accept_exists() -> None:
    assert OPTIMIZERS.keys() == set(get_args(Phase.model_fields["optimizer"].annotation))


def test_optimizer_settings_are_passed_to_keras() -> None:
    optimizer = make_optimizer(Phase(optimizer="sgd", momentum=0.5, weight_decay=0.01), 4, ema=0.9)
    assert (optimizer.momentum, optimizer.nesterov, optimizer.weight_decay) == (0.5, True, 0.01)
    assert (optimizer.use_ema, optimizer.ema_momentum) == (True, 0.9)
    assert make_optimizer(Phase(optimizer="adamw"), 4).weight_decay == keras.optimizers.AdamW().weight_decay


def test_a_weight_with_a_lower_learning_rate_scale_moves_less() -> None:
    weights = [keras.Variable(np.ones(3, np.float32)) for _ in range(2)]
    optimizer = make_optimizer(Phase(optimizer="sgd", momentum=0, schedule="constant"), 4, scales=[0.25, 1.0])
    optimizer.build(weights)
    optimizer.apply([np.ones(3, np.float32)] * 2)
    moved = [1 - np.asarray(weight) for weight in weights]
    assert moved[0] == pytest.approx(0.25e-3, rel=1e-3)
    assert moved[1] == pytest.approx(1e-3, rel=1e-3)


def logits() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_crossentropy_equals_that_of_keras(smoothing: float) -> None:
    losses = np.asarray(make_loss(TrainParams(label_smoothing=smoothing), LABELS, 3)(LABELS, logits()))
    targets = keras.utils.to_categorical(LABELS, 3).astype(np.float32)
    expected = keras.losses.categorical_crossentropy(targets, logits(), from_logits=True, label_smoothing=smoothing)
    assert np.allclose(losses, np.asarray(expected), atol=1e-6)


def test_the_focal_loss_reduces_the_weight_of_confident_examples() -> None:
    """The factor is (1 − p)², where p is the probability of the true class (Lin et al. 2017, equation 4)."""
    probabilities = np.exp(logits()) / np.exp(logits()).sum(axis=1, keepdims=True)
    right = probabilities[np.arange(8), LABELS]
    losses = np.asarray(make_loss(TrainParams(loss="focal"), LABELS, 3)(LABELS, logits()))
    assert np.allclose(losses, -((1 - right) ** 2) * np.log(right), atol=1e-5)


def test_class_weights_make_all_classes_count_equally() -> None:
    weights = class_weights(LABELS, 4)
    assert [weights[label] * (label == LABELS).sum() for label in range(3)] == pytest.approx([8 / 3] * 3)
    assert weights[LABELS].mean() == pytest.approx(1)
    plain = np.asarray(make_loss(TrainParams(), LABELS, 3)(LABELS, logits()))
    weighted = np.asarray(make_loss(TrainParams(imbalance="class_weights"), LABELS, 3)(LABELS, logits()))
    assert np.allclose(weighted, plain * class_weights(LABELS, 3)[LABELS], atol=1e-6)
