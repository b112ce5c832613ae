"""What all charts share: colors, fonts, and matplotlib without pyplot."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from components.contract.pages.theme import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, LINE, RIGHT, WRONG, TRAIN, VALIDATION = map(
    COLORS.__getitem__, ("ink", "soft", "line", "right", "wrong", "train", "validation")
)
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched and read aloud, and uses the page's font
    "svg.hashsalt": "darkroom",
    "text.parse_math": False,  # a class named $x$ is not a formula
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": LINE,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
}
CHART_WIDTH = 350
"""The width of a chart in a column, in points: a phone shows the chart and its text at full size."""
POINTS_PER_INCH = 72
"""In matplotlib's SVG files one point is one unit, which the page shows as one pixel."""


def new_figure(width: float, height: float) -> "Figure":
    """A figure with this width and height, in points."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / POINTS_PER_INCH, height / POINTS_PER_INCH))


def new_axes(
    width: float, height: float, box: tuple[float, float, float, float], title: str = ""
) -> "tuple[Figure, Axes]":
    """A figure with one plot, which has a light grid, no frame, and a title above it, on the left.

    Args:
        width: width of the figure, in points.
        height: height of the figure, in points.
        box: left, bottom, width and height of the plot, as shares of the figure.
        title: what the vertical axis shows.
    """
    figure = new_figure(width, height)
    axes = figure.add_axes(box)
    axes.grid(color=LINE, linewidth=0.7)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(which="both", length=0)
    axes.set_axisbelow(True)
    if title:
        figure.text(0.01, 0.985, title, va="top", ha="left", fontsize=12, color=INK)
    return figure, axes


def as_percent(share: float, _position: float) -> str:
    """Formats a share as a tick label."""
    return f"{100 * share:.0f} %"


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The context in which charts must be drawn and saved."""
    from matplotlib import rc_context

    with rc_context(STYLE), warnings.catch_warnings():
        # The page draws SVG text with the reader's fonts, which have more characters than matplotlib's own.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield
