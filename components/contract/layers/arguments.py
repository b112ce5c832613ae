"""Layer arguments that are not plain numbers: activations, regularizers, initializers and constraints."""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field, Strict
from typing_extensions import TypeAliasType

from components.contract.layers.checks import (
    DROPPED,
    Check,
    Dropped,
    choice,
    either,
    integer,
    number,
    numbers,
    optional,
    written_as,
    wrong,
)
from components.contract.record import StrictRecord
from components.contract.validation_messages import expects

ActivationName = Literal[
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]
ACTIVATIONS: Final = set(get_args(ActivationName))
ActivationFunction = TypeAliasType("ActivationFunction", ActivationName)


_INITIALIZER_CLASSES: Final = {
    "Constant": "constant",
    "GlorotNormal": "glorot_normal",
    "GlorotUniform": "glorot_uniform",
    "HeNormal": "he_normal",
    "HeUniform": "he_uniform",
    "Identity": "identity",
    "IdentityInitializer": "identity",
    "LecunNormal": "lecun_normal",
    "LecunUniform": "lecun_uniform",
    "Ones": "ones",
    "Orthogonal": "orthogonal",
    "OrthogonalInitializer": "orthogonal",
    "RandomNormal": "random_normal",
    "RandomUniform": "random_uniform",
    "TruncatedNormal": "truncated_normal",
    "VarianceScaling": "variance_scaling",
    "Zeros": "zeros",
}
INITIALIZERS: Final = set(_INITIALIZER_CLASSES)
REGULARIZERS: Final = {"L1", "L1L2", "L2"}
CONSTRAINTS: Final = {"MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"}


_Strength = Annotated[float, Field(ge=0, le=1e6)]


class Regularizer(StrictRecord, allow_inf_nan=False):
    """A penalty on weights: l1 · Σ|w| + l2 · Σw²."""

    l1: _Strength = 0.0
    l2: _Strength = 0.0


@dataclass(frozen=True)
class Constraint:
    """A constraint on weights: the name of its Keras class, and its arguments."""

    name: str
    arguments: tuple[tuple[str, float | int | list[int]], ...]


@written_as(ActivationFunction | None)
def activation(value: Any) -> str | None:
    """Checks that a value is the name of a Keras activation, or None."""
    if value is None:
        return None
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise ValueError(
            f"expected the name of a Keras activation; found {str(value)[:80]!r}. Custom layers and "
            "functions are not supported here"
        )
    return value


def _named(value: Any, what: str, classes: set[str]) -> tuple[str, dict[str, Any]]:
    if not isinstance(value, dict) or value.get("class_name") not in classes:
        raise wrong(f"one of Keras' {what}s", value.get("class_name") if isinstance(value, dict) else value)
    unknown = set(value) - {"class_name", "config", "module", "registered_name", "shared_object_id", "build_config"}
    config = value.get("config")
    if unknown or not isinstance(config, dict | None):
        raise wrong(f"a {what} in Keras' format", sorted(unknown) or config)
    return value["class_name"], config or {}


@Check
def initializer(value: Any) -> Dropped:
    """Checks an initializer, which is not kept, because stored weights replace the initial values."""
    if value is None or (isinstance(value, str) and value in _INITIALIZER_CLASSES.values()):
        return DROPPED
    _, config = _named(value, "initializer", INITIALIZERS)
    for key, argument in config.items():
        if isinstance(argument, dict) and argument.get("class_name") == "SeedGenerator":
            continue
        items = argument if isinstance(argument, list) else [argument]
        if not all(item is None or isinstance(item, str | int | float) for item in items):
            raise wrong(f"a plain value for the initializer's {key}", argument)
    return DROPPED


@written_as(Regularizer | None)
def regularizer(value: Any) -> Regularizer | None:
    """Reads a regularizer, given as a short name, in Keras' format, or as None."""
    if value is None:
        return None
    strengths = number(0, 1e6)
    if value in ("l1", "l2", "l1_l2"):
        return Regularizer(l1=0.01 * ("l1" in value), l2=0.01 * ("l2" in value))
    _, config = _named(value, "regularizer", REGULARIZERS)
    if unknown := set(config) - {"l1", "l2"}:
        raise wrong("l1 and l2 for a regularizer", sorted(unknown))
    return Regularizer(l1=strengths(config.get("l1") or 0.0), l2=strengths(config.get("l2") or 0.0))


@Check
def constraint(value: Any) -> Constraint | None:
    """Reads a constraint in Keras' format, or None."""
    if value is None:
        return None
    name, config = _named(value, "constraint", CONSTRAINTS)
    amount, axis = number(0, 1e6), either(integer(-8, 8), numbers(integer(-8, 8), 0, 8))
    checks = {"max_value": amount, "min_value": amount, "rate": number(0, 1), "axis": axis}
    if unknown := set(config) - set(checks):
        raise wrong("a constraint in Keras' format", sorted(unknown))
    arguments = {key: checks[key](argument) for key, argument in config.items()}
    return Constraint(name, tuple((key, list(v) if isinstance(v, tuple) else v) for key, v in arguments.items()))


@Check
def seed(value: Any) -> Dropped:
    """Checks a seed: an integer, None, or a Keras seed generator."""
    if isinstance(value, dict) and value.get("class_name") == "SeedGenerator":
        return DROPPED
    optional(integer(-(2**63), 2**63))(value)
    return DROPPED


def policy(value: Any) -> str | None:
    """The name of a precision policy; None if the layer has none, which means float32."""
    if isinstance(value, dict):
        if value.get("class_name") not in ("DTypePolicy", "Policy") or not isinstance(value.get("config"), dict):
            raise wrong("a precision policy", value.get("class_name"))
        value = value["config"].get("name")
    name: str | None = choice(None, "float32", "mixed_float16", "mixed_bfloat16", "float16", "bfloat16")(value)
    return name


@written_as(Annotated[float | Annotated[tuple[float, ...], Strict(False)], expects("a number, or a list of numbers")])
def finite_numbers(value: Any) -> list[Any] | float:
    """Reads a number, or numbers in lists that are nested up to four levels deep."""

    def clean(item: Any, depth: int) -> Any:
        if isinstance(item, list) and depth < 4:
            return [clean(inner, depth + 1) for inner in item]
        if isinstance(item, bool) or not isinstance(item, int | float) or not math.isfinite(item):
            raise wrong("numbers", item)
        return float(item)

    cleaned: list[Any] | float = clean(value, 0)
    return cleaned
