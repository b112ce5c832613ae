"""A network as a picture: SVG, a box for each layer from top to bottom, and a line for each tensor."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from components.contract.layers.shapes import shape_text
from components.contract.layers.summary import Row

WIDTH: Final = 420
BOX_HEIGHT, GAP, MARGIN = 40, 18, 16
LANE: Final = 14
"""Pixels between two lines that pass boxes by."""


def draw(rows: Sequence[Row], title: str) -> str:
    """The picture, as the text of an SVG file."""
    place = {row.name: number for number, row in enumerate(rows)}
    passing = [
        (place[name], place[row.name]) for row in rows for name in row.takes if place[row.name] - place[name] > 1
    ]
    lanes = _lanes(passing)
    width = MARGIN * 2 + WIDTH + LANE * (max(lanes, default=-1) + 2)
    height = MARGIN * 2 + len(rows) * (BOX_HEIGHT + GAP) - GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="system-ui, sans-serif">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        *(_line(number) for number, row in enumerate(rows) if number and rows[number - 1].name in row.takes),
        *(_detour(start, end, lane) for (start, end), lane in zip(passing, lanes, strict=True)),
        *(line for number, row in enumerate(rows) for line in _box(number, row)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _lanes(passing: Sequence[tuple[int, int]]) -> list[int]:
    """For each line that passes boxes by, the nearest lane that is free all along."""
    spans_by_lane: list[list[tuple[int, int]]] = []
    lanes = []
    for start, end in passing:
        free = (
            lane
            for lane, spans in enumerate(spans_by_lane)
            if all(end <= first or last <= start for first, last in spans)
        )
        lane = next(free, len(spans_by_lane))
        if lane == len(spans_by_lane):
            spans_by_lane.append([])
        spans_by_lane[lane].append((start, end))
        lanes.append(lane)
    return lanes


def _top(number: int) -> int:
    return MARGIN + number * (BOX_HEIGHT + GAP)


def _line(number: int) -> str:
    middle = MARGIN + WIDTH // 2
    return f'<path d="M{middle} {_top(number) - GAP}V{_top(number)}" stroke="#64748b" stroke-width="1.5" fill="none"/>'


def _detour(start: int, end: int, lane: int) -> str:
    right, over = MARGIN + WIDTH, MARGIN + WIDTH + LANE * (lane + 1)
    leave, arrive = _top(start) + BOX_HEIGHT * 2 // 3, _top(end) + BOX_HEIGHT // 3
    return (
        f'<path d="M{right} {leave}H{over}V{arrive}H{right}" stroke="#2563eb" stroke-width="1.5" fill="none" '
        'stroke-linejoin="round"/>'
    )


def _box(number: int, row: Row) -> Iterator[str]:
    top = _top(number)
    color = "#dbeafe" if row.num_parameters else "#f1f5f9"
    yield (
        f'<rect x="{MARGIN}" y="{top}" width="{WIDTH}" height="{BOX_HEIGHT}" rx="6" fill="{color}" stroke="#64748b"/>'
    )
    yield (f'<text x="{MARGIN + 12}" y="{top + 17}" font-size="13" fill="#0f172a">{escape(row.name[:40])}</text>')
    yield (f'<text x="{MARGIN + 12}" y="{top + 32}" font-size="11" fill="#475569">{escape(row.kind[:44])}</text>')
    right = MARGIN + WIDTH - 12
    yield (
        f'<text x="{right}" y="{top + 17}" font-size="13" fill="#0f172a" text-anchor="end">{shape_text(row.gives)}'
        "</text>"
    )
    if row.num_parameters:
        yield (
            f'<text x="{right}" y="{top + 32}" font-size="11" fill="#475569" text-anchor="end">'
            f"{row.num_parameters:,} parameters</text>"
        )
