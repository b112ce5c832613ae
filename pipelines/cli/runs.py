"""The verbs for runs: runs, trace, promote, clean."""

from dataclasses import asdict
from pathlib import Path

import click

from pipelines.cli.frame import Verb
from pipelines.option_values import PATH, parse_count
from pipelines.run_options import json_option


@click.command(cls=Verb)
@json_option
def runs(as_json: bool) -> None:
    """List the runs of this folder."""
    from pipelines.cli import show
    from pipelines.runners import runs

    runs.mark_killed_runs()
    show.runs(show.console(), runs.list_runs(), as_json_text=as_json)


@click.command(cls=Verb)
@click.argument("name", metavar="NAME", help="The id of a prediction or of a run, or the tag of a bento.")
@click.option(
    "--photo",
    type=PATH,
    metavar="FILE",
    help="The photo that was classified, to find the training photos nearest to it.",
)
@click.option(
    "--prediction-log",
    type=PATH,
    metavar="FOLDER",
    help="The log that darkroom serve --prediction-log writes.",
)
@json_option
def trace(name: str, photo: Path | None, prediction_log: Path | None, as_json: bool) -> None:
    """Show where a prediction comes from: bento, run, data version, git revision."""
    from pipelines.cli import show
    from pipelines.trace import as_lines, trace

    show.log_progress()
    chain = trace(name, photo, prediction_log)
    if as_json:
        show.as_json(chain.model_dump(mode="json"))
    else:
        for title, text in as_lines(chain):
            show.line(f"{title:<14}{text}")


@click.command(cls=Verb)
@click.argument("run", metavar="[RUN]", default="latest", help="A run id. [default: latest]")
@json_option
def promote(run: str, as_json: bool) -> None:
    """Make the model of a run the champion, if the run's verdict allows it."""
    from pipelines.cli import show
    from pipelines.promotion import promote

    registration = promote(run)
    if as_json:
        show.as_json(asdict(registration))
    else:
        show.line(registration.reason)


@click.command(cls=Verb)
@click.option("--keep", type=parse_count, default=3, metavar="N", help="The number of finished runs to keep.")
@click.option("--cache", is_flag=True, help="Also remove the cache.")
@click.option("--dry-run", is_flag=True, help="Only report what would be removed.")
@json_option
def clean(keep: int, cache: bool, dry_run: bool, as_json: bool) -> None:
    """Remove old, failed and killed runs, but never photos or the latest run."""
    from components.contract.system.cache import cache_dir
    from pipelines.cli import show
    from pipelines.runners import runs

    runs.mark_killed_runs()
    removals = runs.plan_cleaning(keep, cache_dir() if cache else None)
    if not dry_run:
        runs.remove(removals)
    show.removals(show.console(), removals, dry_run=dry_run, as_json_text=as_json)


VERBS = (runs, trace, promote, clean)
