"""The charts of the report: matplotlib figures, drawn without pyplot, that adapt to the page's light and dark mode."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from components.contract.artifacts.figures import AllFigures
from components.contract.pages.markup import Html
from components.contract.pages.theme import COLORS
from components.contract.text import printable
from components.evaluate.report.charts.calibration import coverage_chart, reliability_chart, robustness_chart
from components.evaluate.report.charts.style import (
    CHART_WIDTH,
    INK,
    LINE,
    POINTS_PER_INCH,
    RIGHT,
    SOFT,
    TRAIN,
    VALIDATION,
    WRONG,
    new_axes,
    new_figure,
    style,
)
from components.evaluate.report.training_history import History, Phase

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VARIABLES = {color: f"var(--{name})" for name, color in COLORS.items()}
"""CSS variables by color: a chart inside the page uses the page's colors; a PNG file keeps these colors, on white."""

MAX_SHRUNK = 640
"""A chart up to this width shrinks a little on a narrow page; a wider one keeps its size and can be scrolled."""
SMALLEST = 0.86
"""The smallest share of its width to which a chart shrinks, so that its text remains readable on a phone."""
MAX_NUMBERED = 30
"""With more classes, the cells of the matrix have no numbers, because these would be illegible."""
MAX_DRAWN = 60
"""With more classes, no matrix is drawn: a picture of a million cells is unreadable and needs 23 GB of memory."""
MAX_OPACITY = 0.65
"""Up to this opacity, numbers are readable on either color, in light and dark mode."""
LETTER_WIDTH = 0.62
"""The average width of a letter, relative to the font size."""
MAX_NAME = 22
"""The maximum length of a class name in a chart, in characters."""


def draw_charts(all_figures: AllFigures, history: History, best_epoch: int) -> dict[str, "Figure"]:
    """Draws all charts, and returns them by name.

    The names are confusion_matrix, if there are at most MAX_DRAWN classes; loss_curve and accuracy_curve, if the
    history contains them; reliability and coverage, if the model is calibrated; robustness, if it was measured.
    """
    charts = {}
    if len(all_figures.class_names) <= MAX_DRAWN:
        charts["confusion_matrix"] = confusion_chart(all_figures.test.confusion_matrix, all_figures.class_names)
    for metric in ("loss", "accuracy"):
        curves = {
            name: history.curves[key]
            for name, key in (("training", metric), ("validation", f"val_{metric}"))
            if history.curves.get(key)
        }
        if curves:
            charts[f"{metric}_curve"] = curve_chart(curves, best_epoch, metric, history.phases)
    if all_figures.calibration is not None:
        charts["reliability"] = reliability_chart(all_figures.calibration)
        charts["coverage"] = coverage_chart(all_figures.calibration)
    if all_figures.robustness:
        charts["robustness"] = robustness_chart(all_figures.robustness)
    return charts


def confusion_chart(matrix: np.ndarray, class_names: Sequence[str]) -> "Figure":
    """The confusion matrix: each row is a true class, and each cell is shaded by its share of the row.

    Correct and wrong answers have different colors, so that rare errors are visible next to a dark diagonal.

    Args:
        matrix: int (classes, classes), number of photos by true and predicted class.
        class_names: in the order of the labels.
    """
    size = len(class_names)
    has_numbers = size <= MAX_NUMBERED
    cell = min(max(300 / size, 24), 56) if has_numbers else 9
    font = 11 if has_numbers else 8
    names = [shorten(name) for name in class_names]
    longest = max(map(len, names))
    margin, rim = 32 + longest * font * LETTER_WIDTH, 8
    side = margin + size * cell + rim
    with style():
        figure = new_figure(side, side)
        axes = figure.add_axes((margin / side, rim / side, size * cell / side, size * cell / side))
        axes.imshow(_cell_colors(matrix, opacity=MAX_OPACITY if has_numbers else 1.0), interpolation="none")
        axes.set_xticks(range(size), names, rotation=90 if longest > 2 else 0, fontsize=font)
        axes.set_yticks(range(size), names, fontsize=font)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xlabel("predicted class", labelpad=8)
        axes.set_ylabel("true class", labelpad=8)
        for set_ticks in (axes.set_xticks, axes.set_yticks):
            set_ticks(np.arange(-0.5, size), minor=True)
        axes.grid(which="minor", color=LINE, linewidth=0.6 if has_numbers else 0.25)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        if has_numbers:
            _number_cells(axes, matrix, fontsize=11 if cell >= 30 else 9)
    return figure


