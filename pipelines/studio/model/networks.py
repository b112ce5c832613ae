"""Networks of one's own, checked while they are put together: shapes, parameters, memory, and a drawing."""

import math
from typing import Any

from components.contract.errors import LayerError
from components.contract.layers.kinds import Dense
from components.contract.layers.layer import Layer, Shape, shape_text
from components.contract.layers.stack import START, TracedLayer, parse_layer, trace
from components.contract.layers.summary import BYTES_PER_ACTIVATION, BYTES_PER_TRAINED_WEIGHT, Row
from components.contract.strict_record import StrictRecord


class LayerView(StrictRecord):
    """A layer in its place, or what is wrong with it."""

    gives: str | None = None
    num_parameters: int | None = None
    fault: str | None = None


class NetworkView(StrictRecord):
    """A network in numbers.

    Attributes:
        layers: one for each that was given.
        fault: what keeps it from being built, in a sentence; None where nothing does.
        position: of the layer at fault.
        drawing: SVG; None while it cannot be built.
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
    """Checks a list of layers as it stands.

    Args:
        specs: as in params.yaml.
        image_size: (height, width) of the photos.
        num_classes: of the data.
        batch_size: of the training, for the memory.
    """
    layers: list[Layer] = []
    for position, value in enumerate(specs):
        try:
            layers.append(parse_layer(value))
        except ValueError as error:
            return _mark_fault(
                _view_shapes(tuple(layers), image_size), len(specs), position, f"Layer {position + 1}: {error}."
            )
    if not layers:
        return NetworkView(layers=(), fault="A network needs layers: add one, or start from a template.")
    try:
        traced = trace(tuple(layers), (*image_size, 3), "Layer")
    except LayerError as error:
        text = str(error).replace(f"Layer[{error.position}] ", f"Layer {error.position + 1}, ")
        layer_views = _view_shapes(tuple(layers[: error.position]), image_size)
        return _mark_fault(
            layer_views, len(specs), error.position, text.replace("Layer must end", "The network must end")
        )
    return _summarize(traced, image_size, num_classes, batch_size)


def _view_shapes(layers: tuple[Layer, ...], image_size: tuple[int, int]) -> list[LayerView]:
    """The shapes as far as they are known, whatever comes after."""
    shape: Shape = (*image_size, 3)
    shapes: dict[str, Shape] = {START: shape}
    views = []
    for layer in layers:
        input_shape = shapes.get(layer.after or "", shape)
        shape = layer.output_shape(input_shape)
        if layer.other_inputs:
            shape = layer.merged_shape([input_shape, *(shapes[name] for name in layer.other_inputs)])  # type: ignore[attr-defined]
        if layer.name is not None:
            shapes[layer.name] = shape
        views.append(LayerView(gives=shape_text(shape), num_parameters=layer.num_parameters(input_shape)))
    return views


def _mark_fault(layer_views: list[LayerView], count: int, position: int, text: str) -> NetworkView:
    views = [*layer_views, *(LayerView() for _ in range(count - len(layer_views)))]
    views[position] = views[position].model_copy(update={"fault": text})
    return NetworkView(layers=tuple(views), fault=text, position=position)


def _summarize(
    traced: list[TracedLayer], image_size: tuple[int, int], num_classes: int, batch_size: int
) -> NetworkView:
    views = [LayerView(gives=shape_text(node.output_shape), num_parameters=node.num_parameters) for node in traced]
    output = Dense(units=num_classes)
    last_node = traced[-1]
    has_output = isinstance(last_node.layer, Dense) and last_node.output_shape == (num_classes,)
    input_shape = last_node.output_shape
    num_output_parameters = 0 if has_output else output.num_parameters(input_shape)
    num_parameters = sum(node.num_parameters for node in traced) + num_output_parameters
    activations = math.prod(image_size) * 3 + sum(math.prod(node.output_shape) for node in traced) + num_classes
    return NetworkView(
        layers=tuple(views),
        num_parameters=num_parameters,
        multiply_adds=sum(node.multiply_adds for node in traced) + num_output_parameters,
        weights_bytes=4 * num_parameters,
        training_bytes=num_parameters * BYTES_PER_TRAINED_WEIGHT + batch_size * activations * BYTES_PER_ACTIVATION,
        drawing=_draw(traced, image_size, None if has_output else num_classes),
    )


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
                num_parameters=Dense(units=num_classes).num_parameters(traced[-1].output_shape),
                multiply_adds=0,
            )
        )
    return draw(rows, "The network")
