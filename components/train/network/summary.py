"""Computes the cost of a network before it is trained: shapes, parameters, multiply-adds and memory."""

import math
from collections.abc import Iterator
from typing import Any

import keras

from components.contract.layers.summary import BYTES_PER_ACTIVATION, BYTES_PER_TRAINED_WEIGHT, Row
from components.contract.record import BaseRecord
from components.train.network.architecture import Network


class NetworkSummary(BaseRecord):
    """The size and the cost of a network.

    Attributes:
        rows: the layers, from the photo to the logits.
        num_parameters: the total number of parameters.
        multiply_adds: the approximate number of multiply-adds for one photo.
        weights_bytes: the size of the weights of the served network, in float32.
        training_bytes: the approximate memory for training if all layers are trained with batches of `batch_size`.
        batch_size: the number of photos per batch.
    """

    rows: tuple[Row, ...]
    num_parameters: int
    multiply_adds: int
    weights_bytes: int
    training_bytes: int
    batch_size: int


def summarize_network(network: Network, batch_size: int) -> NetworkSummary:
    """Computes the cost of the network."""
    layers = network.model.layers
    num_parameters = network.model.count_params()
    activations = sum(math.prod(_gives(layer)) for layer in layers)
    return NetworkSummary(
        rows=tuple(_rows(network)),
        num_parameters=num_parameters,
        multiply_adds=sum(map(multiply_adds, layers)),
        weights_bytes=4 * num_parameters,
        training_bytes=num_parameters * BYTES_PER_TRAINED_WEIGHT + batch_size * activations * BYTES_PER_ACTIVATION,
        batch_size=batch_size,
    )


def _rows(network: Network) -> Iterator[Row]:
    backbone = network.backbone
    inside = {layer.name for layer in backbone.layers} - {"pixels"} if backbone is not None else set[str]()
    part = network.model.name
    for layer in network.model.layers:
        if layer.name in inside:
            continue
        takes = dict.fromkeys(part if name in inside else name for name in _takes(layer))
        yield Row(
            name=layer.name,
            kind=type(layer).__name__,
            gives=_gives(layer),
            num_parameters=layer.count_params(),
            multiply_adds=multiply_adds(layer),
            takes=tuple(takes),
        )
        if backbone is not None and layer.name == "pixels":
            yield Row(
                name=part,
                kind=f"{len(inside)} layers",
                gives=tuple(backbone.output.shape[1:]),
                num_parameters=backbone.count_params(),
                multiply_adds=sum(map(multiply_adds, backbone.layers)),
                takes=("pixels",),
            )


def _takes(layer: keras.Layer) -> list[str]:
    return [tensor._keras_history.operation.name for tensor in _last_call(layer).input_tensors]  # noqa: SLF001 - Keras has no public name for this


def _gives(layer: keras.Layer) -> tuple[int, ...]:
    """Returns the shape of a layer's output at its last call."""
    return tuple(_last_call(layer).outputs[0].shape[1:])


def _last_call(layer: keras.Layer) -> Any:
    """Returns the node of a layer's last call."""
    return layer._inbound_nodes[-1]  # noqa: SLF001 - Keras has no public name for this


def multiply_adds(layer: keras.Layer) -> int:
    """Returns a layer's multiply-adds per photo, counting only its kernels, which account for nearly all of them."""
    if isinstance(layer, keras.Model):
        return sum(map(multiply_adds, layer.layers))
    kernels: int = sum(math.prod(weight.shape) for weight in layer.weights if weight.name.endswith("kernel"))
    if not kernels:
        return 0
    node = _last_call(layer)
    places = node.input_tensors[0] if isinstance(layer, keras.layers.Conv2DTranspose) else node.outputs[0]
    num_places: int = math.prod(places.shape[1:-1])
    return num_places * kernels
