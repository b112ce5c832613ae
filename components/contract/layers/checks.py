"""Checks of a layer's arguments: what params.yaml accepts, and how a value from an uploaded model is read."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Final, Literal, Union

from pydantic import Field, Strict
from typing_extensions import TypeAliasType

from components.contract.text import pluralize
from components.contract.validation_messages import expects


@dataclass(frozen=True)
class Check:
    """The check of one argument.

    Attributes:
        read: converts the value in the JSON of an uploaded model; raises a ValueError whose message states what was
            expected and what was found.
        annotation: the type in params.yaml; None if the argument cannot be set there.
        default: the default in params.yaml, the same as in Keras.
    """

    read: Callable[[Any], Any]
    annotation: Any = None
    default: Any = None

    def __call__(self, value: Any) -> Any:
        """Converts a value from an uploaded model."""
        return self.read(value)

    def by_default(self, value: Any) -> "Check":
        """The same check, with a default."""
        return replace(self, default=value)

    def named(self, name: str) -> "Check":
        """The same check with a name for its type, which the schema of params.yaml then defines only once."""
        return replace(self, annotation=TypeAliasType(name, self.annotation))


def written_as(annotation: Any) -> Callable[[Callable[[Any], Any]], Check]:
    """Makes a check from a function; the annotation is the type in params.yaml."""
    return lambda read: Check(read, annotation)


@cache
def _pair_type(low: int, high: int) -> Any:
    """The type of either one number for both height and width, or [height, width]."""
    side = Annotated[int, Field(ge=low, le=high)]
    both = side | Annotated[tuple[side, side], Strict(False)]
    return TypeAliasType(
        f"Pair_{low}_{high}", Annotated[both, expects(f"a number from {low} to {high}, or [height, width]")]
    )


class Dropped:
    """Marks the value of an argument that is only checked and not kept, such as an initializer."""


DROPPED: Final = Dropped()


def wrong(expected: str, value: Any) -> ValueError:
    """The error for an unexpected value."""
    return ValueError(f"expected {expected}, found {str(value)[:80]!r}")


@written_as(bool)
def flag(value: Any) -> bool:
    """Checks that a value is true or false."""
    if not isinstance(value, bool):
        raise wrong("true or false", value)
    return value


def integer(low: int, high: int) -> Check:
    """A check for integers from `low` to `high`."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise wrong(f"an integer from {low:,} to {high:,}", value)
        return value

    return Check(check, Annotated[int, Field(ge=low, le=high)])


def number(low: float = -1e30, high: float = 1e30) -> Check:
    """A check for numbers from `low` to `high`, which are converted to floats."""

    def check(value: Any) -> float:
        # Keras 2 wrote some numbers as one-element arrays: {"type": "ndarray", "value": 6.0}
        if isinstance(value, dict) and set(value) == {"type", "value"} and value["type"] == "ndarray":
            value = value["value"]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise wrong(f"a number from {low:g} to {high:g}", value)
        return float(value)

    return Check(check, Annotated[float, Field(ge=low, le=high)])


def choice(*names: Any) -> Check:
    """A check for one of the listed values."""

    def check(value: Any) -> Any:
        if isinstance(value, dict | list) or value not in names:
            raise wrong("one of " + ", ".join(map(str, names)), value)
        return value

    return Check(check, Literal.__getitem__(names))


def optional(inner: Check) -> Check:
    """A check that accepts None, and everything that `inner` accepts."""
    return Check(lambda value: None if value is None else inner(value), inner.annotation and inner.annotation | None)


def either(*checks: Check, expected: str = "a value of one of several types") -> Check:
    """A check that accepts what any of `checks` accepts; `expected` describes them all in messages."""

    def check(value: Any) -> Any:
        reasons = []
        for inner in checks:
            try:
                return inner(value)
            except ValueError as error:
                reasons.append(str(error))
        raise ValueError(reasons[-1])

    return Check(check, Annotated[Union.__getitem__(tuple(check.annotation for check in checks)), expects(expected)])


def numbers(inner: Check, low: int, high: int) -> Check:
    """A check for lists with `low` to `high` items, each of which `inner` accepts."""
    num_values = f"{low} to {high} values" if low < high else pluralize(low, "value")

    def check(value: Any) -> tuple[Any, ...]:
        value = plain_list(value)
        if not isinstance(value, list) or not low <= len(value) <= high:
            raise wrong(f"a list of {num_values}", value)
        return tuple(inner(item) for item in value)

    items = tuple.__class_getitem__((inner.annotation, ...))
    return Check(check, Annotated[items, Strict(False), Field(min_length=low, max_length=high)])


def pair(low: int, high: int) -> Check:
    """A check for [height, width], or for a single number that applies to both."""
    inner = integer(low, high)

    def check(value: Any) -> tuple[int, int]:
        value = plain_list(value)
        if isinstance(value, list):
            if len(value) != 2:
                raise wrong("one number, or [height, width]", value)
            return (inner(value[0]), inner(value[1]))
        return (inner(value), inner(value))

    return Check(check, _pair_type(low, high))


@written_as(_pair_type(0, 4096))
def edges(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Reads ((top, bottom), (left, right)) from one number, [height, width], or [[top, bottom], [left, right]]."""
    value = plain_list(value)
    inner = pair(0, 4096)
    if isinstance(value, list) and len(value) == 2:
        return (inner(value[0]), inner(value[1]))
    return (inner(value), inner(value))


def plain_list(value: Any) -> Any:
    """Converts a tuple, which Keras 3 writes as {"class_name": "__tuple__", "items": […]}, to a list."""
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":
        return value.get("items")
    return value


def ignored(*allowed: Any) -> Check:
    """A check for an argument that must be None or one of `allowed`, which have no effect; its value is not kept."""
    inner = choice(None, *allowed)

    def check(value: Any) -> Dropped:
        inner(value)
        return DROPPED

    return Check(check)
