"""Checks custom networks while the user edits them; computes their shapes, sizes and costs, and draws them."""

import math
from typing import Any

from components.contract.errors import LayerError
from components.contract.layers.layer import Layer
from components.contract.layers.shapes import shape_text
from components.contract.layers.stack import START, TracedLayer, follow, parse_layer, trace
from components.contract.layers.summary import BYTES_PER_ACTIVATION, BYTES_PER_TRAINED_WEIGHT, Row
from components.contract.record import BaseRecord


class LayerView(BaseRecord):
    """The output shape and the number of weights of a layer, or why the layer is invalid."""

    gives: str | None = None
    num_parameters: int | None = None
    fault: str | None = None


class NetworkView(BaseRecord):
    """The size and cost of a network, or why it cannot be built.

    Attributes:
        layers: one entry for each layer in the list.
        fault: why the network cannot be built; None if it can.
        position: the position of the invalid layer, from 0; None if no layer is invalid.
        drawing: the network as SVG; None if it cannot be built.
    """

    layers: tuple[LayerView, ...]
    fault: str | None = None
    position: int | None = None
    num_parameters: int = 0
    multiply_adds: int = 0
    weights_bytes: int = 0
    training_bytes: int = 0
    drawing: str | None = None


def inspect_network(specs: list[Any], image_size: tuple[int, int], num_classes: int, batch_size: int) -> NetworkView:
    """Checks a list of layers.

    Args:
        specs: the layers, as in params.yaml.
        image_size: (height, width) of the photos.
        num_classes: the number of classes in the data.
        batch_size: the batch size for training, which affects the memory that training needs.
    """
    layers: list[Layer] = []
    nodes: list[TracedLayer] = []
    try:
        for position, value in enumerate(specs):
            try:
                layers.append(parse_layer(value))
            except ValueError as error:
                nodes.extend(follow(tuple(layers), (*image_size, 3), "Layer"))
                raise LayerError(f"Layer {position + 1}: {error}.", position) from None
        if not layers:
            return NetworkView(layers=(), fault="A network needs layers: add one, or start from a template.")
        nodes.extend(follow(tuple(layers), (*image_size, 3), "Layer"))
        trace(tuple(layers), (*image_size, 3), "Layer")
    except LayerError as error:
        text = str(error).replace(f"Layer[{error.position}] ", f"Layer {error.position + 1}, ")
        text = text.replace("Layer must end", "The network must end")
        views = [*map(_view, nodes[: error.position]), *(LayerView() for _ in specs[len(nodes[: error.position]) :])]
        views[error.position] = LayerView(fault=text)
        return NetworkView(layers=tuple(views), fault=text, position=error.position)
    return _summarize(nodes, image_size, num_classes, batch_size)


def _view(node: TracedLayer) -> LayerView:
    return LayerView(gives=shape_text(node.output_shape), num_parameters=node.num_parameters)


def _summarize(
    traced: list[TracedLayer], image_size: tuple[int, int], num_classes: int, batch_size: int
) -> NetworkView:
    last_node = traced[-1]
    has_output = last_node.layer.kind == "Dense" and last_node.output_shape == (num_classes,)
    num_output_parameters = 0 if has_output else _count_output_parameters(last_node, num_classes)
    num_parameters = sum(node.num_parameters for node in traced) + num_output_parameters
    activations = math.prod(image_size) * 3 + sum(math.prod(node.output_shape) for node in traced) + num_classes
    return NetworkView(
        layers=tuple(map(_view, traced)),
        num_parameters=num_parameters,
        multiply_adds=sum(node.multiply_adds for node in traced) + num_output_parameters,
        weights_bytes=4 * num_parameters,
        training_bytes=num_parameters * BYTES_PER_TRAINED_WEIGHT + batch_size * activations * BYTES_PER_ACTIVATION,
        drawing=_draw(traced, image_size, None if has_output else num_classes),
    )


def _count_output_parameters(last_node: TracedLayer, num_classes: int) -> int:
    return parse_layer({"Dense": {"units": num_classes}}).count_parameters(last_node.output_shape)


def _draw(traced: list[TracedLayer], image_size: tuple[int, int], num_classes: int | None) -> str:
    from components.train.network.drawing import draw

    rows = [Row(name="photo", kind="pixels, RGB", gives=(*image_size, 3), num_parameters=0, multiply_adds=0, takes=())]
    names = {START: "photo"}
    previous = "photo"
    for number, node in enumerate(traced, start=1):
        layer = node.layer
        name = layer.name or f"{number}. {layer.kind}"
        source = names[layer.after] if layer.after is not None else previous
        rows.append(
            Row(
                name=name,
                kind=layer.kind,
                gives=node.output_shape,
                num_parameters=node.num_parameters,
                multiply_adds=node.multiply_adds,
                takes=(source, *(names[joined] for joined in layer.other_inputs)),
            )
        )
        if layer.name is not None:
            names[layer.name] = name
        previous = name
    if num_classes is not None:
        rows.append(
            Row(
                name="output",
                kind="Dense, one value per class",
                gives=(num_classes,),
                takes=(previous,),
                num_parameters=_count_output_parameters(traced[-1], num_classes),
                multiply_adds=0,
            )
        )
    return draw(rows, "The network")
