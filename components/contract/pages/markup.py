"""Builds HTML and SVG; all text that is not yet markup is escaped."""

from collections.abc import Iterable
from html import escape
from typing import Final

from components.contract.text import printable

VOID: Final = frozenset({"img", "link", "meta"})


class Html(str):
    """Markup, which is not escaped again."""

    __slots__ = ()


Child = str | None | Iterable["Child"]


def node(tag: str, *children: Child, **attributes: object) -> Html:
    """Builds an HTML or SVG element.

    Args:
        tag: the name of the element.
        children: markup, text, None, or (nested) iterables of these.
        attributes: `class_` means class, `text_anchor` means text-anchor; None and False omit the attribute, True
            writes it without a value.
    """
    parts = [tag]
    for name, value in attributes.items():
        if value is not None and value is not False:
            key = name.rstrip("_").replace("_", "-")
            parts.append(key if value is True else f'{key}="{_escape(str(value))}"')
    opening = f"<{' '.join(parts)}>"
    return Html(opening if tag in VOID else f"{opening}{join(children)}</{tag}>")


def join(children: Iterable[Child]) -> Html:
    """Concatenates the children."""
    return Html("".join(map(_child, children)))


def _child(child: Child) -> str:
    if child is None or isinstance(child, Html):
        return child or ""
    return _escape(child) if isinstance(child, str) else join(child)


def _escape(text: str) -> str:
    return escape(printable(text, lines=True))
