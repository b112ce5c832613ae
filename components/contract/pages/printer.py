"""Renders blocks as a page: one self-contained HTML file."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

import numpy as np

from components.contract.pages.blocks import (
    Beside,
    Block,
    Case,
    Cases,
    Cell,
    Chart,
    Charts,
    Code,
    Column,
    Facts,
    Fold,
    Heading,
    Headline,
    Headlines,
    Items,
    Mark,
    PageOnly,
    Photo,
    Photos,
    Raw,
    Section,
    Sheet,
    Table,
    Text,
    Track,
    Verdict,
    Words,
)
from components.contract.pages.markup import Html, join, node
from components.contract.pages.pictures import SMALL_PIXELS, THUMBNAIL_PIXELS, data_uri, is_tiny, thumbnail
from components.contract.pages.theme import THEME_PATH

FOLDER: Final = Path(__file__).parent
CASE_PIXELS: Final = 224
NO_BREAK_SPACE: Final = "\N{NO-BREAK SPACE}"
ELEMENTS: Final = frozenset({"code", "strong"})
"""The kinds of Mark that are HTML elements; all others are classes of the style sheet."""


def render_page(title: str, *, eyebrow: str, heading: str, lead: str, sections: Sequence[Section]) -> str:
    """The page as HTML.

    Args:
        title: the title of the browser window.
        eyebrow: the kind of page, above the heading.
        heading: the subject of the page.
        lead: a sentence below the heading.
        sections: the sections, in order; those with a link are listed in the table of contents.
    """
    links = [node("li", node("a", part.link, href=f"#{part.id}")) for part in sections if part.link is not None]
    contents = node("nav", node("ul", links), aria_label="Contents", hidden=True) if links else None
    styles, scripts = (
        Html("\n".join(path.read_text("utf-8") for path in paths))
        for paths in ((THEME_PATH, FOLDER / "page.css"), (FOLDER / "page.js", FOLDER / "table_search.js"))
    )
    head = (
        node("meta", charset="utf-8"),
        node("meta", name="viewport", content="width=device-width, initial-scale=1"),
        node("title", title),
        node("link", rel="icon", href="data:,"),
        node("style", styles),
    )
    body = node(
        "div",
        node("header", _paragraph(eyebrow, "eyebrow"), node("h1", heading), _paragraph(lead, "soft"), contents),
        node("main", map(_section, sections)),
        node("footer", "Made by Darkroom. This file is self-contained: it loads nothing from elsewhere."),
        class_="page",
    )
    page = node("html", node("head", *head), node("body", body, node("script", scripts)), lang="en")
    return f"<!doctype html>\n{page}\n"


def _section(section: Section) -> Html:
    title = node("h2", section.title) if section.title else None
    return node("section", title, _blocks(section.blocks), id=section.id)


def _blocks(blocks: Sequence[Block]) -> Html:
    return join(("\n", _block(block)) for block in blocks)


def _block(block: Block) -> Html:
    match block:
        case Heading(text):
            return node("h3", text)
        case Text(words, style):
            return _paragraph(words, style)
        case Items(entries, style, numbered):
            items = [node("li", _words(entry)) for entry in entries]
            return node("ol" if numbered else "ul", items, class_=style or None)
        case Facts(entries):
            pairs = [node("div", node("dt", name), node("dd", _words(value))) for name, value in entries]
            return node("dl", pairs, class_="facts")
        case Table():
            return _table(block)
        case Code(text, style):
            return node("pre", text, class_=style or None)
        case Chart(_, draw, label):
            return node("div", draw(), class_="chart scroll", **_region(label))
        case Charts(charts):
            return node("div", map(_block, charts), class_="charts")
        case Photos(photos, style):
            size = SMALL_PIXELS if style == "small" else THUMBNAIL_PIXELS
            return node("div", [_photo(photo, size) for photo in photos], class_=f"photos {style}".rstrip())
        case Cases(cases):
            return node("div", map(_case, cases), class_="cases")
        case Sheet(jpeg, description):
            return node("img", class_="sheet", src=data_uri("jpeg", jpeg), alt=description)
        case Headlines(headlines):
            return node("div", map(_headline, headlines), class_="headlines")
        case Verdict(word, tone, blocks, eyebrow):
            title = (_paragraph(eyebrow, "eyebrow"), node("h2", word, class_="word"))
            return node("div", *title, _blocks(blocks), class_=f"verdict {tone}")
        case Fold(title, blocks):
            return node("details", node("summary", title), _blocks(blocks))
        case Beside(left, right, is_split):
            halves = [node("div", _blocks(half)) for half in (left, right)]
            return node("div", halves, class_="beside" if is_split else None)
        case PageOnly(blocks):
            return _blocks(blocks)
        case Raw(html):
            return html


def _words(words: Words) -> Html:
    if isinstance(words, str):
        return join([words])
    if not isinstance(words, Mark):
        return join(map(_words, words))
    return node(words.kind, words.text) if words.kind in ELEMENTS else node("span", words.text, class_=words.kind)


def _paragraph(words: Words, style: str) -> Html:
    return node("p", _words(words), class_=style or None)


def _region(label: str | None) -> dict[str, str]:
    """The attributes that let users reach and scroll an element by keyboard."""
    return {} if label is None else {"tabindex": "0", "role": "region", "aria_label": label}


def _table(table: Table) -> Html:
    columns = [column if isinstance(column, Column) else Column(column) for column in table.columns]
    head = [node("th", _words(column.title), scope="col", class_=column.style or None) for column in columns]
    styles = [column.style for column in columns[1:]]
    element = node(
        "table",
        node("thead", node("tr", head)) if head else None,
        node("tbody", [("\n", _row(row, styles)) for row in table.rows]),
        node("tfoot", _row(table.foot, styles)) if table.foot else None,
        data_search=table.search,
    )
    return node("div", element, class_=f"scroll {table.style}".rstrip(), **_region(table.label))


def _row(cells: Sequence[Cell], styles: Sequence[str]) -> Html:
    others = zip_longest(cells[1:], styles, fillvalue="word")
    return node(
        "tr",
        node("th", _cell(cells[0]), scope="row"),
        [node("td", _cell(cell), class_=style or None) for cell, style in others],
    )


def _cell(cell: Cell) -> Html:
    if isinstance(cell, Track):
        return _track(cell)
    return _words(cell.replace(" %", f"{NO_BREAK_SPACE}%") if isinstance(cell, str) else cell)


def _track(track: Track) -> Html:
    position = ";".join(
        f"--{name}:{100 * share:.2f}%"
        for name, share in (("low", track.low), ("high", track.high), ("at", track.value))
    )
    return node("span", node("i"), node("b"), class_="track", aria_hidden="true", style=position)


def _headline(headline: Headline) -> Html:
    ends = [node("span", end) for end in ("0 %", f"interval {headline.interval}", "100 %")]
    return node(
        "div",
        node("h3", headline.title),
        node("div", headline.value, class_="value"),
        _track(headline.track),
        node("div", ends, class_="ends"),
        _paragraph(headline.text, ""),
        class_="headline",
    )


def _photo(photo: Photo, size: int) -> Html:
    pictures = [
        _picture(pixels, description, size)
        for pixels, description in zip(photo.pictures, photo.descriptions, strict=True)
    ]
    if len(pictures) > 1:
        pictures = [node("div", pictures, class_="pair")]
    path = (" ", node("span", photo.path, class_="file")) if photo.path else None
    caption = node("figcaption", _words(photo.caption), path)
    return node("figure", pictures or node("div", "no picture", class_="blank"), caption)


def _picture(pixels: np.ndarray, description: str, size: int) -> Html:
    tiny = "tiny" if is_tiny(pixels) else None
    return node("img", src=data_uri(*thumbnail(pixels, size)), alt=description, class_=tiny)


def _case(case: Case) -> Html:
    note, more = (_paragraph(text, "note") if text else None for text in (case.note, case.more))
    photos = [_photo(photo, CASE_PIXELS) for photo in case.photos]
    return node("div", note, node("div", photos, class_="pair"), more, class_="case")
