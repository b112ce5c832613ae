"""Describes all layers and their arguments for the forms on the page."""

from collections.abc import Iterator
from typing import Any

from components.contract.layers.catalog import KINDS
from components.contract.layers.layer import LAYERS, Layer, layer_class


def describe_layers() -> list[dict[str, Any]]:
    """Returns every layer with its arguments, for the page's forms."""
    return [
        {
            "kind": kind,
            "group": KINDS[kind].group,
            "help": KINDS[kind].help,
            "arguments": _describe_arguments(layer_class(kind)),
        }
        for kind in LAYERS
    ]


def _describe_arguments(layer: type[Layer]) -> list[dict[str, Any]]:
    schema = layer.model_json_schema(by_alias=True)
    required_names, definitions = set(schema.get("required", ())), schema.get("$defs", {})
    arguments = []
    for name, property_schema in schema["properties"].items():
        options = list(_list_options(property_schema, definitions))
        main_option: dict[str, Any] = next((option for option in options if option.get("type") != "null"), {})
        kind = (
            "choice"
            if "enum" in main_option
            else "regularizer"
            if main_option.get("type") == "object"
            else str(main_option["type"])
        )
        if kind == "array":
            kind = "list"
        elif any(option.get("type") == "array" for option in options):
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
                "help": property_schema.get("description") or main_option.get("description", ""),
            }
        )
    order = {"name": 2, "after": 2}
    return sorted(arguments, key=lambda argument: (order.get(argument["name"], 0), not argument["required"]))


def _list_options(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields a schema for each possible type of value, with references resolved."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        yield from _list_options(target | {key: value for key, value in schema.items() if key != "$ref"}, definitions)
    elif "anyOf" in schema:
        for option in schema["anyOf"]:
            yield from _list_options(option, definitions)
    else:
        yield schema
