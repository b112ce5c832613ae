"""Applies `--set` to a params tree."""

from collections.abc import Collection, Mapping
from typing import Any

from components.contract.errors import ParamsError
from components.contract.foreign.documents import DocumentError, parse_yaml


def apply_override(tree: dict[str, Any], override: str, sections: Mapping[str, Collection[str]]) -> None:
    """Sets one value of a params tree.

    Args:
        tree: the sections and their values; changed in place.
        override: `section.key=value`; the value is read as YAML.
        sections: the keys of each section, to suggest the section of a key that is written without one.

    Raises:
        ParamsError: the override does not have this form, or a parent of the key is a plain value.
    """
    key, equals, text = override.partition("=")
    keys = key.strip().split(".")
    if not equals or len(keys) < 2 or not all(keys):
        owners = [name for name, section_keys in sections.items() if keys[0] in section_keys]
        hint = f" (did you mean {owners[0]}.{override}?)" if owners and equals else ""
        raise ParamsError(f"--set needs section.key=value, such as train.epochs=5; found {override!r}{hint}.")
    try:
        value = parse_yaml(text)
    except DocumentError as error:
        raise ParamsError(f"--set {key[:200]}: the value must be YAML; found {text[:200]!r}: {error}") from None
    node = tree
    for depth, name in enumerate(keys[:-1]):
        child = node.setdefault(name, {})
        if child is None or child == "auto":
            child = node[name] = {}
        if not isinstance(child, dict):
            parent_key = ".".join(keys[: depth + 1])
            raise ParamsError(
                f"--set {key}: {parent_key} is the value {child!r} and has no keys. Set {parent_key} itself."
            )
        node = child
    node[keys[-1]] = value
