"""The page of a study: Optuna's own plots in one HTML file that stands alone."""

import html
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.outputs import write_file

if TYPE_CHECKING:
    import optuna

PLOTS = {
    "How the best accuracy grew": "plot_optimization_history",
    "What mattered": "plot_param_importances",
    "Each value by itself": "plot_slice",
    "All values together": "plot_parallel_coordinate",
    "Accuracy epoch by epoch": "plot_intermediate_values",
}
STYLE = "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"


def write_page(study: "optuna.Study", path: Path) -> None:
    """Writes every plot that the study has enough trials for.

    Args:
        study: with at least one complete trial.
        path: of the HTML file.
    """
    from optuna import visualization
    from plotly.offline import get_plotlyjs

    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(study.study_name)}</title><style>{STYLE}</style><script>{get_plotlyjs()}</script>"
        f"<h1>Search {html.escape(study.study_name)}</h1><p>{_best_text(study)}</p>"
    ]
    for title, name in PLOTS.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of trials that are all alike
                figure = getattr(visualization, name)(study)
        except (ValueError, RuntimeError) as error:
            parts.append(f"<h2>{title}</h2><p>Nothing to show: {html.escape(str(error))}</p>")
            continue
        parts.append(f"<h2>{title}</h2>{figure.to_html(full_html=False, include_plotlyjs=False)}")
    write_file(path, "\n".join(parts).encode())


def _best_text(study: "optuna.Study") -> str:
    best = study.best_trial
    values = ", ".join(f"{key} = {value:.3g}" if isinstance(value, float) else f"{key} = {value}"
                       for key, value in best.params.items())  # fmt: skip
    return html.escape(
        f"Best of {len(study.trials)} trials: number {best.number + 1}, validation accuracy {best.value:.4f} with "
        f"{values}."
    )
