"""The model card: what someone must know who uses the model, in Markdown (Mitchell et al., 2019)."""

import re

from components.contract.text import for_page
from components.evaluate.formatting import file_size, interval, percent
from components.evaluate.report.model import TEMPLATES_DIR, Content, reproduce_commands, use_commands


def render_card(content: Content) -> str:
    """The card as Markdown."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES_DIR),
        autoescape=False,  # noqa: S701 - Markdown, escaped by the filter `md`
        finalize=for_page,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"percent": percent, "interval": interval, "file_size": file_size, "md": escape}
    return environment.get_template("model_card.md.j2").render(
        evaluation=content.evaluation,
        dataset=content.dataset,
        bundle=content.bundle,
        test=content.figures.test,
        caveats=content.caveats,
        insights=content.insights,
        reproduce=reproduce_commands(content),
        use=use_commands(),
    )


def escape(text: str) -> str:
    """Text that Markdown shows as it stands; a class may be called *x* or [y](z)."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", " ".join(text.split()))
