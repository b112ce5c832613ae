"""Lists of layers in params.yaml: read, checked against each other, and followed from shape to shape."""

import itertools
import json
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator, ValidationError, WithJsonSchema

from components.contract.errors import LayerError
from components.contract.layers.kinds import LAYERS, Merging
from components.contract.layers.layer import Layer, Shape, shape_text
from components.contract.validation_messages import fault, faults, nearest


def parse_layer(value: Any) -> Layer:
    """A layer from `Flatten` or `{Conv2D: {filters: 32, kernel_size: 3}}`."""
    if isinstance(value, Layer):
        return value
    if isinstance(value, str):
        kind, arguments = value, None
    elif isinstance(value, dict) and len(value) == 1:
        kind, arguments = next(iter(value.items()))
    else:
        raise fault(f"expected one layer, such as Flatten or Dense: {{units: 10}}; found {json.dumps(value)}")
    layer_class = LAYERS.get(kind)
    if layer_class is None:
        raise fault(f"unknown layer {kind}{nearest(str(kind), LAYERS)}")
    arguments = {} if arguments is None else arguments
    if not isinstance(arguments, dict):
        raise fault(f"expected the arguments of {kind} as key: value; found {json.dumps(arguments)}")
    try:
        return layer_class.model_validate_json(json.dumps(arguments))
    except ValidationError as error:
        reasons = "; ".join(f"{path}: {problem}" for path, problem in faults(error, layer_class))
        raise fault(f"{kind}: {reasons}") from None


def _dump_layer(layer: Layer) -> str | dict[str, Any]:
    arguments = layer.model_dump(mode="json", exclude_unset=True)
    return {layer.kind: arguments} if arguments else layer.kind


def _layer_schema() -> dict[str, Any]:
    def arguments(layer: type[Layer]) -> dict[str, Any]:
        schema = layer.model_json_schema()
        inlined = _inline_references(schema, schema.get("$defs", {}))
        keys = ("type", "properties", "required", "additionalProperties")
        return {key: inlined[key] for key in keys if key in inlined}

    bare_names = [name for name, layer in LAYERS.items() if not arguments(layer).get("required")]
    layer_schemas = [
        {"type": "object", "properties": {name: arguments(layer)}, "required": [name], "additionalProperties": False}
        for name, layer in LAYERS.items()
    ]
    return {"anyOf": [{"enum": sorted(bare_names)}, *layer_schemas]}


def _inline_references(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema with every reference replaced by what it refers to."""
    if isinstance(schema, list):
        return [_inline_references(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inline_references(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {key: _inline_references(value, definitions) for key, value in schema.items() if key != "$defs"}


LayerSpec = Annotated[Layer, PlainValidator(parse_layer), PlainSerializer(_dump_layer), WithJsonSchema(_layer_schema())]


@dataclass(frozen=True)
class TracedLayer:
    """A layer in its place.

    Attributes:
        input_shape: of what it takes first.
        output_shape: of what it gives.
    """

    layer: Layer
    input_shape: Shape
    output_shape: Shape

    @property
    def num_parameters(self) -> int:
        """How many weights the layer has."""
        return self.layer.num_parameters(self.input_shape)

    @property
    def multiply_adds(self) -> int:
        """Roughly how many multiplications one photo takes."""
        return self.layer.multiply_adds(self.input_shape)


START: Final = "input"
"""The name of what a list of layers stands on."""


def trace(layers: tuple[Layer, ...], input_shape: Shape, where: str = "train.model.layers") -> list[TracedLayer]:
    """Each layer in turn, with the shapes that it takes and gives.

    Args:
        layers: the network without its input and output layer.
        input_shape: (height, width, channels), or (features,).
        where: the key in params.yaml, for the message.

    Raises:
        LayerError: a layer cannot take what it is given, names a layer that does not stand before it, two layers have
            one name, one leads nowhere, or the last does not give the flat vector that the output layer takes.
    """
    traced: list[TracedLayer] = []
    shape_of: dict[str, Shape] = {START: input_shape}
    shape = input_shape
    for position, layer in enumerate(layers):
        place = f"{where}[{position}] {layer}"
        if layer.name is not None and layer.name in shape_of:
            raise LayerError(
                f"Each layer must have a name of its own; {place} has that of an earlier one. Change it, "
                "or leave it out.",
                position,
            )
        for name in (layer.after, *layer.other_inputs):
            if name is not None and name not in shape_of:
                raise LayerError(
                    f"{place} names {name}, which must be the `name` of a layer before it in the list"
                    f"{nearest(name, shape_of)}.",
                    position,
                )
        layer_input = shape_of[layer.after] if layer.after is not None else shape
        try:
            shape = layer.output_shape(layer_input)
            if isinstance(layer, Merging):
                shape = layer.merged_shape([layer_input, *(shape_of[name] for name in layer.other_inputs)])
        except ValueError as error:
            raise LayerError(
                f"{place} cannot stand here: {error}. Its input is {shape_text(layer_input)}.", position
            ) from None
        if layer.name is not None:
            shape_of[layer.name] = shape
        traced.append(TracedLayer(layer, layer_input, shape))
    _check_all_used(layers, where)
    if len(shape) != 1:
        raise LayerError(
            f"{where} must end in a flat vector, which the output layer takes; {layers[-1]} gives "
            f"{shape_text(shape)}. Add Flatten or GlobalAveragePooling2D.",
            len(layers) - 1,
        )
    return traced


def trace_shapes(layers: tuple[Layer, ...], input_shape: Shape, where: str = "train.model.layers") -> list[Shape]:
    """The output shape of each layer in turn; raises as `trace` does."""
    return [layer.output_shape for layer in trace(layers, input_shape, where)]


def _check_all_used(layers: tuple[Layer, ...], where: str) -> None:
    """Refuses a layer that no other takes."""
    used_names = {name for layer in layers for name in (layer.after, *layer.other_inputs)}
    for position, (layer, following) in enumerate(itertools.pairwise(layers)):
        if following.after is not None and layer.name not in used_names - {None}:
            raise LayerError(
                f"{where}[{position}] {layer} leads nowhere: the next layer stands after "
                f"{following.after}. Remove it, or name it and join it with Add.",
                position,
            )
