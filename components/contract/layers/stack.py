"""Parses lists of layers in params.yaml, and computes the output shape of each layer."""

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator, ValidationError, WithJsonSchema
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from components.contract.errors import LayerError
from components.contract.layers.catalog import KINDS
from components.contract.layers.layer import LAYERS, Layer, layer_class
from components.contract.layers.shapes import Shape, shape_text
from components.contract.validation_messages import fault, faults, nearest


def parse_layer(value: Any) -> Layer:
    """Parses a layer, such as `Flatten` or `{Conv2D: {filters: 32, kernel_size: 3}}`."""
    if isinstance(value, Layer):
        return value
    if isinstance(value, str):
        kind, arguments = value, None
    elif isinstance(value, dict) and len(value) == 1:
        kind, arguments = next(iter(value.items()))
    else:
        raise fault(f"expected one layer, such as Flatten or Dense: {{units: 10}}; found {json.dumps(value)}")
    if kind not in LAYERS:
        raise fault(f"unknown layer {kind}{nearest(str(kind), LAYERS)}")
    arguments = {} if arguments is None else arguments
    if not isinstance(arguments, dict):
        raise fault(f"expected the arguments of {kind} as key: value; found {json.dumps(arguments)}")
    try:
        return layer_class(kind).model_validate_json(json.dumps(arguments))
    except ValidationError as error:
        reasons = "; ".join(f"{path}: {problem}" for path, problem in faults(error, layer_class(kind)))
        raise fault(f"{kind}: {reasons}") from None


def dump_layer(layer: Layer) -> str | dict[str, Any]:
    """The inverse of `parse_layer`."""
    arguments = layer.model_dump(mode="json", exclude_unset=True)
    return {layer.kind: arguments} if arguments else layer.kind


class PlainSchema(GenerateJsonSchema):
    """Generates schemas without titles, which would only repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the signature is pydantic's
        """Always False."""
        return False


LAYER_SCHEMA: Final = {"x-layer": True}
"""A placeholder for a layer, replaced when `layer_definitions` are added to the schema: pydantic cannot resolve
references that it did not create."""


def layer_definitions() -> dict[str, Any]:
    """The parts of the schema of params.yaml that describe layers."""
    _, schema = models_json_schema(
        [(layer_class(kind), "validation") for kind in LAYERS], by_alias=True, schema_generator=PlainSchema
    )
    definitions: dict[str, Any] = schema["$defs"]
    bare_names = [kind for kind in LAYERS if not definitions[kind].get("required")]
    owners: dict[str, str] = {}  # kinds with the same arguments share a definition
    kinds = {}
    for kind in LAYERS:
        arguments = definitions[kind] | {"title": "Arguments", "description": "The arguments of a layer."}
        owner = owners.setdefault(json.dumps(arguments), kind)
        kinds[kind] = {"$ref": f"#/$defs/{owner}", "description": KINDS[kind].help}
        definitions[kind] = arguments
    shared_definitions = {name: definitions[name] for name in definitions.keys() - kinds.keys() | set(owners.values())}
    one_kind = {"type": "object", "properties": kinds, "minProperties": 1, "maxProperties": 1}
    spec = {"anyOf": [{"enum": bare_names}, one_kind | {"additionalProperties": False}]}
    return {**dict(sorted(shared_definitions.items())), "LayerSpec": spec}


LayerSpec = Annotated[Layer, PlainValidator(parse_layer), PlainSerializer(dump_layer), WithJsonSchema(LAYER_SCHEMA)]


@dataclass(frozen=True)
class TracedLayer:
    """A layer, with its input and output shapes in a network.

    Attributes:
        input_shapes: the shape of the layer's input, then the output shapes of the layers in `with`.
        num_parameters: the number of the layer's weights.
    """

    layer: Layer
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    num_parameters: int

    @property
    def multiply_adds(self) -> int:
        """The approximate number of multiplications for one photo: each weight is used once per position."""
        is_transposed = self.layer.kind == "Conv2DTranspose"
        return math.prod((self.input_shapes[0] if is_transposed else self.output_shape)[:-1]) * self.num_parameters


START: Final = "input"
"""The name of the input of a list of layers."""


def follow(layers: tuple[Layer, ...], input_shape: Shape, where: str = "train.model.layers") -> Iterator[TracedLayer]:
    """Yields each layer with the shapes of its inputs and its output.

    Args:
        layers: the layers of the network, without the input and output layers.
        input_shape: (height, width, channels), or (features,).
        where: the key in params.yaml, for messages.

    Raises:
        LayerError: a layer cannot accept its input, refers to a layer that is not before it, or has the same
            name as an earlier layer.
    """
    shape_of: dict[str, Shape] = {START: input_shape}
    shape = input_shape
    for position, layer in enumerate(layers):
        place = f"{where}[{position}] {layer}"
        if layer.name is not None and layer.name in shape_of:
            raise LayerError(
                f"Layer names must be unique; {place} has the same name as an earlier layer. Change or "
                "remove the name.",
                position,
            )
        for name in (layer.after, *layer.other_inputs):
            if name is not None and name not in shape_of:
                raise LayerError(
                    f"{place} refers to {name}, which must be the `name` of an earlier layer in the list"
                    f"{nearest(name, shape_of)}.",
                    position,
                )
        layer_input = shape_of[layer.after] if layer.after is not None else shape
        inputs = (layer_input, *(shape_of[name] for name in layer.other_inputs))
        try:
            shape = layer.compute_output_shape(*inputs)
            num_parameters = layer.count_parameters(*inputs)
        except (ValueError, IndexError) as error:
            raise LayerError(
                f"{place} cannot be used here: {error}. Its input is {shape_text(layer_input)}.", position
            ) from None
        if layer.kind == "RandomCrop" and shape != layer_input:
            raise LayerError(
                f"{place} must keep the size of its input, {shape_text(layer_input)}: Keras crops photos only in "
                "training, so the next layers would receive a different size later. Remove it, and set "
                "train.augmentation.crop.",
                position,
            )
        if layer.name is not None:
            shape_of[layer.name] = shape
        yield TracedLayer(layer, inputs, shape, num_parameters)


def trace(layers: tuple[Layer, ...], input_shape: Shape, where: str = "train.model.layers") -> list[TracedLayer]:
    """Like `follow`, but returns a list, and checks that the network is complete.

    Raises:
        LayerError: as in `follow`, or if a layer is not used, or if the last layer does not output a flat vector.
    """
    traced = list(follow(layers, input_shape, where))
    _check_all_used(layers, where)
    shape = traced[-1].output_shape if traced else input_shape
    if len(shape) != 1:
        raise LayerError(
            f"{where} must end in a flat vector for the output layer; {layers[-1]} outputs "
            f"{shape_text(shape)}. Add Flatten or GlobalAveragePooling2D.",
            len(layers) - 1,
        )
    return traced


def trace_shapes(layers: tuple[Layer, ...], input_shape: Shape, where: str = "train.model.layers") -> list[Shape]:
    """The output shape of each layer; raises the errors of `trace`."""
    return [layer.output_shape for layer in trace(layers, input_shape, where)]


def _check_all_used(layers: tuple[Layer, ...], where: str) -> None:
    """Raises an error for a layer whose output is not used."""
    used_names = {name for layer in layers for name in (layer.after, *layer.other_inputs)}
    for position, (layer, following) in enumerate(itertools.pairwise(layers)):
        if following.after is not None and layer.name not in used_names - {None}:
            raise LayerError(
                f"The output of {where}[{position}] {layer} is not used, because the next layer takes its "
                f"input from {following.after}. Remove the layer, or give it a name and join it with Add.",
                position,
            )
