"""Notes why a container of a run died, where it could not say so itself."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from components.contract.system.program import EVENTS_VARIABLE
from pipelines.images.build import EngineError, connect_engine
from pipelines.runners.docker import RUN_LABEL

KILLED: Final = 137
"""128 + SIGKILL: how a process ends that the kernel killed for memory, or somebody by hand."""


@contextlib.contextmanager
def watch_containers(run_id: str) -> Iterator[None]:
    """Notes, beside the events of the steps, why a container ended that could not say so itself.

    KFP's runner knows an exit code at best, and takes a container that vanished for one that succeeded.
    """
    with connect_engine() as client:
        stream = client.events(decode=True, filters={"label": f"{RUN_LABEL}={run_id}", "type": "container"})
        watcher = threading.Thread(target=_note_deaths, args=(stream,), name="containers", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            time.sleep(0.2)  # an end that has just happened is still on its way to us
            stream.close()
            watcher.join(5)


def _note_deaths(stream: Any) -> None:
    out_of_memory: set[str] = set()
    for event in stream:
        container, attributes = event["Actor"]["ID"], event["Actor"]["Attributes"]
        if event["Action"] == "oom":
            out_of_memory.add(container)
        if event["Action"] != "die":
            continue
        code = int(attributes["exitCode"])
        if code > 128 or container in out_of_memory:
            step = attributes["image"].removeprefix("darkroom-").partition("-python")[0]
            _note(step, explain(code, out_of_memory=container in out_of_memory))


def explain(code: int, *, out_of_memory: bool) -> str:
    """Why a container ended by a signal, in words.

    Args:
        code: its exit code, 128 + the number of the signal.
        out_of_memory: whether the kernel says so.
    """
    if out_of_memory:
        return (
            f"Its container was killed for want of memory (exit code {code}). Allow more with --memory, give Docker "
            "more, or take a smaller train.batch_size or preprocess.image_size."
        )
    if code == KILLED:
        return (
            f"Its container was killed from outside (exit code {code}): removed by hand, the engine stopped, or the "
            "machine ran out of memory. Look at `docker events` and the kernel's log, and run again."
        )
    return f"Its container was ended by signal {code - 128} (exit code {code}). Run again."


def _note(step: str, error: str) -> None:
    line = json.dumps(
        {"time": time.time(), "step": step, "event": "failed", "error": error, "kind": EngineError.__name__}
    )
    with Path(os.environ[EVENTS_VARIABLE]).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
