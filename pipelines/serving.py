"""Serves the model of a run, and compares the served photos with the run's data set."""

import datetime
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.runners.runs import find_run

if TYPE_CHECKING:
    from components.deploy.monitoring.drift import Drift


def serve_run(
    run: str,
    host: str,
    port: int,
    *,
    api_key_file: Path | None = None,
    allowed_origins: Sequence[str] = (),
    prediction_log: Path | None = None,
    log_share: float = 1.0,
) -> int:
    """Serves the model of a run or a package until the service is stopped; returns its exit code.

    Args:
        run: a run id, `latest`, or the folder of a package.
        host: the address to listen on.
        port: the port to listen on.
        api_key_file: a file with the API key that requests must contain.
        allowed_origins: the additional origins whose web pages can send requests.
        prediction_log: the folder for summaries of the answers; None for no log.
        log_share: the fraction of the answers to log, from 0 to 1.

    Raises:
        ArtifactError: there is no such finished run.
        ServiceError: a setting is invalid, or the service cannot start.
    """
    from components.deploy.bento.server import serve
    from components.deploy.service import settings

    environment = {name: os.environ[name] for name in settings.VARIABLES if name in os.environ}
    if api_key_file is not None:
        environment[settings.API_KEY_FILE] = str(api_key_file.resolve())
    if allowed_origins:
        environment[settings.ALLOWED_ORIGINS] = " ".join(allowed_origins)
    if prediction_log is not None:
        environment[settings.PREDICTION_LOG] = str(prediction_log.resolve())
        environment[settings.PREDICTION_LOG_SHARE] = str(log_share)
    settings.read_settings(environment)  # rejects an invalid setting before anything starts
    is_package = Path(run, "bento", "bento", "bento.yaml").is_file()
    folder = Path(run) if is_package else find_run(run).path
    return serve(folder / "bento", host, port, environment)


def check_drift(
    served: Path, run: str, *, since: datetime.date | None, seed: int, output: Path
) -> tuple["Drift", str | None]:
    """Compares logged predictions, or photos, with the held-out photos of a run, and writes a report.

    Args:
        served: a prediction log, or a folder of photos.
        run: a run id, or `latest`.
        since: the first day whose logged predictions are used; None for all days.
        seed: the seed of the random number generator.
        output: the path of the report.

    Returns:
        The result and, if there is drift, the command that chooses photos to label.
    """
    import numpy as np

    from components.deploy.monitoring.drift import compare
    from components.deploy.monitoring.drift_report import write_report
    from components.deploy.monitoring.signals import folder_traits, held_out_traits, logged_traits
    from components.deploy.predict import find_files
    from components.deploy.service.classifier import Classifier
    from components.deploy.service.predictions.prediction_log import read_log

    run_dir = find_run(run).path
    classifier = Classifier(run_dir / "bento" / "bento" / "src")
    is_log = served.is_dir() and any(served.glob("*.jsonl"))
    if is_log:
        served_traits = logged_traits(read_log(served, since), classifier.facts.tag)
    else:
        served_traits = folder_traits(classifier, find_files([served]))
    rng = np.random.default_rng(seed)
    reference_traits = held_out_traits(classifier, run_dir / "dataset", rng)
    drift = compare(reference_traits, served_traits, classifier.facts.class_names, rng)
    source = f"{'the log' if is_log else 'photos'} in {served}"
    command = propose_labeling(served, run_dir.name, since, is_log=is_log) if drift.verdict == "drift" else None
    write_report(
        output, drift, reference_traits, served_traits, name=classifier.facts.tag, source=source, command=command
    )
    return drift, command


def propose_labeling(served: Path, run: str, since: datetime.date | None, *, is_log: bool) -> str:
    """Returns the command that chooses photos to label; for a log, FOLDER is a placeholder for the photos' folder."""
    options = " --photos FOLDER" * is_log + (f" --since {since}" if since else "")
    return f"darkroom data next --from {shlex.quote(str(served))}{options} --run {run} --count 50 --output next"
