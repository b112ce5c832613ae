"""A network as layers and calls, with every value checked."""

from dataclasses import dataclass
from typing import Any

from components.contract.errors import UploadError

Reference = tuple[str, int]
"""A tensor: the layer's name, and the index of the call that created it."""


@dataclass(frozen=True)
class Call:
    """One use of a layer.

    Attributes:
        inputs: its input tensors; several for a layer that merges.
        training: the fixed training mode of this call; None for the mode of the whole model.
    """

    inputs: tuple[Reference, ...]
    training: bool | None = None


@dataclass(frozen=True)
class Layer:
    """A layer, or a model used as one.

    Attributes:
        name: its name, unique in its graph and without slashes.
        stored_name: its name in the weights file.
        kind: a key of KINDS; "Model" for a submodel.
        arguments: its checked arguments, without those that have no effect after training, such as initializers.
        trainable: the value stored in the file.
        policy: the name of its precision policy; None for Keras' default.
        calls: its calls in Keras' order; empty for an InputLayer.
        model: the submodel; None for a layer.
        class_name: the Keras class, by which its weights are found.
    """

    name: str
    stored_name: str
    kind: str
    arguments: dict[str, Any]
    trainable: bool
    policy: str | None
    calls: tuple[Call, ...]
    class_name: str
    model: "Graph | None" = None


@dataclass(frozen=True)
class Graph:
    """A network with one input and one output.

    Attributes:
        layers: the layers in the file's order.
        input: the name of the InputLayer.
        input_shape: usually (height, width, channels), with None for a variable size; None if it is not declared, as in
            some Sequential models.
        input_dtype: the type of the input tensor.
        output: the output tensor.
    """

    name: str
    layers: tuple[Layer, ...]
    input: str
    input_shape: tuple[int | None, ...] | None
    input_dtype: str
    output: Reference
    trainable: bool = True

    @property
    def num_layers(self) -> int:
        """The number of layers, including those of submodels."""
        return sum(1 if layer.model is None else layer.model.num_layers for layer in self.layers)

    def layer(self, name: str) -> Layer:
        """Returns the layer with this name."""
        return next(layer for layer in self.layers if layer.name == name)


def order(layers: tuple[Layer, ...], where: str) -> list[tuple[Layer, int]]:
    """Sorts the calls of all layers so that each comes after its inputs; the calls of one layer keep their order.

    Raises:
        UploadError: the layers form a cycle.
    """
    ready: set[Reference] = {(layer.name, 0) for layer in layers if layer.kind == "InputLayer"}
    waiting = {layer.name: 0 for layer in layers if layer.calls}
    by_name = {layer.name: layer for layer in layers}
    ordered: list[tuple[Layer, int]] = []
    while waiting:
        progress = len(ordered)
        for name, number in list(waiting.items()):
            layer = by_name[name]
            while number < len(layer.calls) and ready.issuperset(layer.calls[number].inputs):
                ordered.append((layer, number))
                ready.add((name, number))
                number += 1
            if number == len(layer.calls):
                del waiting[name]
            else:
                waiting[name] = number
        if len(ordered) == progress:
            raise refused(where, f"the layers {', '.join(list(waiting)[:3])} depend on each other in a cycle")
    return ordered


def refused(where: str, why: object) -> UploadError:
    """Creates the error for a description that is invalid or not supported."""
    return UploadError(
        f"The description of the uploaded model is invalid at {where}: {why}. Save the model again with "
        "Keras, or replace that layer."
    )
