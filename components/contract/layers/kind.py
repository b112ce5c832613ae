"""What the list of layers says of each kind, and the checks of arguments that many kinds share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from components.contract.layers.arguments import (
    Check,
    choice,
    constraint,
    either,
    ignored,
    initializer,
    number,
    numbers,
    regularizer,
    seed,
)
from components.contract.layers.shapes import Arguments, Shape


@dataclass(frozen=True)
class Kind:
    """A kind of layer.

    Attributes:
        arguments: what it may be given, and how each is checked.
        shape: from arguments and the input's shape (all inputs' shapes, where it merges) to the output's shape; raises
            ValueError where the input cannot be taken.
        weights: from arguments and the input's shape to its weights' names and shapes, in Keras' order.
        required: arguments without a default.
        merges: it takes several inputs.
        spreads: it takes them as arguments of its own, query, value and key, not as a list.
        num_inner_values: from arguments and the inputs' shapes to the most values that it computes on the way.
    """

    arguments: dict[str, Check]
    shape: Callable[[Arguments, Any], Shape]
    weights: Callable[[Arguments, Any], dict[str, Shape]] = lambda _arguments, _shape: {}
    required: tuple[str, ...] = ()
    merges: bool = False
    spreads: bool = False
    num_inner_values: Callable[[Arguments, Any], int] = lambda _arguments, _shapes: 0


@dataclass(frozen=True)
class Merge(Kind):
    """A kind that makes one tensor of several."""

    merges: bool = field(default=True, init=False)


RATE: Final = number(0, 0.999999)
FORMAT: Final = {"data_format": ignored("channels_last")}
DRAWN: Final = {"seed": seed, "rng_type": ignored("stateful", "legacy_stateful", "stateless")}
FACTOR: Final = either(number(-10, 10), numbers(number(-10, 10), 2, 2))
VALUE_RANGE: Final = numbers(number(), 2, 2)
INTERPOLATION: Final = choice("bilinear", "nearest")


def owned(*names: str) -> dict[str, Check]:
    """How the named weights are drawn, penalised and limited."""
    return {
        f"{name}_{what}": check
        for name in names
        for what, check in (("initializer", initializer), ("regularizer", regularizer), ("constraint", constraint))
    }
