"""Draws a network as SVG: a box for each layer from top to bottom, and a line for each tensor."""

from collections.abc import Sequence
from typing import Final

from components.contract.layers.shapes import shape_text
from components.contract.layers.summary import Row
from components.contract.pages.markup import Html, join, node
from components.contract.pages.theme import COLORS

WIDTH: Final = 420
BOX_HEIGHT, GAP, MARGIN = 40, 18, 16
LANE: Final = 14
"""The distance in pixels between two lines that bypass boxes."""


def draw(rows: Sequence[Row], title: str) -> Html:
    """Returns the picture as the content of an SVG file."""
    place = {row.name: number for number, row in enumerate(rows)}
    passing = [
        (place[name], place[row.name]) for row in rows for name in row.takes if place[row.name] - place[name] > 1
    ]
    lanes = _lanes(passing)
    width = MARGIN * 2 + WIDTH + LANE * (max(lanes, default=-1) + 2)
    height = MARGIN * 2 + len(rows) * (BOX_HEIGHT + GAP) - GAP
    parts = [
        node("title", title),
        node("rect", width=width, height=height, fill="#ffffff"),
        *(_line(number) for number, row in enumerate(rows) if number and rows[number - 1].name in row.takes),
        *(_detour(start, end, lane) for (start, end), lane in zip(passing, lanes, strict=True)),
        *(_box(number, row) for number, row in enumerate(rows)),
    ]
    return node(
        "svg",
        [("\n", part) for part in parts],
        "\n",
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        font_family="system-ui, sans-serif",
    )


def _lanes(passing: Sequence[tuple[int, int]]) -> list[int]:
    """Returns, for each line that bypasses boxes, the nearest lane that is free along the whole length of the line."""
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


def _line(number: int) -> Html:
    middle = MARGIN + WIDTH // 2
    return _path(f"M{middle} {_top(number) - GAP}V{_top(number)}", "soft")


def _detour(start: int, end: int, lane: int) -> Html:
    right, over = MARGIN + WIDTH, MARGIN + WIDTH + LANE * (lane + 1)
    leave, arrive = _top(start) + BOX_HEIGHT * 2 // 3, _top(end) + BOX_HEIGHT // 3
    return _path(f"M{right} {leave}H{over}V{arrive}H{right}", "right")


def _path(course: str, color: str) -> Html:
    return node("path", d=course, stroke=COLORS[color], stroke_width=1.5, fill="none", stroke_linejoin="round")


def _box(number: int, row: Row) -> Html:
    """Draws a layer with its name, kind, shape and parameters; layers with parameters are highlighted."""
    top, left, right = _top(number), MARGIN + 12, MARGIN + WIDTH - 12
    fill = COLORS["glow" if row.num_parameters else "well"]
    box = {"x": MARGIN, "y": top, "width": WIDTH, "height": BOX_HEIGHT, "rx": 6}
    parameters = f"{row.num_parameters:,} parameters" if row.num_parameters else None
    return join(
        [
            node("rect", **box, fill=fill, stroke=COLORS["soft"]),
            node("text", row.name[:40], x=left, y=top + 17, font_size=13, fill=COLORS["ink"]),
            node("text", row.kind[:44], x=left, y=top + 32, font_size=11, fill=COLORS["soft"]),
            node(
                "text", shape_text(row.gives), x=right, y=top + 17, font_size=13, fill=COLORS["ink"], text_anchor="end"
            ),
            parameters
            and node("text", parameters, x=right, y=top + 32, font_size=11, fill=COLORS["soft"], text_anchor="end"),
        ]
    )
