"""Rewords pydantic's errors: they state the key, what was expected, what was found, and the nearest valid key."""

import difflib
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError, WrapValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

CUSTOM = "darkroom"
"""The error type of messages that are shown unchanged."""
DICT = "dict"
"""Tags the member of a union that is a dict with keys chosen by the user."""


def fault(message: str) -> PydanticCustomError:
    """An error for a validator to raise; its message is shown to the user unchanged."""
    return PydanticCustomError(CUSTOM, "{message}", {"message": message})


def expects(description: str) -> WrapValidator:
    """Replaces pydantic's errors for a union, which have a line per member, with one description of what is expected.

    The wrapped validator receives a JSON array as a Python list, so tuple types need `Strict(False)` to accept it.
    """

    def validate(value: Any, inner: Callable[[Any], Any]) -> Any:
        try:
            return inner(value)
        except ValidationError:
            raise fault(f"expected {description}; found {json.dumps(value)}{_correction('', value)}") from None

    return WrapValidator(validate)


def explain(error: ValidationError, model: type[BaseModel], origin: str) -> str:
    """All errors, one per line, as `origin: key: problem`."""
    return "\n".join(f"{origin}: {path + ': ' if path else ''}{problem}." for path, problem in faults(error, model))


def faults(error: ValidationError, model: type[BaseModel]) -> list[tuple[str, str]]:
    """(dotted key, problem) for each error."""
    result = []
    for details in error.errors(include_url=False):
        is_unknown = details["type"] == "extra_forbidden"
        owners, keys = _walk(model, details["loc"], ends_unknown=is_unknown)
        problem = details["msg"]
        if is_unknown:
            problem = f"unknown key{nearest(str(keys[-1]), _fields(owners[-1]) if owners else ())}"
        elif details["type"] == "json_invalid":
            problem = f"invalid JSON: {details['ctx']['error']}"
        elif details["type"] == "missing":
            problem = "required, but missing"
        elif details["type"] != CUSTOM:
            for prefix in ("Input should be ", "Value should be "):
                problem = problem.removeprefix(prefix)
            if details["type"] == "too_short":
                problem = f"a length of at least {details['ctx']['min_length']}"
            elif details["type"] == "too_long":
                problem = f"a length of at most {details['ctx']['max_length']}"
            problem = f"expected {problem}; found {json.dumps(details['input'], default=str)}"
            if details["type"] == "literal_error":
                problem += suggestion(str(details["input"]), re.findall(r"'([^']+)'", details["ctx"]["expected"]))
            else:
                problem += _correction(details["type"], details["input"])
        result.append((_dotted(keys), problem))
    return result


MAX_LISTED = 20
"""The maximum number of valid words that a message lists."""


def nearest(word: str, known_words: Iterable[str]) -> str:
    """` (did you mean …?)`, or the list of known words if none is similar."""
    words = list(known_words)
    listing = ", ".join(words[:MAX_LISTED]) + (f" … ({len(words)} in total)" if len(words) > MAX_LISTED else "")
    return suggestion(word, words) or (f"; valid values are {listing}" if words else "")


def suggestion(word: str, known_words: Iterable[str], cutoff: float = 0.5) -> str:
    """` (did you mean …?)`, or an empty string if no known word is similar."""
    folded = {name.casefold(): name for name in known_words}
    matches = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=cutoff)
    return f" (did you mean {folded[matches[0]]}?)" if matches else ""


_TRUTHS = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
_EXPECTED_NUMBERS = ("int_type", "int_from_float", "float_type")


def _correction(error_type: str, value: Any) -> str:
    """` (write …)` with the YAML for a common mistake, such as `yes` for `true`; an empty string for other values."""
    text = value.strip() if isinstance(value, str) else ""
    sides = re.fullmatch(r"[(\[]?\s*(\d+)\s*[x×,]\s*(\d+)\s*[)\]]?", text)
    yaml = None
    if error_type == "bool_type":
        yaml = _TRUTHS.get(text.casefold())
    elif error_type in _EXPECTED_NUMBERS and re.fullmatch(r"[+-]?\d+([.,]\d+)?(e[+-]?\d+)?", text, re.IGNORECASE):
        yaml = text.replace(",", ".")
    elif error_type in _EXPECTED_NUMBERS and isinstance(value, float) and value.is_integer():
        yaml = str(int(value))
    elif error_type == "" and sides is not None:
        yaml = f"[{sides[1]}, {sides[2]}]"
    elif text.casefold() in ("none", "null") or (value is False and error_type in ("model_type", "")):
        yaml = "null"
    return f" (write {yaml})" if yaml is not None else ""


def _walk(
    model: type[BaseModel], location: tuple[int | str, ...], *, ends_unknown: bool
) -> tuple[list[type[BaseModel]], list[int | str]]:
    """The models along the path of an error, and the keys that the user wrote, without pydantic's union tags.

    The key that follows the tag DICT is one that the user chose.
    """
    owners: list[type[BaseModel]] = []
    keys: list[int | str] = []
    candidates: list[type[BaseModel]] = [model]
    for position, key in enumerate(location):
        owner = next((candidate for candidate in candidates if key in _fields(candidate)), None)
        if owner is not None:
            owners.append(owner)
            candidates = _models_within(_fields(owner)[str(key)].annotation)
        elif ends_unknown and position == len(location) - 1:
            owners += candidates[:1]
        elif isinstance(key, str) and location[position - 1] != DICT:
            continue
        keys.append(key)
    return owners, keys


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model, by the keys that the user writes."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models_within(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in get_args(annotation) for model in _models_within(part)]


def _dotted(keys: Iterable[int | str]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
