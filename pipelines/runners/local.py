"""Runs the pipeline on this machine with KFP's local runners: as subprocesses, or in containers.

`run` executes in the parent process, which owns the MLflow run and the run's folder, and shows the output of the steps.
The child process (`pipelines.runners.task_process`) and all its tasks are in one process group. A pipe connects the two
processes: if the parent ends for any reason, the child removes the run's containers and kills its own process group.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from components.contract.errors import DarkroomError
from components.contract.params.pipeline import Params
from components.contract.params.probing import is_probed
from components.contract.params.resolve import Resolution
from components.contract.system import launcher
from components.contract.system.address import redact
from components.contract.system.disk_space import require_room
from components.contract.system.program import EVENTS_VARIABLE, RUN_START_VARIABLE
from components.contract.system.signals import explain_signal, signal_of
from components.contract.text import printable
from components.contract.tracking.run import Run, create_run, end_run, flatten
from components.contract.tracking.spool import move_unsent, send_unsent
from components.contract.tracking.step_run import KEY_VARIABLE
from components.contract.tracking.store_address import tracking_uri
from pipelines.runners import docker, runs
from pipelines.runners.events import EVENTS_FILE, read_events
from pipelines.runners.killed_tasks import KilledTaskError
from pipelines.runners.run_params import count_tasks, pipeline_arguments, with_trained, write_params
from pipelines.runners.summary import budget_metrics, summarize

STOP_SECONDS = 10.0
"""How long the tasks can take to end after SIGTERM before they are killed."""

UNSENT_SECONDS = 20.0
"""How long a run waits at its end for MLflow to accept records that the steps could not send."""

REPEATING = "The params of this run, with every `auto` resolved. To repeat it: darkroom run --params THIS_FILE"

COLOR: Final = re.compile(r"\x1b\[[\d;]*m")
"""Matches the color codes in lines from KFP's runner."""

Show = Callable[[str, str], None]
"""Called with a step and a line that the step printed."""


class PipelineError(Exception):
    """A task failed because of an internal error; the message contains the last output of the run."""


def run(resolution: Resolution, show: Show, limits: docker.Limits | None = None) -> runs.RunFolder:
    """Runs the whole pipeline and writes the summary.

    Args:
        resolution: the resolved params.
        show: called with each line that a step prints.
        limits: the limits of the tasks' containers; None for subprocesses.

    Raises:
        DarkroomError: a problem that the user can fix occurred in a step or at the start.
        PipelineError: there is a bug in a step.
        KeyboardInterrupt: SIGINT or SIGTERM arrived; the tasks have ended.
    """
    params = resolution.params
    if limits is not None:
        docker.check_images(gpu=limits.gpus > 0)
    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
    for killed_folder in runs.mark_killed_runs():
        if killed_folder.state.mlflow_run_id:
            end_run(Run(killed_folder.state.mlflow_run_id), "KILLED")
        if limits is not None:
            docker.remove(killed_folder.path.name)
    with runs.start_run(params.data.uri) as folder, _open_mlflow_run(folder, params) as mlflow_run:
        mlflow_run.log_params(flatten(params.model_dump(mode="json", exclude=params_logged_later(params))))
        if resolution.decisions:
            mlflow_run.set_tags({"darkroom.decisions": "\n".join(resolution.decisions)})
        write_params(folder.path / runs.PARAMS_FILE, params, REPEATING)
        start_time = time.monotonic()
        _run_tasks(folder, params, mlflow_run, show, limits)
        _gather_outputs(folder)
        total_seconds = time.monotonic() - start_time
        summary = summarize(folder, mlflow_run, total_seconds)
        if params.train.minutes is not None or is_probed(params.train):
            write_params(folder.path / runs.PARAMS_FILE, with_trained(params, folder.path / "model"), REPEATING)
        if params.train.minutes is not None:
            mlflow_run.log_metrics(budget_metrics(summary["budget"]))
        folder.update(mlflow_run_id=summary["mlflow_run_id"])
        runs.finish(folder, summary)
        return folder


def params_logged_later(params: Params) -> dict[str, Any]:
    """The params that are not logged to MLflow at the start: the leaderboard, and the params that train resolves."""
    settled: set[str] = set()
    if params.train.minutes is not None:
        settled |= {"epochs", "phases", "views"}
    if is_probed(params.train):
        settled |= {"model", "image_size"}
    return {"evaluate": {"leaderboard"}} | ({"train": settled} if settled else {})


@contextlib.contextmanager
def _open_mlflow_run(folder: runs.RunFolder, params: Params) -> Iterator[Run]:
    """Creates the MLflow run of this pipeline run, and ends it after the block; a failure is recorded in both runs."""
    run_id = folder.path.name
    mlflow_run = Run(None)
    try:
        mlflow_run = create_run(
            experiment=params.deploy.model_name, name=run_id, key=run_id, tags={"darkroom.data": params.data.uri}
        )
        folder.update(mlflow_run_id=mlflow_run.run_id)
        yield mlflow_run
    except BaseException as error:
        is_killed = isinstance(error, KeyboardInterrupt)
        folder.update(status="killed" if is_killed else "failed", error=redact(str(error)) or type(error).__name__)
        end_run(mlflow_run, "KILLED" if is_killed else "FAILED")
        raise
    send_unsent(UNSENT_SECONDS)
    end_run(mlflow_run, "FINISHED")


