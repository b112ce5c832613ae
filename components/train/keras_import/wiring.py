"""An imported network put on a tensor of one's own, flat: its submodels dissolve, so that each layer has its own name.

A flat network can be cut, frozen and trained from any of its layers. A softmax at its end is left out
(output_layer.py): the loss and the service work on logits.
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
    """A network on a tensor.

    Attributes:
        tensors: what each layer gives, at its last call, by its name; a submodel has its own, too.
        output: what the network gives; logits, where it was a softmax.
    """

    tensors: dict[str, "keras.KerasTensor"]
    output: "keras.KerasTensor"

    def features(self, layer_name: str) -> "keras.KerasTensor":
        """What a layer gives, for a new head.

        Raises:
            UploadError: there is no such layer.
        """
        if layer_name not in self.tensors:
            raise UploadError(
                "train.model.layer must be a layer of the uploaded model; it has no "
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
    """Builds a checked network on `start` and gives it its numbers.

    Args:
        plan: the network.
        weights_path: its numbers, as `reader` wrote them.
        start: the photos as the network takes them.
        used_names: names that its layers cannot have; theirs are added.
        as_it_is: it keeps its output layer, which must give logits, or a softmax or one sigmoid over them.
        columns: what `output_layer.find_columns` found for its outputs.

    Raises:
        UploadError: it is used unchanged, and ends in something else.
    """
    graph, output_layer = as_logits(plan.graph, columns) if as_it_is else (plan.graph, None)
    wiring = _Wiring(used_names)
    output = wiring.graph(graph, start, (), None)
    values = np.memmap(weights_path, "<f4", "r") if plan.matches else np.empty(0)
    output_columns = {} if output_layer is None or columns is None else {output_layer: columns}
    assign(wiring.built, plan.matches, values, output_columns)
    return FlatNetwork(wiring.tensors, output)


class _Wiring:
    """Keras' layers by their paths, each built once however often it is called."""

    def __init__(self, used_names: set[str]):
        self.built: dict[LayerPath, Any] = {}
        self.tensors: dict[str, keras.KerasTensor] = {}
        self._used_names = used_names

    def graph(
        self, graph: Graph, start: "keras.KerasTensor", within: LayerPath, training: bool | None
    ) -> "keras.KerasTensor":
        """The output of a graph, whose layers stand `within` submodels, on `start`; `training` is their fixed mode."""
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
    """Names for a layer, the shortest first: conv, model_conv, outer_model_conv, then conv_1 and so on."""
    for start in range(len(path) - 1, -1, -1):
        yield "_".join(path[start:])
    number = 1
    while True:
        yield f"{path[-1]}_{number}"
        number += 1


def _cast_to_declared(graph: Graph, tensor: "keras.KerasTensor") -> "keras.KerasTensor":
    """Integers become what a submodel declares to take."""
    import keras

    if graph.input_shape is None or tensor.dtype == graph.input_dtype or "float" in tensor.dtype:
        return tensor
    return keras.layers.Rescaling(1.0)(tensor)
