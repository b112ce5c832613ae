"""A network as layers and calls, of which every word has been checked."""

from dataclasses import dataclass
from typing import Any

from components.contract.errors import UploadError

Reference = tuple[str, int]
"""A tensor: the layer's name, and which of its calls gave it, from 0."""


@dataclass(frozen=True)
class Call:
    """One use of a layer.

    Attributes:
        inputs: what it is called on; several for a layer that merges.
        training: the fixed mode of this call, None for that of the whole model.
    """

    inputs: tuple[Reference, ...]
    training: bool | None = None


@dataclass(frozen=True)
class Layer:
    """A layer, or a model used as one.

    Attributes:
        name: unique in its graph, without slashes.
        stored_name: as the weights file has it.
        kind: a key of KINDS; "Model" for a submodel.
        arguments: checked; without those that leave no trace, such as initializers.
        trainable: as the file says.
        policy: the name of its precision policy; None for Keras' default.
        calls: in Keras' order; empty for an InputLayer.
        model: the submodel.
        class_name: what Keras called it, by which its weights are found.
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
        layers: in the file's order.
        input: the name of the InputLayer.
        input_shape: (height, width, channels) or what else it takes; None if a size is open, and None as a whole
            for a chain that takes what it is given.
        input_dtype: of the tensor that it takes.
        output: the tensor that it gives.
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
        """With those of submodels."""
        return sum(1 if layer.model is None else layer.model.num_layers for layer in self.layers)

    def layer(self, name: str) -> Layer:
        """The layer of that name."""
        return next(layer for layer in self.layers if layer.name == name)


def order(layers: tuple[Layer, ...], where: str) -> list[tuple[Layer, int]]:
    """The calls of all layers in an order in which each finds its inputs ready; the calls of one layer keep theirs.

    Raises:
        UploadError: there is no such order.
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
            raise refused(where, f"the layers {', '.join(list(waiting)[:3])} wait for each other in a circle")
    return ordered


def refused(where: str, why: object) -> UploadError:
    """What is said of a description that is not as Keras writes it."""
    return UploadError(
        f"The description of an uploaded model must be valid; {where}: {why}. Save the model again with "
        "Keras, or replace that layer."
    )
