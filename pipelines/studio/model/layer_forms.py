"""The layers that a network can have, with their arguments, for the forms of the page."""

from typing import Any, Final

from components.contract.layers.kinds import LAYERS
from components.contract.layers.layer import Layer


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
