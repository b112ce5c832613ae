"""Pictures of the prepared data for people: labeled samples, and photos per class."""

import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from components.contract.artifacts.dataset import SPLITS, SplitName
from components.contract.image.preview import GAP, TILE, draw_tile
from components.contract.pages.theme import COLORS
from components.contract.text import printable
from components.preprocess.manifest import Record
from components.preprocess.scan import Scan
from components.preprocess.shards import rows_of

SAMPLES: Final = 8
MAX_CLASSES: Final = 40
"""More would make a sheet that nobody looks through; the page counts all."""


def choose_samples(records: Sequence[Record], class_names: Sequence[str]) -> dict[str, list[int]]:
    """Rows of training photos to show of each class, chosen by content hash."""
    sample_rows: dict[str, list[int]] = {name: [] for name in class_names[:MAX_CLASSES]}
    for row, record in sorted(rows_of(records, "train"), key=lambda member: member[1].image_id):
        rows = sample_rows.get(str(record.class_name), [])
        if len(rows) < SAMPLES:
            rows.append(row)
    return sample_rows


def write_sheet(path: Path, sample_rows: dict[str, list[int]], scan: Scan) -> None:
    """A JPEG with a line of photos for each class, its name beside it."""
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


def class_chart(counts: Mapping[SplitName, Mapping[str, int]]) -> str:
    """Photos per class and split as an SVG element that stands alone or in a page: a bar per class.

    Of more than MAX_CLASSES, the largest and the smallest are shown; in their order all would be a page of 24,000 px.
    """
    names = list(counts["train"])
    if len(names) > MAX_CLASSES:
        by_size = sorted(names, key=lambda name: -sum(counts[split][name] for split in SPLITS))
        names = [*by_size[: MAX_CLASSES // 2], *by_size[-MAX_CLASSES // 2 :]]
    most = max((sum(counts[split][name] for split in SPLITS) for name in names), default=0) or 1
    line, left_margin, width, right_margin = 24, 150, 460, 60
    total_width, height = left_margin + width + right_margin, line * len(names) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_width} {height}" '
        f'width="{total_width}" role="img" aria-label="Photos per class and split" font-size="13" '
        'font-family="system-ui, sans-serif">'
    ]
    for number, split in enumerate(SPLITS):
        parts.append(
            f'<rect x="{left_margin + 110 * number}" y="4" width="12" height="12" style="{_fill(split)}"/>'
            f'<text x="{left_margin + 110 * number + 18}" y="14" fill="currentColor">{split}</text>'
        )
    for number, name in enumerate(names):
        top, start = 28 + line * number, float(left_margin)
        parts.append(
            f'<text x="{left_margin - 10}" y="{top + 14}" text-anchor="end" fill="currentColor">'
            f"{html.escape(_shorten(printable(name)))}</text>"
        )
        for split in SPLITS:
            share = width * counts[split][name] / most
            parts.append(
                f'<rect x="{start:.1f}" y="{top}" width="{share:.1f}" height="18" '
                f'style="{_fill(split)}"><title>{counts[split][name]:,} {split}</title></rect>'
            )
            start += share
        total = sum(counts[split][name] for split in SPLITS)
        parts.append(f'<text x="{start + 6:.1f}" y="{top + 14}" fill="currentColor">{total:,}</text>')
    return "".join(parts) + "</svg>"


def _fill(split: str) -> str:
    """The color of a split: the page's, or that of the theme if the picture stands alone."""
    return f"fill:var(--{split},{COLORS[split]})"
