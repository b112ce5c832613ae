"""Checks of the arguments that a layer of an upload may have: from what the JSON holds to a clean value."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

Check = Callable[[Any], Any]
"""Raises ValueError, whose text says what was expected and what was found."""

ACTIVATIONS: Final = {
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
}

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


@dataclass(frozen=True)
class Regularizer:
    """A penalty on weights: l1 · Σ|w| + l2 · Σw²."""

    l1: float
    l2: float


@dataclass(frozen=True)
class Constraint:
    """A limit on weights, by Keras' name, with plain arguments."""

    name: str
    arguments: tuple[tuple[str, float | int | list[int]], ...]


class Dropped:
    """The value of an argument that was checked and is of no further use, such as an initializer."""


DROPPED: Final = Dropped()


def wrong(expected: str, value: Any) -> ValueError:
    """The error for a value that is not the expected one."""
    return ValueError(f"expected {expected}, found {str(value)[:80]!r}")


def flag(value: Any) -> bool:
    """Checks that a value is true or false."""
    if not isinstance(value, bool):
        raise wrong("true or false", value)
    return value


def integer(low: int, high: int) -> Check:
    """A check for whole numbers from `low` to `high`."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise wrong(f"a whole number from {low:,} to {high:,}", value)
        return value

    return check


def number(low: float = -1e30, high: float = 1e30) -> Check:
    """A check for numbers from `low` to `high`, which become floats."""

    def check(value: Any) -> float:
        # Keras 2 wrote some numbers as one-element arrays: {"type": "ndarray", "value": 6.0}
        if isinstance(value, dict) and set(value) == {"type", "value"} and value["type"] == "ndarray":
            value = value["value"]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise wrong(f"a number from {low:g} to {high:g}", value)
        return float(value)

    return check


def choice(*names: Any) -> Check:
    """A check for one of the listed values."""

    def check(value: Any) -> Any:
        if isinstance(value, dict | list) or value not in names:
            raise wrong("one of " + ", ".join(map(str, names)), value)
        return value

    return check


def optional(inner: Check) -> Check:
    """A check that accepts None as well as what `inner` accepts."""
    return lambda value: None if value is None else inner(value)


def either(*checks: Check) -> Check:
    """A check that returns the value of the first of `checks` that passes."""

    def check(value: Any) -> Any:
        reasons = []
        for inner in checks:
            try:
                return inner(value)
            except ValueError as error:
                reasons.append(str(error))
        raise ValueError(reasons[-1])

    return check


def numbers(inner: Check, low: int, high: int) -> Check:
    """A list of `low` to `high` values."""

    def check(value: Any) -> tuple[Any, ...]:
        value = plain_list(value)
        if not isinstance(value, list) or not low <= len(value) <= high:
            raise wrong(f"a list of {low} to {high} values", value)
        return tuple(inner(item) for item in value)

    return check


def pair(low: int, high: int) -> Check:
    """One number for height and width, or one for each."""
    inner = integer(low, high)

    def check(value: Any) -> tuple[int, int]:
        value = plain_list(value)
        if isinstance(value, list):
            if len(value) != 2:
                raise wrong("one number, or [height, width]", value)
            return (inner(value[0]), inner(value[1]))
        return (inner(value), inner(value))

    return check


def edges(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) from one number, [height, width], or all four."""
    value = plain_list(value)
    inner = pair(0, 4096)
    if isinstance(value, list) and len(value) == 2:
        return (inner(value[0]), inner(value[1]))
    return (inner(value), inner(value))


def plain_list(value: Any) -> Any:
    """Keras 3 writes a tuple as {"class_name": "__tuple__", "items": […]}."""
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":
        return value.get("items")
    return value


def activation(value: Any) -> str | None:
    """Checks the name of one of Keras' activations; None stays None."""
    if value is None:
        return None
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise ValueError(
            f"expected the name of one of Keras' activations, found {str(value)[:80]!r}; a layer or a "
            "function of one's own cannot stand here"
        )
    return value


def _named(value: Any, what: str, classes: set[str]) -> tuple[str, dict[str, Any]]:
    if not isinstance(value, dict) or value.get("class_name") not in classes:
        raise wrong(f"one of Keras' {what}s", value.get("class_name") if isinstance(value, dict) else value)
    unknown = set(value) - {"class_name", "config", "module", "registered_name", "shared_object_id", "build_config"}
    config = value.get("config")
    if unknown or not isinstance(config, dict | None):
        raise wrong(f"a {what} as Keras writes it", sorted(unknown) or config)
    return value["class_name"], config or {}


def initializer(value: Any) -> Dropped:
    """Stored weights take the place of whatever it would draw, so it is only checked."""
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


def regularizer(value: Any) -> Regularizer | None:
    """Reads a regularizer, by its short name or as Keras writes it; None stays None."""
    if value is None:
        return None
    strengths = number(0, 1e6)
    if value in ("l1", "l2", "l1_l2"):
        return Regularizer(0.01 * ("l1" in value), 0.01 * ("l2" in value))
    _, config = _named(value, "regularizer", REGULARIZERS)
    if unknown := set(config) - {"l1", "l2"}:
        raise wrong("l1 and l2 for a regularizer", sorted(unknown))
    return Regularizer(strengths(config.get("l1") or 0.0), strengths(config.get("l2") or 0.0))


def constraint(value: Any) -> Constraint | None:
    """Reads a constraint as Keras writes it; None stays None."""
    if value is None:
        return None
    name, config = _named(value, "constraint", CONSTRAINTS)
    amount, axis = number(0, 1e6), either(integer(-8, 8), numbers(integer(-8, 8), 0, 8))
    checks = {"max_value": amount, "min_value": amount, "rate": number(0, 1), "axis": axis}
    if unknown := set(config) - set(checks):
        raise wrong("a constraint as Keras writes it", sorted(unknown))
    arguments = {key: checks[key](argument) for key, argument in config.items()}
    return Constraint(name, tuple((key, list(v) if isinstance(v, tuple) else v) for key, v in arguments.items()))


def ignored(*allowed: Any) -> Check:
    """An argument that may only have a value that changes nothing."""
    inner = choice(None, *allowed)

    def check(value: Any) -> Dropped:
        inner(value)
        return DROPPED

    return check


def seed(value: Any) -> Dropped:
    """Checks a seed: a whole number, None or Keras' seed generator."""
    if isinstance(value, dict) and value.get("class_name") == "SeedGenerator":
        return DROPPED
    optional(integer(-(2**63), 2**63))(value)
    return DROPPED


def policy(value: Any) -> str | None:
    """The name of a precision policy: float32 where nothing else is said."""
    if isinstance(value, dict):
        if value.get("class_name") not in ("DTypePolicy", "Policy") or not isinstance(value.get("config"), dict):
            raise wrong("a precision policy", value.get("class_name"))
        value = value["config"].get("name")
    name: str | None = choice(None, "float32", "mixed_float16", "mixed_bfloat16", "float16", "bfloat16")(value)
    return name


def finite_numbers(value: Any) -> list[Any] | float:
    """Numbers in lists within lists, up to four deep; a single number too."""

    def clean(item: Any, depth: int) -> Any:
        if isinstance(item, list) and depth < 4:
            return [clean(inner, depth + 1) for inner in item]
        if isinstance(item, bool) or not isinstance(item, int | float) or not math.isfinite(item):
            raise wrong("numbers", item)
        return float(item)

    cleaned: list[Any] | float = clean(value, 0)
    return cleaned
