"""The process that runs all tasks of a local run: `python -m pipelines.runners.task_process PIPE < ORDER`.

`pipelines.runners.local` starts this process. The KFP runner and its tasks are in one process group, which is killed
when the parent process ends or closes the pipe.
"""

import contextlib
import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from pipelines.runners import docker
from pipelines.runners.container_deaths import watch_containers
from pipelines.runners.killed_tasks import note_killed_task


def _die_with(pipe: int, run_id: str | None) -> None:
    """Removes the containers of the run and kills this process group as soon as the other end of `pipe` is closed."""

    def watch() -> None:
        os.read(pipe, 1)
        try:
            if run_id is not None:
                docker.remove(run_id)
        finally:
            os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def quote_python(command: list[str], executable: str) -> list[str]:
    """Inserts the path of this interpreter into a task's command; replaces KFP 2.17's own function for this.

    KFP's function does not quote the path in the script of `sh -c`, which fails if a folder's name contains a space.
    It also replaces `python3` in the arguments, where the word can be part of a user's path.
    """
    shell, options, script, *arguments = command
    return [shell, options, script.replace("python3", shlex.quote(executable)), *arguments]


def noting_kills(run_task: Callable[..., int]) -> Callable[..., int]:
    """Wraps KFP's function that runs a task, so that a killed task is recorded."""

    def run_and_note(full_command: list[str], **options: Any) -> int:
        code = run_task(full_command, **options)
        note_killed_task(code, full_command)
        return code

    return run_and_note


def _main(pipe: str) -> None:
    order = json.load(sys.stdin)
    containers = docker.Containers.from_json(order["containers"]) if "containers" in order else None
    _die_with(int(pipe), containers.run_id if containers else None)
    from kfp import local
    from kfp.local import subprocess_task_handler

    from pipelines.training import training

    subprocess_task_handler.replace_python_executable = quote_python
    subprocess_task_handler.run_local_subprocess = noting_kills(subprocess_task_handler.run_local_subprocess)
    runner = containers.runner() if containers else local.SubprocessRunner(use_venv=False)
    local.init(runner=runner, pipeline_root=order["pipeline_root"])
    pipeline = training(**order["tasks"])
    if containers and containers.limits.gpus:
        docker.use_gpu_image(pipeline)
    with watch_containers(containers.run_id) if containers else contextlib.nullcontext():
        pipeline(**order["arguments"])


if __name__ == "__main__":
    _main(*sys.argv[1:])
