"""Writes the report as a PDF with ReportLab, which needs neither a browser nor system libraries."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contract.pages.theme import COLORS
from components.contract.system.atomic_files import write_file
from components.contract.text import printable
from components.evaluate.report.model import Content
from components.evaluate.report.pdf.printer import MARGIN, PAGE, Printer
from components.evaluate.report.story.report import build_sections, headings

if TYPE_CHECKING:
    from reportlab.platypus import Flowable


def write_pdf(target: Path, content: Content) -> None:
    """Writes the report as a PDF file; the same content produces the same bytes."""
    from reportlab.platypus import SimpleDocTemplate

    file = io.BytesIO()
    title = headings(content)["title"]
    document = SimpleDocTemplate(
        file,
        pagesize=PAGE,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=title,
        author="Darkroom",
        lang="en",
        invariant=1,
    )

    def number_page(canvas: Any, _: object) -> None:
        canvas.setFont("Sans", 8)
        canvas.setFillColor(COLORS["soft"])
        canvas.drawString(MARGIN, MARGIN / 2, f"{printable(title)}, made by Darkroom")
        canvas.drawRightString(PAGE[0] - MARGIN, MARGIN / 2, str(canvas.getPageNumber()))

    document.build(lay_out(content), onFirstPage=number_page, onLaterPages=number_page)
    write_file(target, file.getvalue())


def lay_out(content: Content) -> "list[Flowable]":
    """All blocks of the report, in the same order as on the page."""
    printer, texts = Printer(content), headings(content)
    return [*printer.title(texts["heading"], texts["lead"]), *printer.lay_out(build_sections(content))]
