"""Builds the layers of params.yaml as Keras layers, starting from a tensor."""

import itertools
import math
import os
import re
from collections.abc import Iterator

import keras

from components.contract.errors import ModelError
from components.contract.layers.layer import Layer
from components.contract.layers.shapes import shape_text
from components.contract.layers.stack import START, TracedLayer
from components.contract.layers.summary import BYTES_PER_ACTIVATION, BYTES_PER_TRAINED_WEIGHT
from components.train.keras_import.builder import call_arguments, construct


def layer_outputs(
    tensor: keras.KerasTensor, layers: tuple[Layer, ...], where: str, used_names: set[str]
) -> Iterator[keras.KerasTensor]:
    """Builds the layers one by one and yields their outputs; adds their names to `used_names`."""
    own_names = {layer.name for layer in layers if layer.name is not None}
    tensor_by_name = {START: tensor}
    for position, layer in enumerate(layers):
        if layer.name in used_names:
            raise ModelError(
                f"Layer names must be unique; {where}[{position}] {layer} has the name of an earlier "
                "layer. Change or remove the name."
            )
        name = layer.name or next(name for name in _names(layer) if name not in used_names | own_names)
        used_names.add(name)
        first = tensor_by_name[layer.after] if layer.after is not None else tensor
        inputs = [first, *(tensor_by_name[joined_name] for joined_name in layer.other_inputs)]
        try:
            tensor = construct(layer.kind, layer.arguments, name)(*call_arguments(layer.kind, inputs))
        except (ValueError, TypeError, ArithmeticError) as error:
            raise ModelError(
                f"{where}[{position}] {layer} cannot be built on {shape_text(first.shape[1:])}: "
                f"{' '.join(str(error).split())}"
            ) from None
        tensor_by_name[name] = tensor
        yield tensor


def _names(layer: Layer) -> Iterator[str]:
    """Yields numbered names for layers of a kind: conv2d_1, conv2d_2 and so on."""
    stem = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", layer.kind).lower()
    return (f"{stem}_{number}" for number in itertools.count(1))


def check_memory(traced: list[TracedLayer], batch_size: int, where: str) -> None:
    """Rejects a network whose training would not fit into this machine's memory, before Keras allocates any.

    Args:
        traced: the layers with their shapes.
        batch_size: the number of photos whose activations are in memory at once.
        where: the key in params.yaml, for the error message.
    """
    weights = sum(layer.num_parameters for layer in traced)
    activations = batch_size * sum(math.prod(layer.input_shapes[0]) for layer in traced)
    needed = weights * BYTES_PER_TRAINED_WEIGHT + activations * BYTES_PER_ACTIVATION
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise ModelError(
            f"{where} must fit into this machine's {memory / 2**30:.0f} GiB of memory; with {weights:,} "
            f"parameters and a batch of {batch_size} photos, it needs about {needed / 2**30:.0f} GiB. Use "
            "fewer filters or units, pool earlier, or lower train.batch_size."
        )
