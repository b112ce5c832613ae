"""Turns the blocks of the report into PDF elements that flow across the pages."""

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from components.contract.pages.blocks import (
    Beside,
    Block,
    Cell,
    Chart,
    Charts,
    Code,
    Column,
    Facts,
    Fold,
    Heading,
    Headlines,
    Items,
    Mark,
    PageOnly,
    Photos,
    Section,
    Sheet,
    Table,
    Text,
    Track,
    Verdict,
    Words,
    plain,
)
from components.contract.pages.theme import COLORS
from components.contract.text import printable
from components.evaluate.report.charts.style import POINTS_PER_INCH
from components.evaluate.report.model import Content
from components.evaluate.report.pdf.photos import fit_picture, lay_out_photos
from components.evaluate.report.pdf.style import register_fonts, text_styles

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

MARGIN: Final = 50.0
PAGE: Final = (595.28, 841.89)
"""A4, in points."""
WIDTH: Final = PAGE[0] - 2 * MARGIN
MOST_ROWS = 60
"""The maximum number of rows in a PDF table; the HTML page contains all rows."""
LEAST_SCALE = 0.6
"""The smallest scale of a chart; at a smaller scale, its text is too small in print."""
CHART_SHARE = 0.8
"""The share of the text width that a single chart takes up."""
CELL_GAP = 12.0


class Printer:
    """Converts blocks to ReportLab flowables."""

    def __init__(self, content: Content) -> None:
        """Registers the fonts, and stores the content with its charts.

        Args:
            content: the content of the report; its pictures are the charts as PNG files.
        """
        register_fonts()
        self._styles = text_styles()
        self._content = content

    def lay_out(self, sections: Sequence[Section]) -> "Iterator[Flowable]":
        """All sections, one after the other."""
        for section in sections:
            if section.title:
                yield self._paragraph(section.title, "h2")
            yield from self._blocks(section.blocks)

    def title(self, heading: str, lead: str) -> "Iterator[Flowable]":
        """The title block."""
        yield self._paragraph(heading, "title")
        yield self._paragraph(lead, "soft")

    def _blocks(self, blocks: Sequence[Block]) -> "Iterator[Flowable]":
        for block in blocks:
            yield from self._block(block)

    def _block(self, block: Block) -> "Iterator[Flowable]":
        match block:
            case Heading(text):
                yield self._paragraph(text, "h3")
            case Text(words, style):
                yield self._paragraph(words, "soft" if "soft" in style else "body")
            case Items(entries, _, numbered):
                for number, entry in enumerate(entries, start=1):
                    yield self._paragraph(entry, "item", f"{number}." if numbered else "•")
            case Facts(entries):
                yield from self._table([], entries)
            case Table(columns, rows):
                yield from self._table(columns, rows)
            case Code(text):
                yield from (self._paragraph(line, "code") for line in text.splitlines())
            case Chart():
                yield self._chart(block, CHART_SHARE * WIDTH)
            case Charts(charts):
                yield self._row_of_charts(charts)
            case Photos(photos, style) if photos:
                yield lay_out_photos(photos, 3 if style == "wide" else 6, WIDTH, self._styles["caption"])
            case Photos():
                return
            case Sheet(jpeg):
                yield fit_picture(io.BytesIO(jpeg), 0.9 * WIDTH, 0.4 * PAGE[1])
            case Headlines(headlines):
                rows = [[headline.title, headline.value, headline.interval] for headline in headlines]
                yield from self._table(["", "test", "95 % interval"], rows)
            case Verdict(word, _, blocks, eyebrow):
                yield self._paragraph(f"{eyebrow}: {word}", "verdict")
                yield from self._blocks(blocks)
            case Fold(title, blocks):
                yield self._paragraph(title, "h3")
                yield from self._blocks(blocks)
            case Beside(left, right):
                yield from self._blocks((*left, *right))
            case PageOnly():
                return
            case _:
                raise TypeError(f"The PDF cannot show a {type(block).__name__}.")

    def _paragraph(self, words: Words, style: str, bullet: str | None = None) -> "Flowable":
        from reportlab.platypus import Paragraph

        return Paragraph(_markup(words), self._styles[style], bulletText=bullet)

    def _table(self, columns: Sequence[Column | str], rows: Sequence[Sequence[Cell]]) -> "Iterator[Flowable]":
        from reportlab.platypus import Spacer
        from reportlab.platypus import Table as PaperTable

        titles = [column.title if isinstance(column, Column) else column for column in columns]
        visible_rows = [*([titles] if titles else []), *rows[:MOST_ROWS]]
        kept = [
            place
            for place in range(len(visible_rows[0]) if visible_rows else 0)
            if not any(isinstance(row[place], Track) for row in visible_rows)
        ]
        cells = [[_words(row[place]) for place in kept] for row in visible_rows]
        if not cells:
            return
        yield PaperTable(
            [
                [self._paragraph(words, "head" if titles and row_index == 0 else "cell") for words in row]
                for row_index, row in enumerate(cells)
            ],
            _fit_widths(cells),
            repeatRows=1 if titles else 0,
            hAlign="LEFT",
            spaceBefore=6,
            style=[
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, COLORS["line"]),
                ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ],
        )
        if len(rows) > MOST_ROWS:
            yield self._paragraph(f"… and {len(rows) - MOST_ROWS} more, in report.html.", "soft")
        yield Spacer(1, 6)

    def _chart(self, chart: Chart, width: float) -> "Flowable":
        from reportlab.platypus import Image

        figure = self._content.charts[chart.name]
        chart_width, chart_height = (POINTS_PER_INCH * side for side in figure.get_size_inches())
        page_height = PAGE[1] - 2 * MARGIN
        # A tall chart is limited to half a page if its text is still readable at that size.
        height = min(max(0.5 * page_height, LEAST_SCALE * chart_height), 0.85 * page_height)
        scale = min(1.0, width / chart_width, height / chart_height)
        picture = io.BytesIO(self._content.pictures[chart.name])
        return Image(picture, chart_width * scale, chart_height * scale, hAlign="LEFT")

    def _row_of_charts(self, charts: Sequence[Chart]) -> "Flowable":
        from reportlab.platypus import Table as PaperTable

        return PaperTable(
            [[self._chart(chart, 0.98 * WIDTH / len(charts)) for chart in charts]],
            [WIDTH / len(charts)] * len(charts),
            hAlign="LEFT",
            style=[("LEFTPADDING", (0, 0), (-1, -1), 0)],
        )


