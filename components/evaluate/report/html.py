"""Renders the report as a page: one self-contained HTML file."""

from components.contract.pages.printer import render_page
from components.evaluate.report.model import Content
from components.evaluate.report.story.report import build_sections, headings


def render(content: Content) -> str:
    """The report as HTML."""
    return render_page(**headings(content), sections=build_sections(content))
