"""The page of a study: Optuna's own plots in one HTML file that stands alone, and its Pareto front as a table."""

import warnings
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.contract.artifacts.study import StudyInfo, Trial
from components.contract.system.atomic_files import write_file

if TYPE_CHECKING:
    import optuna

PLOTS = {
    "How the best accuracy grew": "plot_optimization_history",
    "What mattered": "plot_param_importances",
    "Each value by itself": "plot_slice",
    "All values together": "plot_parallel_coordinate",
}
FRONT, EPOCHS = "plot_pareto_front", "plot_intermediate_values"
"""For several objectives, and for one."""
MOST_ON_A_PLOT = 3
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}th,td{padding:.3rem 1rem .3rem 0;text-align:right;border-bottom:1px solid #ccc}"
    "td:last-child,th:last-child{text-align:left}"
)


def write_page(study: "optuna.Study", info: StudyInfo, path: Path) -> None:
    """Writes every plot that the study has enough trials for.

    Args:
        study: with at least one complete trial.
        info: what came of it.
        path: of the HTML file.
    """
    from plotly.offline import get_plotlyjs

    best = next(trial for trial in info.trials if trial.number == info.best)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(info.name)}</title><style>{STYLE}</style><script>{get_plotlyjs()}</script>"
        f"<h1>Search {escape(info.name)}</h1><p>Best of {len(info.trials)} trials: number {best.number + 1}, "
        f"validation accuracy {best.accuracy or 0:.4f} with {escape(_values_text(best))}. {escape(info.choice)}</p>"
    ]
    several = len(info.objectives) > 1
    if several:
        parts.append(f"<h2>The Pareto front</h2>{_front_table(info)}")
        if len(info.objectives) <= MOST_ON_A_PLOT:
            parts.append(_plot(study, FRONT, {"target_names": list(info.objectives)}))
    place = info.objectives.index("accuracy")
    target = {"target": lambda trial: trial.values[place], "target_name": "accuracy"} if several else {}
    for title, name in PLOTS.items():
        parts.append(f"<h2>{title}</h2>{_plot(study, name, target)}")
    if not several:
        parts.append(f"<h2>Accuracy epoch by epoch</h2>{_plot(study, EPOCHS, {})}")
    write_file(path, "\n".join(parts).encode())


def _plot(study: "optuna.Study", name: str, options: dict[str, Any]) -> str:
    from optuna import visualization

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of trials that are all alike
            figure = getattr(visualization, name)(study, **options)
    except (ValueError, RuntimeError) as error:
        return f"<p>Nothing to show: {escape(str(error))}</p>"
    text: str = figure.to_html(full_html=False, include_plotlyjs=False)
    return text


def _front_table(info: StudyInfo) -> str:
    trials = {trial.number: trial for trial in info.trials}
    return "\n".join(_rows([trials[number] for number in info.front], info.best))


def _rows(front: list[Trial], best: int | None) -> Iterator[str]:
    yield "<table><tr><th>trial<th>accuracy<th>ms a photo<th>MB<th>values"
    for trial in front:
        mark = "<strong>taken for training</strong>: " if trial.number == best else ""
        yield (
            f"<tr><td>{trial.number + 1}<td>{trial.accuracy or 0:.4f}<td>{trial.latency_ms or 0:.1f}"
            f"<td>{trial.size_mb or 0:.1f}<td>{mark}{escape(_values_text(trial))}"
        )
    yield "</table>"


def _values_text(trial: Trial) -> str:
    return ", ".join(
        f"{key} = {value:.3g}" if isinstance(value, float) else f"{key} = {value}"
        for key, value in trial.values.items()
    )
