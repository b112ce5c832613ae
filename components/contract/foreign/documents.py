"""Parses untrusted YAML and JSON within limits on size, depth, number of values and time."""

import datetime
import json
import math
import re
from pathlib import Path
from typing import Any, Final

from components.contract.errors import DarkroomError
from components.contract.system.budget import Budget, read_regular

MAX_YAML_BYTES: Final = 2**18
"""The YAML parser reads about 20 kB per second; a params.yaml has a few kB."""
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 100_000
"""The values that an alias refers to count each time the alias is used: with aliases, 800 bytes can expand to a billion
values."""
MAX_CHARACTERS: Final = 2**23
MAX_SECONDS: Final = 30.0

_BRACKETS: Final = re.compile(rf"(?:[\[{{]\s*){{{MAX_DEPTH + 1}}}")
"""More than MAX_DEPTH opening brackets in a row."""
_PLAIN = str | int | float | bool | None | datetime.date
"""The types of plain values; datetime.date includes its subclass datetime.datetime."""


class DocumentError(ValueError):
    """A document exceeds a limit or is invalid; the message is the reason, without the name of the document."""


def read_yaml(path: Path) -> Any:
    """Parses a YAML file with `parse_yaml`.

    Raises:
        OSError: the file cannot be read, or is not a regular file.
        UnicodeDecodeError: the file is not UTF-8.
        DocumentError: the file is not YAML, or exceeds a limit.
    """
    return parse_yaml(read_regular(path, MAX_YAML_BYTES).decode("utf-8"))


def parse_yaml(text: str) -> Any:
    """Parses a YAML document.

    Raises:
        DocumentError: the text is not YAML, has values that are not plain values, lists or mappings, or exceeds a
            limit.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if len(text) > MAX_YAML_BYTES:
        raise DocumentError(f"it has {len(text):,} characters, more than {MAX_YAML_BYTES:,}")
    if _BRACKETS.search(text):  # the parser would need quadratic time to detect this
        raise DocumentError(f"it is nested deeper than {MAX_DEPTH} levels")
    budget = Budget("the document", "Shorten it.", error=_TooSlowError)
    try:
        tree = budget.wait_for(lambda: YAML(typ="safe", pure=True).load(text), MAX_SECONDS)
    except _TooSlowError:
        raise DocumentError(f"it takes more than {MAX_SECONDS:.0f} s to parse") from None
    except RecursionError:
        raise DocumentError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    except YAMLError as error:
        raise DocumentError(" ".join(str(error).split())) from None
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError) as error:
        # ruamel.yaml converts numbers, dates and binary values without checking them first.
        raise DocumentError(
            f"a value cannot be converted ({' '.join(str(error).split()) or 'unknown reason'})"
        ) from None
    check_tree(tree)
    return tree


def parse_json(text: str | bytes, *, max_values: int = MAX_VALUES, max_characters: int = MAX_CHARACTERS) -> Any:
    """Parses a JSON document, whose numbers must be finite; the caller must limit the size of the text.

    Raises:
        DocumentError: the text is not JSON, or exceeds a limit.
    """
    try:
        tree = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise DocumentError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise DocumentError(str(error)) from None
    check_tree(tree, finite=True, max_values=max_values, max_characters=max_characters)
    return tree


def check_tree(
    tree: Any, *, finite: bool = False, max_values: int = MAX_VALUES, max_characters: int = MAX_CHARACTERS
) -> None:
    """Checks, without recursion, that a parsed document is small even after its aliases are expanded.

    Raises:
        DocumentError: the document is too deep or too large, or has keys or values of unsupported types.
    """
    level, num_values, num_characters = [tree], 1, 0
    for _ in range(MAX_DEPTH):
        children: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                for key in value:
                    if not isinstance(key, _PLAIN):
                        raise DocumentError("a key must be a single value; found a list or a mapping as a key")
                children += [*value, *value.values()]
            elif isinstance(value, list):
                children += value
            else:
                num_characters += _num_characters(value, finite=finite)
            if num_values + len(children) > max_values:
                raise DocumentError(f"it expands to more than {max_values:,} values")
            if num_characters > max_characters:
                raise DocumentError(f"it expands to more than {max_characters:,} characters")
        if not children:
            return
        num_values += len(children)
        level = children
    raise DocumentError(f"it is nested deeper than {MAX_DEPTH} levels")


def _num_characters(value: Any, *, finite: bool) -> int:
    if not isinstance(value, _PLAIN):
        raise DocumentError(f"values must be text, numbers, lists or mappings; found a {type(value).__name__}")
    if isinstance(value, int) and abs(value) >= 2**64:
        raise DocumentError("an integer has more than 64 bits")
    if finite and isinstance(value, float) and not math.isfinite(value):
        raise DocumentError("a number is not finite")
    return len(value) if isinstance(value, str) else 1


def _refuse_constant(text: str) -> float:
    raise DocumentError(f"{text} is not a JSON number")


class _TooSlowError(DarkroomError):
    """The parser takes too long."""
