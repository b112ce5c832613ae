"""Computes the shapes, parameters and multiply-adds of a network by arithmetic, before anything is built."""

import math
from dataclasses import dataclass, field
from typing import Final

from components.contract.errors import UploadError
from components.contract.layers.catalog import KINDS
from components.contract.layers.shapes import Shape, shape_text
from components.train.keras_import.graph import Graph, Layer, order
from components.train.keras_import.limits import Limits

OPEN_SIDE: Final = 224
"""The side in pixels that replaces a variable side of the input."""

Path = tuple[str, ...]
"""The names of the submodels that contain a layer, and its name."""


@dataclass
class Sizes:
    """The sizes of a network for one photo.

    Attributes:
        input_shape: the input shape, with `OPEN_SIDE` for variable sides.
        output_shape: the output shape of the network.
        layer_shapes: the output shape of each layer of the outermost network at its last call.
        weights: the names and shapes of each layer's weights, in Keras' order.
        num_parameters: the number of values in all weights.
        num_values: the number of values in all tensors between layers.
        num_multiply_adds: the approximate number of multiply-adds.
    """

    input_shape: Shape
    output_shape: Shape = ()
    layer_shapes: dict[str, Shape] = field(default_factory=dict)
    weights: dict[Path, dict[str, Shape]] = field(default_factory=dict)
    num_parameters: int = 0
    num_values: int = 0
    num_multiply_adds: int = 0


def measure(graph: Graph, limits: Limits) -> Sizes:
    """Computes the shapes of all tensors and weights for one photo.

    Raises:
        UploadError: a layer does not accept its input, or a limit is exceeded; the message names the layer.
    """
    declared = graph.input_shape
    if declared is None:
        raise UploadError(
            "An uploaded model must have an input shape; this Sequential model has none. Call it on a "
            "photo, or start it with keras.Input, and save it again."
        )
    if len(declared) != 3 or declared[2] not in (1, 3):
        raise UploadError(
            "The input of an uploaded model must be a photo: height × width × 1 or 3 channels; it is "
            f"{declared}. Save a model whose input is a photo."
        )
    sizes = Sizes(tuple(side or OPEN_SIDE for side in declared))
    _Measure(sizes, limits).graph(graph, sizes.input_shape, ())
    return sizes


class _Measure:
    def __init__(self, sizes: Sizes, limits: Limits):
        self._sizes = sizes
        self._limits = limits

    def graph(self, graph: Graph, shape: Shape, within: Path) -> Shape:
        where = ".".join(within) or graph.name
        if graph.input_shape is not None and (
            len(graph.input_shape) != len(shape)
            or any(declared not in (None, side) for declared, side in zip(graph.input_shape, shape, strict=True))
        ):
            raise _refused(within, f"its input must be {graph.input_shape}, but is {shape}")
        shapes = {(graph.input, 0): shape}
        for layer, number in order(graph.layers, where):
            inputs = [shapes[reference] for reference in layer.calls[number].inputs]
            shapes[layer.name, number] = self._layer(layer, inputs, (*within, layer.name))
        self._sizes.output_shape = shapes[graph.output]
        # The outermost graph is finished last, so its shapes remain.
        self._sizes.layer_shapes = {name: shape for (name, _), shape in shapes.items()}
        return shapes[graph.output]

    def _layer(self, layer: Layer, inputs: list[Shape], path: Path) -> Shape:
        if layer.model is not None:
            if len(inputs) != 1:
                raise _refused(path, "it is called on several tensors")
            return self.graph(layer.model, inputs[0], path)
        kind = KINDS[layer.kind]
        try:
            operands = inputs if kind.merges else inputs[0]
            output = kind.shape(layer.arguments, operands)
            weights = kind.weights(layer.arguments, operands)
            num_inner_values = kind.num_inner_values(layer.arguments, operands)
        except (ValueError, IndexError) as error:
            raise _refused(path, f"{error}; its input is {' and '.join(map(shape_text, inputs))}") from None
        self._count(layer, path, output, weights, num_inner_values)
        return output

    def _count(self, layer: Layer, path: Path, output: Shape, weights: dict[str, Shape], num_inner_values: int) -> None:
        sizes, limits = self._sizes, self._limits
        if path in sizes.weights and sizes.weights[path] != weights:
            raise _refused(
                path, "it is called on inputs of different shapes, for which it would need different weights"
            )
        num_weights = sum(math.prod(shape) for shape in weights.values())
        if weights and path not in sizes.weights:
            sizes.weights[path] = weights
            sizes.num_parameters += num_weights
        sizes.num_values += math.prod(output)
        places = math.prod(output[:-1]) if len(output) > 1 else 1
        window = math.prod(layer.arguments.get("pool_size", (1, 1)))
        sizes.num_multiply_adds += places * num_weights + math.prod(output) * window
        sizes.num_multiply_adds += num_inner_values * output[-1]
        for value, limit, what in (
            (sizes.num_parameters, limits.max_parameters, "parameters"),
            (max(math.prod(output), num_inner_values), limits.max_values, "values between two layers"),
            (sizes.num_multiply_adds, limits.max_multiply_adds, "multiply-adds for one photo"),
        ):
            if value > limit:
                raise UploadError(
                    f"An uploaded model must have at most {limit:,} {what}; with {'.'.join(path)} "
                    f"({layer.kind}), it has {value:,}. Use a smaller model."
                )


def _refused(path: Path, why: str) -> UploadError:
    return UploadError(
        f"The layers of the uploaded model do not fit together at {'.'.join(path) or 'the model'}: {why}. "
        "Save the model again with Keras."
    )
