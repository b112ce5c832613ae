"""Reads the steps, epochs, trials and log of a run in progress from the files that the run writes."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from components.contract.record import BaseRecord
from components.contract.system.program import FINISH_FILE
from pipelines.runners import runs
from pipelines.runners.events import EVENTS_FILE, read_events
from pipelines.studio.jobs.job_folder import JobFolder
from pipelines.studio.jobs.steps import StepView, count_parts, read_steps

LOG_BYTES: Final = 200_000
"""The maximum number of bytes of the log that are sent at a time; if more are new, only the last ones are sent."""


class Progress(BaseRecord):
    """The progress of the current training run, which every screen shows."""

    job: str
    step: str
    share: float | None


class LiveView(BaseRecord):
    """The state of a job for the Live screen.

    Attributes:
        epochs: the metrics of each training epoch; during a search, those of the latest trial.
        part: the progress of the current epoch; None between epochs.
        log: the new text of the log.
        log_to: the position in the log after this text, in bytes.
        finishing: whether the user has asked for training to end early with the best epoch so far.
    """

    id: str
    kind: str
    title: str
    state: str
    error: str | None
    started: float | None
    ended: float | None
    run_id: str | None
    mlflow_run_id: str | None
    steps: tuple[StepView, ...]
    epochs: tuple[dict[str, Any], ...]
    trials: tuple[dict[str, Any], ...]
    part: dict[str, Any] | None
    log: str
    log_to: int
    finishing: bool
    command: tuple[str, ...]


def watch(job: JobFolder, log_from: int = 0) -> LiveView:
    """Returns the current state of a job.

    Args:
        job: a job of any kind; only runs have steps.
        log_from: the position in the log, in bytes, after which the text is new.
    """
    state = job.state
    run = job.run_folder
    events = _read_events(run)
    log, log_to = _log(job.path / "log.txt", log_from)
    return LiveView(
        id=job.path.name,
        kind=job.job.kind,
        title=job.job.title,
        state=state,
        error=job.error,
        started=job.started_at,
        ended=job.ended_at,
        run_id=run.path.name if run else None,
        mlflow_run_id=_mlflow_run(run),
        steps=_steps(job, events, state) if job.job.kind == "run" else (),
        epochs=_epochs(events),
        trials=_trials(events, is_over=job.is_over),
        part=_part(events),
        log=log,
        log_to=log_to,
        finishing=run is not None and (run.path / FINISH_FILE).exists(),
        command=job.job.command,
    )


def _read_events(run: runs.RunFolder | None) -> list[dict[str, Any]]:
    """Reads the events of a run; rereads the file only if it has changed, because every tab requests the events."""
    path = (run.path / EVENTS_FILE).absolute() if run is not None else None
    if path is None or not path.exists():
        return []
    state = path.stat()
    return _events_of(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _events_of(path: Path, _modified: int, _num_bytes: int) -> list[dict[str, Any]]:
    return read_events(path)


def _mlflow_run(run: runs.RunFolder | None) -> str | None:
    return run.state.mlflow_run_id if run is not None and (run.path / runs.STATE_FILE).exists() else None


def show_progress(job: JobFolder) -> Progress | None:
    """The current step of a running training run, and the progress of that step; None for other jobs."""
    if job.job.kind != "run" or job.state != "running":
        return None
    steps = _steps(job, _read_events(job.run_folder), "running")
    running_steps = [step for step in steps if step.state == "running"]
    return (
        Progress(job=job.path.name, step=running_steps[0].name, share=running_steps[0].share) if running_steps else None
    )


def _steps(job: JobFolder, events: list[dict[str, Any]], job_state: str) -> tuple[StepView, ...]:
    return read_steps(events, job_state, job.started_at, count_parts(job.run_folder))


def _epochs(events: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The epochs of the latest training step or trial, each once, even if some were repeated after resuming."""
    rows: dict[int, dict[str, Any]] = {}
    training: tuple[Any, ...] = ()
    trial = None
    for event in events:
        if event["event"] == "trial":
            trial = event["number"]
        if event["event"] != "epoch":
            continue
        if (event["step"], trial if event["step"] == "tune" else None) != training:
            training = (event["step"], trial if event["step"] == "tune" else None)
            rows = {}
        rows[event["epoch"]] = event
    return tuple(rows[number] for number in sorted(rows))


def _trials(events: list[dict[str, Any]], *, is_over: bool) -> tuple[dict[str, Any], ...]:
    """The trials with their last state; a trial that was still running when the job ended counts as interrupted."""
    rows: dict[int, dict[str, Any]] = {}
    for event in events:
        if event["event"] == "trial":
            rows[event["number"]] = rows.get(event["number"], {}) | event
    for row in rows.values():
        if is_over and row["state"] == "running":
            row["state"] = "interrupted"
    return tuple(rows[number] for number in sorted(rows))


def _part(events: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The progress of the current epoch; None between epochs."""
    kinds = ("part", "epoch", "finished", "failed", "trial")
    last_event: dict[str, Any] = next((event for event in reversed(events) if event["event"] in kinds), {"event": ""})
    return last_event if last_event["event"] == "part" else None


def _log(path: Path, start: int) -> tuple[str, int]:
    if not path.exists():
        return "", 0
    size = path.stat().st_size
    start = max(min(start, size), size - LOG_BYTES)
    with path.open("rb") as file:
        file.seek(start)
        content = file.read(LOG_BYTES)
    return content.decode("utf-8", "replace"), start + len(content)
