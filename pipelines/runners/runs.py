"""Manages the folders of runs: runs/<run id>/, their state, and runs/latest.

run.json         RunState
params.yaml      the params of this run, with every `auto` resolved
log.txt          everything that the run printed
dataset/ model/ evaluation/ bento/    what the steps wrote
summary.json     the results in one file, written last
"""

import contextlib
import datetime
import fcntl
import glob
import json
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from components.contract.errors import ArtifactError
from components.contract.record import BaseRecord, StrictRecord
from components.contract.system.atomic_files import read_json, write_file, write_json
from components.contract.system.posix import try_lock
from components.contract.system.program import FINISH_FILE

log = logging.getLogger(__name__)

RUNS_DIR = Path("runs")
STATE_FILE, SUMMARY_FILE, LOG_FILE, PARAMS_FILE = "run.json", "summary.json", "log.txt", "params.yaml"
LOCK_FILE = ".lock"
STARTING_SECONDS = 60.0
"""The age from which `clean` removes leftovers of killed processes: newer ones may belong to a run that is starting."""
ARTIFACTS = {"dataset": "preprocess", "model": "train", "evaluation": "evaluate", "bento": "deploy"}
"""The artifacts of a run, and the step that writes each."""
STEPS = ("list-photos", "read-photos", "preprocess", "compute-features", "tune", "train", "evaluate", "deploy")
PARTS_OF: Final[Mapping[str, str]] = {
    "list-photos": "preprocess",
    "read-photos": "preprocess",
    "compute-features": "train",
}
"""The step of each task that does only part of a step's work; such tasks exist if several tasks share the work."""
TASK_NUMBER: Final = re.compile(r"-\d+$")
"""Matches the number at the end of a task's name; a task has a number if several tasks share the work of a step."""


def kind_of(task: str) -> str:
    """The name of a task without its number: `read-photos` for `read-photos-3`."""
    return TASK_NUMBER.sub("", task)


def step_of(task: str) -> str:
    """The step that a task executes, completely or partly: `preprocess` for `read-photos-3`."""
    kind = kind_of(task)
    return PARTS_OF.get(kind, kind)


class RunState(StrictRecord, frozen=False):
    """The content of run.json."""

    run_id: str
    status: Literal["running", "finished", "failed", "killed"]
    started: str
    data: str
    mlflow_run_id: str | None = None
    error: str | None = None


class RunFolder:
    """The folder of a run."""

    def __init__(self, path: Path):
        self.path = path

    @property
    def state(self) -> RunState:
        """The content of run.json.

        Raises:
            ArtifactError: the file is missing or invalid.
        """
        return read_json(self.path / STATE_FILE, RunState, "run")

    @property
    def summary(self) -> dict[str, Any] | None:
        """The results; None if there are none yet."""
        path = self.path / SUMMARY_FILE
        if not path.exists():
            return None
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return summary

    def update(self, **changes: Any) -> None:
        """Updates some fields of the state in run.json."""
        write_json(self.path / STATE_FILE, self.state.model_copy(update=changes))

    @property
    def is_alive(self) -> bool:
        """Whether the process of the run still holds the run's lock."""
        return is_held(self.path / LOCK_FILE)

    @property
    def was_killed(self) -> bool:
        """Whether the process of the run ended without recording its result.

        A run records its result before it releases its lock, so the lock is checked first.
        """
        return not self.is_alive and self.state.status == "running"

    @property
    def num_bytes(self) -> int:
        """The total size of the folder's contents in bytes; links are not followed."""
        return sum(path.lstat().st_size for path in self.path.rglob("*"))


