"""Draws Mermaid diagrams as SVG while the site is built, so that its pages load nothing from other servers."""

import subprocess
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

SCRIPT = Path(__file__).with_suffix(".mjs")


class Mermaid(SphinxDirective):
    """A diagram in Mermaid's language, which GitHub draws without this extension."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Returns the diagram as inline SVG; if it cannot be drawn, reports a Sphinx warning."""
        source = "\n".join(self.content)
        result = subprocess.run(["node", SCRIPT], input=source, capture_output=True, text=True, check=False)
        if result.returncode:
            return [
                self.state.document.reporter.warning(
                    f"This diagram cannot be drawn:\n{result.stderr}", line=self.lineno
                )
            ]
        return [nodes.raw("", f'<div class="diagram">{result.stdout}</div>', format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directive."""
    app.add_directive("mermaid", Mermaid)
    return {"parallel_read_safe": True}
