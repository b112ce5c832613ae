"""Says of a task that was killed what happened: it cannot say so itself."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from components.contract.errors import DarkroomError
from components.contract.system.program import EVENTS_VARIABLE
from components.contract.system.signals import explain_signal, signal_of


class KilledTaskError(DarkroomError):
    """The system ended a task."""


def note_killed_task(code: int, what: str = "The task") -> None:
    """Adds a failure to the events of the run if the task that ran last was killed."""
    if signal_of(code) is None:
        return
    note_failure(running_step(), explain_signal(code, what=what), KilledTaskError)


def note_failure(step: str, error: str, kind: type[DarkroomError]) -> None:
    """Adds a failure to the events of the run."""
    line = json.dumps({"time": time.time(), "step": step, "event": "failed", "error": error, "kind": kind.__name__})
    with Path(os.environ[EVENTS_VARIABLE]).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def running_step() -> str:
    """The step that started last and has not ended."""
    path = Path(os.environ[EVENTS_VARIABLE])
    lines: Sequence[str] = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
    running = "the pipeline"
    for event in map(json.loads, lines):
        if event["event"] == "started":
            running = event["step"]
    return running
