"""The content of a report as blocks. `printer` renders them as HTML; evaluate's PDF printer renders them for paper."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from components.contract.pages.markup import Html


@dataclass(frozen=True)
class Mark:
    """Marked-up words; `kind` is an HTML element (code, strong) or a class of the style sheet (soft, file, out …)."""

    kind: str
    text: str


@dataclass(frozen=True)
class Track:
    """A line from 0 to 1 with an interval and a value on it; not printed on paper."""

    low: float
    value: float
    high: float


Words = str | Mark | Sequence[str | Mark]
Cell = Words | Track


def plain(words: Words) -> str:
    """The words without markup."""
    if isinstance(words, str):
        return words
    return words.text if isinstance(words, Mark) else "".join(map(plain, words))


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph; `style` contains classes of the style sheet: soft, small, lead."""

    words: Words
    style: str = ""


@dataclass(frozen=True)
class Items:
    """A bulleted or numbered list; `style` contains classes of the style sheet: caveats, short, insights."""

    entries: Sequence[Words]
    style: str = ""
    numbered: bool = False


@dataclass(frozen=True)
class Facts:
    """A list of names and values."""

    entries: Sequence[tuple[str, Words]]


@dataclass(frozen=True)
class Column:
    """A column of a table; `style` contains classes: word (left-aligned text), roomy (hidden on phones), soft."""

    title: Words
    style: str = ""


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its heading.

    Attributes:
        columns: the columns; empty if the table needs no header.
        rows: the rows, each with as many cells as there are columns.
        label: describes the content of the table, for screen readers.
        search: the label of a search field for a long table; None for no search field.
        foot: the last row, a summary.
        style: `narrow`, a class of the style sheet, or empty.
    """

    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Cell]]
    label: str
    search: str | None = None
    foot: Sequence[str] = ()
    style: str = ""


@dataclass(frozen=True)
class Code:
    """Text to copy, such as commands."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        name: the name of the chart, for printers that draw it differently.
        draw: returns the SVG element.
        label: describes a wide chart that scrolls, for screen readers; None for other charts.
    """

    name: str
    draw: Callable[[], Html]
    label: str | None = None


@dataclass(frozen=True)
class Charts:
    """Charts next to each other."""

    charts: Sequence[Chart]


@dataclass(frozen=True)
class Photo:
    """A photo, or several views of it, above a caption.

    Attributes:
        pictures: each uint8 (height, width, 3), RGB; empty if there is nothing to show.
        descriptions: one for each picture, for screen readers.
        caption: the text below the pictures.
        path: the path of the file.
    """

    pictures: Sequence[np.ndarray]
    descriptions: Sequence[str]
    caption: Words
    path: str | None = None


@dataclass(frozen=True)
class Photos:
    """Photos in a grid; `style` is wide (for pairs), small or empty."""

    photos: Sequence[Photo]
    style: Literal["", "small", "wide"] = ""


@dataclass(frozen=True)
class Case:
    """Photos that belong together, with a note above and more text below."""

    note: str
    photos: Sequence[Photo]
    more: str = ""


@dataclass(frozen=True)
class Cases:
    """Cases next to each other."""

    cases: Sequence[Case]


@dataclass(frozen=True)
class Sheet:
    """A JPEG file, such as a sheet of samples."""

    jpeg: bytes
    description: str


class Headline(NamedTuple):
    """A headline figure, with its interval and its meaning."""

    title: str
    value: str
    interval: str
    track: Track
    text: str


@dataclass(frozen=True)
class Headlines:
    """Headline figures, side by side."""

    headlines: Sequence[Headline]


@dataclass(frozen=True)
class Verdict:
    """The conclusion of a report.

    Attributes:
        word: the conclusion in a few words.
        tone: good, bad, warn or soft.
        blocks: the reasons.
        eyebrow: the kind of conclusion, shown above the word.
    """

    word: str
    tone: str
    blocks: "Sequence[Block]"
    eyebrow: str = "Verdict"


@dataclass(frozen=True)
class Fold:
    """Blocks that a click expands; on paper they are always expanded."""

    title: str
    blocks: "Sequence[Block]"


@dataclass(frozen=True)
class Beside:
    """Two groups of blocks, side by side on a wide page; if `is_split` is False, one below the other."""

    left: "Sequence[Block]"
    right: "Sequence[Block]"
    is_split: bool = True


@dataclass(frozen=True)
class PageOnly:
    """Blocks that are not printed on paper, because they are too wide or only useful on a screen."""

    blocks: "Sequence[Block]"


@dataclass(frozen=True)
class Raw:
    """Markup from a library, such as an interactive plot."""

    html: Html


Block = (
    Heading
    | Text
    | Items
    | Facts
    | Table
    | Code
    | Chart
    | Charts
    | Photos
    | Cases
    | Sheet
    | Headlines
    | Verdict
    | Fold
    | Beside
    | PageOnly
    | Raw
)


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes:
        id: the id of the HTML element, for links.
        title: the heading; "" for the first section, which needs none.
        blocks: the blocks, in order.
        link: the title in the table of contents; None if the section is not listed there.
    """

    id: str
    title: str
    blocks: Sequence[Block]
    link: str | None = None
