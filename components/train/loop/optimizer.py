"""The loss, the optimizer and the learning rate schedule."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import keras
import numpy as np

from components.contract.params.training import Phase, TrainParams

FOCAL_GAMMA: Final = 2.0
"""γ of the focal loss (Lin et al. 2017)."""
RISE: Final = 0.3
"""The share of one_cycle's steps in which the learning rate rises (Smith and Topin 2018)."""
START: Final = 0.04
"""The initial learning rate of one_cycle, as a share of its maximum."""

OPTIMIZERS: Final[dict[str, Callable[..., keras.Optimizer]]] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}


def make_optimizer(
    phase: Phase,
    steps_per_epoch: int,
    *,
    ema: float | None = None,
    scales: Sequence[float] | None = None,
    accumulate: int = 1,
) -> keras.Optimizer:
    """Creates the optimizer of a phase.

    Args:
        phase: the resolved phase.
        steps_per_epoch: the number of batches per epoch.
        ema: the momentum of the running mean of the weights; None for no running mean.
        scales: the learning rate factor of each trained weight, in the order of `model.trainable_weights`; None for 1
            everywhere.
        accumulate: the number of batches whose mean gradient is used for one step.
    """
    settings: dict[str, Any] = {"learning_rate": Rate(phase, steps_per_epoch)}
    if phase.optimizer == "sgd":
        settings |= {"momentum": phase.momentum, "nesterov": phase.momentum > 0}
    if phase.weight_decay is not None:
        settings["weight_decay"] = phase.weight_decay
    if ema is not None:
        settings |= {"use_ema": True, "ema_momentum": ema}
    if accumulate > 1:
        settings["gradient_accumulation_steps"] = accumulate
    optimizer_class = OPTIMIZERS[phase.optimizer]
    is_scaled = scales is not None and set(scales) != {1.0}

    class ScaledOptimizer(optimizer_class):  # type: ignore[misc, valid-type]
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            """Updates a variable with its scaled learning rate."""
            scale = scales[self._get_variable_index(variable)] if is_scaled and scales is not None else 1.0
            super().update_step(gradient, variable, learning_rate * scale if is_scaled else learning_rate)

        def finalize_variable_values(self, var_list: Any) -> None:
            """Does nothing; Keras would load the running mean here, but validation selects the weights to keep."""

    return ScaledOptimizer(**settings)


class Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras has no types
    """The learning rate of each step of a phase.

    Attributes:
        scale: the factor by which the schedule `plateau` has lowered the rate so far; 1 at first.
    """

    def __init__(self, phase: Phase, steps_per_epoch: int):
        super().__init__()
        self._phase = phase
        self._steps_per_epoch = steps_per_epoch
        self._num_steps = phase.planned_epochs * steps_per_epoch
        self._warmup_steps = min(phase.warmup_epochs * steps_per_epoch, self._num_steps - 1)
        self.scale = keras.Variable(1.0, trainable=False, name="rate_scale")

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of a step; each phase counts its steps from 0."""
        step = keras.ops.cast(step, "float32")
        warmup = self._warmup_steps
        part = keras.ops.clip((step - warmup) / (self._num_steps - warmup), 0.0, 1.0)
        rate = self._phase.learning_rate * self._shape(part, step) * self.scale
        return rate if not warmup else rate * keras.ops.minimum(1.0, (step + 1.0) / (warmup + 1.0))

    def _shape(self, part: Any, step: Any) -> Any:
        """Returns the rate as a share of its maximum; `part` is the completed share of the steps after the warmup."""
        if self._phase.schedule == "cosine":
            return (1 + keras.ops.cos(math.pi * part)) / 2
        if self._phase.schedule == "one_cycle":
            rising = START + (1 - START) * (1 - keras.ops.cos(math.pi * part / RISE)) / 2
            falling = (1 + keras.ops.cos(math.pi * (part - RISE) / (1 - RISE))) / 2
            return keras.ops.where(part < RISE, rising, falling)
        if self._phase.schedule == "step":
            epoch = keras.ops.floor(step / self._steps_per_epoch)
            return self._phase.decay_factor ** keras.ops.floor(epoch / self._phase.decay_epochs)
        return 1.0

    def get_config(self) -> dict[str, Any]:
        """Never called: a bundle contains no optimizer."""
        raise NotImplementedError("The learning rate schedule cannot be serialized; it is created from params.yaml.")


def make_loss(params: TrainParams, labels: np.ndarray, num_classes: int) -> Callable[[Any, Any], Any]:
    """Creates the loss function; its labels are integers or, for mixed examples, one weight per class.

    Args:
        params: determine the kind of loss, the label smoothing and the weights of the classes.
        labels: the labels of the training photos, int32 (n,).
        num_classes: the number of classes, k.
    """
    weights = class_weights(labels, num_classes) if params.imbalance == "class_weights" else None
    smoothing = params.label_smoothing

    def loss(labels: Any, logits: Any) -> Any:
        targets, logits = as_parts(labels, num_classes), keras.ops.cast(logits, "float32")
        if params.loss == "focal":
            losses = keras.losses.categorical_focal_crossentropy(
                targets, logits, alpha=1.0, gamma=FOCAL_GAMMA, from_logits=True, label_smoothing=smoothing
            )
        else:
            losses = keras.losses.categorical_crossentropy(targets, logits, from_logits=True, label_smoothing=smoothing)
        return losses if weights is None else losses * keras.ops.sum(targets * weights, axis=-1)

    return loss


def accuracy(labels: Any, logits: Any) -> Any:
    """Whether the highest logit is that of the label or, for a mixed example, of the class with the largest weight."""
    targets = as_parts(labels, logits.shape[-1])
    return keras.ops.equal(keras.ops.argmax(targets, axis=-1), keras.ops.argmax(logits, axis=-1))


def as_parts(labels: Any, num_classes: int) -> Any:
    """Converts integer labels, (n,) or (n, 1), to one-hot labels, (n, k); returns mixed labels, (n, k), unchanged."""
    if len(labels.shape) == 2 and labels.shape[-1] == num_classes:
        return labels
    return keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), num_classes)


def class_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Computes weights that make all classes count equally, float32 (k,); their mean over the photos is 1."""
    counts = np.bincount(labels, minlength=num_classes)
    return np.asarray(len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)), np.float32)
