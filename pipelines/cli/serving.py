"""The verbs of the `darkroom` command around a served model: serve, predict, trace, drift."""

import argparse
import datetime
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]

DRIFTED, UNTOLD = 3, 4
"""The exit codes of `darkroom drift`: it has drifted; there are too few photos to tell."""


def add_serving(
    verb: Verb,
    add_address: Callable[[argparse.ArgumentParser, int], None],
    add_json: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Adds the verbs."""
    serve = verb("serve", _serve, "serve the newest model, or that of a run")
    serve.add_argument(
        "run",
        nargs="?",
        default="latest",
        metavar="RUN",
        help="a run id, or the folder of a package; default: %(default)s",
    )
    add_address(serve, 3000)
    serve.add_argument(
        "--api-key-file",
        type=Path,
        metavar="FILE",
        help="holds a key that requests must carry; default: none, or DARKROOM_API_KEY",
    )
    serve.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="URL",
        help="a web page of another origin that may ask; may be repeated",
    )
    serve.add_argument(
        "--prediction-log",
        type=Path,
        metavar="FOLDER",
        help="keep a summary of each answer, never the photo, for drift and trace",
    )
    serve.add_argument(
        "--log-share",
        type=_parse_share,
        default=1.0,
        metavar="SHARE",
        help="the share of the answers that are kept; default: %(default)s",
    )

    predict = verb("predict", _predict, "classify photos and write a table")
    predict.add_argument("paths", nargs="+", type=Path, metavar="PHOTO_OR_FOLDER")
    predict.add_argument("--output", type=Path, metavar="CSV", help="default: print to standard output")
    predict.add_argument("--run", default="latest", help="whose model; default: %(default)s")
    predict.add_argument("--overwrite", action="store_true", help="replace the output file where it exists")
    add_json(predict)

    trace = verb("trace", _trace, "show what stands behind a prediction: bento, run, data version, git revision")
    trace.add_argument("name", metavar="PREDICTION_BENTO_OR_RUN", help="a prediction's id, a bento's tag, a run's id")
    trace.add_argument("--photo", type=Path, help="the photo that was asked about, to find the nearest training photos")
    trace.add_argument("--prediction-log", type=Path, metavar="FOLDER", help="as given to `darkroom serve`")
    add_json(trace)

    drift = verb("drift", _check_drift, "tell whether what is asked about still resembles the data set")
    drift.add_argument("served", type=Path, metavar="LOG_OR_PHOTOS", help="a prediction log, or a folder of photos")
    drift.add_argument("--run", default="latest", help="whose model and data set; default: %(default)s")
    drift.add_argument("--since", type=_parse_day, metavar="YYYY-MM-DD", help="leave older predictions of the log out")
    drift.add_argument("--output", type=Path, default=Path("drift.html"), help="the report; default: %(default)s")
    drift.add_argument("--seed", type=int, default=42, help="of what is drawn by chance; default: %(default)s")
    add_json(drift)
    drift.epilog = f"Exit codes: 0 no drift, {DRIFTED} drift, {UNTOLD} too few photos to tell, 2 you can mend it."


def _parse_share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"a number from 0 to 1 is expected; found {text!r}")
    return share


def _parse_day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a day such as 2026-01-31 is expected; found {text!r}") from None


def _show_progress() -> None:
    """Lines of progress go to standard error: standard output is for the result."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    logging.getLogger("components").setLevel(logging.INFO)


def _serve(arguments: argparse.Namespace) -> int:
    from components.deploy.bento.server import serve
    from components.deploy.service import settings
    from pipelines.runners.runs import find_run

    environment = {name: os.environ[name] for name in settings.VARIABLES if name in os.environ}
    if arguments.api_key_file is not None:
        environment[settings.API_KEY_FILE] = str(arguments.api_key_file.resolve())
    if arguments.allow_origin:
        environment[settings.ALLOWED_ORIGINS] = " ".join(arguments.allow_origin)
    if arguments.prediction_log is not None:
        environment[settings.PREDICTION_LOG] = str(arguments.prediction_log.resolve())
        environment[settings.PREDICTION_LOG_SHARE] = str(arguments.log_share)
    settings.read_settings(environment)  # what cannot be is told before anything starts
    is_package = Path(arguments.run, "bento", "bento", "bento.yaml").is_file()
    folder = Path(arguments.run) if is_package else find_run(arguments.run).path
    return serve(folder / "bento", arguments.host, arguments.port, environment)


def _predict(arguments: argparse.Namespace) -> int:
    from components.deploy.predict import predict_files, write_csv
    from pipelines.cli import show
    from pipelines.runners.runs import find_run

    _show_progress()
    rows = predict_files(find_run(arguments.run).path / "bento", arguments.paths)
    if arguments.json:
        show.as_json(list(rows))
    else:
        write_csv(rows, arguments.output, overwrite=arguments.overwrite)
    return 0


def _trace(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.trace import as_lines, trace

    _show_progress()
    chain = trace(arguments.name, arguments.photo, arguments.prediction_log)
    if arguments.json:
        show.as_json(chain.model_dump(mode="json"))
    else:
        for name, text in as_lines(chain):
            show.line(f"{name:<14}{text}")
    return 0


def _check_drift(arguments: argparse.Namespace) -> int:
    import numpy as np

    from components.deploy.monitoring.drift import compare
    from components.deploy.monitoring.drift_report import write_report
    from components.deploy.monitoring.signals import folder_traits, held_out_traits, logged_traits
    from components.deploy.predict import find_files
    from components.deploy.service.classifier import Classifier
    from components.deploy.service.prediction_log import read_log
    from pipelines.cli import show
    from pipelines.runners.runs import find_run

    _show_progress()
    run = find_run(arguments.run).path
    classifier = Classifier(run / "bento" / "bento" / "src")
    is_log = arguments.served.is_dir() and any(arguments.served.glob("*.jsonl"))
    if is_log:
        served_traits = logged_traits(read_log(arguments.served, arguments.since), classifier.facts.tag)
    else:
        served_traits = folder_traits(classifier, find_files([arguments.served]))
    rng = np.random.default_rng(arguments.seed)
    reference_traits = held_out_traits(classifier, run / "dataset", rng)
    drift = compare(reference_traits, served_traits, classifier.facts.class_names, rng)
    source = f"{'the log' if is_log else 'photos'} in {arguments.served}"
    write_report(arguments.output, drift, reference_traits, served_traits, name=classifier.facts.tag, source=source)
    if arguments.json:
        show.as_json(drift.model_dump(mode="json") | {"report": str(arguments.output)})
    else:
        show.line(f"{drift.verdict}: {drift.reason}\n{arguments.output} shows it.")
    return {"no drift": 0, "drift": DRIFTED, "cannot tell": UNTOLD}[drift.verdict]
