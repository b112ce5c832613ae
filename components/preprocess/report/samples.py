"""Draws pictures of the prepared data: labeled samples, and a chart of the photos per class."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from components.contract.artifacts.dataset import SPLITS, SplitName
from components.contract.image.preview import GAP, TILE, draw_tile
from components.contract.pages.markup import Html, node
from components.contract.pages.theme import COLORS
from components.contract.text import printable
from components.preprocess.manifest import Record
from components.preprocess.scan import Scan
from components.preprocess.shards import rows_of

SAMPLES: Final = 8
LINE: Final = 24
LEFT_MARGIN, BARS_WIDTH = 150, 460
MAX_CLASSES: Final = 40
"""More classes would make the pictures too large; the table in the report lists all classes."""


def choose_samples(records: Sequence[Record], class_names: Sequence[str]) -> dict[str, list[int]]:
    """Chooses training photos of each class to show, in the order of their content hashes. Returns rows by class."""
    sample_rows: dict[str, list[int]] = {name: [] for name in class_names[:MAX_CLASSES]}
    for row, record in sorted(rows_of(records, "train"), key=lambda member: member[1].image_id):
        rows = sample_rows.get(str(record.class_name), [])
        if len(rows) < SAMPLES:
            rows.append(row)
    return sample_rows


def write_sheet(path: Path, sample_rows: dict[str, list[int]], scan: Scan) -> None:
    """Writes a JPEG with the name of each class and a row of its photos."""
    step = TILE + GAP
    font = ImageFont.load_default(size=15)
    labels = [_shorten(printable(name)) for name in sample_rows]
    label_width = 4 * GAP + math.ceil(max(font.getlength(label) for label in labels))
    sheet = Image.new("RGB", (label_width + SAMPLES * step, GAP + len(sample_rows) * step), "white")
    draw = ImageDraw.Draw(sheet)
    for line, (label, rows) in enumerate(zip(labels, sample_rows.values(), strict=True)):
        top = GAP + line * step
        draw.text((2 * GAP, top + TILE // 2), label, fill="black", font=font, anchor="lm")
        for column, pixels in enumerate(scan.pixels(rows)):
            sheet.paste(draw_tile(pixels), (label_width + column * step, top))
    sheet.save(path, quality=88)


def _shorten(name: str, length: int = 18) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def class_chart(counts: Mapping[SplitName, Mapping[str, int]]) -> Html:
    """A bar chart of the photos per class and split, as an SVG element for a page or a file.

    If there are more than MAX_CLASSES classes, only the largest and the smallest are shown.
    """
    totals = {name: sum(counts[split][name] for split in SPLITS) for name in counts["train"]}
    names = list(totals)
    if len(names) > MAX_CLASSES:
        by_size = sorted(names, key=lambda name: -totals[name])
        names = [*by_size[: MAX_CLASSES // 2], *by_size[-MAX_CLASSES // 2 :]]
    scale = BARS_WIDTH / (max((totals[name] for name in names), default=0) or 1)
    parts = []
    for number, split in enumerate(SPLITS):
        left = LEFT_MARGIN + 110 * number
        parts += [_bar(split, left, 4, 12, 12), _text(split, left + 18, 14)]
    for number, name in enumerate(names):
        top, start = 28 + LINE * number, float(LEFT_MARGIN)
        parts.append(_text(_shorten(printable(name)), LEFT_MARGIN - 10, top + 14, anchor="end"))
        for split in SPLITS:
            width = scale * counts[split][name]
            parts.append(_bar(split, start, top, width, 18, f"{counts[split][name]:,} {split}"))
            start += width
        parts.append(_text(f"{totals[name]:,}", start + 6, top + 14))
    width, height = LEFT_MARGIN + BARS_WIDTH + 60, LINE * len(names) + 34
    return node(
        "svg",
        parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        role="img",
        aria_label="Photos per class and split",
        font_size=13,
        font_family="system-ui, sans-serif",
    )


def _bar(split: str, left: float, top: int, width: float, height: int, title: str | None = None) -> Html:
    """A bar in the color that the page defines for the split or, if the chart is a separate file, in a fixed color."""
    return node(
        "rect",
        node("title", title) if title else None,
        x=f"{left:.1f}",
        y=top,
        width=f"{width:.1f}",
        height=height,
        style=f"fill:var(--{split},{COLORS[split]})",
    )


def _text(text: str, left: float, baseline: int, anchor: str | None = None) -> Html:
    return node("text", text, x=f"{left:.1f}", y=baseline, text_anchor=anchor, fill="currentColor")
