"""Mixed precision: layers compute with 16 bits during training if the hardware benefits from it.

Weights stay float32. Outside training, layers compute in float32, for example for the feature cache and the export.
"""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any, Final

import keras
import tensorflow as tf

from components.contract.params.training import Precision

log = logging.getLogger(__name__)

HAS_FLOAT16: Final = (7, 0)
"""The lowest compute capability of NVIDIA GPUs whose tensor cores support float16."""
HAS_BFLOAT16: Final = (8, 0)


def resolve_precision(requested: Precision) -> Precision:
    """Resolves `auto` to the precision that the tensor cores of the oldest GPU support, or to float32 on a CPU."""
    if requested != "auto":
        return requested
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability") or (0, 0)
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    slowest = min(capabilities, default=(0, 0))
    return "bfloat16" if slowest >= HAS_BFLOAT16 else "float16" if slowest >= HAS_FLOAT16 else "float32"


@contextlib.contextmanager
def compute_in(precision: Precision, model: keras.Model) -> Iterator[None]:
    """Within the block, layers compute in this precision; models compiled in the block must not be used after it.

    With float16, Keras scales the loss so that small gradients are not lost.
    """
    precision = resolve_precision(precision)
    if precision == "float32":
        yield
        return
    log.info("Layers compute in %s; weights stay float32.", precision)
    all_layers = model._flatten_layers()  # noqa: SLF001 - Keras has no public name for this
    layers = [layer for layer in all_layers if not isinstance(layer, keras.layers.InputLayer)]
    before = [layer.dtype_policy for layer in layers]
    for layer in layers:
        layer.dtype_policy = f"mixed_{precision}"
    try:
        yield
    finally:
        for layer, policy in zip(layers, before, strict=True):
            layer.dtype_policy = policy


def unwrap_optimizer(model: keras.Model) -> Any:
    """Returns the model's optimizer without the wrapper with which Keras scales the loss."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def optimizer_variables(model: keras.Model) -> list[Any]:
    """Returns the variables of the optimizer, and the current factor of the learning rate schedule."""
    return [*model.optimizer.variables, unwrap_optimizer(model)._learning_rate.scale]  # noqa: SLF001 - the public attribute returns a number
