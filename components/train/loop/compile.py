"""Compiles the part of a network that a phase trains, and adapts the batches to it."""

from collections.abc import Mapping
from typing import Any, Final

import keras

from components.contract.params.training import Phase, TrainParams
from components.train.loop.batches import Batches
from components.train.loop.optimizer import accuracy, make_loss, make_optimizer
from components.train.tensorflow.devices import num_devices

STEPS_PER_EXECUTION: Final = 8
"""TensorFlow returns to Python after this many steps, which saves up to half of a small network's training time."""
MANY_NUMBERS: Final = 2**20
"""If a batch has more values than this, TensorFlow returns to Python after every step: for such a batch, this costs
almost nothing, and training can stop sooner."""


def compile_model(
    model: keras.Model,
    phase: Phase,
    params: TrainParams,
    training: Batches,
    scales: Mapping[str, float] | None,
    batches_a_step: int,
) -> None:
    """Compiles the model with the optimizer, the loss and the accuracy.

    Args:
        model: the trained part of the network; outputs logits.
        phase: the resolved phase.
        params: determine the loss and weight averaging.
        training: the training batches.
        scales: the learning rate factor of each weight, keyed by the weight's path; None for 1 everywhere.
        batches_a_step: the number of batches whose gradients are combined into one optimizer step.
    """
    weight_scales = None if scales is None else [scales[weight.path] for weight in model.trainable_weights]
    looks_after_each = training.num_numbers > MANY_NUMBERS or num_devices() > 1
    model.compile(
        optimizer=make_optimizer(
            phase,
            training.num_batches_of_epoch,
            ema=params.ema,
            accumulate=batches_a_step,
            scales=weight_scales,
        ),
        loss=make_loss(params, training.labels, model.output.shape[-1]),
        weighted_metrics=[keras.metrics.MeanMetricWrapper(accuracy, name="accuracy")],
        steps_per_execution=1 if looks_after_each else STEPS_PER_EXECUTION,
        jit_compile=False,  # XLA is slower on a CPU, and gains nothing with networks of this size
    )


def as_input(model: keras.Model, batches: Batches) -> Any:
    """Returns the batches in the form that the compiled model reads fastest."""
    return batches.in_groups(model.steps_per_execution) if model.steps_per_execution > 1 else batches
