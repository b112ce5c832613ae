"""The report for paper: a PDF made by reportlab, without a browser or a system library."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contract.system.atomic_files import write_file
from components.contract.text import printable
from components.evaluate.report.charts.style import SOFT
from components.evaluate.report.model import Content, reproduce_commands, reproduce_params, use_commands
from components.evaluate.report.pdf.results import add_calibration, add_failures, add_results
from components.evaluate.report.pdf.story import MARGIN, PAGE, Story
from components.evaluate.report.pdf.summary import add_data, add_model, add_verdict

if TYPE_CHECKING:
    from reportlab.platypus import Flowable


def write_pdf(target: Path, content: Content) -> None:
    """The report as a PDF file; equal contents give equal bytes."""
    from reportlab.platypus import SimpleDocTemplate

    file = io.BytesIO()
    name = content.evaluation.model_name
    document = SimpleDocTemplate(
        file,
        pagesize=PAGE,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=f"{name}: evaluation",
        author="Darkroom",
        lang="en",
        invariant=1,
    )

    def number_page(canvas: Any, _: object) -> None:
        canvas.setFont("Sans", 8)
        canvas.setFillColor(SOFT)
        canvas.drawString(MARGIN, MARGIN / 2, f"{printable(name)}: evaluation, made by Darkroom")
        canvas.drawRightString(PAGE[0] - MARGIN, MARGIN / 2, str(canvas.getPageNumber()))

    document.build(tell(content), onFirstPage=number_page, onLaterPages=number_page)
    write_file(target, file.getvalue())


def tell(content: Content) -> "list[Flowable]":
    """All of it, in the order of the page."""
    story = Story()
    add_verdict(story, content)
    add_data(story, content)
    add_model(story, content)
    add_results(story, content)
    add_failures(story, content)
    add_calibration(story, content)
    story.heading("What this means, and what to do next")
    story.list_items(content.insights, numbered=True)
    story.heading("Make it again")
    story.code(reproduce_commands(content))
    story.text("params.yaml of this model; the whole of it stands in the run’s folder and in its MLflow run:", "soft")
    story.code(reproduce_params(content))
    story.heading("Use it")
    story.text("The service answers with the class, its probability and those of all other classes.", "soft")
    story.code(use_commands())
    return story.parts
