"""Records that a task was killed, because a killed task cannot report that itself."""

import json
import os
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from components.contract.errors import DarkroomError
from components.contract.system.program import EVENTS_VARIABLE
from components.contract.system.signals import explain_signal, signal_of


class KilledTaskError(DarkroomError):
    """A task was killed."""


STEP_OPTION: Final = "--function_to_execute"
"""In the command with which KFP 2.17 runs a task, the option for the name of the task's function."""
INPUT_OPTION: Final = "--executor_input"
"""In the same command, the option for the task's arguments as JSON."""


def note_killed_task(code: int, command: Sequence[str] = ()) -> None:
    """Adds a failure to the events of the run if a task was killed.

    Args:
        code: the exit code of the task.
        command: the command of the task; if it does not name the task, the task that started last is assumed.
    """
    if signal_of(code) is None:
        return
    note_failure(_task_name(command) or running_step(), explain_signal(code), KilledTaskError)


def _task_name(command: Sequence[str]) -> str | None:
    """KFP's name of the task, such as `read-photos-2` for the second of several; None if the command has no name."""
    options = dict(pairwise(command))
    if STEP_OPTION not in options:
        return None
    name = options[STEP_OPTION].replace("_", "-")
    inputs = json.loads(options.get(INPUT_OPTION, "{}")).get("inputs", {})
    part = int(inputs.get("parameterValues", {}).get("part", 0))
    return f"{name}-{part + 1}" if part else name


def note_failure(step: str, error: str, kind: type[DarkroomError]) -> None:
    """Adds a failure to the events of the run."""
    line = json.dumps({"time": time.time(), "step": step, "event": "failed", "error": error, "kind": kind.__name__})
    with Path(os.environ[EVENTS_VARIABLE]).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def running_step() -> str:
    """The step that is running (if there are several, the last to start); `the pipeline` if none is running."""
    path = Path(os.environ[EVENTS_VARIABLE])
    lines: Sequence[str] = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
    running: list[str] = []
    for event in map(json.loads, lines):
        if event["event"] == "started":
            running.append(event["step"])
        elif event["step"] in running:
            running.remove(event["step"])
    return running[-1] if running else "the pipeline"
