"""`darkroom compare`: several models of one data set side by side, and which of them to take."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from components.contract.artifacts.leaderboard import Leaderboard
    from pipelines.comparison.models import Model

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]

PARAMS_SUFFIXES = (".yaml", ".yml")


def add_compare(verb: Verb, add_params_options: Callable[[argparse.ArgumentParser], None]) -> None:
    """Adds the verb."""
    compare = verb("compare", _compare, "compare models on the same validation photos, and say which to take")
    compare.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="a run id, or a params file; default: all finished runs of this folder",
    )
    compare.add_argument(
        "--try",
        action="append",
        nargs="+",
        default=[],
        metavar="SECTION.KEY=VALUE",
        dest="tries",
        help="a model: the params with these values; may be repeated",
    )
    add_params_options(compare)
    compare.add_argument(
        "--seeds", type=_parse_seeds, default=1, metavar="N", help="trainings of each; default: %(default)s"
    )
    compare.add_argument("--output", type=Path, default=Path("comparison"), help="default: %(default)s")
    compare.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _compare(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.comparison.compare import PAGE, PICK, compare

    console = show.console(to_stderr=True)
    models = list(_name_uniquely(_read_models(arguments, console)))
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    for package in ("components", "pipelines"):
        logging.getLogger(package).setLevel(logging.INFO)
    board = compare(models, arguments.seeds, arguments.output)
    if arguments.json:
        show.as_json(board.model_dump(mode="json") | {"page": str(arguments.output / PAGE)})
        return 0
    _show(board)
    show.line(
        f"\n{arguments.output / PAGE} shows it all; to take the pick: darkroom run --params {arguments.output / PICK}"
    )
    return 0


def _read_models(arguments: argparse.Namespace, console: "Console") -> "Iterator[Model]":
    from pipelines.comparison.models import model_of_run
    from pipelines.runners.runs import find_run, list_runs

    for name in arguments.models:
        if Path(name).suffix in PARAMS_SUFFIXES:
            yield _plan_model(Path(name).stem, arguments, console, params=Path(name))
        else:
            yield model_of_run(find_run(name))
    for values in arguments.tries:
        yield _plan_model(_make_name(values), arguments, console, set=[*arguments.set, *values])
    if not arguments.models and not arguments.tries:
        yield from (model_of_run(folder) for folder in list_runs() if folder.summary is not None)


def _plan_model(name: str, arguments: argparse.Namespace, console: "Console", **changes: Any) -> "Model":
    """A model that is to be trained: its params without `auto`."""
    from pipelines.cli import show
    from pipelines.comparison.models import Model
    from pipelines.run_options import resolve_data

    resolution = resolve_data(argparse.Namespace(**vars(arguments) | changes))
    console.print(f"{name}:", markup=False)
    show.decisions(console, resolution)
    return Model(name, resolution.params)


def _make_name(values: list[str]) -> str:
    """`MobileNetV2, image_size 150` of what was set."""
    parts = []
    for value in values:
        key, _, text = value.partition("=")
        last = key.rpartition(".")[2]
        if last == "weights":  # a path, which says nothing of the model
            continue
        parts.append(text if last == "name" else f"{last} {text}")
    return ", ".join(parts) or "model"


def _name_uniquely(models: "Iterator[Model]") -> "Iterator[Model]":
    """The same, each under a name of its own."""
    import dataclasses

    num_by_name: dict[str, int] = {}
    for model in models:
        num_by_name[model.name] = num_by_name.get(model.name, 0) + 1
        number = num_by_name[model.name]
        yield model if number == 1 else dataclasses.replace(model, name=f"{model.name} ({number})")


def _show(board: "Leaderboard") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from components.evaluate.formatting import interval, percent
    from components.evaluate.gate.leaderboard import format_p
    from components.evaluate.report.leaderboard_page import OFF_FRONT, ON_FRONT, leaderboard_sentences
    from pipelines.cli import show

    out = show.console()
    several = any(len(row.seeds) > 1 for row in board.rows)
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title=f"{board.dataset_name}: {board.num_images:,} validation photos",
        title_justify="left",
        caption="● on the Pareto front of accuracy, time of one photo and size",
        caption_justify="left",
    )
    table.add_column("model", overflow="fold")
    for heading in ("accuracy", "macro F1", "param.", "bundle", "1 photo", "8 photos", "training"):
        table.add_column(heading, justify="right")
    for row in board.rows:
        name = f"{ON_FRONT if row.on_front else OFF_FRONT} {row.name}{f', {len(row.seeds)} seeds' if several else ''}"
        table.add_row(
            name if row.p_value is None else f"{name}\n  {'tie' if row.tied else 'worse'}, p {format_p(row.p_value)}",
            f"{percent(row.accuracy.value)}\n{interval(row.accuracy)}",
            percent(row.macro_f1),
            _format_count(row.num_parameters),
            f"{row.bundle_mb:,.1f} MB",
            f"{row.latency_ms:.1f} ms",
            f"{row.latency_of_8_ms:.1f} ms",
            f"{row.train_minutes:.1f} min",
            style="bold" if row.name == board.pick else None,
        )
    out.print()
    out.print(table, soft_wrap=False, markup=False)
    for sentence in leaderboard_sentences(board):
        out.print(sentence, markup=False)


def _format_count(number: int) -> str:
    return f"{number:,}" if number < 100_000 else f"{number / 1e6:.2f} M"


def _parse_seeds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"a number from 1 to 100 is expected; found {text!r}")
    return int(text)
