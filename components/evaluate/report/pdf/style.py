"""Fonts and styles for the PDF report."""

from pathlib import Path
from typing import Any

from components.evaluate.report.charts.style import INK, RIGHT, SOFT


def register_fonts() -> None:
    """Registers matplotlib's DejaVu fonts, which contain Latin, Greek and Cyrillic on every machine."""
    from matplotlib import get_data_path
    from reportlab.lib.fonts import addMapping
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(get_data_path()) / "fonts" / "ttf"
    for name, file in (("Sans", "DejaVuSans"), ("Sans-Bold", "DejaVuSans-Bold"), ("Mono", "DejaVuSansMono")):
        registerFont(TTFont(name, folder / f"{file}.ttf"))
    for bold, italic in ((0, 0), (0, 1), (1, 0), (1, 1)):
        addMapping("Sans", bold, italic, "Sans-Bold" if bold else "Sans")
        addMapping("Mono", bold, italic, "Mono")


def text_styles() -> dict[str, Any]:
    """All text styles by name."""
    from reportlab.lib.styles import ParagraphStyle

    body = ParagraphStyle("body", fontName="Sans", fontSize=9.5, leading=14, textColor=INK, spaceAfter=4)
    return {
        "body": body,
        "title": ParagraphStyle("title", body, fontName="Sans-Bold", fontSize=22, leading=28),
        "verdict": ParagraphStyle(
            "verdict", body, fontName="Sans-Bold", fontSize=15, leading=20, spaceBefore=12, textColor=RIGHT
        ),
        "h2": ParagraphStyle(
            "h2", body, fontName="Sans-Bold", fontSize=14, leading=18, spaceBefore=18, spaceAfter=6, keepWithNext=1
        ),
        "h3": ParagraphStyle("h3", body, fontName="Sans-Bold", fontSize=10, spaceBefore=10, keepWithNext=1),
        "soft": ParagraphStyle("soft", body, textColor=SOFT, fontSize=8.5, leading=12.5),
        "item": ParagraphStyle("item", body, leftIndent=16, bulletIndent=2),
        "code": ParagraphStyle("code", body, fontName="Mono", fontSize=7.5, leading=11, spaceAfter=1),
        "cell": ParagraphStyle("cell", body, fontSize=8.5, leading=11, spaceAfter=0),
        "head": ParagraphStyle("head", body, fontSize=8, leading=10, spaceAfter=0, textColor=SOFT),
        "caption": ParagraphStyle("caption", body, fontSize=7.5, leading=10),
    }
