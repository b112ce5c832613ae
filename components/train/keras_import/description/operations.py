"""Converts arithmetic in a network's description, `+ - * /`, to equivalent layers."""

from typing import Any, Final

from components.contract.layers.catalog import KINDS
from components.train.keras_import.description.allow_list import LEGACY_OPERATIONS, OPERATIONS

_LEGACY_ARITHMETIC: Final = {
    "math.truediv": "Divide",
    "math.divide": "Divide",
    "math.subtract": "Subtract",
    "math.add": "Add",
    "math.multiply": "Multiply",
    "__operators__.add": "Add",
}


def as_layer(kind: Any, config: dict[str, Any], inbound: list[Any]) -> tuple[str, dict[str, Any], list[Any]] | None:
    """Finds the layer that is equivalent to `+ - * /` between a tensor and a number, or between two tensors.

    Returns:
        (kind, arguments, tensors) of the layer; None if this is not such an operation.
    """
    operands = _operands(kind, inbound)
    if operands is None:
        return None
    name = str(kind) if kind in OPERATIONS else _LEGACY_ARITHMETIC.get(str(config.get("function")), "")
    values = [value if isinstance(value, int | float) and not isinstance(value, bool) else None for value in operands]
    tensors = [operand for operand, value in zip(operands, values, strict=True) if value is None]
    if len(tensors) == 2:
        return (name, {}, tensors) if name in KINDS else None
    if len(tensors) != 1:
        return None
    first, second = values
    number = float(first if second is None else second)  # type: ignore[arg-type]  # one of the two is a number
    scale_offset = {
        "Add": (1.0, number),
        "Multiply": (number, 0.0),
        "Subtract": (-1.0, number) if second is None else (1.0, -number),
        "Divide": (1 / number, 0.0) if second else None,
        "TrueDivide": (1 / number, 0.0) if second else None,
    }.get(name)
    return ("Rescaling", {"scale": scale_offset[0], "offset": scale_offset[1]}, tensors) if scale_offset else None


def _operands(kind: Any, inbound: list[Any]) -> list[Any] | None:
    """Returns both operands of an operation; None if the call has a different form, such as that of an Add layer."""
    if len(inbound) != 1:
        return None
    if kind in OPERATIONS and isinstance(inbound[0], dict):
        operands = inbound[0].get("args")
        return operands if isinstance(operands, list) and len(operands) == 2 and not inbound[0].get("kwargs") else None
    if kind in LEGACY_OPERATIONS and isinstance(inbound[0], list) and inbound[0]:
        operand = inbound[0] if isinstance(inbound[0][0], str) else inbound[0][0]
        keywords = operand[3] if isinstance(operand, list) and len(operand) == 4 else None
        if isinstance(keywords, dict) and {key for key, value in keywords.items() if value is not None} == {"y"}:
            return [operand, keywords["y"]]
    return None
