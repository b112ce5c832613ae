"""A run in progress: its steps, epochs, trials and log, read from what the run itself writes."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from components.contract.record import BaseRecord
from components.contract.system.program import FINISH_FILE
from pipelines.runners import runs
from pipelines.runners.events import EVENTS_FILE, read_events
from pipelines.studio.jobs.job_folder import JobFolder

START: Final = "start"
"""The time before the first step: the libraries are loaded, and the params resolved."""
STEPS: Final = ("preprocess", "tune", "train", "evaluate", "deploy")
LOG_BYTES: Final = 200_000
"""Of the log at most so much is sent at once, from its end."""


class StepView(BaseRecord):
    """A step of the pipeline, or the start of a run.

    Attributes:
        state: waiting, running, done, failed or stopped.
        expected_seconds: how long it took in the latest finished run here; None if there is none.
        share: how much of it is done, from 0 to 1; None if the step does not report it.
    """

    name: str
    state: str
    started: float | None = None
    seconds: float | None = None
    expected_seconds: float | None = None
    share: float | None = None


class Progress(BaseRecord):
    """How far the running training is, for the frame of every screen."""

    job: str
    step: str
    share: float | None


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
        trials=_trials(events),
        part=_part(events),
        log=log,
        log_to=log_to,
        finishing=run is not None and (run.path / FINISH_FILE).exists(),
        command=job.job.command,
    )


def _read_events(run: runs.RunFolder | None) -> list[dict[str, Any]]:
    """The events of a run; the file is read again only if it has changed, because every open page asks for them."""
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
    """The step that a training is in; None if it does not run."""
    if job.job.kind != "run" or job.state != "running":
        return None
    steps = _steps(job, _read_events(job.run_folder), "running")
    running_steps = [step for step in steps if step.state == "running"]
    return (
        Progress(job=job.path.name, step=running_steps[0].name, share=running_steps[0].share) if running_steps else None
    )


def _steps(job: JobFolder, events: list[dict[str, Any]], job_state: str) -> tuple[StepView, ...]:
    expected_seconds = _expect_seconds()
    steps = {
        name: StepView(name=name, state="waiting", expected_seconds=expected_seconds.get(name))
        for name in (START, *STEPS)
    }
    last_time = job.started_at
    if last_time is not None:
        steps[START] = steps[START].model_copy(update={"state": job_state, "started": last_time})
    for event in events:
        name, event_kind = str(event["step"]), event["event"]
        if name not in steps:
            continue
        if event_kind == "started":
            if steps[START].state != "done" and last_time is not None:
                steps[START] = steps[START].model_copy(
                    update={"state": "done", "seconds": max(0.0, event["time"] - last_time)}
                )
            steps[name] = steps[name].model_copy(update={"state": job_state, "started": event["time"]})
        elif event_kind in ("finished", "failed"):
            seconds = event.get("seconds", event["time"] - (steps[name].started or event["time"]))
            state = "done" if event_kind == "finished" else "stopped" if job_state == "stopped" else "failed"
            steps[name] = steps[name].model_copy(update={"state": state, "seconds": seconds, "share": None})
            last_time = event["time"]
        else:
            steps[name] = steps[name].model_copy(update={"share": _share_done(event, steps[name].share)})
    if steps["tune"].state == "waiting":
        del steps["tune"]
    return tuple(_mark_next_step(list(steps.values()), last_time) if job_state == "running" else steps.values())


def _mark_next_step(steps: list[StepView], last_time: float | None) -> list[StepView]:
    """Between two steps the next one is being started, which takes seconds: libraries are loaded."""
    if any(step.state == "running" for step in steps):
        return steps
    position = next((number for number, step in enumerate(steps) if step.state == "waiting"), None)
    if position is not None:
        steps[position] = steps[position].model_copy(update={"state": "running", "started": last_time})
    return steps


def _share_done(event: dict[str, Any], share: float | None) -> float | None:
    """How much of a step is done after an event of it."""
    if event["step"] == "tune":
        num_trials = event.get("trials")
        return event["number"] / num_trials if event["event"] == "trial" and num_trials else share
    if event["event"] == "part":
        return float((event["epoch"] - 1 + event["done"]) / event["planned"])
    return float(event["epoch"] / event["planned"]) if event["event"] == "epoch" else share


def _expect_seconds() -> dict[str, float]:
    """How long each step of the latest finished run took; empty before the first one."""
    latest = runs.RUNS_DIR / "latest"
    return _measured_seconds(latest.resolve()) if latest.exists() else {}


@lru_cache(maxsize=8)  # a finished run never changes
def _measured_seconds(run_dir: Path) -> dict[str, float]:
    events = read_events(run_dir / EVENTS_FILE)
    return {str(event["step"]): float(event["seconds"]) for event in events if event["event"] == "finished"}


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
