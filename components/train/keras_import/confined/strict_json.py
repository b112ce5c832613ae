"""Parses untrusted JSON within limits."""

import json
import math
from collections import Counter
from typing import Any, Final

from components.contract.errors import UploadError
from components.train.keras_import.description.allow_list import MODELS

COMPILE_KEY: Final = "compile_config"
MAX_TEXT: Final = 1000
"""The maximum number of characters in a string; longer than any name in a network's description."""


def parse(text: str, what: str, *, max_bytes: int, max_depth: int) -> dict[str, Any]:
    """Parses a JSON object.

    Args:
        text: the JSON.
        what: the name of the JSON for error messages, such as `config.json`.
        max_bytes: the maximum size of the text.
        max_depth: the maximum nesting of objects and lists.

    Raises:
        UploadError: the text is not a JSON object, is too long or too deeply nested, has a duplicate key, or contains a
            number or a string that no network's description contains.
    """
    if len(text.encode("utf-8", "surrogatepass")) > max_bytes:
        raise UploadError(
            f"{what} must describe the network in at most {max_bytes:,} bytes; it is longer. Save the "
            "model again with Keras."
        )
    try:
        tree = json.loads(text, object_pairs_hook=_read_object)
        _check(tree, max_depth)
    except RecursionError:
        raise _refused(what, f"it is nested deeper than {max_depth} levels") from None
    except ValueError as error:
        raise _refused(what, str(error)) from None
    if not isinstance(tree, dict):
        raise _refused(what, f"found {type(tree).__name__}, not an object")
    return tree


def _refused(what: str, why: str) -> UploadError:
    return UploadError(f"{what} must be the JSON description of a network; {why}. Save the model again with Keras.")


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Rejects duplicate keys, and drops the compile config, which is not needed and may name anything."""
    tree = dict(pairs)
    if len(tree) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twin = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"the key {twin[:80]!r} occurs twice in one object")
    if isinstance(tree.get("class_name"), str) and tree["class_name"] in MODELS:
        tree.pop(COMPILE_KEY, None)
    return tree


def _check(tree: Any, max_depth: int) -> None:
    """Checks values without recursion, so that deep nesting cannot exhaust the stack."""
    level = [tree]
    for _ in range(max_depth):
        children: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                children += [*value, *value.values()]
            elif isinstance(value, list):
                children += value
            elif isinstance(value, str) and (len(value) > MAX_TEXT or "\0" in value):
                raise ValueError(f"a string of {len(value):,} characters is too long or has a NUL: {value[:40]!r}…")
            elif isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{json.dumps(value)} is not a finite number")
            elif isinstance(value, int) and abs(value) > 2**63:
                raise ValueError("an integer has more than 64 bits")
        if not children:
            return
        level = children
    raise ValueError(f"it is nested deeper than {max_depth} levels")
