"""The verbs for training: run, compare, lr-find, finish."""

from collections.abc import Sequence
from pathlib import Path

import click

from components.contract.system.program import BUG
from pipelines.cli.frame import Verb
from pipelines.option_values import PATH, whole_number
from pipelines.run_options import json_option, params_options, run_options

UNPROMOTED = 3
"""The exit code if --require-promotion is set and the model is not promoted."""


@click.command(cls=Verb)
@run_options
def run(
    data: str | None,
    params: Path | None,
    settings: tuple[str, ...],
    runner: str,
    memory: str | None,
    gpus: int,
    require_promotion: bool,
    preset: str | None,
    minutes: float | None,
    as_json: bool,
) -> int:
    """Run the whole pipeline: prepare photos, train, evaluate, and build a service."""
    from pipelines.cli import show
    from pipelines.run_options import resolve_data, with_shortcuts
    from pipelines.runners import docker, local

    console = show.console(to_stderr=as_json)
    limits = docker.parse_limits(runner, memory=memory, gpus=gpus)
    resolution = resolve_data(data, params, with_shortcuts(settings, preset, minutes))
    show.decisions(console, resolution)
    try:
        folder = local.run(resolution, show.Progress(console), limits)
    except local.PipelineError as failure:
        show.line(str(failure), to_stderr=True)
        return BUG
    summary = folder.summary or {}
    if as_json:
        show.as_json(summary)
    else:
        show.summary(console, summary)
    return UNPROMOTED if require_promotion and not summary["promoted"] else 0


class TryOption(click.Option):
    """An option whose value is all words up to the next option, as in `--try train.epochs=5 train.seed=2`."""

    SEPARATOR = "\0"
    """Separates the joined words; no argument of a process can contain this character."""

    @classmethod
    def join(cls, words: Sequence[str], name: str) -> list[str]:
        """Joins the words of each value of the option `name` into one argument."""
        joined: list[str] = []
        is_open = False
        for place, word in enumerate(words):
            if word == "--":
                return [*joined, *words[place:]]
            if is_open and not word.startswith("-"):
                joined[-1] += cls.SEPARATOR + word if joined[-1] != name else ""
                if joined[-1] == name:
                    joined.append(word)
                continue
            is_open = word == name
            joined.append(word)
        return joined


class CompareVerb(Verb):
    """The verb that compares models; its option --try accepts several words."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Joins the words of each --try, and parses the arguments."""
        return super().parse_args(ctx, TryOption.join(args, "--try"))


def split_group(text: str) -> tuple[str, ...]:
    """Splits a joined value of --try into its words."""
    return tuple(text.split(TryOption.SEPARATOR))


@click.command(cls=CompareVerb)
@click.argument(
    "models",
    metavar="[MODEL]...",
    nargs=-1,
    help="A run id, or a params file. [default: all finished runs of this folder]",
)
@click.option(
    "--try",
    "trials",
    multiple=True,
    type=split_group,
    metavar="SECTION.KEY=VALUE...",
    help="Train a model with these params (one or more). Can be repeated.",
)
@params_options
@click.option(
    "--seeds",
    type=whole_number("a number from 1 to 100", 1, 100),
    default=1,
    metavar="N",
    help="The number of training runs per model.",
)
@click.option("--output", type=PATH, default=Path("comparison"), metavar="FOLDER", help="The folder for the results.")
@json_option
def compare(
    models: tuple[str, ...],
    trials: tuple[tuple[str, ...], ...],
    data: str | None,
    params: Path | None,
    settings: tuple[str, ...],
    seeds: int,
    output: Path,
    as_json: bool,
) -> None:
    """Compare models on the same validation photos, and recommend one."""
    from pipelines.cli import show, tables
    from pipelines.comparison.compare import PAGE, PICK, compare
    from pipelines.comparison.models import collect_models

    console = show.console(to_stderr=True)
    collected = collect_models(
        models, trials, data, params, settings, lambda name, resolution: show.decisions(console, resolution, name)
    )
    show.log_progress()
    board = compare(collected, seeds, output)
    if as_json:
        show.as_json(board.model_dump(mode="json") | {"page": str(output / PAGE)})
        return
    tables.leaderboard(show.console(), board)
    show.line(f"\nReport: {output / PAGE}")
    show.line(f"To train with the recommended settings: darkroom run --params {output / PICK}")


@click.command("lr-find", cls=Verb)
@params_options
@click.option(
    "--dataset",
    "dataset_dir",
    type=PATH,
    metavar="FOLDER",
    help="A folder of prepared photos, instead of --data.",
)
@click.option(
    "--batches",
    "num_batches",
    type=whole_number("a number from 20 to 10,000", 20, 10_000),
    default=100,
    metavar="N",
    help="The maximum number of batches.",
)
@click.option("--output", type=PATH, default=Path("lr-find.html"), metavar="FILE", help="Where to save the curve.")
@json_option
def lr_find(
    data: str | None,
    params: Path | None,
    settings: tuple[str, ...],
    dataset_dir: Path | None,
    num_batches: int,
    output: Path,
    as_json: bool,
) -> None:
    """Suggest a learning rate: train briefly at increasing rates, and plot the loss."""
    from components.train.lr_finder.page import sentences
    from pipelines.cli import show
    from pipelines.lr_find import find_learning_rate

    console = show.console(to_stderr=True)
    show.log_progress()
    test = find_learning_rate(
        data,
        params,
        settings,
        dataset_dir=dataset_dir,
        num_batches=num_batches,
        output=output,
        show=lambda resolution: show.decisions(console, resolution),
    )
    if as_json:
        show.as_json(test.model_dump(mode="json") | {"page": str(output)})
    else:
        show.line("\n".join([*sentences(test), f"Curve: {output}"]))


@click.command(cls=Verb)
@click.argument("run", metavar="[RUN]", required=False, help="A run in progress. [default: the only run in progress]")
def finish(run: str | None) -> None:
    """Stop training after the current epoch; the run continues with the model of the best epoch."""
    from pipelines.cli import show
    from pipelines.runners.runs import ask_to_finish

    show.line(f"{ask_to_finish(run)} will stop training after the current epoch.")


VERBS = (run, compare, lr_find, finish)
