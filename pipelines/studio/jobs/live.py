"""A run while it goes on: its steps, epochs, trials and log, read from what the run itself writes."""

from pathlib import Path
from typing import Any, Final

from components.contract.record import BaseRecord
from components.contract.system.program import FINISH_FILE
from pipelines.runners import runs
from pipelines.runners.events import read_events
from pipelines.studio.jobs.job_folder import JobFolder

STEPS: Final = ("preprocess", "tune", "train", "evaluate", "deploy")
LOG_BYTES: Final = 200_000
"""Of the log at most so much is sent at once, from its end."""


class StepView(BaseRecord):
    """A step of the pipeline."""

    name: str
    state: str
    """waiting, running, done or failed."""
    started: float | None = None
    seconds: float | None = None


class LiveView(BaseRecord):
    """How a job stands.

    Attributes:
        epochs: the figures of each, of the training; while trials are made, of the latest one.
        part: how far the epoch is that is under way.
        log: the lines that are new since `log_from`.
        log_to: where the next ones begin.
        finishing: the training was asked to end with the best so far.
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
    """The job as it is now.

    Args:
        job: of any kind; one that is no run has no steps.
        log_from: how much of the log is known already, in bytes.
    """
    state = job.state
    run = job.run_folder
    events = read_events(run.path / "events.jsonl") if run is not None and (run.path / "events.jsonl").exists() else []
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
        steps=_steps(events, state) if job.job.kind == "run" else (),
        epochs=_epochs(events),
        trials=_trials(events),
        part=_part(events),
        log=log,
        log_to=log_to,
        finishing=run is not None and (run.path / FINISH_FILE).exists(),
        command=job.job.command,
    )


def _mlflow_run(run: runs.RunFolder | None) -> str | None:
    return run.state.mlflow_run_id if run is not None and (run.path / runs.STATE_FILE).exists() else None


def _steps(events: list[dict[str, Any]], job_state: str) -> tuple[StepView, ...]:
    steps = {name: StepView(name=name, state="waiting") for name in STEPS}
    for event in events:
        name, event_kind = str(event["step"]), event["event"]
        if name not in steps:
            continue
        if event_kind == "started":
            state = "running" if job_state == "running" else job_state
            steps[name] = StepView(name=name, state=state, started=event["time"])
        elif event_kind in ("finished", "failed"):
            seconds = event.get("seconds", event["time"] - (steps[name].started or event["time"]))
            state = "done" if event_kind == "finished" else "stopped" if job_state == "stopped" else "failed"
            steps[name] = steps[name].model_copy(update={"state": state, "seconds": seconds})
    if steps["tune"].state == "waiting":
        del steps["tune"]
    return tuple(steps.values())


def _epochs(events: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Of the latest training; one that was interrupted tells its epochs again."""
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


def _trials(events: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    rows: dict[int, dict[str, Any]] = {}
    for event in events:
        if event["event"] == "trial":
            rows[event["number"]] = rows.get(event["number"], {}) | event
    return tuple(rows[number] for number in sorted(rows))


def _part(events: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Only while the epoch is under way."""
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
