"""The range test as a page: its curve in SVG, and what it says, in one file that needs no other."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from components.train.lr_finder.finder import RangeTest

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 20, 52
NUM_TICKS: Final = 5
HEADROOM: Final = 1.5
"""How far above the first loss the picture goes."""
ROOM: Final = 0.08
"""Above and below the curve, as a part of its height."""

PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Range test of the learning rate</title>
<style>
:root {{ color-scheme: light dark; --ink: #0f172a; --soft: #64748b; --line: #cbd5e1; --back: #fff; --mark: #b91c1c;
  --curve: #1d4ed8 }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e2e8f0; --soft: #94a3b8; --line: #334155; --back: #0b1220;
  --mark: #f87171; --curve: #60a5fa }} }}
body {{ margin: 2rem auto; max-width: 50rem; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--back) }}
svg {{ width: 100%; height: auto; font-size: 13px }}
.soft {{ color: var(--soft) }}
</style>
<h1>Range test of the learning rate</h1>
{said}
{curve}
<p class="soft">Dots are the losses of the batches, the line is their smoothed course. Each batch was learned from at a
higher rate. The test is Leslie Smith's (2015, Cyclical Learning Rates for Training Neural Networks); to raise the rate
by a factor and to propose where the line falls fastest is later custom. It is a place to start from, not a best value:
it tells of the first steps only.</p>
</html>
"""


def page(test: RangeTest) -> str:
    """The page, complete."""
    paragraphs = "\n".join(f"<p>{escape(sentence)}</p>" for sentence in sentences(test))
    return PAGE.format(said=paragraphs, curve="\n".join(_curve(test)))


def sentences(test: RangeTest) -> list[str]:
    """What the test says, for people."""
    layers = "1 layer" if len(test.trained_layers) == 1 else f"{len(test.trained_layers)} layers"
    procedure = (
        f"{len(test.rates)} batches of {test.batch_size} photos, {layers} trained by {test.optimizer}, rates from "
        f"{test.rates[0]:.1e} to {test.rates[-1]:.1e}."
    )
    if test.proposed is None:
        reason = f"No rate is proposed: the loss hardly fell at any. train.learning_rate is {test.learning_rate:g}."
        return [reason, procedure]
    return [
        f"Proposed: train.learning_rate={test.proposed:.1e}, where the loss fell fastest; it is "
        f"{test.learning_rate:g} now.",
        f"The loss was lowest at {test.lowest_at:.1e}; rates near that one and above are too high.",
        procedure,
    ]


def _curve(test: RangeTest) -> Iterator[str]:
    lowest, highest = _bounds(test)
    first, last = math.log10(test.rates[0]), math.log10(test.rates[-1])

    def across(rate: float) -> float:
        return LEFT + (math.log10(rate) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def down(loss: float) -> float:
        part = (min(max(loss, lowest), highest) - lowest) / (highest - lowest)
        return TOP + (1 - part) * (HEIGHT - TOP - BOTTOM)

    yield (f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Loss by learning rate" fill="var(--soft)">')
    for exponent in range(math.ceil(first), math.floor(last) + 1):
        x = across(10.0**exponent)
        yield f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="var(--line)"/>'
        yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">1e{exponent}</text>'
    for number in range(NUM_TICKS):
        loss = lowest + (highest - lowest) * number / (NUM_TICKS - 1)
        yield f'<path d="M{LEFT} {down(loss):.1f}H{WIDTH - RIGHT}" stroke="var(--line)"/>'
        yield f'<text x="{LEFT - 8}" y="{down(loss) + 4:.1f}" text-anchor="end">{loss:.3g}</text>'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">learning rate</text>'
    yield f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">loss</text>'
    for rate, loss in zip(test.rates, test.losses, strict=True):
        yield f'<circle cx="{across(rate):.1f}" cy="{down(loss):.1f}" r="2" opacity="0.55"/>'
    points = [(across(rate), down(loss)) for rate, loss in zip(test.rates, test.smoothed, strict=True)]
    yield f'<path d="{_path(points)}" fill="none" stroke="var(--curve)" stroke-width="2.5"/>'
    if test.proposed is not None:
        x = across(test.proposed)
        side, anchor = (8, "start") if x < WIDTH * 0.75 else (-8, "end")
        yield (
            f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="var(--mark)" stroke-width="2" stroke-dasharray="5 4"/>'
        )
        yield (
            f'<text x="{x + side:.1f}" y="{TOP + 16}" text-anchor="{anchor}" fill="var(--mark)">'
            f"{test.proposed:.1e}</text>"
        )
    yield "</svg>"


def _bounds(test: RangeTest) -> tuple[float, float]:
    """The losses at the foot and the top of the picture; what is higher when the loss bursts stands at the top."""
    lowest, highest = min(test.losses), min(max(test.losses), max(HEADROOM * test.losses[0], min(test.losses)))
    room = (highest - lowest) * ROOM or 1.0
    return max(0.0, lowest - room), highest + room


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
