"""Charts for calibration, abstention and robustness."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.contract.artifacts.figures import CalibrationFigures, RobustnessFigures
from components.evaluate.report.charts.style import (
    CHART_WIDTH,
    INK,
    LINE,
    RIGHT,
    SOFT,
    WRONG,
    as_percent,
    new_axes,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


BOX = (0.14, 0.16, 0.84, 0.73)


def reliability_chart(calibration: CalibrationFigures) -> "Figure":
    """Accuracy by confidence; a point's area shows the number of photos, and its error bar the 95 % interval."""
    bins = calibration.bins
    confidence = np.array([item.sureness for item in bins])
    accuracy = np.array([item.accuracy.value for item in bins])
    error_bars = np.abs([(item.accuracy.low, item.accuracy.high) for item in bins] - accuracy[:, None]).T
    share = np.array([item.num_images for item in bins]) / max(item.num_images for item in bins)
    with style():
        figure, axes = new_axes(CHART_WIDTH, 280, BOX, "accuracy by confidence")
        axes.plot([0, 1], [0, 1], color=SOFT, linestyle="--", linewidth=1.2, label="perfect calibration")
        axes.errorbar(confidence, accuracy, yerr=error_bars, fmt="none", ecolor=RIGHT, elinewidth=1.2)
        axes.scatter(confidence, accuracy, s=20 + 120 * share, color=RIGHT, zorder=3, label="photos of the test split")
        _share_axis(axes, "x", "mean confidence")
        _share_axis(axes, "y", None)
        axes.legend(loc="upper left", frameon=False, fontsize=11)
    return figure


def coverage_chart(calibration: CalibrationFigures) -> "Figure":
    """Accuracy by coverage: how accurate the answers are if only the most confident ones are returned."""
    from matplotlib.ticker import MaxNLocator

    points = calibration.curve
    with style():
        figure, axes = new_axes(CHART_WIDTH, 280, BOX, "accuracy by coverage")
        axes.plot([point.coverage for point in points], [point.accuracy for point in points], color=RIGHT, linewidth=2)
        target = calibration.target_accuracy
        axes.axhline(target, color=SOFT, linestyle="--", linewidth=1.2, label=f"target: {100 * target:.0f} %")
        if calibration.threshold is not None and calibration.answered_accuracy is not None:
            axes.plot(
                [calibration.coverage.value],
                [calibration.answered_accuracy.value],
                "o",
                color=WRONG,
                markersize=8,
                label=f"threshold {calibration.threshold:.2f}",
            )
        _share_axis(axes, "x", "share of test photos answered")
        axes.set_xlim(0, 1.02)
        lowest_accuracy = min(point.accuracy for point in points)
        axes.set_ylim(max(0.0, min(lowest_accuracy, target) - 0.04), 1.01)
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(as_percent)
        axes.legend(loc="lower left", frameon=False, fontsize=11)
    return figure


def robustness_chart(robustness: Sequence[RobustnessFigures]) -> "Figure":
    """Accuracy under each disturbance, starting with the unchanged photos."""
    names = [figures.disturbance for figures in robustness]
    values = np.array([figures.accuracy.value for figures in robustness])
    error_bars = np.abs([(figures.accuracy.low, figures.accuracy.high) for figures in robustness] - values[:, None]).T
    positions = np.arange(len(names))[::-1]
    with style():
        figure, axes = new_axes(CHART_WIDTH, 40 + 28 * len(names), (0.34, 0.13, 0.53, 0.85))
        axes.grid(visible=False)
        axes.barh(
            positions,
            values,
            height=0.56,
            color=[RIGHT if index == 0 else LINE for index in range(len(names))],
            edgecolor=[RIGHT if index == 0 else SOFT for index in range(len(names))],
            linewidth=0.8,
        )
        axes.errorbar(values, positions, xerr=error_bars, fmt="none", ecolor=INK, elinewidth=1.2, capsize=3)
        for position, value in zip(positions, values, strict=True):
            axes.text(1.03, position, f"{100 * value:.0f} %", va="center", ha="left", fontsize=11)
        axes.set_yticks(positions, names)
        _share_axis(axes, "x", None)
        axes.set_xlim(0, 1.001)
    return figure


def _share_axis(axes: "Axes", axis_name: str, label: str | None) -> None:
    axis = axes.xaxis if axis_name == "x" else axes.yaxis
    axis.set_ticks(np.linspace(0, 1, 6))
    axis.set_major_formatter(as_percent)
    (axes.set_xlim if axis_name == "x" else axes.set_ylim)(-0.02, 1.04)
    if label:
        axis.set_label_text(label)