def curve_chart(
    curves: Mapping[str, Sequence[float]], best_epoch: int, metric: str, phases: Sequence[Phase] = ()
) -> "Figure":
    """A metric by epoch, for training and validation; the kept epoch and the start of each phase are marked.

    Args:
        curves: one value per epoch, for "training", "validation", or both.
        best_epoch: the kept epoch, counted from 1.
        metric: "loss" or "accuracy".
        phases: the training phases.
    """
    from matplotlib.ticker import MaxNLocator

    line_styles: dict[str, dict[str, Any]] = {
        "training": {"color": TRAIN, "linestyle": "-", "linewidth": 2},
        "validation": {"color": VALIDATION, "linestyle": "--", "linewidth": 2},
    }
    with style():
        figure, axes = new_axes(CHART_WIDTH, 270, (0.135, 0.165, 0.845, 0.635), metric)
        axes.xaxis.grid(visible=False)
        for name, values in curves.items():
            epochs = np.arange(1, len(values) + 1)
            axes.plot(epochs, values, label=name, marker="o" if len(values) == 1 else None, **line_styles[name])
        axes.axvline(best_epoch, color=INK, linewidth=1.2, linestyle=":", label=f"kept: epoch {best_epoch}")
        marked_curve = curves.get("validation") or curves["training"]
        if best_epoch <= len(marked_curve):
            axes.plot([best_epoch], [marked_curve[best_epoch - 1]], "o", color=INK, markersize=6)
        if phases:
            low, high = axes.get_ylim()
            axes.set_ylim(low, high + 0.12 * (high - low))  # room for the names of the phases above the curves
        for phase in phases:
            if phase.epochs is not None:
                _mark_phase(axes, phase)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(
            loc="upper left",
            bbox_to_anchor=(-0.01, 0.935),
            ncols=3,
            frameon=False,
            fontsize=11,
            handlelength=1.4,
            columnspacing=1.0,
        )
    return figure


def inline_svg(figure: "Figure", description: str, name: str) -> Html:
    """A chart as an `<svg>` element for the page.

    Args:
        figure: the chart.
        description: what the chart shows, for screen readers.
        name: a prefix that makes the ids in the chart unique within the page.
    """
    with style():
        file = io.StringIO()
        no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=no_metadata)
    root = ElementTree.fromstring(file.getvalue())  # noqa: S314 - written by matplotlib above
    width, height = (POINTS_PER_INCH * side for side in figure.get_size_inches())
    _adapt_to_page(root, name)
    smallest = width if width > MAX_SHRUNK else SMALLEST * width
    root.attrib = {
        "role": "img",
        "aria-label": printable(description),
        "viewBox": f"0 0 {width:g} {height:g}",
        "style": f"width:100%;min-width:{smallest:.0f}px;max-width:{1.25 * width:.0f}px",
    }
    return Html(ElementTree.tostring(root, encoding="unicode"))


def to_png(figure: "Figure") -> bytes:
    """A chart as a PNG file, on white."""
    with style():
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=2 * POINTS_PER_INCH, facecolor="white", metadata={"Software": None})
    return file.getvalue()


def shorten(name: str) -> str:
    """Shortens a class name to fit next to a chart, and escapes control characters, which SVG does not allow."""
    text = printable(name)
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 1] + "…"


def _number_cells(axes: "Axes", matrix: np.ndarray, fontsize: int) -> None:
    for true, predicted in zip(*np.nonzero(matrix), strict=True):
        weight = "normal" if true == predicted else "bold"
        axes.text(
            predicted, true, str(matrix[true, predicted]), ha="center", va="center", fontsize=fontsize, weight=weight
        )


def _mark_phase(axes: "Axes", phase: Phase) -> None:
    """Draws a line before the first epoch of a phase, and the name of the phase at the top of the plot."""
    assert phase.epochs is not None, "the caller has checked that the phase has epochs"
    first = phase.epochs[0]
    if first > 1:
        axes.axvline(first - 0.5, color=SOFT, linewidth=0.8)
    axes.text(
        first - 0.4 if first > 1 else first,
        0.985,
        shorten(phase.name),
        transform=axes.get_xaxis_transform(),
        va="top",
        ha="left",
        fontsize=10.5,
        color=SOFT,
    )


def _adapt_to_page(root: ElementTree.Element, name: str) -> None:
    """Adapts matplotlib's SVG to an HTML page: no namespaces or global styles, unique ids, the page's colors."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.partition("}")[2]
        element.attrib = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        for key, value in element.attrib.items():
            if key == "id":
                element.attrib[key] = f"{name}-{value}"
            elif key == "href" and value.startswith("#"):
                element.attrib[key] = f"#{name}-{value[1:]}"
            elif key == "clip-path":
                element.attrib[key] = value.replace("url(#", f"url(#{name}-")
            elif key == "style":
                element.attrib[key] = re.sub(
                    r"#[0-9a-f]{6}",
                    lambda match: VARIABLES.get(match[0], match[0]),
                    re.sub(r"font-family: [^;]*;?", "", value),
                )


def _cell_colors(matrix: np.ndarray, opacity: float) -> np.ndarray:
    """RGBA, float (classes, classes, 4): the larger a cell's share of its row, the more opaque, up to `opacity`."""
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    is_diagonal = np.eye(len(matrix), dtype=bool)
    colors = np.empty((*matrix.shape, 4))
    for color, mask in ((RIGHT, is_diagonal), (WRONG, ~is_diagonal)):
        colors[mask, :3] = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    # The square root makes rare errors visible, which would otherwise be almost white.
    colors[..., 3] = opacity * np.where(is_diagonal, share, np.sqrt(share))
    return colors
