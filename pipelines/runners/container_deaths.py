"""Records why a container of a run was killed, because a killed container cannot report that itself."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from components.contract.system.signals import explain_signal
from pipelines.images.build import EngineError, connect_engine
from pipelines.runners.docker import RUN_LABEL
from pipelines.runners.killed_tasks import note_failure, running_step
from pipelines.runners.runs import step_of

MORE_MEMORY: Final = (
    "Allow more memory with --memory, give Docker more memory, or lower train.batch_size or "
    "preprocess.image_size. If the container was removed by hand or the engine stopped, start the run again."
)


@contextlib.contextmanager
def watch_containers(run_id: str) -> Iterator[None]:
    """Adds a failure event for each container that is killed while the block runs.

    KFP's runner knows at most the exit code, and treats a container that has disappeared as successful.
    """
    with connect_engine() as client:
        stream = client.events(decode=True, filters={"label": f"{RUN_LABEL}={run_id}", "type": "container"})
        watcher = threading.Thread(target=_note_deaths, args=(stream,), name="containers", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            time.sleep(0.2)  # the event of a container that has just ended may not have arrived yet
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
            error = explain_end(code, out_of_memory=container in out_of_memory)
            note_failure(_task_in(attributes["image"]), error, EngineError)


def _task_in(image: str) -> str:
    """The task whose container used an image: the latest task or, if that uses a different image, the image's step.

    The second case occurs if a task is killed before it reports its start.
    """
    image_step, task = image.removeprefix("darkroom-").partition("-python")[0], running_step()
    step = step_of(task)
    return task if image_step == ("train" if step == "tune" else step) else image_step


def explain_end(code: int, *, out_of_memory: bool) -> str:
    """Describes why a container was killed.

    Args:
        code: the container's exit code: 128 + the number of the signal, or any other if the memory was exhausted.
        out_of_memory: whether the kernel reported that the memory was exhausted.
    """
    if out_of_memory:
        return f"Its container was killed because it ran out of memory (exit code {code}). {MORE_MEMORY}"
    return explain_signal(code, what=f"Its container (exit code {code})", remedy=MORE_MEMORY)
