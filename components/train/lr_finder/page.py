"""The page of the learning rate range test: its curve and its result, in one self-contained file."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from components.contract.pages.blocks import Chart, Section, Text
from components.contract.pages.markup import Html, node
from components.contract.pages.printer import render_page
from components.contract.text import pluralize
from components.train.lr_finder.finder import RangeTest

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 20, 52
NUM_TICKS: Final = 5
HEADROOM: Final = 1.5
"""The highest loss that the chart shows, as a multiple of the first loss."""
ROOM: Final = 0.08
"""The margin above and below the curve, as a share of the curve's height."""
EXPLANATION: Final = (
    "The dots are the losses of the batches; the line is the smoothed loss. The rate rises from batch to batch. "
    "The test was proposed by Leslie Smith (2015, Cyclical Learning Rates for Training Neural Networks); multiplying "
    "the rate by a constant factor and proposing the rate at which the loss falls fastest are later practice. The "
    "proposal is a starting point, not an optimum: it describes only the first steps."
)


def page(test: RangeTest) -> str:
    """Returns the complete HTML page."""
    first, *others = sentences(test)
    return render_page(
        "Learning rate range test",
        eyebrow="Learning rate",
        heading="Learning rate range test",
        lead=first,
        sections=[
            Section("curve", "", [*map(Text, others), Chart("curve", lambda: _curve(test)), Text(EXPLANATION, "soft")])
        ],
    )


def sentences(test: RangeTest) -> list[str]:
    """Describes the result in sentences."""
    layers = pluralize(len(test.trained_layers), "layer")
    procedure = (
        f"{len(test.rates)} batches of {test.batch_size} photos, {layers} trained with {test.optimizer}, "
        f"rates from {test.rates[0]:.1e} to {test.rates[-1]:.1e}."
    )
    if test.proposed is None:
        reason = (
            f"No rate is proposed: the loss hardly fell at any rate. train.learning_rate is {test.learning_rate:g}."
        )
        return [reason, procedure]
    return [
        f"Proposed: train.learning_rate={test.proposed:.1e}, where the loss fell fastest; the current value is "
        f"{test.learning_rate:g}.",
        f"The loss was lowest at {test.lowest_at:.1e}; rates near this value and above are too high.",
        procedure,
    ]


def _curve(test: RangeTest) -> Html:
    lowest, highest = _bounds(test)
    first, last = math.log10(test.rates[0]), math.log10(test.rates[-1])

    def across(rate: float) -> float:
        return LEFT + (math.log10(rate) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def down(loss: float) -> float:
        part = (min(max(loss, lowest), highest) - lowest) / (highest - lowest)
        return TOP + (1 - part) * (HEIGHT - TOP - BOTTOM)

    def parts() -> Iterator[Html]:
        for exponent in range(math.ceil(first), math.floor(last) + 1):
            x = across(10.0**exponent)
            yield node("path", d=f"M{x:.1f} {TOP}V{HEIGHT - BOTTOM}", stroke="var(--line)")
            yield node("text", f"1e{exponent}", x=f"{x:.1f}", y=HEIGHT - BOTTOM + 18, text_anchor="middle")
        for number in range(NUM_TICKS):
            loss = lowest + (highest - lowest) * number / (NUM_TICKS - 1)
            yield node("path", d=f"M{LEFT} {down(loss):.1f}H{WIDTH - RIGHT}", stroke="var(--line)")
            yield node("text", f"{loss:.3g}", x=LEFT - 8, y=f"{down(loss) + 4:.1f}", text_anchor="end")
        yield node("text", "learning rate", x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 12, text_anchor="middle")
        yield node("text", "loss", transform=f"translate(14 {HEIGHT / 2}) rotate(-90)", text_anchor="middle")
        for rate, loss in zip(test.rates, test.losses, strict=True):
            yield node("circle", cx=f"{across(rate):.1f}", cy=f"{down(loss):.1f}", r=2, opacity=0.55)
        points = [(across(rate), down(loss)) for rate, loss in zip(test.rates, test.smoothed, strict=True)]
        yield node("path", d=_path(points), fill="none", stroke="var(--train)", stroke_width=2.5)
        if test.proposed is not None:
            x = across(test.proposed)
            side, anchor = (8, "start") if x < WIDTH * 0.75 else (-8, "end")
            line = f"M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"
            yield node("path", d=line, stroke="var(--accent)", stroke_width=2, stroke_dasharray="5 4")
            text, left = f"{test.proposed:.1e}", f"{x + side:.1f}"
            yield node("text", text, x=left, y=TOP + 16, text_anchor=anchor, style="fill:var(--accent)")

    box = f"0 0 {WIDTH} {HEIGHT}"
    label = "Loss by learning rate"
    return node("svg", parts(), viewBox=box, width=WIDTH, role="img", aria_label=label, fill="var(--soft)")


def _bounds(test: RangeTest) -> tuple[float, float]:
    """Returns the losses at the bottom and the top of the chart; losses above the top are drawn at the top."""
    lowest, highest = min(test.losses), min(max(test.losses), max(HEADROOM * test.losses[0], min(test.losses)))
    room = (highest - lowest) * ROOM or 1.0
    return max(0.0, lowest - room), highest + room


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
