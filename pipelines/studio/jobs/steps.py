"""Reads the steps of a run from its events: the progress of each step, and the tasks that share its work."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from components.contract.params.pipeline import load_params
from components.contract.record import BaseRecord
from pipelines.runners import runs
from pipelines.runners.events import EVENTS_FILE, read_events

START: Final = "start"
"""Shown before the first step, while the libraries are loaded and the params are resolved."""
FEATURES: Final = "compute-features"
STEPS: Final = ("preprocess", FEATURES, "tune", "train", "evaluate", "deploy")
OPTIONAL: Final = (FEATURES, "tune")
"""These steps are only shown if they are part of the run."""


class PartView(BaseRecord):
    """One of the tasks that share the work of a step; its state is running, done, failed or stopped."""

    name: str
    state: str
    seconds: float | None = None


class StepView(BaseRecord):
    """A step of the pipeline, or the start of a run.

    Attributes:
        state: waiting, running, done, failed or stopped.
        expected_seconds: how long the step took in the latest finished run; None if unknown.
        share: the completed share, from 0 to 1; None if the step does not report it.
        parts: the tasks that share the work of this step and have already started.
        num_parts: the number of tasks that share the work of this step; 0 if the work is not shared.
    """

    name: str
    state: str
    started: float | None = None
    seconds: float | None = None
    expected_seconds: float | None = None
    share: float | None = None
    parts: tuple[PartView, ...] = ()
    num_parts: int = 0


def read_steps(
    events: Sequence[dict[str, Any]], job_state: str, started_at: float | None, num_parts: Mapping[str, int]
) -> tuple[StepView, ...]:
    """Returns the state of each step after these events.

    Args:
        events: the events of the run.
        job_state: the state of the job.
        started_at: when the job started; None if it has not started.
        num_parts: the number of tasks that share a step, by the step's name.
    """
    expected_seconds = _expect_seconds()
    steps = {
        name: StepView(
            name=name,
            state="waiting",
            expected_seconds=expected_seconds.get(name),
            num_parts=num_parts.get(name, 0),
        )
        for name in (START, *STEPS)
    }
    last_time = started_at
    if last_time is not None:
        steps[START] = steps[START].model_copy(update={"state": job_state, "started": last_time})
    for event in events:
        name = _step_of(str(event["step"]))
        if name not in steps:
            continue
        if event["event"] == "started" and steps[START].state != "done" and last_time is not None:
            seconds = max(0.0, event["time"] - last_time)
            steps[START] = steps[START].model_copy(update={"state": "done", "seconds": seconds})
        steps[name] = _after(event, steps[name], job_state)
        if event["event"] in ("finished", "failed"):
            last_time = event["time"]
    shown = [step for step in steps.values() if step.state != "waiting" or step.name not in OPTIONAL or step.num_parts]
    return tuple(_mark_next_step(shown, last_time) if job_state == "running" else shown)


def count_parts(run: runs.RunFolder | None) -> dict[str, int]:
    """The number of tasks that share each step of this run, by the step's name; empty until the params are written."""
    path = (run.path / runs.PARAMS_FILE).absolute() if run is not None else None
    return _parts_by(path) if path is not None and path.exists() else {}


@lru_cache(maxsize=8)  # the params of a run never change
def _parts_by(params_path: Path) -> dict[str, int]:
    data = load_params(params_path).data
    readers, feature_workers = data.workers, data.feature_workers
    return {
        "preprocess": readers + 1 if readers > 1 else 0,  # plus the task that lists the photos
        FEATURES: feature_workers if feature_workers > 1 else 0,
    }


def _step_of(task: str) -> str:
    """The step to which a task belongs; computing features is a separate step, because tune and train both use them."""
    return FEATURES if runs.kind_of(task) == FEATURES else runs.step_of(task)


def _after(event: dict[str, Any], step: StepView, job_state: str) -> StepView:
    """Returns the state of a step after an event of its own task or of one of its parts."""
    kind, time = event["event"], event["time"]
    is_part = runs.kind_of(str(event["step"])) in runs.PARTS_OF
    if kind == "started":
        changes = {"state": job_state, "started": step.started if step.parts else time}
        if is_part:
            changes["parts"] = _with_part(step, PartView(name=event["step"], state=job_state))
        return step.model_copy(update=changes)
    if kind not in ("finished", "failed"):
        return step.model_copy(update={"share": _share_done(event, step.share)})
    state = "done" if kind == "finished" else "stopped" if job_state == "stopped" else "failed"
    seconds = event.get("seconds", time - (step.started or time))
    if not is_part:
        seconds = time - (step.started or time) if step.parts else seconds
        return step.model_copy(update={"state": state, "seconds": seconds, "share": None})
    parts = _with_part(step, PartView(name=event["step"], state=state, seconds=seconds))
    num_done = sum(part.state == "done" for part in parts)
    is_over = state != "done" or (step.name == FEATURES and num_done >= step.num_parts)
    # A step's own task runs last, after its parts; only the step that computes features has no such task.
    num_tasks = step.num_parts + (step.name != FEATURES)
    return step.model_copy(
        update={
            "parts": parts,
            "state": state if is_over else step.state,
            "seconds": time - (step.started or time) if is_over else None,
            "share": None if is_over or not step.num_parts else num_done / num_tasks,
        }
    )


def _with_part(step: StepView, part: PartView) -> tuple[PartView, ...]:
    """Returns the parts of a step, with one part added or replaced."""
    return tuple(({each.name: each for each in step.parts} | {part.name: part}).values())


def _mark_next_step(steps: list[StepView], last_time: float | None) -> list[StepView]:
    """Between two steps, marks the next one as running, because it is already loading its libraries."""
    if any(step.state == "running" for step in steps):
        return steps
    position = next((number for number, step in enumerate(steps) if step.state == "waiting"), None)
    if position is not None:
        steps[position] = steps[position].model_copy(update={"state": "running", "started": last_time})
    return steps


def _share_done(event: dict[str, Any], share: float | None) -> float | None:
    """The completed share of a step after one of its events."""
    if event["step"] == "tune":
        num_trials = event.get("trials")
        return event["number"] / num_trials if event["event"] == "trial" and num_trials else share
    if event["event"] == "part":
        return float((event["epoch"] - 1 + event["done"]) / event["planned"])
    return float(event["epoch"] / event["planned"]) if event["event"] == "epoch" else share


def _expect_seconds() -> dict[str, float]:
    """The time that each step took in the latest finished run; empty if no run has finished."""
    latest = runs.RUNS_DIR / "latest"
    return _measured_seconds(latest.resolve()) if latest.exists() else {}


@lru_cache(maxsize=8)  # a finished run never changes
def _measured_seconds(run_dir: Path) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for event in read_events(run_dir / EVENTS_FILE):
        if event["event"] == "finished":
            name = _step_of(str(event["step"]))
            seconds[name] = seconds.get(name, 0.0) + float(event["seconds"])
    return seconds
