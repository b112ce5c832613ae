"""The type of an entry in the catalog of layers, and checks of arguments that many kinds share."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from components.contract.layers.arguments import constraint, initializer, regularizer, seed
from components.contract.layers.checks import Check, choice, either, flag, ignored, integer, number, numbers
from components.contract.layers.shapes import Arguments, Shape


@dataclass(frozen=True)
class Kind:
    """A kind of layer.

    Attributes:
        arguments: the allowed arguments and their checks.
        shape: computes the output shape from the arguments and the input shape (a list of shapes if `merges`); raises
            ValueError if the layer cannot accept the input.
        weights: computes the names and shapes of the weights, in Keras' order; called like `shape`.
        required: arguments without a default.
        merges: whether the layer has several inputs.
        spreads: whether the inputs are separate arguments (query, value and key) instead of a list.
        num_inner_values: computes the maximum number of intermediate values; called like `shape`.
        help: the purpose of the layer, in one sentence.
        group: the heading under which the studio lists the layer.
    """

    arguments: dict[str, Check]
    shape: Callable[[Arguments, Any], Shape]
    weights: Callable[[Arguments, Any], dict[str, Shape]] = lambda _arguments, _shape: {}
    required: tuple[str, ...] = ()
    merges: bool = False
    spreads: bool = False
    num_inner_values: Callable[[Arguments, Any], int] = lambda _arguments, _shapes: 0
    help: str = ""
    group: str = "Other"


@dataclass(frozen=True)
class Merge(Kind):
    """A kind that merges several tensors into one."""

    merges: bool = field(default=True, init=False)


MAX_UNITS: Final = 2**24
UNITS: Final = integer(1, MAX_UNITS)
RATE: Final = number(0, 0.999999)
PENALTY: Final = {"activity_regularizer": regularizer}
BIAS: Final = {"use_bias": flag.by_default(True)}
FORMAT: Final = {"data_format": ignored("channels_last")}
DRAWN: Final = {"seed": seed, "rng_type": ignored("stateful", "legacy_stateful", "stateless")}
_LIMIT: Final = number(-10, 10)
_LIMITS: Final = either(_LIMIT, numbers(_LIMIT, 2, 2), expected="a number from -10 to 10, or [low, high]")
FACTOR: Final = _LIMITS.named("Factor")
VALUE_RANGE: Final = numbers(number(), 2, 2).named("ValueRange")
INTERPOLATION: Final = choice("bilinear", "nearest").by_default("bilinear")


def owned(*names: str) -> dict[str, Check]:
    """The initializer, regularizer and constraint arguments of the named weights."""
    return {
        f"{name}_{what}": check
        for name in names
        for what, check in (("initializer", initializer), ("regularizer", regularizer), ("constraint", constraint))
    }


def shared(kind: Kind, **texts: str) -> dict[str, Kind]:
    """Kinds that differ only in name and help."""
    return {name: replace(kind, help=text) for name, text in texts.items()}
