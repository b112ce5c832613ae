"""The configuration of Sphinx, which builds the documentation: `make docs`."""

import re
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_extensions")]

import darkroom  # noqa: E402

project = "Darkroom"
version = release = darkroom.__version__
project_copyright = "the Darkroom maintainers, Apache-2.0"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "mermaid"]
exclude_patterns = ["_extensions", "pictures"]
templates_path: list[str] = []

# The guides are also read on GitHub, so their anchors and diagram blocks have GitHub's form.
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]

default_role = "code"  # docstrings mark code with single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
autodoc_default_options = {"exclude-members": "model_config"}

html_theme = "furo"
html_title = f"Darkroom {version}"
html_show_sphinx = False


def skip_constants(app: Sphinx, what: str, name: str, member: Any, skip: bool, options: Any) -> bool:
    """Returns whether to leave a member out: the reference lists types and functions, not module constants."""
    return skip or (what == "module" and not callable(member))


def show_trees(app: Sphinx, what: str, name: str, member: Any, options: Any, lines: list[str]) -> None:
    """Turns a table of files in a docstring into a literal block, so that its columns stay aligned."""
    paragraphs = [paragraph.split("\n") for paragraph in "\n".join(lines).split("\n\n")]
    lines.clear()
    for paragraph in paragraphs:
        is_tree = bool(re.match(r"\S+ {2,}\S", paragraph[0]))
        lines += ["::", "", *(f"   {line}" for line in paragraph), ""] if is_tree else [*paragraph, ""]


def setup(app: Sphinx) -> None:
    """Registers the functions above with Sphinx."""
    app.connect("autodoc-skip-member", skip_constants)
    app.connect("autodoc-process-docstring", show_trees)
