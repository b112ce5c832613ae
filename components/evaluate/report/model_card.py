"""The model card: what users of the model must know, in Markdown (Mitchell et al., 2019)."""

import re
from collections.abc import Sequence
from pathlib import Path

from components.contract.artifacts.figures import ClassFigures, Figures
from components.contract.text import printable
from components.evaluate.formatting import file_size, interval, percent
from components.evaluate.report.model import Content, reproduce_commands, use_commands

MOST_CLASSES = 60
"""The maximum number of rows in a table; a model card must be short enough to be read from start to end."""


def render_card(content: Content) -> str:
    """The card as Markdown."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,  # noqa: S701 - Markdown, escaped by the filter `md`
        finalize=lambda value: printable(value, lines=True) if isinstance(value, str) else value,
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
        weakest=_weakest_classes(content.figures.test),
        most_classes=MOST_CLASSES,
        caveats=content.caveats,
        insights=content.insights,
        reproduce=reproduce_commands(content),
        use=use_commands(),
    )


def _weakest_classes(test: Figures) -> Sequence[ClassFigures]:
    """All classes in their usual order or, if there are more than MOST_CLASSES, only the weakest."""
    if len(test.per_class) <= MOST_CLASSES:
        return test.per_class
    by_f1 = sorted(test.per_class, key=lambda figures: 1.0 if figures.f1 is None else figures.f1)
    return by_f1[:MOST_CLASSES]


def escape(text: str) -> str:
    """Escapes text so that Markdown shows it unchanged; a class may be called *x* or [y](z)."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", " ".join(text.split()))
