"""Compiles the learning part of a network for a phase, and passes it its batches."""

from collections.abc import Mapping
from typing import Any, Final

import keras

from components.contract.params.training import Phase, TrainParams
from components.train.loop.batches import Batches
from components.train.loop.optimizer import accuracy, make_loss, make_optimizer
from components.train.tensorflow.devices import num_devices

STEPS_PER_EXECUTION: Final = 8
"""Steps between two looks at what Python has to say; saves up to half of the time of small networks."""
MANY_NUMBERS: Final = 2**20
"""Batches of more take so long that a look after each costs nothing, and that a stop must not wait for eight."""


def compile_model(
    model: keras.Model,
    phase: Phase,
    params: TrainParams,
    training: Batches,
    scales: Mapping[str, float] | None,
    batches_a_step: int,
) -> None:
    """Gives the model its optimizer, loss and metric.

    Args:
        model: the part of the network that learns; gives logits.
        phase: resolved.
        params: loss and averaging.
        training: batches to learn from.
        scales: how much of the learning rate each weight gets, by its path.
        batches_a_step: so many batches make one step of the optimizer.
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
        jit_compile=False,  # slower on a CPU, and no gain on networks of this size
    )


def as_input(model: keras.Model, batches: Batches) -> Any:
    """The batches in the way in which the compiled model reads them fastest."""
    return batches.in_groups(model.steps_per_execution) if model.steps_per_execution > 1 else batches