def is_held(lock_path: Path) -> bool:
    """Whether a running process holds the lock; the system releases the lock when the process ends."""
    try:
        with lock_path.open("r") as lock:
            return not try_lock(lock.fileno())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def start_run(data: str) -> Iterator[RunFolder]:
    """Creates the folder of a new run and locks it; the system releases the lock when this process ends.

    Raises:
        ArtifactError: the runs folder cannot be written to.
    """
    now = datetime.datetime.now().astimezone()
    run_id = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    folder = RunFolder(RUNS_DIR / run_id)
    state = RunState(run_id=run_id, status="running", started=now.isoformat(timespec="seconds"), data=data)
    with contextlib.ExitStack() as stack:
        try:
            folder.path.mkdir(parents=True)
            lock = stack.enter_context((folder.path / LOCK_FILE).open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.write(str(os.getpid()))  # the studio identifies its run by this process id
            lock.flush()
            write_json(folder.path / STATE_FILE, state)
        except OSError as error:
            raise ArtifactError(
                f"The folder {RUNS_DIR.resolve()} cannot be written to: {error}. Run Darkroom in a writable folder."
            ) from None
        yield folder


def finish(folder: RunFolder, summary: dict[str, Any]) -> None:
    """Writes the summary and points runs/latest at the run."""
    write_json(folder.path / SUMMARY_FILE, summary)
    folder.update(status="finished")
    pointer = RUNS_DIR / f".latest-{secrets.token_hex(4)}"
    pointer.symlink_to(folder.path.name)
    pointer.replace(RUNS_DIR / "latest")


def list_runs() -> list[RunFolder]:
    """All runs, newest first."""
    folders = [path for path in RUNS_DIR.glob("[!.]*") if (path / STATE_FILE).is_file() and not path.is_symlink()]
    return [RunFolder(path) for path in sorted(folders, reverse=True)]


def find_run(run_id: str = "latest") -> RunFolder:
    """Finds a finished run by its id; by default, the one that finished last.

    Raises:
        ArtifactError: there is no such run.
    """
    folder = RunFolder((RUNS_DIR / run_id).resolve())
    if not (folder.path / SUMMARY_FILE).is_file():
        finished_ids = [run.path.name for run in list_runs() if run.summary is not None]
        hint = (
            f"finished runs: {', '.join(finished_ids[:5])}"
            if finished_ids
            else "no run has finished here; start one: darkroom run"
        )
        raise ArtifactError(f"There is no finished run at {RUNS_DIR / run_id} ({hint}).")
    return folder


def ask_to_finish(run_id: str | None) -> str:
    """Requests that the training of a run end after its current epoch.

    Args:
        run_id: the id of the run; None for the only run in progress.

    Returns:
        The id of the run.

    Raises:
        ArtifactError: no such run is in progress, or several are in progress and `run_id` is None.
    """
    running_folders = {folder.path.name: folder for folder in list_runs() if folder.is_alive}
    run_ids = [run_id] if run_id is not None else list(running_folders)
    if len(run_ids) != 1 or run_ids[0] not in running_folders:
        state = f"in progress: {', '.join(running_folders)}" if running_folders else "no run is in progress here"
        raise ArtifactError(f"Only a run in progress can be finished early; {state}.")
    write_file(running_folders[run_ids[0]].path / FINISH_FILE, b"")
    return run_ids[0]


def mark_killed_runs() -> list[RunFolder]:
    """Marks and returns the runs that were killed before they could record their result."""
    killed_folders = []
    for folder in list_runs():
        if folder.was_killed:
            folder.update(status="killed", error="the process ended unexpectedly")
            killed_folders.append(folder)
    return killed_folders


class Removal(BaseRecord):
    """A folder that `clean` removes."""

    path: str
    num_bytes: int
    reason: str


def plan_cleaning(keep: int, cache_dir: Path | None) -> list[Removal]:
    """Plans to remove the cache, if its folder is passed, and all runs except the newest `keep` finished ones.

    Runs in progress and the run that runs/latest points to are never removed. What killed processes left behind is
    removed too.
    """
    latest = (RUNS_DIR / "latest").resolve()
    removals = []
    num_kept = 0
    for folder in list_runs():
        if folder.is_alive:
            continue
        status = folder.state.status
        if status == "finished" and (num_kept < keep or folder.path.resolve() == latest):
            num_kept += 1
            continue
        reason = f"older than the newest {keep}" if status == "finished" and keep else status
        removals.append(Removal(path=str(folder.path), num_bytes=folder.num_bytes, reason=reason))
    removals += [
        Removal(path=str(path), num_bytes=RunFolder(path).num_bytes, reason="left by a killed process")
        for path in _find_remains()
    ]
    if cache_dir is not None:
        removals += [
            Removal(path=str(path), num_bytes=RunFolder(path).num_bytes, reason="left by a killed process")
            for path in sorted(cache_dir.parent.glob(f".{glob.escape(cache_dir.name)}.removed-*"))
        ]
    if cache_dir is not None and cache_dir.is_dir():
        removals.append(Removal(path=str(cache_dir), num_bytes=RunFolder(cache_dir).num_bytes, reason="cache"))
    return removals


def _find_remains() -> list[Path]:
    """Finds the remains of killed processes: partly removed folders, temporary links, runs without a state."""
    long_ago = time.time() - STARTING_SECONDS
    stateless_folders = (
        path
        for path in RUNS_DIR.glob("[0-9]*")
        if path.is_dir() and not (path / STATE_FILE).exists() and not is_held(path / LOCK_FILE)
    )
    half_removed_paths = (*RUNS_DIR.glob(".*.removed-*"), *RUNS_DIR.glob(".latest-*"))
    return sorted(path for path in (*half_removed_paths, *stateless_folders) if path.lstat().st_mtime < long_ago)


def remove(removals: list[Removal]) -> None:
    """Removes the planned folders; renames each folder first, so that no partly removed folder keeps its name."""
    for removal in removals:
        path = Path(removal.path)
        if path.is_symlink():
            path.unlink(missing_ok=True)
            continue
        trash_path = path.with_name(f".{path.name.removeprefix('.').partition('.removed-')[0]}.removed-{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):  # another `clean` has already removed it
            path.rename(trash_path)
            shutil.rmtree(trash_path)
