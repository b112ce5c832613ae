"""From the layers of params.yaml to a Keras network that takes pixels and gives logits."""

import itertools
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import keras

from components.contract.bundle import ModelFacts
from components.contract.errors import ModelError
from components.contract.layers import Activation, Dense, Layer, Shape, shape_text, trace_shapes
from components.contract.model_params import ModelParams
from components.train.backbone import build_backbone

KERAS_LAYERS: Final = {
    "Activation": keras.layers.Activation,
    "AveragePooling2D": keras.layers.AveragePooling2D,
    "BatchNormalization": keras.layers.BatchNormalization,
    "Conv2D": keras.layers.Conv2D,
    "Dense": keras.layers.Dense,
    "DepthwiseConv2D": keras.layers.DepthwiseConv2D,
    "Dropout": keras.layers.Dropout,
    "Flatten": keras.layers.Flatten,
    "GlobalAveragePooling2D": keras.layers.GlobalAveragePooling2D,
    "GlobalMaxPooling2D": keras.layers.GlobalMaxPooling2D,
    "LayerNormalization": keras.layers.LayerNormalization,
    "MaxPooling2D": keras.layers.MaxPooling2D,
    "SeparableConv2D": keras.layers.SeparableConv2D,
    "SpatialDropout2D": keras.layers.SpatialDropout2D,
    "ZeroPadding2D": keras.layers.ZeroPadding2D,
}
"""What each name in params.yaml stands for. Nothing that a user writes is ever handed to Keras' deserialisation."""

BYTES_PER_TRAINED_WEIGHT: Final = 16
"""float32: the weight, its gradient, and two moments of the optimizer."""
BYTES_PER_ACTIVATION: Final = 4
"""float32, held for the backward pass."""


@dataclass(frozen=True)
class Network:
    """A network and the places in it that have a name.

    Attributes:
        model: from pixels (uint8, RGB) to logits (float32).
        embedding: the input of the output layer.
        feature_map: the last tensor with height and width; None where the network has none.
        backbone: the part of `model` that was built by keras.applications; None in a network of one's own.
    """

    model: keras.Model
    embedding: keras.KerasTensor
    feature_map: keras.KerasTensor | None
    backbone: keras.Model | None


def build_network(params: ModelParams, *, image_size: tuple[int, int], num_classes: int, batch_size: int) -> Network:
    """The network that `train.model` describes, with random weights.

    Args:
        params: resolved: of kind layers or pretrained.
        image_size: (height, width) in pixels.
        num_classes: how many logits it gives.
        batch_size: for the check that training fits into memory.

    Raises:
        ModelError: it cannot be built; names the layer and its input.
    """
    pixels = keras.Input((*image_size, 3), dtype="uint8", name="pixels")
    if params.name is None:
        assert params.layers is not None, "kind layers has layers"
        backbone, layers, where = None, params.layers, "train.model.layers"
        start = keras.layers.Rescaling(1 / 255, name="rescaling")(pixels)
    else:
        assert params.head is not None, "a resolved backbone has a head"
        backbone, layers, where = build_backbone(params.name, pixels), params.head, "train.model.head"
        start = backbone.output
    hidden, output = split_output(layers, num_classes, where)
    shapes = [tuple(start.shape[1:]), *trace_shapes(hidden, tuple(start.shape[1:]), where)]
    _check_memory((*hidden, output), shapes, batch_size, where)
    taken = {layer.name for layer in backbone.layers} if backbone else {"pixels", "rescaling"}
    tensors = [start, *_stack(start, (*hidden, output), where, taken)]

    features = [tensor for tensor in tensors[0 if backbone else 1 :] if len(tensor.shape) == 4]
    return Network(
        model=keras.Model(pixels, tensors[-1], name=params.name or "own_network"),
        embedding=tensors[-2],
        feature_map=features[-1] if features else None,
        backbone=backbone,
    )


