"""Renders the leaderboard as a self-contained HTML page, and as a part of the report."""

from functools import partial
from typing import TYPE_CHECKING

from components.contract.artifacts.leaderboard import Leaderboard, Row
from components.contract.pages.blocks import Block, Chart, Heading, Items, Mark, Section, Table, Text, Verdict, Words
from components.contract.pages.printer import render_page
from components.evaluate.formatting import interval, percent
from components.evaluate.report.charts.figures import inline_svg, shorten
from components.evaluate.report.charts.style import (
    CHART_WIDTH,
    INK,
    RIGHT,
    SOFT,
    WRONG,
    new_axes,
    style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADINGS = (
    "Model",
    "accuracy",
    "interval",
    "macro F1",
    "parameters",
    "bundle",
    "1 photo",
    "8 photos",
    "training",
    "seeds",
)
LEGEND = (
    "● On the Pareto front: no other model is at least as good in accuracy, time per photo and size, and better in one "
    "of them. Intervals are 95 % intervals. Inference times are medians of the exported graph on one machine; "
    "training times are shorter if caches of earlier runs were used. Tied means that the difference is not "
    "significant: McNemar’s exact test on the same photos or, with several seeds, a bootstrap over photos and "
    "training runs, corrected for the number of comparisons (Holm)."
)
ON_FRONT, OFF_FRONT = "●", "○"
FAR = 4
"""If the slowest model takes over this many times as long as the fastest, the time axis has ticks at 1, 2, 5 … ms."""
MIN_SPAN = 0.02
"""The smallest range that the accuracy axis shows, so that nearly equal models do not look different."""


def render_leaderboard(board: Leaderboard) -> str:
    """The page as HTML."""
    left_out: list[Block] = [Heading("Left out"), Items(board.left_out)] if board.left_out else []
    chart = Chart("front", partial(inline_svg, front_chart(board), describe_chart(board), "front"))
    return render_page(
        f"{board.dataset_name}: model comparison ({len(board.rows)})",
        eyebrow="Leaderboard",
        heading=board.dataset_name,
        lead=f"Number of models: {len(board.rows)}, all scored on the same {board.num_images:,} validation photos. "
        "The test photos were not used.",
        sections=[
            Section("pick", "", [Verdict(board.pick, "good", [Text(board.reason)], eyebrow="Pick")]),
            Section("table", "Side by side", [*board_blocks(board), *left_out]),
            Section("chart", "Accuracy against time", [chart]),
        ],
    )


def board_blocks(board: Leaderboard) -> list[Block]:
    """The table of the models, and a legend that explains it."""
    rows = [[_name_cell(row, board), *row_cells(row)[1:]] for row in board.rows]
    return [Table(HEADINGS, rows, "Models side by side"), Text(LEGEND, "soft small")]


def _name_cell(row: Row, board: Leaderboard) -> Words:
    name = row_cells(row)[0]
    tie = (Mark("soft small", " tied with the best"),) if row.tied and row.p_value is not None else ()
    return (Mark("strong", name), Mark("eyebrow", " pick"), *tie) if row.name == board.pick else (name, *tie)


def row_cells(row: Row) -> tuple[str, ...]:
    """The cells of a model's row, in the order of HEADINGS."""
    return (
        f"{ON_FRONT if row.on_front else OFF_FRONT} {row.name}",
        percent(row.accuracy.value),
        interval(row.accuracy),
        percent(row.macro_f1),
        f"{row.num_parameters:,}",
        f"{row.bundle_mb:,.1f} MB",
        f"{row.latency_ms:.1f} ms",
        f"{row.latency_of_8_ms:.1f} ms",
        f"{row.train_minutes:.1f} min",
        str(len(row.seeds)),
    )


def leaderboard_sentences(board: Leaderboard) -> list[str]:
    """The reason for the pick, the ties with the most accurate model, and the models left out."""
    best = board.rows[0]
    # If the most accurate model is the pick, the reason already mentions its ties.
    ties = [] if board.pick == best.name else [row for row in board.rows[1:] if row.tied and row.name != board.pick]
    texts = [board.reason]
    for row in ties:
        texts.append(
            f"{row.name} and {best.name} are tied: chance alone produces such a difference with a "
            f"probability of {percent(row.p_value)}."
        )
    return [*texts, *(f"Left out: {reason}" for reason in board.left_out)]


def front_chart(board: Leaderboard) -> "Figure":
    """Accuracy against time per photo; the points of models on the Pareto front are filled."""
    from matplotlib.ticker import LogLocator, MaxNLocator, PercentFormatter

    slowest, fastest = (extreme(row.latency_ms for row in board.rows) for extreme in (max, min))
    with style():
        figure, axes = new_axes(1.8 * CHART_WIDTH, 320, (0.1, 0.15, 0.87, 0.75), "validation accuracy")
        for row in board.rows:
            accuracy = row.accuracy
            color = WRONG if row.name == board.pick else RIGHT if row.on_front else SOFT
            axes.errorbar(
                [row.latency_ms],
                [accuracy.value],
                fmt="o",
                color=color,
                markersize=8,
                elinewidth=1.2,
                yerr=[[accuracy.value - accuracy.low], [accuracy.high - accuracy.value]],
                markerfacecolor=color if row.on_front else "none",
            )
            is_right = row.latency_ms > (slowest * fastest) ** 0.5
            axes.annotate(
                shorten(row.name),
                (row.latency_ms, accuracy.value),
                xytext=(-8 if is_right else 8, 5),
                ha="right" if is_right else "left",
                fontsize=11,
                textcoords="offset points",
                color=INK,
            )
        axes.set_xscale("log")
        axes.set_xlim(fastest / 1.3, slowest * 1.3)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if slowest > FAR * fastest else MaxNLocator(5))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda _value, _: "")
        low, high = axes.get_ylim()
        axes.set_ylim(low - max(0, MIN_SPAN - (high - low)), high)
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))  # with as many decimals as the ticks need
        axes.set_xlabel("ms per photo")
    return figure


def describe_chart(board: Leaderboard) -> str:
    """What the chart shows, for screen readers."""
    points = "; ".join(f"{row.name}: {percent(row.accuracy.value)}, {row.latency_ms:.1f} ms" for row in board.rows)
    return f"Validation accuracy by time per photo. {points}."
