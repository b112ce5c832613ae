"""The building blocks of the report on paper, from headings to photos, and the page that holds them."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

import numpy as np

from components.contract.text import printable
from components.evaluate.report.charts.style import LINE, POINTS_PER_INCH
from components.evaluate.report.model import Content, Photo
from components.evaluate.report.pdf.photos import fit_picture, lay_out_explained_photos, lay_out_small_photos
from components.evaluate.report.pdf.style import register_fonts, text_styles

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

MARGIN: Final = 50.0
PAGE: Final = (595.28, 841.89)
"""A4, in points."""
WIDTH: Final = PAGE[0] - 2 * MARGIN
MOST_ROWS = 60
"""Of a table; the page holds them all, this paper the first."""
LEAST_SCALE = 0.6
"""Of a chart, below which its letters are too small for paper."""


class Story:
    """The parts of the report, one after the other."""

    def __init__(self) -> None:
        register_fonts()
        self._styles = text_styles()
        self.parts: list[Flowable] = []

    def heading(self, text: str) -> None:
        """Adds the heading of a section."""
        self.text(text, "h2")

    def text(self, text: str, style: str = "body") -> None:
        """Adds a paragraph."""
        from reportlab.platypus import Paragraph

        self.parts.append(Paragraph(escape(printable(text)), self._styles[style]))

    def list_items(self, sentences: Sequence[str], *, numbered: bool = False) -> None:
        """Adds a list, with bullets or numbers."""
        from reportlab.platypus import Paragraph

        for number, sentence in enumerate(sentences, start=1):
            bullet = f"{number}." if numbered else "•"
            self.parts.append(Paragraph(escape(printable(sentence)), self._styles["item"], bulletText=bullet))

    def code(self, text: str) -> None:
        """Adds lines in a fixed-width font."""
        from reportlab.platypus import Paragraph

        for line in text.splitlines():
            self.parts.append(Paragraph(escape(printable(line)), self._styles["code"]))

    def table(self, rows: Sequence[Sequence[str]], shares: Sequence[float]) -> None:
        """Adds a table whose first row is its head; `shares` of the page's width are its columns'."""
        from reportlab.platypus import Paragraph, Spacer, Table

        visible_rows = rows[: MOST_ROWS + 1]
        cells = [
            [Paragraph(escape(printable(text)), self._styles["head" if row_index == 0 else "cell"]) for text in row]
            for row_index, row in enumerate(visible_rows)
        ]
        self.parts.append(
            Table(
                cells,
                [share * WIDTH for share in shares],
                repeatRows=1,
                hAlign="LEFT",
                spaceBefore=6,
                style=[
                    ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
                    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                    ("TOPPADDING", (0, 0), (-1, -1), 2),
                    ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
                    ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ],
            )
        )
        if len(rows) > len(visible_rows):
            self.text(f"… and {len(rows) - len(visible_rows)} more, in report.html.", "soft")
        self.parts.append(Spacer(1, 6))

    def chart(self, content: Content, name: str, share: float) -> None:
        """Adds a chart of so much of the page's width, if the report has it."""
        if name in content.charts:
            self.parts.append(_picture(content, name, share * WIDTH))

    def charts_beside(self, content: Content, *names: str) -> None:
        """Adds those charts that the report has, one beside the other."""
        from reportlab.platypus import Table

        pictures = [_picture(content, name, 0.49 * WIDTH) for name in names if name in content.charts]
        if pictures:
            self.parts.append(
                Table(
                    [pictures],
                    [WIDTH / len(names)] * len(pictures),
                    hAlign="LEFT",
                    style=[("LEFTPADDING", (0, 0), (-1, -1), 0)],
                )
            )

    def picture(self, jpeg: bytes, width: float, height: float) -> None:
        """Adds a picture as large as it can be within these sides."""
        self.parts.append(fit_picture(io.BytesIO(jpeg), width, height))

    def explained_photos(self, photos: Sequence[Photo], class_names: Sequence[str]) -> None:
        """Adds photos, each beside what spoke for its answer."""
        self.parts.append(lay_out_explained_photos(photos, class_names, WIDTH, self._styles["caption"]))

    def captioned_photos(self, captioned_photos: Sequence[tuple[np.ndarray, str]]) -> None:
        """Adds small photos, uint8 (height, width, 3), RGB, over their captions."""
        if captioned_photos:
            self.parts.append(lay_out_small_photos(captioned_photos, WIDTH, self._styles["caption"]))


def _picture(content: Content, name: str, width: float) -> "Flowable":
    from reportlab.platypus import Image

    chart = content.charts[name]
    chart_width, chart_height = (POINTS_PER_INCH * side for side in chart.get_size_inches())
    page_height = PAGE[1] - 2 * MARGIN
    # A tall chart shares its page where its letters can still be read.
    height = min(max(0.5 * page_height, LEAST_SCALE * chart_height), 0.85 * page_height)
    scale = min(1.0, width / chart_width, height / chart_height)
    return Image(io.BytesIO(content.pictures[name]), chart_width * scale, chart_height * scale, hAlign="LEFT")
