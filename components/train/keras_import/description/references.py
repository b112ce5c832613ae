"""References in a network's description: which call of which layer created a tensor."""

from dataclasses import replace
from typing import Any, Final

from components.train.keras_import.graph import Call, Layer, Reference, order, refused


def parse_reference(value: Any, where: str) -> Reference:
    """Parses a reference: in Keras 3, a `__keras_tensor__`; in Keras 2, `["layer", 0, 0]` or `["layer", 0, 0, {…}]`."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = value.get("config")
        value = config.get("keras_history") if isinstance(config, dict) else None
    if (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(item, int) and not isinstance(item, bool) and 0 <= item < 100_000 for item in value[1:3])
        and value[2] == 0
    ):
        return value[0].replace("/", "_"), value[1]
    raise refused(where, f"it is called on something other than a layer's output: {str(value)[:80]}")


def parse_endpoints(value: Any, where: str) -> list[Reference]:
    """Parses `["input", 0, 0]`, or a list or dict of such references."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list) or not value:
        raise refused(where, "expected a list of tensors")
    return (
        [parse_reference(value, where)]
        if isinstance(value[0], str)
        else [parse_reference(item, where) for item in value]
    )


def count_calls_from_zero(layers: dict[str, Layer]) -> dict[str, Layer]:
    """Renumbers calls of submodels: Keras 2 counts the creation of a submodel as call 0, so its uses start at 1."""
    first: dict[str, int] = {}
    for layer in layers.values():
        for call in layer.calls:
            for name, number in call.inputs:
                first[name] = min(first.get(name, number), number)
    shift = {name: number for name, number in first.items() if name in layers and layers[name].model is not None}

    def shift_call(call: Call) -> Call:
        return replace(call, inputs=tuple((name, number - shift.get(name, 0)) for name, number in call.inputs))

    return {name: replace(layer, calls=tuple(map(shift_call, layer.calls))) for name, layer in layers.items()}


def check_references(layers: dict[str, Layer], start: str, output: Reference, where: str) -> None:
    """Checks that every referenced tensor exists, and that no layer depends on itself."""

    def exists(reference: Reference) -> bool:
        name, number = reference
        return reference == (start, 0) or (name in layers and number < len(layers[name].calls))

    for layer in layers.values():
        for reference in [reference for call in layer.calls for reference in call.inputs]:
            if not exists(reference):
                raise refused(
                    where, f"{layer.name!r} uses call {reference[1]} of {reference[0]!r}, which does not exist"
                )
    if not exists(output):
        raise refused(where, f"its output is call {output[1]} of {output[0]!r}, which does not exist")
    order(tuple(layers.values()), where)


_OPERANDS: Final = ("query", "value", "key")
_OPTIONS: Final = ("return_attention_scores", "use_causal_mask")
"""Options of attention layers; only false is accepted."""


def find_operands(tensors: list[Any], keywords: dict[str, Any], where: str) -> tuple[list[Any], dict[str, Any]]:
    """Returns the query, value and optional key of a call, in this order, and the other keyword arguments."""
    named = {key: keywords[key] for key in _OPERANDS if keywords.get(key) is not None}
    placed = {key: tensor for key, tensor in zip(_OPERANDS, tensors, strict=False) if tensor is not None}
    operands = placed | named
    if len(tensors) > len(_OPERANDS) or placed.keys() & named or operands.keys() - {"key"} != {"query", "value"}:
        raise refused(where, "it is called with something other than a query, a value and optionally a key")
    others = {
        key: value
        for key, value in keywords.items()
        if key not in _OPERANDS and not (key in _OPTIONS and value is False)
    }
    return [operands[key] for key in _OPERANDS if key in operands], others
