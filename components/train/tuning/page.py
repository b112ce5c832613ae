"""The page of a study: Optuna's plots in one self-contained HTML file, and the Pareto front as a table."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contract.artifacts.study import StudyInfo, Trial
from components.contract.pages.blocks import Block, Column, Mark, Raw, Section, Table, Text
from components.contract.pages.markup import Html, node
from components.contract.pages.printer import render_page
from components.contract.pages.theme import COLORS
from components.contract.system.atomic_files import write_file

if TYPE_CHECKING:
    import optuna

PLOTS = {
    "Best accuracy over the trials": "plot_optimization_history",
    "Importance of the params": "plot_param_importances",
    "Accuracy by param": "plot_slice",
    "All params together": "plot_parallel_coordinate",
}
FRONT, EPOCHS = "plot_pareto_front", "plot_intermediate_values"
"""Additional plots: FRONT for a study with several objectives, EPOCHS for one with a single objective."""
MOST_ON_A_PLOT = 3
TEMPLATE: dict[str, Any] = {
    "font": {"color": COLORS["soft"], "family": "system-ui, sans-serif"},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "xaxis": {"gridcolor": COLORS["line"], "zerolinecolor": COLORS["line"]},
    "yaxis": {"gridcolor": COLORS["line"], "zerolinecolor": COLORS["line"]},
    "colorway": [COLORS[name] for name in ("train", "validation", "test", "good", "warn")],
}
"""The theme for plotly's layout."""


def write_page(study: "optuna.Study", info: StudyInfo, path: Path) -> None:
    """Writes the page. If the study has too few trials for a plot, Optuna's message is shown instead.

    Args:
        study: the study, with at least one complete trial.
        info: the result of the study.
        path: the path of the HTML file.
    """
    from plotly.offline import get_plotlyjs

    best = next(trial for trial in info.trials if trial.number == info.best)
    page = render_page(
        info.name,
        eyebrow="Search",
        heading=f"Search {info.name}",
        lead=f"Best trial (of {len(info.trials)}): trial {best.number + 1}, validation accuracy "
        f"{best.accuracy or 0:.4f} with {_values_text(best)}. {info.choice}",
        sections=[
            Section("script", "", [Raw(node("script", Html(get_plotlyjs())))]),
            *(_section(title, blocks) for title, blocks in _plots(study, info)),
        ],
    )
    write_file(path, page.encode())


def _section(title: str, blocks: list[Block]) -> Section:
    return Section(title.lower().replace(" ", "-"), title, blocks)


def _plots(study: "optuna.Study", info: StudyInfo) -> Iterator[tuple[str, list[Block]]]:
    several = len(info.objectives) > 1
    if several:
        few = len(info.objectives) <= MOST_ON_A_PLOT
        plots = [_plot(study, FRONT, {"target_names": list(info.objectives)})] if few else []
        yield "The Pareto front", [_front_table(info), *plots]
    place = info.objectives.index("accuracy")
    target = {"target": lambda trial: trial.values[place], "target_name": "accuracy"} if several else {}
    for title, name in PLOTS.items():
        yield title, [_plot(study, name, target)]
    if not several:
        yield "Accuracy by epoch", [_plot(study, EPOCHS, {})]


def _plot(study: "optuna.Study", name: str, options: dict[str, Any]) -> Block:
    from optuna import visualization

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Optuna warns if all trials are equal
            figure = getattr(visualization, name)(study, **options)
    except (ValueError, RuntimeError) as error:
        return Text(f"This plot cannot be drawn: {error}")
    figure.update_layout(template={"layout": TEMPLATE}, title=None)
    return Raw(Html(figure.to_html(full_html=False, include_plotlyjs=False)))


def _front_table(info: StudyInfo) -> Table:
    trials = {trial.number: trial for trial in info.trials}
    rows = []
    for trial in map(trials.__getitem__, info.front):
        mark = (Mark("strong", "used for training"), ": ") if trial.number == info.best else ()
        figures = f"{trial.accuracy or 0:.4f}", f"{trial.latency_ms or 0:.1f}", f"{trial.size_mb or 0:.1f}"
        rows.append([str(trial.number + 1), *figures, (*mark, _values_text(trial))])
    return Table(["Trial", "Accuracy", "ms per photo", "MB", Column("Values", "word")], rows, "The Pareto front")


def _values_text(trial: Trial) -> str:
    return ", ".join(
        f"{key} = {value:.3g}" if isinstance(value, float) else f"{key} = {value}"
        for key, value in trial.values.items()
    )
