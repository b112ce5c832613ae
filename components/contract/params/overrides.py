"""Applies `--set` to a params tree."""

from collections.abc import Collection, Mapping
from typing import Any

from components.contract.errors import ParamsError
from components.contract.foreign.documents import DocumentError, parse_yaml


def apply_override(tree: dict[str, Any], override: str, sections: Mapping[str, Collection[str]]) -> None:
    """Sets one value of a params tree.

    Args:
        tree: sections and their values; is changed.
        override: `section.key=value`; the value is read as YAML.
        sections: the keys of each, to suggest the section that a bare key belongs to.

    Raises:
        ParamsError: it has another form, or the key is within a plain value.
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
                f"--set {key}: {parent_key} is {child!r}, which has no keys of its own; set {parent_key} as a whole."
            )
        node = child
    node[keys[-1]] = value
