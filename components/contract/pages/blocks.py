"""What a report says, block by block. A printer lays it out: `printer` as a page, evaluate's PDF printer on paper."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from components.contract.pages.markup import Html


@dataclass(frozen=True)
class Mark:
    """Marked words; `kind` is an element (code, strong) or a class of the style sheet (soft, file, out …)."""

    kind: str
    text: str


@dataclass(frozen=True)
class Track:
    """A line from 0 to 1 with an interval and a value on it; paper leaves it out."""

    low: float
    value: float
    high: float


Words = str | Mark | Sequence[str | Mark]
Cell = Words | Track


def plain(words: Words) -> str:
    """The words without their marks."""
    if isinstance(words, str):
        return words
    return words.text if isinstance(words, Mark) else "".join(map(plain, words))


@dataclass(frozen=True)
class Heading:
    """The heading of a part of a section."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph; `style` holds classes of the style sheet: soft, small, lead."""

    words: Words
    style: str = ""


@dataclass(frozen=True)
class Items:
    """A list with bullets or numbers; `style` as in Text: caveats, short, insights."""

    entries: Sequence[Words]
    style: str = ""
    numbered: bool = False


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    entries: Sequence[tuple[str, Words]]


@dataclass(frozen=True)
class Column:
    """A column of a table; `style`: word (text, on the left), roomy (not on a phone), soft."""

    title: Words
    style: str = ""


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its heading.

    Attributes:
        columns: none if the rows need no headings.
        rows: cells, as many as columns.
        label: what it holds, for those who do not see it.
        search: what to write at the search field of a long table; None for no field.
        foot: the last row, which sums up.
        style: narrow.
    """

    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Cell]]
    label: str
    search: str | None = None
    foot: Sequence[str] = ()
    style: str = ""


@dataclass(frozen=True)
class Code:
    """Lines to copy."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        name: of the figure, for a printer that has it in another form.
        draw: the SVG element.
        label: of a wide chart that is scrolled, for those who do not see it.
    """

    name: str
    draw: Callable[[], Html]
    label: str | None = None


@dataclass(frozen=True)
class Charts:
    """Charts beside each other."""

    charts: Sequence[Chart]


@dataclass(frozen=True)
class Photo:
    """A photo, or several of the same, over a caption.

    Attributes:
        pictures: each uint8 (height, width, 3), RGB; none if there is none to show.
        descriptions: of each picture, for those who do not see it.
        caption: what is said of it.
        path: of its file.
    """

    pictures: Sequence[np.ndarray]
    descriptions: Sequence[str]
    caption: Words
    path: str | None = None


@dataclass(frozen=True)
class Photos:
    """Photos in rows; `style`: wide for pairs, small, or nothing."""

    photos: Sequence[Photo]
    style: Literal["", "small", "wide"] = ""


@dataclass(frozen=True)
class Case:
    """Photos that belong together, with a note."""

    note: str
    photos: Sequence[Photo]
    more: str = ""


@dataclass(frozen=True)
class Cases:
    """Cases beside each other."""

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
    """The conclusion.

    Attributes:
        word: the conclusion in a few words.
        tone: good, bad, warn or soft.
        blocks: the reasons.
        eyebrow: the kind of conclusion.
    """

    word: str
    tone: str
    blocks: "Sequence[Block]"
    eyebrow: str = "Verdict"


@dataclass(frozen=True)
class Fold:
    """Blocks that a click opens; paper shows them open."""

    title: str
    blocks: "Sequence[Block]"


@dataclass(frozen=True)
class Beside:
    """Two columns on a wide page; `is_split` False keeps them one after the other."""

    left: "Sequence[Block]"
    right: "Sequence[Block]"
    is_split: bool = True


@dataclass(frozen=True)
class PageOnly:
    """Blocks that paper leaves out, because they are too wide or only of use on a screen."""

    blocks: "Sequence[Block]"


@dataclass(frozen=True)
class Raw:
    """Markup of a library, such as an interactive plot."""

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
        id: of the element, for links.
        title: "" for the first one, which needs none.
        blocks: in their order.
        link: what the contents call it; None if they leave it out.
    """

    id: str
    title: str
    blocks: Sequence[Block]
    link: str | None = None
