"""Keras' attention layers: arguments, shapes, weights, and the number of attention scores.

Each layer needs a query, a value and optionally a key, of shape (positions, channels) or (height, width, channels).
"""

import math
from typing import Final

from components.contract.layers.arguments import regularizer, seed
from components.contract.layers.checks import choice, either, flag, ignored, integer, numbers, optional, wrong
from components.contract.layers.kind import RATE, Kind, owned
from components.contract.layers.shapes import Arguments, Shape

_HEADS: Final = integer(1, 4096)
_CHANNELS: Final = integer(1, 65_536)
_HEADED: Final = {
    "dropout": RATE.by_default(0.0),
    "use_bias": flag.by_default(True),
    "use_gate": ignored(False),
    "sliding_window": ignored(),
    "flash_attention": ignored(False),
    "seed": seed,
    "activity_regularizer": regularizer,
    **owned("kernel", "bias"),
}
_SCORED: Final = {"dropout": RATE.by_default(0.0), "seed": seed}


def _check(shapes: list[Shape]) -> tuple[Shape, Shape, Shape]:
    """Checks and returns the shapes of query, value and key; without a key, the value is also the key."""
    if len(shapes) not in (2, 3):
        raise ValueError(f"it needs a query, a value and optionally a key; the number of its inputs is {len(shapes)}")
    query, value, key = (*shapes, shapes[1])[:3]
    if {len(query), len(value), len(key)} not in ({2}, {3}):
        raise wrong("tensors of positions × channels", shapes)
    if value[:-1] != key[:-1]:
        raise ValueError(f"its value {value} and its key {key} have different numbers of positions")
    return query, value, key


def _num_scores(shapes: list[Shape]) -> int:
    query, value, _ = _check(shapes)
    return math.prod(query[:-1]) * math.prod(value[:-1])


def _projected(arguments: Arguments, shapes: list[Shape]) -> Shape:
    query, _, _ = _check(shapes)
    axes = arguments.get("attention_axes")
    if axes is not None and tuple(axes) != tuple(range(1, len(query))):
        raise ValueError(f"it must attend over all positions of {query}; attention_axes is {list(axes)}")
    channels = arguments.get("output_shape") or query[-1]
    return (*query[:-1], channels[0] if isinstance(channels, tuple) else channels)


def _weights(arguments: Arguments, shapes: list[Shape]) -> dict[str, Shape]:
    query, value, key = _check(shapes)
    num_heads, num_others, depth = _read_heads(arguments)
    value_depth = arguments.get("value_dim") or depth
    output = _projected(arguments, shapes)[-1]
    kernels = {
        "query": (query[-1], num_heads, depth),
        "key": (key[-1], num_others, depth),
        "value": (value[-1], num_others, value_depth),
        "attention_output": (num_heads, value_depth, output),
    }
    weights: dict[str, Shape] = {}
    for part, kernel in kernels.items():
        weights[f"{part}/kernel"] = kernel
        if arguments.get("use_bias", True):
            weights[f"{part}/bias"] = (output,) if part == "attention_output" else kernel[1:]
    return weights


def _read_heads(arguments: Arguments) -> tuple[int, int, int]:
    """(number of query heads, number of key and value heads, channels per head)."""
    if "num_heads" in arguments:
        return arguments["num_heads"], arguments["num_heads"], arguments["key_dim"]
    num_heads, num_others = arguments["num_query_heads"], arguments["num_key_value_heads"]
    if num_heads % num_others:
        raise ValueError(f"its number of key heads ({num_others}) must divide its number of query heads ({num_heads})")
    return num_heads, num_others, arguments["head_dim"]


def _attended(_arguments: Arguments, shapes: list[Shape]) -> Shape:
    query, value, key = _check(shapes)
    if len(query) != 2 or query[-1] != key[-1]:
        raise ValueError(
            f"its query and its key must have the shape positions × channels, with equal numbers of channels; found "
            f"{query} and {key}"
        )
    return (*query[:-1], value[-1])


def _scale_weights(arguments: Arguments, _shapes: list[Shape]) -> dict[str, Shape]:
    weights: dict[str, Shape] = {"scale": ()} if arguments.get("use_scale") else {}
    return weights | ({"concat_score_weight": ()} if arguments.get("score_mode") == "concat" else {})


ATTENTION: Final[dict[str, Kind]] = {
    "MultiHeadAttention": Kind(
        {
            "num_heads": _HEADS,
            "key_dim": _CHANNELS,
            "value_dim": optional(_CHANNELS),
            "output_shape": optional(either(_CHANNELS, numbers(_CHANNELS, 1, 1), expected="a number of channels")),
            "attention_axes": optional(numbers(integer(1, 2), 1, 2)),
            **_HEADED,
        },
        _projected,
        _weights,
        ("num_heads", "key_dim"),
        merges=True,
        spreads=True,
        num_inner_values=lambda arguments, shapes: arguments["num_heads"] * _num_scores(shapes),
        help="Multi-head attention: combines positions by how well they match.",
    ),
    "GroupQueryAttention": Kind(
        {"head_dim": _CHANNELS, "num_query_heads": _HEADS, "num_key_value_heads": _HEADS, **_HEADED},
        _projected,
        _weights,
        ("head_dim", "num_query_heads", "num_key_value_heads"),
        merges=True,
        spreads=True,
        num_inner_values=lambda arguments, shapes: arguments["num_query_heads"] * _num_scores(shapes),
        help="Attention whose query heads share key and value heads.",
    ),
    "Attention": Kind(
        {**_SCORED, "use_scale": flag.by_default(False), "score_mode": choice("dot", "concat").by_default("dot")},
        _attended,
        _scale_weights,
        merges=True,
        num_inner_values=lambda _arguments, shapes: _num_scores(shapes) * shapes[0][-1],
        help="Combines positions by how well they match (dot product).",
    ),
    "AdditiveAttention": Kind(
        {**_SCORED, "use_scale": flag.by_default(True)},
        _attended,
        lambda arguments, shapes: {"scale": (shapes[0][-1],)} if arguments.get("use_scale", True) else {},
        merges=True,
        num_inner_values=lambda _arguments, shapes: _num_scores(shapes) * shapes[0][-1],
        help="Attention that compares positions by a sum instead of a dot product.",
    ),
}
