"""Adapts the outputs of a network that keeps its own output layer: one logit per class, in the order of the classes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from components.contract.errors import UploadError
from components.train.keras_import.graph import Graph, Layer
from components.train.keras_import.sizes import Path as LayerPath

LINEAR: Final = (None, "linear")
_UNITS: Final = {"Dense": "units", "Conv2D": "filters"}
_PASSES: Final = ("Dropout", "GlobalAveragePooling2D", "Identity")
"""Layers after the output layer that treat all outputs equally and linearly."""


def find_columns(num_outputs: int, num_classes: int, class_order: Sequence[int] | None) -> np.ndarray | None:
    """Returns the matrix from outputs to class logits, float32 (outputs, classes); None if it changes nothing.

    A single output z is the logit of the second of two classes: softmax([-z/2, z/2]) = [1 - sigmoid(z), sigmoid(z)].

    Args:
        num_outputs: the number of outputs of the network.
        num_classes: the number of classes of the data.
        class_order: the index of the model's output for each class; None for the same order.
    """
    is_binary = num_outputs == 1 and num_classes == 2
    columns = np.array([[-0.5, 0.5]], np.float32) if is_binary else np.eye(num_outputs, dtype=np.float32)
    ordered = columns if class_order is None else columns[:, list(class_order)]
    return None if not is_binary and np.array_equal(ordered, columns) else ordered


def as_logits(graph: Graph, columns: np.ndarray | None) -> tuple[Graph, LayerPath | None]:
    """Removes the final softmax or sigmoid, and finds the layer that `columns` are applied to.

    Raises:
        UploadError: the network ends in a different activation, or its outputs cannot be reordered.
    """
    is_binary = columns is not None and len(columns) == 1
    graph = _drop_activation(graph, "sigmoid" if is_binary else "softmax")
    return (graph, None) if columns is None else _widen(graph, columns.shape[1])


def _drop_activation(graph: Graph, activation: str) -> Graph:
    last = graph.layer(graph.output[0])
    last_activation = last.arguments.get("activation")
    if last.model is not None:
        linear = replace(last, model=_drop_activation(last.model, activation))
    elif (last.kind == "Softmax" and activation == "softmax") or (
        last.kind == "Activation" and last_activation == activation
    ):
        linear = replace(last, kind="Identity", arguments={})
    elif last_activation == activation:
        linear = replace(last, arguments=last.arguments | {"activation": None})
    elif last_activation in LINEAR and "ReLU" not in last.kind and last.kind not in ("ELU", "Softmax"):
        linear = last
    else:
        raise UploadError(
            "A model that is used unchanged must end in logits, a softmax, or one sigmoid for two classes; "
            f"{last.name} is {last.kind} with the activation {last_activation}. "
            "Replace its head: train.model.head=linear."
        )
    return replace(graph, layers=tuple(linear if layer is last else layer for layer in graph.layers))


def _widen(graph: Graph, num_classes: int) -> tuple[Graph, LayerPath]:
    name, call = graph.output
    while True:
        layer = graph.layer(name)
        is_linear = layer.arguments.get("activation") in LINEAR
        if len(layer.calls) != 1 or call != 0:
            raise _fixed(layer)
        if layer.model is not None:
            model, path = _widen(layer.model, num_classes)
            return _exchange(graph, layer, replace(layer, model=model)), (layer.name, *path)
        if layer.kind in _UNITS and is_linear and layer.arguments.get("groups", 1) == 1:
            arguments = layer.arguments | {_UNITS[layer.kind]: num_classes}
            return _exchange(graph, layer, replace(layer, arguments=arguments)), (layer.name,)
        if layer.kind not in _PASSES and not (layer.kind == "Activation" and is_linear):
            raise _fixed(layer)
        ((name, call),) = layer.calls[0].inputs


def _exchange(graph: Graph, old: Layer, new: Layer) -> Graph:
    return replace(graph, layers=tuple(new if layer is old else layer for layer in graph.layers))


def _fixed(layer: Layer) -> UploadError:
    return UploadError(
        "The outputs of a model can only be reordered if its output layer is Dense or Conv2D; here it is "
        f"{layer.name} ({layer.kind}). Save the model with such an output layer, or give it a new head: "
        "train.model.head=linear."
    )
