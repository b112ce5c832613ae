"""The verbs for a served model: serve, predict, drift."""

import datetime
from pathlib import Path

import click

from pipelines.cli.frame import Verb
from pipelines.option_values import PATH, parse_day, parse_port, parse_share
from pipelines.run_options import json_option

DRIFT_CODES = {"no drift": 0, "drift": 3, "cannot tell": 4}
"""The exit codes of `darkroom drift`."""


@click.command(cls=Verb)
@click.argument(
    "run", metavar="[RUN]", default="latest", help="A run id, or the folder of a package. [default: latest]"
)
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="The address to listen on.")
@click.option("--port", type=parse_port, default=3000, metavar="N", help="The port to listen on.")
@click.option(
    "--api-key-file",
    type=PATH,
    metavar="FILE",
    help="A file with the API key that requests must contain.",
    show_default="DARKROOM_API_KEY, or no key",
)
@click.option(
    "--allow-origin",
    "allowed_origins",
    multiple=True,
    metavar="URL",
    help="An additional origin whose web pages can send requests. Can be repeated.",
)
@click.option(
    "--prediction-log",
    type=PATH,
    metavar="FOLDER",
    help="Log a summary of each answer, but never the photo, for darkroom drift and darkroom trace.",
)
@click.option("--log-share", type=parse_share, default=1.0, metavar="SHARE", help="The fraction of answers to log.")
def serve(
    run: str,
    host: str,
    port: int,
    api_key_file: Path | None,
    allowed_origins: tuple[str, ...],
    prediction_log: Path | None,
    log_share: float,
) -> int:
    """Serve the model of a run over HTTP."""
    from pipelines.serving import serve_run

    return serve_run(
        run,
        host,
        port,
        api_key_file=api_key_file,
        allowed_origins=allowed_origins,
        prediction_log=prediction_log,
        log_share=log_share,
    )


@click.command(cls=Verb)
@click.argument("paths", metavar="PHOTO_OR_FOLDER...", nargs=-1, required=True, type=PATH, help="The photos.")
@click.option("--output", type=PATH, metavar="CSV", help="Where to save the table.", show_default="standard output")
@click.option("--run", default="latest", metavar="RUN", help="The run whose model is used.")
@click.option("--overwrite", is_flag=True, help="Replace the table if it exists.")
@json_option
def predict(paths: tuple[Path, ...], output: Path | None, run: str, overwrite: bool, as_json: bool) -> None:
    """Classify photos and write a table of predictions."""
    from components.deploy.predict import predict_files, write_csv
    from pipelines.cli import show
    from pipelines.runners.runs import find_run

    show.log_progress()
    rows = predict_files(find_run(run).path / "bento", paths)
    if as_json:
        show.as_json(list(rows))
    else:
        write_csv(rows, output, overwrite=overwrite)


@click.command(cls=Verb)
@click.argument("served", metavar="LOG_OR_PHOTOS", type=PATH, help="A prediction log, or a folder of photos.")
@click.option("--run", default="latest", metavar="RUN", help="The run with the model and the data set to compare with.")
@click.option("--since", type=parse_day, metavar="YYYY-MM-DD", help="Use only predictions made on or after this date.")
@click.option("--output", type=PATH, default=Path("drift.html"), metavar="FILE", help="Where to save the report.")
@click.option("--seed", type=int, default=42, metavar="N", help="The seed of the random number generator.")
@json_option
def drift(served: Path, run: str, since: datetime.date | None, output: Path, seed: int, as_json: bool) -> int:
    """Detect whether the classified photos differ from the data set.

    Exit codes: 0 no drift, 3 drift, 4 too few photos to tell, 2 an error that you can fix.
    """
    from pipelines.cli import show
    from pipelines.serving import check_drift

    show.log_progress()
    result, labeling_command = check_drift(served, run, since=since, seed=seed, output=output)
    if as_json:
        show.as_json(result.model_dump(mode="json") | {"report": str(output), "labeling_command": labeling_command})
    else:
        advice = f"\nTo choose photos to label: {labeling_command}" if labeling_command else ""
        show.line(f"{result.verdict}: {result.reason}\nReport: {output}{advice}")
    return DRIFT_CODES[result.verdict]


VERBS = (serve, predict, drift)