def split_output(layers: tuple[Layer, ...], num_classes: int, where: str) -> tuple[tuple[Layer, ...], Dense]:
    """The layers before the output layer, and the output layer, which gives logits.

    A list that ends in `Dense` with one unit per class, with or without softmax, has brought its own; else one is
    added.

    Raises:
        ModelError: the list ends in a softmax over another number of classes.
    """
    *before, last = layers
    softmax = isinstance(last, Activation) and last.activation == "softmax" and bool(before)
    if softmax:
        last = before.pop()
    if isinstance(last, Dense) and (last.activation in (None, "linear") or (last.activation == "softmax")):
        if last.units == num_classes:
            return tuple(before), last.model_copy(update={"activation": None, "name": last.name or "logits"})
        if softmax or last.activation == "softmax":
            raise ModelError(f"{where} ends in a softmax over {last.units} classes, yet the data have {num_classes}. "
                             f"Set units: {num_classes}, or leave that layer out: it is added.")  # fmt: skip
    return layers, Dense(units=num_classes, name="logits")


def model_facts(
    network: Network, params: ModelParams, weights_sha256: str | None, *, trained: tuple[str, ...], num_trained: int
) -> ModelFacts:
    """The network in numbers.

    Args:
        network: its weights loaded.
        params: resolved.
        weights_sha256: of the file of pretrained weights.
        trained: the layers that any phase trains.
        num_trained: their parameters.
    """
    model = network.model
    return ModelFacts(
        kind=params.kind,
        name=model.name,
        num_parameters=model.count_params(),
        num_trained_parameters=num_trained,
        trained_layers=trained,
        num_layers=len(model.layers),
        weights_sha256=weights_sha256,
    )


def summary(network: Network) -> Iterator[str]:
    """The network as a table, line by line; a backbone is one of them."""
    inside = {layer.name for layer in network.backbone.layers} if network.backbone else set()
    yield f"{'layer':<44} {'gives':<18} {'parameters':>12}"
    if network.backbone is not None:
        name = f"{network.model.name} ({len(inside)} layers)"
        yield _row(name, network.backbone.output, network.backbone)
    for layer in network.model.layers:
        if layer.name not in inside:
            yield _row(f"{layer.name} ({type(layer).__name__})", layer.output, layer)
    yield f"{network.model.count_params():,} parameters."


def _stack(
    tensor: keras.KerasTensor, layers: tuple[Layer, ...], where: str, taken: set[str]
) -> Iterator[keras.KerasTensor]:
    """The output of each layer in turn."""
    given = {layer.name for layer in layers if layer.name is not None}
    for position, layer in enumerate(layers):
        if layer.name in taken:
            raise ModelError(f"Each layer must have a name of its own; {where}[{position}] {layer} has that of an "
                             "earlier one. Change it, or leave it out.")  # fmt: skip
        name = layer.name or next(name for name in _names(layer) if name not in taken | given)
        taken.add(name)
        try:
            tensor = KERAS_LAYERS[layer.kind](**layer.arguments() | {"name": name})(tensor)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise ModelError(f"{where}[{position}] {layer} cannot be built on {shape_text(tensor.shape[1:])}: "
                             f"{' '.join(str(error).split())}") from None  # fmt: skip
        yield tensor


def _names(layer: Layer) -> Iterator[str]:
    """conv2d_1, conv2d_2 …"""
    stem = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", layer.kind).lower()
    return (f"{stem}_{number}" for number in itertools.count(1))


def _check_memory(layers: tuple[Layer, ...], shapes: list[Shape], batch_size: int, where: str) -> None:
    """Refuses what this machine could not train, before Keras asks for the memory.

    Args:
        layers: n layers.
        shapes: their inputs.
        batch_size: photos whose activations are held at once.
        where: the key in params.yaml, for the message.
    """
    weights = sum(layer.num_parameters(shape) for layer, shape in zip(layers, shapes, strict=True))
    activations = batch_size * sum(map(math.prod, shapes))
    needed = weights * BYTES_PER_TRAINED_WEIGHT + activations * BYTES_PER_ACTIVATION
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise ModelError(f"{where} must fit into this machine's {memory / 2**30:.0f} GiB of memory; with {weights:,} "
                         f"parameters and a batch of {batch_size} photos it takes about {needed / 2**30:.0f} GiB. "
                         "Use fewer filters or units, pool earlier, or lower train.batch_size.")  # fmt: skip


def _row(name: str, tensor: keras.KerasTensor, layer: keras.Layer) -> str:
    return f"{name:<44} {shape_text(tensor.shape[1:]):<18} {layer.count_params():>12,}"
