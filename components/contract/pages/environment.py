"""Jinja's environment for pages and cards."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contract.text import for_page

if TYPE_CHECKING:
    from jinja2 import Environment


def new_environment(folders: Sequence[Path], *, autoescape: bool = True, **settings: Any) -> "Environment":
    """An environment that escapes and refuses unknown names; foreign text is made safe to show.

    Args:
        folders: of the templates.
        autoescape: False only for what is no HTML and escapes by itself.
        settings: of Jinja, beside these.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=autoescape,  # noqa: S701 - the caller says so for Markdown alone
        finalize=for_page,
        undefined=StrictUndefined,
        trim_blocks=True,
        **settings,
    )
