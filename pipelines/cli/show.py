"""Prints the output of the command line: the log of the steps, and results as text, tables or JSON."""

import json
import logging
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from components.contract.artifacts.figures import Interval
from components.contract.params.resolve import Resolution
from components.contract.text import json_text, pluralize, printable
from components.evaluate.formatting import estimate

if TYPE_CHECKING:
    from pipelines.runners.runs import Removal, RunFolder

SUMMARY_FRAME: Final = 17
"""The width of the summary's frame and first column."""
FOLDED_WIDTH: Final = 16
"""The minimum width of the column that a listing can fold."""


class PlainConsole(Console):
    """Prints strings literally: it ignores markup and emoji codes, and escapes control characters."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Converts a line, a cell or a title to rich text."""
        return super().render_str(printable(text, lines=True), **options | {"markup": False, "emoji": False})


def console(*, to_stderr: bool = False) -> Console:
    """Creates the console; it writes to standard error if standard output is for JSON."""
    return PlainConsole(stderr=to_stderr, highlight=False, soft_wrap=True)


def line(text: str, *, to_stderr: bool = False, flush: bool = False) -> None:
    """Prints plain text on standard output or standard error."""
    print(printable(text, lines=True), file=sys.stderr if to_stderr else sys.stdout, flush=flush)


def as_json(result: object) -> None:
    """Prints the result as JSON on standard output."""
    text = json_text(result, indent=2, default=str)
    if not (sys.stdout.encoding or "").lower().startswith("utf"):
        text = json.dumps(json.loads(text), indent=2)
    print(text)