def _words(cell: Cell) -> Words:
    return "" if isinstance(cell, Track) else cell


def _markup(words: Words) -> str:
    """Converts words to ReportLab's own markup."""
    if isinstance(words, str):
        return escape(printable(words))
    if not isinstance(words, Mark):
        return "".join(map(_markup, words))
    kind, _, color = words.kind.partition(" ")
    text = escape(printable(words.text))
    if kind == "code":
        return f'<font name="Mono">{text}</font>'
    if kind == "strong":
        return f"<b>{text}</b>"
    if kind == "key":
        return f'<font color="{COLORS[color]}">■</font> '
    return f'<font color="{COLORS["accent" if kind == "eyebrow" else "soft"]}">{text}</font>'


def _font(words: Words) -> str:
    return "Mono" if isinstance(words, Mark) and words.kind == "code" else "Sans"


def _fit_widths(rows: Sequence[Sequence[Words]]) -> list[float]:
    """The width that each column needs; if the sum is too large, the widest columns share the remaining space."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    needed = [
        max(stringWidth(printable(plain(words)), _font(words), 9) for words in column) + CELL_GAP
        for column in zip(*rows, strict=True)
    ]
    left, limit = WIDTH, WIDTH
    for place, width in enumerate(sorted(needed)):
        limit = left / (len(needed) - place)
        if width > limit:
            break
        left -= width
    return [min(width, limit) for width in needed] if sum(needed) > WIDTH else needed