def _run_tasks(
    folder: runs.RunFolder, params: Params, mlflow_run: Run, show: Show, limits: docker.Limits | None
) -> None:
    events_path = folder.path / EVENTS_FILE
    order: dict[str, Any] = {
        "arguments": pipeline_arguments(params),
        "tasks": count_tasks(params),
        "pipeline_root": str((folder.path / "kfp").resolve()),
    }
    environment = launcher.environment() | {
        "MLFLOW_RUN_ID": mlflow_run.run_id or "",
        KEY_VARIABLE: folder.path.name,
        EVENTS_VARIABLE: str(events_path.resolve()),
        RUN_START_VARIABLE: str(time.time()),
        "PYTHONUNBUFFERED": "1",
        # KFP decodes the steps' output in the locale's encoding. So the steps use this encoding too, and escape
        # characters that it cannot represent.
        "PYTHONIOENCODING": ":backslashreplace",
    }
    if limits is not None:
        containers = docker.plan_containers(folder.path, params, environment, limits)
        docker.check_mounts(containers)
        order["containers"] = containers.to_json()
    read_end, write_end = os.pipe()
    child = launcher.start(
        launcher.python("pipelines.runners.task_process", str(read_end)),
        stdin=subprocess.PIPE,
        pass_fds=[read_end],
        start_new_session=True,
        env=environment,
    )
    os.close(read_end)
    try:
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError), child.stdin:  # a child that has already ended is reported below
            child.stdin.write(json.dumps(order))  # not as an argument, which every user of this machine can see
        with _raise_interrupt_on_sigterm():
            _stream(child, folder.path / runs.LOG_FILE, show)
            code = child.wait()
    finally:
        _stop(child)
        os.close(write_end)
        if limits is not None:
            docker.remove(folder.path.name)
    failure = next((event for event in read_events(events_path) if event["event"] == "failed"), None)
    if failure is not None and failure["kind"] is not None:
        raise DarkroomError(f"{failure['step']}: {failure['error']}")
    if signal_of(code) is not None:
        raise KilledTaskError(explain_signal(code, what="The pipeline's runner"))
    if code != 0:
        require_room(folder.path)
        log_path = folder.path / runs.LOG_FILE
        tail = "\n".join(log_path.read_text(encoding="utf-8").splitlines()[-40:])
        step = failure["step"] if failure else "the pipeline"
        raise PipelineError(f"{tail}\n{step} failed because of an internal error; the complete log is {log_path}.")


def _stream(child: "subprocess.Popen[str]", log_path: Path, show: Show) -> None:
    """Writes every line to the log, and shows the lines of the steps, but not those of KFP."""
    assert child.stdout is not None
    with log_path.open("w", encoding="utf-8", buffering=1) as log:
        for raw in child.stdout:
            line = printable(redact(COLOR.sub("", raw.rstrip("\r\n"))), lines=True)
            log.write(f"{line}\n")
            step, bracket, text = line.strip().removeprefix("[").partition("] ")
            if bracket and runs.kind_of(step) in runs.STEPS:
                show(step, text)


@contextlib.contextmanager
def _raise_interrupt_on_sigterm() -> Iterator[None]:
    """Within the block, SIGTERM ends a run like Ctrl-C."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(child: "subprocess.Popen[str]") -> None:
    """Ends the child's whole process group: with SIGTERM and, if that does not suffice, with SIGKILL."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        if not _is_group_alive(child):
            break
        os.killpg(child.pid, signum)
        deadline = time.monotonic() + STOP_SECONDS
        while _is_group_alive(child) and time.monotonic() < deadline:
            time.sleep(0.05)
    if child.stdout is not None:
        child.stdout.close()


def _is_group_alive(child: "subprocess.Popen[str]") -> bool:
    child.poll()
    try:
        os.killpg(child.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _gather_outputs(folder: runs.RunFolder) -> None:
    """Moves the outputs of the tasks from KFP's folders to the run's folder, and checks that they are complete."""
    for name, step in runs.ARTIFACTS.items():
        outputs = list((folder.path / "kfp").glob(f"*/{step}/{name}"))
        if len(outputs) != 1:
            raise PipelineError(f"{step} finished without its output {name}; the log is {folder.path / runs.LOG_FILE}.")
        outputs[0].rename(folder.path / name)
        move_unsent(outputs[0], folder.path / name)
    studies = sorted((folder.path / "kfp").glob("*/tune*/study"))  # the last of several tune tasks ends the search
    if studies:
        studies[-1].rename(folder.path / "study")
    shutil.rmtree(folder.path / "kfp")
