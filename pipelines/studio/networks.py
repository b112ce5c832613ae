"""Networks of one's own, checked while they are put together: shapes, parameters, memory, and a drawing."""

import math
from typing import Any, Final

from pydantic import BaseModel

from components.contract.errors import LayerError
from components.contract.layers.kinds import LAYERS, Dense
from components.contract.layers.layer import Layer, Shape, shape_text
from components.contract.layers.stack import START, TracedLayer, parse_layer, trace
from components.contract.layers.summary import BYTES_PER_ACTIVATION, BYTES_PER_TRAINED_WEIGHT, Row
from components.contract.params.resolve import SMALL_CNN


class LayerView(BaseModel):
    """A layer in its place, or what is wrong with it."""

    gives: str | None = None
    num_parameters: int | None = None
    fault: str | None = None


class NetworkView(BaseModel):
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


def describe_layers() -> list[dict[str, Any]]:
    """Every layer that there is, with its arguments, for the page's forms."""
    return [
        {
            "kind": kind,
            "group": GROUPS.get(kind, "Other"),
            "help": HELP.get(kind, ""),
            "arguments": _describe_arguments(layer),
        }
        for kind, layer in sorted(LAYERS.items())
    ]


def _describe_arguments(layer: type[Layer]) -> list[dict[str, Any]]:
    schema = layer.model_json_schema(by_alias=True)
    required_names = set(schema.get("required", ()))
    arguments = []
    for name, property_schema in schema["properties"].items():
        options = property_schema.get("anyOf", [property_schema])
        main_option: dict[str, Any] = next((option for option in options if option.get("type") != "null"), {})
        kind = "choice" if "enum" in main_option else str(main_option.get("type", "regularizer"))
        if any(option.get("type") == "array" for option in options):
            kind = "names" if name == "with" else "pair"
        arguments.append(
            {
                "name": name,
                "kind": kind,
                "required": name in required_names,
                "default": property_schema.get("default"),
                "choices": main_option.get("enum"),
                "low": main_option.get("minimum", main_option.get("exclusiveMinimum")),
                "high": main_option.get("maximum", main_option.get("exclusiveMaximum")),
                "help": property_schema.get("description", ""),
            }
        )
    order = {"name": 2, "after": 2}
    return sorted(arguments, key=lambda argument: (order.get(argument["name"], 0), not argument["required"]))


GROUPS: Final = {
    **dict.fromkeys(("Conv2D", "SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose"), "Look for patterns"),
    **dict.fromkeys(
        ("MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D"), "Make smaller"
    ),
    **dict.fromkeys(("Flatten", "Dense"), "Decide"),
    **dict.fromkeys(
        ("Dropout", "SpatialDropout2D", "BatchNormalization", "LayerNormalization", "GroupNormalization"),
        "Steady the training",
    ),
    **dict.fromkeys(("Add", "Multiply", "Concatenate"), "Join paths"),
}
HELP: Final = {
    "Activation": "Bends the values, so that more than straight lines can be learnt.",
    "Add": "Adds what an earlier layer gave: a shortcut.",
    "AveragePooling2D": "Halves height and width; keeps the mean of each window.",
    "BatchNormalization": "Keeps values in a steady range; training is faster and steadier.",
    "Concatenate": "Puts what an earlier layer gave beside this.",
    "Conv2D": "Looks for patterns with a small window. The workhorse.",
    "Conv2DTranspose": "A convolution that makes larger.",
    "Dense": "Weighs all values together.",
    "DepthwiseConv2D": "Looks at each channel by itself; very light.",
    "Dropout": "Leaves out values by chance while training, against learning by heart.",
    "Flatten": "Puts all values into one row.",
    "GlobalAveragePooling2D": "One value per channel, its mean. Usually stands before the end.",
    "GlobalMaxPooling2D": "One value per channel, its largest.",
    "GroupNormalization": "As BatchNormalization, also with small batches.",
    "LayerNormalization": "Keeps the values of each photo in a steady range.",
    "MaxPooling2D": "Halves height and width; keeps the strongest of each window.",
    "Multiply": "Multiplies with what an earlier layer gave: a gate.",
    "Rescaling": "Times a number, plus a number.",
    "SeparableConv2D": "A convolution with a fraction of the weights.",
    "SpatialDropout2D": "Leaves out whole channels by chance.",
    "ZeroPadding2D": "A border of zeros.",
}


def _dump_layers(layers: tuple[Layer, ...]) -> list[Any]:
    return [
        {layer.kind: arguments} if (arguments := layer.model_dump(mode="json", exclude_unset=True)) else layer.kind
        for layer in layers
    ]


def _make_conv(filters: int, **more: Any) -> dict[str, Any]:
    return {"Conv2D": {"filters": filters, "kernel_size": 3, "padding": "same", "activation": "relu", **more}}


TEMPLATES: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "Small",
        "help": "Good for tiny pictures, such as digits. What Darkroom takes by itself for them.",
        "layers": _dump_layers(SMALL_CNN),
    },
    {
        "name": "Classic",
        "help": "Blocks of convolutions and pooling, for photos of about 64 to 128 pixels.",
        "layers": [
            _make_conv(32),
            "MaxPooling2D",
            _make_conv(64),
            "MaxPooling2D",
            _make_conv(128),
            "MaxPooling2D",
            "GlobalAveragePooling2D",
            {"Dense": {"units": 128, "activation": "relu"}},
            {"Dropout": {"rate": 0.4}},
        ],
    },
    {
        "name": "Shortcuts",
        "help": "Residual blocks: layers that only learn what is to be added. Deeper, still steady.",
        "layers": [
            _make_conv(32, name="start"),
            _make_conv(32),
            _make_conv(32, name="first"),
            {"Add": {"with": "start", "name": "one"}},
            "MaxPooling2D",
            _make_conv(64, name="wide"),
            _make_conv(64),
            _make_conv(64),
            {"Add": {"with": "wide"}},
            "GlobalAveragePooling2D",
            {"Dropout": {"rate": 0.3}},
        ],
    },
    {
        "name": "Light",
        "help": "Separable convolutions: a fraction of the weights and of the work.",
        "layers": [
            _make_conv(24, strides=2),
            *(
                {"SeparableConv2D": {"filters": filters, "kernel_size": 3, "padding": "same", "activation": "relu"}}
                for filters in (48, 96)
            ),
            "GlobalAveragePooling2D",
            {"Dropout": {"rate": 0.2}},
        ],
    },
    {
        "name": "Plain",
        "help": "No convolutions at all: a network of the first days, to compare with.",
        "layers": ["Flatten", {"Dense": {"units": 128, "activation": "relu"}}, {"Dropout": {"rate": 0.3}}],
    },
)
