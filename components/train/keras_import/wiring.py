"""Builds an imported network on a given tensor, and flattens it: submodels become layers with unique names.

A flat network can be cut, frozen and trained from any of its layers. A final softmax is removed (output_layer.py): the
loss and the service use logits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.contract.errors import UploadError
from components.contract.validation_messages import nearest
from components.train.keras_import.builder import assign, call_arguments, construct, has_modes
from components.train.keras_import.graph import Graph, Layer, order
from components.train.keras_import.outputs.output_layer import as_logits
from components.train.keras_import.plan import Plan
from components.train.keras_import.sizes import Path as LayerPath

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class FlatNetwork:
    """A flattened network, built on a given tensor.

    Attributes:
        tensors: the output of each layer and each submodel at its last call, by name.
        output: the output of the network: logits if the output layer is kept.
    """

    tensors: dict[str, "keras.KerasTensor"]
    output: "keras.KerasTensor"

    def features(self, layer_name: str) -> "keras.KerasTensor":
        """Returns the output of a layer, for a new head.

        Raises:
            UploadError: no such layer exists.
        """
        if layer_name not in self.tensors:
            raise UploadError(
                "train.model.layer must be a layer of the uploaded model; it has no layer "
                f"{layer_name[:60]!r}{nearest(layer_name, list(self.tensors)[-8:])}."
            )
        return self.tensors[layer_name]


def wire(
    plan: Plan,
    weights_path: Path,
    start: "keras.KerasTensor",
    used_names: set[str],
    *,
    as_it_is: bool,
    columns: np.ndarray | None = None,
) -> FlatNetwork:
    """Builds a checked network on `start` and loads its weights.

    Args:
        plan: the network.
        weights_path: the file that `reader` wrote.
        start: photos in the pixel range of the network.
        used_names: names that are already in use; the names of the new layers are added.
        as_it_is: whether the network keeps its output layer, which must output logits, a softmax, or one sigmoid.
        columns: the result of `output_layer.find_columns`.

    Raises:
        UploadError: the network keeps its output layer, but does not end in logits, a softmax, or one sigmoid.
    """
    graph, output_layer = as_logits(plan.graph, columns) if as_it_is else (plan.graph, None)
    wiring = _Wiring(used_names)
    output = wiring.graph(graph, start, (), None)
    values = np.memmap(weights_path, "<f4", "r") if plan.matches else np.empty(0)
    output_columns = {} if output_layer is None or columns is None else {output_layer: columns}
    assign(wiring.built, plan.matches, values, output_columns)
    return FlatNetwork(wiring.tensors, output)


class _Wiring:
    """Keras layers by path, each built once even if it is called several times."""

    def __init__(self, used_names: set[str]):
        self.built: dict[LayerPath, Any] = {}
        self.tensors: dict[str, keras.KerasTensor] = {}
        self._used_names = used_names

    def graph(
        self, graph: Graph, start: "keras.KerasTensor", within: LayerPath, training: bool | None
    ) -> "keras.KerasTensor":
        """Returns a graph's output for the input `start`.

        Args:
            graph: the graph of a model or of a submodel.
            start: its input.
            within: the names of the enclosing submodels.
            training: the training mode with which these are called; None if it is not fixed.
        """
        tensors = {(graph.input, 0): start}
        for layer, number in order(graph.layers, graph.name):
            inputs = [tensors[reference] for reference in layer.calls[number].inputs]
            mode = layer.calls[number].training
            mode = training if mode is None else mode
            path = (*within, layer.name)
            if layer.model is not None:
                output = self.graph(layer.model, _cast_to_declared(layer.model, inputs[0]), path, mode)
                self.tensors[layer.name] = output
            else:
                output = self._layer(layer, path, inputs, mode)
            tensors[layer.name, number] = output
        return tensors[graph.output]

    def _layer(
        self, layer: Layer, path: LayerPath, inputs: list["keras.KerasTensor"], mode: bool | None
    ) -> "keras.KerasTensor":
        if path not in self.built:
            name = next(name for name in _names(path) if name not in self._used_names)
            self._used_names.add(name)
            self.built[path] = construct(layer.kind, layer.arguments, name, layer.policy)
        keras_layer = self.built[path]
        fixed = {} if mode is None or not has_modes(layer) else {"training": mode}
        output = keras_layer(*call_arguments(layer.kind, inputs), **fixed)
        self.tensors[keras_layer.name] = output
        return output


def _names(path: LayerPath) -> Iterator[str]:
    """Yields names for a layer, the shortest first: conv, model_conv, outer_model_conv, then conv_1 and so on."""
    for start in range(len(path) - 1, -1, -1):
        yield "_".join(path[start:])
    number = 1
    while True:
        yield f"{path[-1]}_{number}"
        number += 1


def _cast_to_declared(graph: Graph, tensor: "keras.KerasTensor") -> "keras.KerasTensor":
    """Converts integers to the dtype that a submodel declares."""
    import keras

    if graph.input_shape is None or tensor.dtype == graph.input_dtype or "float" in tensor.dtype:
        return tensor
    return keras.layers.Rescaling(1.0)(tensor)
