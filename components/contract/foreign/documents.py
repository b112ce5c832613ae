"""YAML and JSON that somebody else wrote, parsed within limits of size, depth, values and time."""

import datetime
import json
import math
import re
from pathlib import Path
from typing import Any, Final

from components.contract.errors import DarkroomError
from components.contract.system.budget import Budget, read_regular

MAX_YAML_BYTES: Final = 2**18
"""The YAML parser reads some 20 kB a second; a params.yaml has a few."""
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 100_000
"""Aliases count as often as they are used: 800 bytes of them can stand for a billion values."""
MAX_CHARACTERS: Final = 2**23
MAX_SECONDS: Final = 30.0

_BRACKETS: Final = re.compile(rf"(?:[\[{{]\s*){{{MAX_DEPTH + 1}}}")
"""So many opening brackets in a row."""

_PLAIN = str | int | float | bool | None | datetime.date
"""datetime.datetime is a kind of date."""


class DocumentError(ValueError):
    """A document breaks a limit, or the rules of its format; the text is the reason without its place."""


def read_yaml(path: Path) -> Any:
    """A YAML file, parsed by `parse_yaml`.

    Raises:
        OSError: it cannot be read, or is not a regular file.
        UnicodeDecodeError: it is not UTF-8.
        DocumentError: it is not YAML, or breaks a limit.
    """
    return parse_yaml(read_regular(path, MAX_YAML_BYTES).decode("utf-8"))


def parse_yaml(text: str) -> Any:
    """A YAML document.

    Raises:
        DocumentError: it is not YAML of texts, numbers, lists and mappings, or breaks a limit.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if len(text) > MAX_YAML_BYTES:
        raise DocumentError(f"it has {len(text):,} characters, more than {MAX_YAML_BYTES:,}")
    if _BRACKETS.search(text):  # over which the parser takes quadratic time before it notices
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
        # ruamel converts numbers, dates and binary texts without checking them first.
        raise DocumentError(
            f"a value cannot be converted ({' '.join(str(error).split()) or 'of unknown kind'})"
        ) from None
    check_tree(tree)
    return tree


def parse_json(text: str | bytes, *, max_values: int = MAX_VALUES, max_characters: int = MAX_CHARACTERS) -> Any:
    """A JSON document of finite numbers; whoever receives the text bounds its size.

    Raises:
        DocumentError: it is no JSON, or breaks a limit.
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
    """Checks that a parsed document stays small when it is written out, without recursion.

    Raises:
        DocumentError: it is too deep or too large, or holds keys or values that JSON does not have.
    """
    level, num_values, num_characters = [tree], 1, 0
    for _ in range(MAX_DEPTH):
        children: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                for key in value:
                    if not isinstance(key, _PLAIN):
                        raise DocumentError("a key must be text; one is a list or a mapping")
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
        raise DocumentError(f"a value must be text, a number, a list or a mapping; one is a {type(value).__name__}")
    if isinstance(value, int) and abs(value) >= 2**64:
        raise DocumentError("an integer has more than 64 bits")
    if finite and isinstance(value, float) and not math.isfinite(value):
        raise DocumentError("a number is not finite")
    return len(value) if isinstance(value, str) else 1


def _refuse_constant(text: str) -> float:
    raise DocumentError(f"{text} is not a JSON number")


class _TooSlowError(DarkroomError):
    """The parser needs too long."""