def log_progress(*, to_stderr: bool = True) -> None:
    """Shows the log as plain lines, on standard error or on standard output."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr if to_stderr else sys.stdout, format="%(message)s")
    for package in ("components", "pipelines"):
        logging.getLogger(package).setLevel(logging.INFO)


def decisions(out: Console, resolution: Resolution, title: str | None = None) -> None:
    """Prints what the data contains, and how each `auto` was resolved and why, below a title if there is one."""
    if title is not None:
        out.print(f"{title}:", markup=False)
    for sentence in resolution.data:
        out.print("data       ", style="dim", end="")
        out.print(sentence)
    for decision in resolution.decisions:
        out.print("auto       ", style="dim", end="")
        out.print(decision)


class Progress:
    """Prints the lines of the steps, each with the time since the start before it."""

    def __init__(self, out: Console):
        self._out = out
        self._start_time = time.monotonic()

    def __call__(self, step: str, line: str) -> None:
        """Prints one line of a step, after the time since the start."""
        seconds = int(time.monotonic() - self._start_time)
        self._out.print(f"{seconds // 60:3d}:{seconds % 60:02d} ", style="dim", end="")
        self._out.print(f"{step:<10} ", style="bold", end="")
        self._out.print(printable(line))


def summary(out: Console, results: dict[str, Any]) -> None:
    """Prints the results of a run, and commands to run next."""
    dataset, model = results["dataset"], results["model"]
    num_images, num_rejected = dataset["kept"], sum(dataset["rejected"].values())
    split_counts = ", ".join(f"{split} {num_images[split]:,}" for split in ("train", "validation", "test"))
    gate, seconds = results["gate"], results["seconds"]
    steps = ", ".join(f"{step} {seconds[step]:.1f}" for step in seconds if step != "total")
    rows = {
        "data": f"{dataset['name']}: {pluralize(sum(num_images.values()))} in "
        f"{pluralize(dataset['num_classes'], 'class', 'classes')} "
        f"({split_counts}; {num_rejected} rejected)",
        "version": " · ".join(
            [
                dataset["fingerprint"][:12],
                f"DVC {dataset['dvc'][:12]}" if dataset["dvc"] else "not under DVC",
                f"git {dataset['git_revision'][:12]}" if dataset["git_revision"] else "not in git",
            ]
        ),
        "model": f"{model['name']}: {model['num_parameters']:,} parameters, "
        f"{model['num_trained_parameters']:,} trained; epoch {model['best_epoch']} of {model['epochs_run']} kept",
        **({"search": _search(results["study"])} if "study" in results else {}),
        "validation": _figures(results["validation"]),
        "test": _figures(results["test"]),
        "verdict": f"{gate['verdict']} ({'promoted' if results['promoted'] else 'not promoted'}): "
        + " ".join(gate["reasons"]),
        **({"time limit": budget_text(results["budget"])} if "budget" in results else {}),
        "bento": results["bento"]["tag"],
        "report": results["report"],
        "seconds": f"{seconds['total']:.1f} in total ({steps})",
    }
    title = f"Run {results['run_id']}"
    out.print()
    if cell_len(results["report"]) + SUMMARY_FRAME > out.width:
        out.print(title, markup=False)
        for name, text in rows.items():
            out.print(f"{name:<10}  {text}", markup=False)
    else:
        table = Table(title=title, show_header=False, title_justify="left")
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, text in rows.items():
            table.add_row(name, text)
        out.print(table, soft_wrap=False, markup=False)
    out.print("Next:")
    for command, text in (
        ("darkroom serve", "the service, on port 3000"),
        ("curl -F files=@PHOTO http://127.0.0.1:3000/predict", "a prediction"),
        ("darkroom predict FOLDER --output predictions.csv", "a table of predictions"),
        ("darkroom ui", "learning curves and a comparison of runs, in MLflow"),
    ):
        out.print(f"  {command:<52} {text}", markup=False)


def runs(out: Console, folders: "list[RunFolder]", *, as_json_text: bool) -> None:
    """Prints runs as JSON, or as a table followed by the errors of failed runs."""
    states = [(folder, folder.state, folder.summary) for folder in folders]
    if as_json_text:
        as_json([state.model_dump() | {"summary": results} for _, state, results in states])
        return
    if not states:
        out.print("There are no runs in this folder. To start one: darkroom run --data PHOTOS")
        return
    rows = []
    for folder, state, results in states:
        cells = ["", "", ""]
        if results is not None:
            cells = [results["model"]["name"], _figure(results["test"]["accuracy"]), results["gate"]["verdict"]]
        rows.append([state.run_id, state.started[:16], state.status, state.data, *cells, megabytes(folder.num_bytes)])
    columns = ("run", "started", "status", "data", "model", "test accuracy", "verdict", "size")
    listing(out, columns, rows, fold_column="data")
    for _, state, _ in states:
        if state.error:
            out.print(f"{state.run_id} {state.status}: {state.error.splitlines()[0]}", markup=False)


def listing(out: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], *, fold_column: str) -> None:
    """Prints a table, or one block of lines per row if the terminal is too narrow, so that ids are never folded or cut.

    Args:
        out: the terminal.
        columns: the headings; the first column contains the ids.
        rows: one cell per heading.
        fold_column: the column that can be folded.
    """
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    widths[columns.index(fold_column)] = min(widths[columns.index(fold_column)], FOLDED_WIDTH)
    if sum(widths) + 3 * len(widths) + 1 > out.width:
        for identifier, *cells in rows:
            out.print(identifier, style="bold", markup=False)
            for name, cell in zip(columns[1:], cells, strict=True):
                if cell:
                    out.print(f"  {name:<{max(map(len, columns[1:]))}}  {cell}", markup=False)
        return
    table = Table()
    for name in columns:
        table.add_column(name, no_wrap=name != fold_column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table, soft_wrap=False, markup=False)


def removals(out: Console, folders: "list[Removal]", *, dry_run: bool, as_json_text: bool) -> None:
    """Prints the folders that `clean` removed, or would remove."""
    if as_json_text:
        as_json({"dry_run": dry_run, "removed": [removal.model_dump() for removal in folders]})
        return
    for removal in folders:
        out.print(f"{removal.path} ({megabytes(removal.num_bytes)}, {removal.reason})", markup=False)
    verb = "Would remove" if dry_run else "Removed"
    total = megabytes(sum(removal.num_bytes for removal in folders))
    out.print(f"{verb} {pluralize(len(folders), 'folder')}, {total}." if folders else "There is nothing to remove.")


def megabytes(num_bytes: int) -> str:
    """Formats a number of bytes in MB, such as `12.3 MB`."""
    return f"{num_bytes / 1e6:,.1f} MB"


def _figures(split: dict[str, Any]) -> str:
    return (
        f"accuracy {_figure(split['accuracy'])} on {pluralize(split['num_images'])}\n"
        f"macro F1 {_figure(split['macro_f1'])}"
    )


def budget_text(budget: dict[str, Any]) -> str:
    """Describes how long a run took, compared with its time limit and its estimated duration."""
    estimated = budget["estimated_minutes"]
    estimate_text = "" if estimated is None else f", {estimated:.1f} estimated"
    cut_text = "; training ended early" if budget["is_cut"] else ""
    return f"{budget['real_minutes']:.1f} of {budget['minutes']:g} minutes used{estimate_text}{cut_text}"


def _search(study: dict[str, Any]) -> str:
    trials, best = study["trials"], study["best"]
    values = ", ".join(
        f"{key} = {value:.4g}" if isinstance(value, float) else f"{key} = {value}"
        for key, value in best["values"].items()
    )
    choice_text = (
        f"{study['choice']} Its values: "
        if len(study["objectives"]) > 1
        else f"the best is trial {best['number'] + 1}: "
    )
    counts = f"{pluralize(sum(trials.values()), 'trial')} ({trials['pruned']} stopped early, {trials['failed']} failed)"
    return f"{counts}; {choice_text}{values}"


def _figure(interval: dict[str, float]) -> str:
    return estimate(Interval.model_validate(interval))
